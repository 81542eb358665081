"""The one exception that stands for a user's mistake."""

import difflib
from collections.abc import Iterable


class ConfembError(Exception):
    """A mistake in what the user gave: one sentence that says what, where, and how to mend it.

    The command line prints it without a traceback and exits with status 2.
    """


def quoted_list(names: Iterable[str], limit: int = 5) -> str:
    """Join names for a message: at most `limit` of them, then how many more there are."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> ConfembError:
    """Build the error for a name that is not known, with the nearest known one if any is near."""
    known = sorted(known)
    place = f" in {where}" if where else ""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    choices = f"known: {quoted_list(known, limit=12)}" if known else "none is known"
    return ConfembError(f"unknown {kind} {name!r}{place}: {hint}{choices}.")
