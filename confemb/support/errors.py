"""The one exception that stands for a user's mistake."""

import difflib
from collections import Counter
from collections.abc import Iterable
from typing import Any

# A sentence longer than this holds something that nobody wants to read whole: its middle is left out.
LONGEST_MESSAGE = 1500
# Blanks, joiners and marks of direction that end where they stand: parts of names in many scripts.
_HARMLESS = "\t\n\u00a0\u00ad\u061c\u200c\u200d\u200e\u200f\u202f\u3000"
# Of these, what neither ends a line nor turns or hides what stands in it: blanks and joiners.
_HARMLESS_IN_A_LINE = "\u00a0\u200c\u200d\u202f\u3000"
# Likeness takes time in proportion to both; beyond these no near name is looked for.
_LONGEST_NAME, _MOST_NAMES = 200, 20_000


class ConfembError(Exception):
    """A mistake in what the user gave: one sentence that says what, where, and how to mend it.

    The command line prints it without a traceback and exits with status 2. Whatever it quotes, from a file or from a
    library's own message, it stays one line of text that does nothing to a terminal.
    """

    def __str__(self) -> str:
        """Return the sentence as one line: what cannot be printed is shown by its number, a very long middle cut."""
        text = shown(" ".join(super().__str__().split()))
        if len(text) > LONGEST_MESSAGE:
            text = f"{text[: LONGEST_MESSAGE * 2 // 3]} … {text[-LONGEST_MESSAGE // 3 :]}"
        return text if text.endswith((".", "?", "!")) else f"{text}."


def visible(text: str) -> str:
    r"""Show characters that cannot be seen by their numbers, "\x1b"; among them those that turn the writing around.

    A name from outside could otherwise move the cursor, or make what stands after it read backwards.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _HARMLESS else ascii(c)[1:-1] for c in text)


def shown(text: str) -> str:
    r"""Show foreign text as a part of one line: as `visible`, and also line ends, tabs and marks of direction.

    A name with a line end in it, "\x0a", would otherwise forge a line of what is printed.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _HARMLESS_IN_A_LINE else _number(c) for c in text)


def _number(character: str) -> str:
    """Return a character's number as a Python string writes it; line ends and tabs have none of their own there."""
    return f"\\x{ord(character):02x}" if character in "\t\n\r" else ascii(character)[1:-1]


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that stand more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def quoted_list(names: Iterable[str], limit: int = 5) -> str:
    """Join names for a message: at most `limit` of them, then how many more there are."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> ConfembError:
    """Build the error for a name that is not known, with the nearest known one if any is near."""
    known = sorted(known)
    place = f" in {where}" if where else ""
    comparable = len(name) <= _LONGEST_NAME and len(known) <= _MOST_NAMES
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5) if comparable else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    choices = f"known: {quoted_list(known, limit=12)}" if known else "none is known"
    return ConfembError(f"unknown {kind} {name!r}{place}: {hint}{choices}.")


def one_of(where: str, value: str, *allowed: str) -> Any:
    """Return `value`; raises ConfembError, which says `where` it stands, unless it is one of those allowed."""
    if value not in allowed:
        raise unknown_name("value", value, allowed, where=where)
    return value
