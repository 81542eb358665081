"""How many ranks of predicted classes can say something: where each picture names every class, none does."""

import numpy as np

from confemb.records.pairs import PairCounts


def informative_ranks(counts: PairCounts) -> tuple[PairCounts, str]:
    """Leave out the last rank where all ranks together say nothing, and say so.

    With k = K each picture is paired with every class once, whatever the classifier thinks: all cells of a row are
    equal, and so are all similarities. The first K - 1 ranks leave out the class that is least like the picture.
    Weighted pairs (`weighting="probability"`) differ with k = K too and stay as they are.

    Args:
        counts: of any number of ranks.

    Returns:
        The counts, of K - 1 ranks where k said nothing, and a sentence for the user ("" where nothing was left out).
    """
    size = len(counts.class_names)
    if counts.k < 2 or counts.k < size or counts.unit != 1.0 or not _rows_are_even(counts):
        return counts, ""
    kept = size - 1 if size > 1 else 1
    ranks = "rank" if kept == 1 else f"{kept} ranks"
    return (
        counts.select(k=kept),
        f"With k = {counts.k} and {size} classes each item is paired with every class, which says nothing about them: "
        f"the first {ranks} are counted instead (k = {kept}).".replace("rank are", "rank is"),
    )


def _rows_are_even(counts: PairCounts) -> bool:
    """Return whether every class is paired with all classes (but itself, without self-pairs) equally often."""
    table = counts.matrix().toarray()
    if counts.self_pairs == "drop":
        table = table[~np.eye(len(table), dtype=bool)].reshape(len(table), -1)
    return bool((table == table[:, :1]).all())
