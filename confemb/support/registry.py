"""Plug-in names: built-in parts by import path, other people's by Python entry points."""

import importlib
from importlib import metadata
from typing import Any

from confemb.support.errors import ConfembError, unknown_name
from confemb.support.extras import missing_library


class Registry:
    """Resolves the names of one kind of part (datasets, classifiers, embedders, references).

    Args:
        kind: what one part is called in messages, "dataset".
        group: the entry-point group third parties register in, "confemb.datasets".
        built_in: name -> "module:attribute"; imported only when asked for.
    """

    def __init__(self, kind: str, group: str, built_in: dict[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._built_in = built_in

    def names(self) -> list[str]:
        """Return every known name, sorted; raises ConfembError for a name given twice."""
        return sorted(self._targets())

    def get(self, name: str) -> Any:
        """Return the part called `name`.

        Raises:
            ConfembError: an unknown name (the nearest known one is suggested), a name given twice, an entry point
                that cannot be imported, or a part that needs an extra which is not installed.
        """
        targets = self._targets()
        if name not in targets:
            raise unknown_name(self.kind, name, targets)
        target = targets[name]
        try:
            if isinstance(target, str):
                module, _, attribute = target.partition(":")
                return getattr(importlib.import_module(module), attribute)
            return target.load()
        except (ImportError, AttributeError) as error:
            if isinstance(error, ImportError) and (missing := missing_library(error)):
                raise missing from error
            if isinstance(target, str):
                raise
            raise ConfembError(
                f"the {self.kind} plug-in {name!r} ({target.value}) cannot be loaded: {error}."
            ) from error

    def _targets(self) -> dict[str, str | metadata.EntryPoint]:
        targets: dict[str, str | metadata.EntryPoint] = dict(self._built_in)
        for entry_point in metadata.entry_points(group=self.group):
            if entry_point.name in targets:
                raise ConfembError(
                    f"two {self.kind} plug-ins are called {entry_point.name!r}; uninstall or rename one "
                    f"({entry_point.value})."
                )
            targets[entry_point.name] = entry_point
        return targets
