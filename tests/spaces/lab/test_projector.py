"""Files for the projector: the numbers come back, names stand beside their vector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.spaces.lab.projector import export_labelled, export_projector
from confemb.support.errors import ConfembError


@given(st.lists(st.text(max_size=6), min_size=1, max_size=8), st.integers(0, 99))
def test_every_vector_has_its_line_and_comes_back(tmp_path_factory, names, seed):
    folder = tmp_path_factory.mktemp("p")
    vectors = np.random.default_rng(seed).normal(size=(len(names), 3)).astype(np.float32)
    vectors_file, metadata = export_projector(vectors, names, folder)
    np.testing.assert_array_equal(np.loadtxt(vectors_file, np.float32, delimiter="\t", ndmin=2), vectors)
    lines = metadata.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert lines == [" ".join(name.split()) or "(no name)" for name in names]


def test_labels_get_a_header(make_clouds, tmp_path):
    found = make_clouds(2, 2, apart=1)
    vectors, metadata = export_labelled(found, tmp_path / "new")
    assert metadata.read_text() == "name\tlabel\nv0\tclass 0\nv1\tclass 0\nv2\tclass 1\nv3\tclass 1\n"
    assert len(vectors.read_text().splitlines()) == 4


def test_names_that_do_not_fit(tmp_path):
    with pytest.raises(ConfembError, match=r"shape \(2, 3\), but there are 1 names"):
        export_projector(np.ones((2, 3)), ["a"], tmp_path)
    assert list(tmp_path.iterdir()) == []
