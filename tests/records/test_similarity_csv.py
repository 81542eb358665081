import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.similarity import SimilarityMatrix
from confemb.support.cells import neutral_cell, plain_cell


@given(st.text() | st.text("'=+-@;,\t\r\n\"＝a ", max_size=12))
def test_a_neutral_cell_is_no_formula_and_reads_back(text):
    cell = neutral_cell(text)
    # At the beginning, and behind what another country's spreadsheet takes for the end of a cell.
    assert not re.search(r"(^|[;\t\r\n])[=+\-@\t\r\n＝＋－＠]", cell)
    assert plain_cell(cell) == text


def test_ordinary_names_stay_as_they_are():
    for name in ("cat", "semi-detached", "a, -b", "'tis", "1 + 1", "C++", "e@mail", "a;b"):
        assert neutral_cell(name) == name


@pytest.mark.parametrize(
    "name",
    ["cat", "=1+1", "'=1+1", "'tis", "-b", 'a,"b"', "NA", "null", " a ", "a;=b", "\n=b", "a\u2028b", "Unnamed: 0"],
)
def test_a_saved_matrix_reads_back(tmp_path, name):
    values = np.array([[1.0, -0.25, np.nan], [-0.25, 1.0, -0.0000001], [np.nan, -0.0000001, 1.0]])
    SimilarityMatrix(values, (name, "b", "c")).save_matrix(tmp_path / "matrix.csv")
    found = SimilarityMatrix.load_matrix(tmp_path / "matrix.csv")
    assert found.class_names == (name, "b", "c")
    np.testing.assert_allclose(found.values, values, atol=1e-6)
    assert "-0.000000" not in (tmp_path / "matrix.csv").read_text()
