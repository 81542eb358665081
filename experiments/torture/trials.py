"""What a kind of trial hands back to the runner.

Every kind is a module of this package with a function `run(seconds: float, seed: int) -> list[Trial]`: it tries for
about so many seconds, and the same seed tries the same things in the same order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

# A kind may fail in one way ten thousand times: these are shown, all are counted.
SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Trial:
    """One thing that was tried again and again.

    Attributes:
        what: what was tried, and what must hold: "CSV predictions, mutated bytes: read or refused in a sentence".
        tried: how many cases ran.
        held: how many of them did what they must.
        failures: a line for each case that did not, the first `SHOWN_FAILURES` of them.
    """

    what: str
    tried: int
    held: int
    failures: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, what: str, tried: int, failures: Iterable[str]) -> "Trial":
        """Return the trial of `tried` cases of which those described in `failures` did not hold."""
        failures = list(failures)
        return cls(what, tried, tried - len(failures), failures[:SHOWN_FAILURES])
