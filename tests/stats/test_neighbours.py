import csv
import sys

import numpy as np
import pytest

from confemb.analysis import compute
from confemb.embedders import cooccurrence, ppmi
from confemb.records.embedding import ClassEmbedding
from confemb.records.pairs import pairs_from_confusions
from confemb.result import folder as results
from confemb.stats import neighbours
from confemb.stats.neighbours import nearest_neighbours
from confemb.support.errors import ConfembError


@pytest.fixture
def vectors() -> np.ndarray:
    """(500, 8): fifty clusters of ten."""
    generator = np.random.default_rng(4)
    return np.repeat(generator.normal(size=(50, 8)), 10, axis=0) + 0.1 * generator.normal(size=(500, 8))


def by_hand(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    matrix = ClassEmbedding(vectors, tuple(map(str, range(len(vectors))))).cosine()
    order = np.array([matrix.order_for(str(row))[:count] for row in range(len(vectors))])
    return order, np.take_along_axis(matrix.values, order, axis=1)


@pytest.mark.parametrize("block", [500 * 3, 2**23])
def test_neighbours_are_those_of_the_whole_table(vectors, block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    found = nearest_neighbours(vectors, 9)
    order, cosines = by_hand(vectors, 9)
    assert found.exact
    np.testing.assert_allclose(found.cosines, cosines, atol=3e-7)
    # Where two are equally near but for rounding, either may come first.
    assert (found.indices == order).mean() > 0.999


def test_as_many_as_there_are():
    found = nearest_neighbours(np.eye(3), 10)
    assert found.indices.tolist() == [[1, 2], [0, 2], [0, 1]]
    assert found.cosines.tolist() == [[0, 0]] * 3
    with pytest.raises(ConfembError, match="a single class"):
        nearest_neighbours(np.ones((1, 2)), 1)


def test_an_index_finds_nearly_all(vectors, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "MOST_COMPARED", 100)
    found = nearest_neighbours(vectors, 9)
    assert not found.exact
    order, _ = by_hand(vectors, 9)
    assert (
        np.mean([len(set(a) & set(b)) / 9 for a, b in zip(found.indices.tolist(), order.tolist(), strict=True)]) > 0.97
    )
    again = nearest_neighbours(vectors, 9)
    assert again.indices.tobytes() == found.indices.tobytes()


def test_without_the_index_the_extra_is_named(vectors, monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_COMPARED", 100)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfembError, match=r"more than 100 classes need faiss, .*confemb\[ann\]"):
        nearest_neighbours(vectors, 9)


def test_strongest_pairs():
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.02, 1], [-1, 0.5]])
    first, second, cosine = nearest_neighbours(vectors, 2).strongest(3)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(2, 3), (0, 1), (2, 4)]
    assert cosine[0] == pytest.approx(1 / np.sqrt(1.0004))
    assert (np.diff(cosine) <= 0).all()


def test_a_result_of_many_classes(tmp_path, run, monkeypatch):
    for module in (cooccurrence, ppmi, compute, results):
        monkeypatch.setattr(module, "MOST_CLASSES_IN_A_TABLE", 30)
    generator = np.random.default_rng(5)
    group = np.arange(60) // 6
    confusions = generator.poisson(np.where(group[:, None] == group, 30, 0.05))
    names = tuple(f"class {i}, {'=' if i == 3 else ''}" for i in range(60))
    counts = pairs_from_confusions(confusions, names)
    counts.save(tmp_path / "counts.npz")
    out = tmp_path / "result"
    options = ("--embedder", "ppmi", "--dim", 10)
    status, stdout, stderr = run("embed", tmp_path / "counts.npz", "--out", out, *options)
    assert status == 0, stderr
    assert "Most alike are class" in stdout
    with open(out / "neighbours.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [len(rows), rows[0]["rank"], rows[9]["rank"]] == [600, "1", "10"]
    place = {name: i for i, name in enumerate(names)}
    within = [group[place[row["class"]]] == group[place[row["neighbour"]]] for row in rows if int(row["rank"]) <= 5]
    assert np.mean(within) == 1
    with open(out / "strongest_pairs.csv", newline="") as file:
        strongest = next(csv.DictReader(file))
    i, j = place[strongest["class_1"]], place[strongest["class_2"]]
    assert int(float(strongest["pairs"])) == confusions[i, j] + confusions[j, i]
    assert len(ClassEmbedding.load(out / "embedding.txt").class_names) == 60
    assert not (out / "similarity_matrix.csv").exists()
    assert "strongest pairs" in (out / "report.html").read_text().lower()

    nearest = run("similar", out, names[7], "--top", 2)[1].splitlines()
    assert nearest[0].startswith(next(row["neighbour"] for row in rows if row["class"] == names[7]))
    written = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert run("report", out)[0] == 0
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == written

    status, _, stderr = run("embed", tmp_path / "counts.npz", "--out", tmp_path / "other", "--embedder", "diffusion")
    assert (status, "Choose ppmi, balanced or skipgram" in stderr) == (2, True)
    status, _, stderr = run(
        "embed", tmp_path / "counts.npz", "--out", tmp_path / "other", *options, "--reference", "wordnet"
    )
    assert (status, "groups and references need a table" in stderr) == (2, True)
    status, _, stderr = run("compare", out, out)
    assert (status, "similarity_matrix.csv is missing" in stderr) == (2, True)
