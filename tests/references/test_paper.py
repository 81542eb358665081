import numpy as np
import pytest

from confemb.references import REFERENCES, open_reference
from confemb.references.paper import TABLE_1, TABLE_2, paper_similarities

# Columns as they stand in print.
DOG = {
    "cat": 0.9715,
    "horse": 0.4560,
    "frog": 0.2944,
    "deer": 0.2542,
    "bird": 0.1761,
    "ship": 0.1397,
    "automobile": -0.0359,
    "truck": -0.1054,
    "airplane": -0.1537,
}
SHIP = {
    "airplane": 0.7608,
    "truck": 0.3723,
    "automobile": 0.2725,
    "bird": 0.1719,
    "dog": 0.1397,
    "cat": 0.1208,
    "horse": 0.0552,
    "frog": -0.0210,
    "deer": -0.3449,
}
NEAREST = {
    "dog": "cat",
    "cat": "dog",
    "deer": "horse",
    "bird": "airplane",
    "automobile": "truck",
    "truck": "automobile",
    "ship": "airplane",
    "airplane": "ship",
}


@pytest.mark.parametrize(("column", "printed"), [("dog", DOG), ("ship", SHIP)])
def test_a_printed_column(column, printed):
    assert dict(paper_similarities().ranked(column)) == printed
    assert [name for name, _ in paper_similarities().ranked(column)] == list(printed)


def test_44_pairs_are_known():
    paper = paper_similarities()
    assert len(paper.to_frame()) == 44
    assert np.isnan(paper.between("frog", "horse"))
    assert paper.complete_classes() == sorted({*TABLE_1, *TABLE_2})


def test_nearest_classes():
    assert {column: paper_similarities().ranked(column)[0][0] for column in (*TABLE_1, *TABLE_2)} == NEAREST


def test_known_by_its_name():
    assert "paper" in REFERENCES.names()
    found = open_reference("paper")
    assert (found.name, found.title, found.class_names) == ("paper", "the paper", paper_similarities().class_names)
    np.testing.assert_array_equal(found.similarity(found.class_names).values, paper_similarities().values)
