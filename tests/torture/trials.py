"""What a kind of trial hands back to the runner.

Every kind is a module of this package with a function `run(seconds: float, seed: int) -> list[Trial]`: it tries for
about so many seconds, and the same seed tries the same things in the same order.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

# A kind may fail in one way ten thousand times: these are shown, all are counted.
SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Trial:
    """One thing that was tried again and again.

    Attributes:
        what: what was tried, and what must hold where its kind does not say so.
        tried: how many cases ran.
        held: how many of them did what they must.
        failures: a line for each case that did not, the first `SHOWN_FAILURES` of them.
        happened: how the cases ended, where there are several good ways: "170 refused, 30 read".
    """

    what: str
    tried: int
    held: int
    failures: list[str] = field(default_factory=list)
    happened: str = ""

    @classmethod
    def of(cls, what: str, tried: int, failures: Iterable[str], ends: Iterable[str] = ()) -> "Trial":
        """Return the trial of `tried` cases of which those described in `failures` did not hold.

        Args:
            what: what was tried.
            tried: how many cases ran.
            failures: a line for each that did not hold.
            ends: how each ended: counted, the commonest first.
        """
        failures = list(failures)
        happened = ", ".join(f"{count:,} {end}" for end, count in Counter(ends).most_common())
        return cls(what, tried, tried - len(failures), failures[:SHOWN_FAILURES], happened)
