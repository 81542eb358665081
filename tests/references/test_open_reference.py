import gzip

import numpy as np
import pytest

from confemb.records.similarity import SimilarityMatrix
from confemb.references import fetch_reference, left_out, open_reference
from confemb.support.errors import ConfembError

VECTORS = {"cat": (1, 0), "hot": (0, 2), "dog": (2, 2), "T-shirt": (0, -1), "ice_cream": (-1, 0)}


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "some.6B.txt.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(f"{word} {x} {y}\n" for word, (x, y) in VECTORS.items())
    return path


def test_word_vectors_of_the_names(glove):
    reference = open_reference(f"glove:{glove}")
    assert (reference.title, reference.class_names) == ("word vectors (some)", None)
    names = ["Cat", "hot dog", "hot-dog", "hot unicorn", "T-shirt", "ice cream"]
    found = reference.similarity(names)
    assert left_out(names, found) == ["hot unicorn"]
    # The mean of (0, 2) and (2, 2).
    assert found.between("Cat", "hot dog") == pytest.approx(1 / np.sqrt(5))
    assert found.between("hot dog", "hot-dog") == pytest.approx(1)
    assert found.between("T-shirt", "hot dog") == pytest.approx(-2 / np.sqrt(5))
    assert found.between("Cat", "ice cream") == pytest.approx(-1)
    assert reference.noise_ceiling(names) is None
    with pytest.raises(ConfembError, match="knows fewer than 2 of the classes"):
        reference.similarity(["cat", "unicorn"])


def test_another_result(tmp_path):
    matrix = SimilarityMatrix(np.array([[1, 0.5, 0.25], [0.5, 1, 0], [0.25, 0, 1]]), ("a", "b", "c"))
    matrix.save_matrix(tmp_path / "similarity_matrix.csv")
    for text in (f"{tmp_path}", f"result:{tmp_path}", f"{tmp_path / 'similarity_matrix.csv'}"):
        reference = open_reference(text)
        assert reference.class_names == ("a", "b", "c")
        found = reference.similarity(["c", "x", "a"])
        assert (found.class_names, found.between("a", "c")) == (("c", "a"), 0.25)
        assert reference.noise_ceiling(["a", "b", "c"]) is None


def test_what_is_no_reference(tmp_path, glove):
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.csv").write_text(",a,b\na,1,0\nc,0,1\n")
    for text, message in [
        ("papr", "unknown reference 'papr': did you mean 'paper'"),
        ("paper:1", "the reference 'paper' takes nothing behind a colon: leave out ':1'"),
        ("glove", "needs a file of word vectors: glove:FILE"),
        (f"glove:{tmp_path}/none.txt", "there is no file of word vectors"),
        ("result", "needs a path"),
        (f"result:{tmp_path}/none", "there is no result .*: give the folder of a result or a square CSV"),
        (str(tmp_path / "folder"), "holds no finished result .*similarity_matrix.csv is missing."),
        (str(tmp_path / "table.csv"), "must name the same classes in the same order"),
        (str(tmp_path / "nothing"), "unknown reference"),
    ]:
        with pytest.raises(ConfembError, match=message):
            open_reference(text)
    with pytest.raises(ConfembError, match="unknown reference 'papers'"):
        fetch_reference("papers")
