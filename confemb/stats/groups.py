"""Where the runs fall into two groups: which pairs of classes have two values, and which."""

from dataclasses import dataclass

import numpy as np

from confemb.records.embedding import EmbeddingRuns, cosines
from confemb.records.indices import pair_indices
from confemb.stats.seeds import Basins, pair_square

# Two values nearer than this are told as one.
LEAST_DIFFERENCE = 0.1


@dataclass(frozen=True, eq=False)
class TwoValues:
    """The similarities of two groups of runs, for every two classes.

    Attributes:
        medians: (2, K, K) float64, the median cosine within either group, the larger group first.
        apart: (K, K) bool, the pairs with two values: every run of one group lies above all of the other, and the
            medians differ by at least 0.1.
    """

    medians: np.ndarray
    apart: np.ndarray

    def of(self, row: int, column: int) -> tuple[float, float] | None:
        """Return both values of two classes, or None where one value tells enough."""
        if not self.apart[row, column]:
            return None
        return float(self.medians[0, row, column]), float(self.medians[1, row, column])


def two_values(runs: EmbeddingRuns, basins: Basins | None) -> TwoValues | None:
    """Return the similarities of both groups of runs; None where the runs form one."""
    if basins is None:
        return None
    size = len(runs.class_names)
    upper = pair_indices(size)
    groups = [
        np.stack([cosines(runs.vectors[run])[upper] for run in members]).astype(np.float32) for members in basins.runs
    ]
    medians = np.stack([np.median(group, axis=0) for group in groups])
    least, most = (np.stack([bound(group, axis=0) for group in groups]) for bound in (np.min, np.max))
    separate = (least[0] > most[1]) | (least[1] > most[0])
    apart = pair_square(separate & (np.abs(medians[0] - medians[1]) >= LEAST_DIFFERENCE), size).astype(bool)
    np.fill_diagonal(apart, False)
    return TwoValues(np.stack([pair_square(median, size) for median in medians]), apart)
