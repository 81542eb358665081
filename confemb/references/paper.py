"""The cosine similarities printed in the paper's Tables 1 and 2.

Source: M. Sustek and F. V. Zboril, "Obtaining word embedding from existing classification model" (2017).
The tables have columns for eight of the ten CIFAR-10 classes, so 44 of the 45 pairs are known: frog with
horse stands in no column.
"""

import numpy as np

from confemb.records.similarity import SimilarityMatrix
from confemb.references import KnownSimilarities, no_argument

_CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

# Each row: the class, then its cosine with every class before it in alphabetical order.
_LOWER_TRIANGLE: tuple[tuple[float, ...], ...] = (
    (),  # airplane
    (0.1104,),  # automobile
    (0.6377, -0.2750),  # bird
    (-0.1357, -0.0258, 0.2698),  # cat
    (0.1208, 0.0726, 0.5978, 0.2455),  # deer
    (-0.1537, -0.0359, 0.1761, 0.9715, 0.2542),  # dog
    (0.1288, 0.1371, 0.5888, 0.5029, 0.3080, 0.2944),  # frog
    (0.1667, 0.0870, 0.2166, 0.2886, 0.6744, 0.4560, float("nan")),  # horse
    (0.7608, 0.2725, 0.1719, 0.1208, -0.3449, 0.1397, -0.0210, 0.0552),  # ship
    (0.2558, 0.9877, -0.1957, -0.0948, 0.0653, -0.1054, 0.1228, 0.0888, 0.3723),  # truck
)

# The columns of the paper's tables, in its order.
TABLE_1 = ("dog", "cat", "deer", "bird")
TABLE_2 = ("automobile", "truck", "ship", "airplane")


def paper_similarities() -> SimilarityMatrix:
    """Return the paper's 44 cosines as a (10, 10) matrix, NaN for frog with horse, 1 on the diagonal."""
    values = np.eye(len(_CLASS_NAMES))
    for row, cosines in enumerate(_LOWER_TRIANGLE):
        values[row, :row] = values[:row, row] = cosines
    return SimilarityMatrix(values, _CLASS_NAMES)


def paper_reference(argument: str | None = None) -> KnownSimilarities:
    """Return the paper's cosines as a reference."""
    no_argument("paper", argument)
    return KnownSimilarities("paper", "the paper", paper_similarities())
