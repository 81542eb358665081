"""Questions about one or several classifiers, a module each, with its report beside it.

`models` (do several classifiers see the classes alike?), `difference` (what changed between two of them?),
`retraining` (what would another training give?), `formation` (when do similarities form?), `suggestions` (labels and
classes to look at), `severity` and `costs` (how bad are the mistakes?), `unknown` (items of classes never learned),
`hierarchy` (which superclasses has it learned?).
Studies take records, never folders; `cli` reads and prints.

May import: everything from support to reporting.
Start reading at: `models`, then `models_report`.
"""
