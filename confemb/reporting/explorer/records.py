"""What an explorer shows, as plain records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from confemb.support.errors import ConfembError


@dataclass(frozen=True, eq=False)
class ExplorerItems:
    """Pictures or texts with the most probable classes of each.

    Attributes:
        labels: (N,) true classes.
        top_classes: (N, k) predicted classes, the most probable first.
        top_probs: (N, k) their probabilities from 0 to 1, or None where only classes are known.
        ids: the N ids.
        texts: the N texts, or None.
        pictures: returns the (n, H, W, C) uint8 pictures of some rows, or None.
    """

    labels: np.ndarray
    top_classes: np.ndarray
    top_probs: np.ndarray | None
    ids: Sequence[str]
    texts: Sequence[str] | None = None
    pictures: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        """Raise ConfembError for arrays of unequal length."""
        lengths = {len(self.labels), len(self.top_classes), len(self.ids)}
        lengths |= {len(one) for one in (self.top_probs, self.texts) if one is not None}
        if len(lengths) > 1:
            raise ConfembError(f"the explorer's items have arrays of unequal lengths: {sorted(lengths)}.")

    def __len__(self) -> int:
        """The number of items, N."""
        return len(self.labels)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplorerData:
    """One classifier's confusions and class similarities.

    Attributes:
        title: the page's heading.
        description: a sentence under it.
        name: what the classifier is called where two are compared.
        item: what was classified, one of it: "picture", "text".
        class_names: the K class names.
        true, predicted, counts: (M,) the cells of the top-1 confusion matrix that are not zero.
        hits: (K,) how many items of each class are predicted right; the diagonal, unless classes are blocks.
        cosine: (K, K) similarities, NaN where unknown; None where there are none.
        intervals: source ("seeds", "pictures") -> (K, K) lower bounds, (K, K) upper bounds, replicates.
        both: pairs of classes on which the seeds split: ((i, j), (one value, the other)).
        tree: (K - 1, 4) SciPy linkage, heights rising.
        order: (K,) the classes in the order of its leaves.
        places: (K, 2) places on the map.
        kept: the share of the scatter that the map keeps, from 0 to 1.
        items: what stands behind the counts, or None.
        members: where the K "classes" are blocks of very many classes: the names of each block's.
        notes: sentences that the page adds.
    """

    title: str
    class_names: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    counts: np.ndarray
    hits: np.ndarray
    tree: np.ndarray
    order: np.ndarray
    places: np.ndarray
    description: str = ""
    name: str = ""
    item: str = "picture"
    cosine: np.ndarray | None = None
    intervals: Mapping[str, tuple[np.ndarray, np.ndarray, int]] = field(default_factory=dict)
    both: Sequence[tuple[tuple[int, int], tuple[float, float]]] = ()
    kept: float = 1.0
    items: ExplorerItems | None = None
    members: Sequence[Sequence[str]] | None = None
    notes: Sequence[str] = ()

    @property
    def support(self) -> np.ndarray:
        """(K,) how many items each class has."""
        return np.bincount(self.true, weights=self.counts, minlength=len(self.class_names))

    @property
    def named(self) -> np.ndarray:
        """(K,) how many items are predicted as each class."""
        return np.bincount(self.predicted, weights=self.counts, minlength=len(self.class_names))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Tests of what changed from one result to another over the same items.

    Attributes:
        rows, columns: (P,) the pairs of classes.
        q: (P,) the pairs' p-values, adjusted for the false-discovery rate.
        recall_q: (K,) those of the classes' recalls; NaN for a class without items.
        level: the false-discovery rate at which a change counts.
    """

    rows: np.ndarray
    columns: np.ndarray
    q: np.ndarray
    recall_q: np.ndarray
    level: float = 0.05


def wilson(successes: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % intervals of shares (Wilson 1927), elementwise; from 0 to 1 where `n` is 0."""
    successes, n = np.asarray(successes, np.float64), np.asarray(n, np.float64)
    z2 = 1.959963984540054**2
    many = np.where(n > 0, n, 1.0)
    centre = (successes + z2 / 2) / (many + z2)
    half = np.sqrt(z2) / (many + z2) * np.sqrt(successes * (many - successes) / many + z2 / 4)
    low = np.where(n > 0, np.clip(centre - half, 0, 1), 0.0)
    return low, np.where(n > 0, np.clip(centre + half, 0, 1), 1.0)
