"""confemb shows how a classifier sees its classes.

    import confemb

    result = confemb.analyze(labels, probabilities, class_names=names)
    result.nearest("cat")
    result.save("my_result")

`__init__.pyi` lists the public names; each is imported when it is first used, so that `import confemb` costs next to
nothing and reading predictions needs no neural-network library. Everything else is in the rooms: `confemb.stats`,
`confemb.studies`, `confemb.embedders` and so on; each room's docstring says what it is for and where to start reading.
"""

import importlib
import warnings
from typing import Any

import lazy_loader

from confemb.support.version import __version__

_attribute, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name, or one that left this page, with a warning that says where it is now."""
    from confemb.support.moved_names import MOVED

    if name not in MOVED:
        return _attribute(name)
    warnings.warn(
        f"confemb.{name} is now {MOVED[name]}.{name}; the old name goes in confemb 0.3.",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(importlib.import_module(MOVED[name]), name)
