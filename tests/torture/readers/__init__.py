"""Every reader of confemb, with sound files for it to begin from; `opening.py` sees that none is forgotten."""

from pathlib import Path

from tests.torture.readers.made_elsewhere import fresh_readers
from tests.torture.readers.networks import pictures_readers, weights_readers
from tests.torture.readers.reader import Reader, npz
from tests.torture.readers.scoring import scoring_readers
from tests.torture.readers.tables import predictions_readers, results_readers, texts_readers
from tests.torture.readers.unfinished import unfinished_readers
from tests.torture.readers.words import captions_readers, lab_readers, words_readers

__all__ = ["Reader", "all_readers", "npz"]


def all_readers(scratch: Path, *, fresh: bool = True) -> list[Reader]:
    """Return every reader.

    Args:
        scratch: an empty folder for what can only be made on disk.
        fresh: also those that compute with JAX or read with threads of their own. They can be tried in forks of a
            process that has not done so itself, and making their files takes seconds.
    """
    return [
        *predictions_readers(scratch),
        *results_readers(scratch),
        *texts_readers(),
        *weights_readers(scratch),
        *pictures_readers(),
        *words_readers(scratch),
        *captions_readers(),
        *lab_readers(scratch),
        *scoring_readers(scratch),
        *unfinished_readers(scratch),
        *(fresh_readers(scratch / "fresh") if fresh else ()),
    ]
