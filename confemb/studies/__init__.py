"""Questions about one or several classifiers, a module each, with its report beside it.

`models` (do several classifiers see the classes alike?), `difference` (what changed between two of them?),
`retraining` (what would another training give?), `formation` (when do similarities form?), `tracking` (the same in
anybody's training), `suggestions` (labels and classes to look at), `severity` and `costs` (how bad are the mistakes?),
`unknown` (items of classes never learned), `hierarchy` (which superclasses has it learned?).
Studies take records, never folders, and return an object with tables and figures; `cli` reads, calls and prints.

May import: everything from support to reporting.
Start reading at: `models`, then `models_report`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
