import numpy as np

from confemb.records.indices import name_index, pair_indices


def test_names_have_their_places():
    assert name_index(("cat", "dog", "truck")) == {"cat": 0, "dog": 1, "truck": 2}
    assert name_index([]) == {}


def test_pairs_stand_row_by_row():
    rows, columns = pair_indices(4)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    symmetric = np.arange(9).reshape(3, 3) + np.arange(9).reshape(3, 3).T
    assert symmetric[pair_indices(3)].tolist() == [4, 8, 12]
    assert [len(part) for part in pair_indices(1)] == [0, 0]
