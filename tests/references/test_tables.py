"""Tables of similarities or distances, and groups, as references."""

import numpy as np
import pytest

from confemb.references import open_reference
from confemb.support.errors import ConfembError

SQUARE = ",a,b,c\na,0,1,4\nb,1,0,9\nc,4,9,0\n"
LONG = "x,y,km\na,b,1\nc,a,4\nb,c,9\n"


@pytest.mark.parametrize("text", [SQUARE, LONG])
def test_distances_become_similarities(tmp_path, text):
    path = tmp_path / "km.csv"
    path.write_text(text)
    reference = open_reference(f"distances:{path}")
    similarity = reference.similarity(["c", "b", "a", "unknown"])
    assert similarity.class_names == ("c", "b", "a")
    assert similarity.between("a", "b") == -1
    assert similarity.ranked("c") == [("a", -4), ("b", -9)]
    assert reference.title == "km"
    if text.startswith(","):
        with pytest.raises(ConfembError, match="look like distances"):
            open_reference(f"similarities:{path}")
    else:
        assert open_reference(f"similarities:{path}").similarity(["a", "b"]).between("a", "b") == 1


def test_pairs_that_are_missing_are_not_known(tmp_path):
    (tmp_path / "s.csv").write_text("x,y,value\na,b,0.5\nb,c,0.25\n")
    similarity = open_reference(f"similarities:{tmp_path / 's.csv'}").similarity(["a", "b", "c"])
    assert np.isnan(similarity.between("a", "c"))
    assert similarity.between("c", "b") == 0.25


def test_groups(tmp_path):
    (tmp_path / "g.toml").write_text('north = ["a", "b"]\nsouth = ["c", "d"]\n')
    similarity = open_reference(f"groups:{tmp_path / 'g.toml'}").similarity(["d", "a", "b", "c"])
    assert similarity.values.tolist() == [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("distances", "x,y,v\na,b,-1\n", "below zero"),
        ("distances", "x,y,v\na,b,1\nb,a,2\n", "line 3 gives 'b' and 'a' 2, another line 1"),
        ("similarities", "x,y,v\na,b,far\n", "line 2 has 'far'"),
        ("similarities", "x,y,v\na,b,inf\n", "finite"),
        ("similarities", "x,y,v,w\na,b,1,2\n", "neither a square table"),
        ("groups", 'one = ["a"]\ntwo = ["a"]\n', "is in the groups 'one' and 'two'"),
        ("groups", 'one = ["a", "b"]\n', "at least 2"),
        ("groups", "one = 3\n", "must be a list"),
    ],
)
def test_files_that_are_something_else(tmp_path, name, text, said):
    (tmp_path / "f").write_text(text)
    with pytest.raises(ConfembError, match=said):
        open_reference(f"{name}:{tmp_path / 'f'}")
    with pytest.raises(ConfembError, match="needs a file"):
        open_reference(name)
