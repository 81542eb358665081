"""`confemb lab`: what is printed and written, and what is refused in one sentence."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from confemb.cli.commands import lab as commands
from confemb.records.word_vectors import WordVectors
from confemb.spaces.lab.labelled import LabelledVectors

WORDS = ("man", "woman", "king", "queen", "boy", "girl")
SPACE = np.array([[3, 0, 0, 0], [3, 1, 0, 0], [3, 0, 2, 0], [3, 1, 2, 0], [3, 0, 0, 2], [3, 1, 0, 2]], np.float32)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def words(tmp_path):
    WordVectors(WORDS, SPACE).save(tmp_path / "v.bin")
    return tmp_path / "v.bin"


@pytest.fixture
def clouds(make_clouds, tmp_path):
    make_clouds(6, 12, apart=9).save(tmp_path / "clouds.npz")
    make_clouds(6, 4, apart=9, seed=1).save(tmp_path / "others.npz")
    return tmp_path / "clouds.npz"


def test_nearest_words_into_a_file(run, words, tmp_path):
    assert run("lab", "nearest", words, "--words", 4, "--out", "n.tsv") == (
        0,
        "the nearest of 4 words: n.tsv\n",
        "",
    )
    lines = (tmp_path / "n.tsv").read_text().splitlines()
    assert len(lines) == 5
    assert lines[1] == "man\twoman\t0.948683"


def test_a_set_of_analogies(run, refused, words, tmp_path):
    (tmp_path / "q.txt").write_text(": gender\nman woman\nking queen\nboy girl\n: others\nman woman lad lass\n")
    status, out, _ = run("lab", "analogies", words, "q.txt", "--out", "scores.csv")
    assert status == 0
    assert "| gender | 6 | 0 | 100% (100% to 100%) |" in out
    assert "2 words are unknown: 'lad', 'lass'" in out
    assert pd.read_csv(tmp_path / "scores.csv")["section"].tolist() == ["gender", "others", "all"]
    (tmp_path / "q.txt").write_text("man woman king queen\n")
    assert "a section is missing" in refused("lab", "analogies", words, "q.txt")
    assert "did you mean 'queen'" in refused("words", "analogy", "quen", "-", "man", "--vectors", words)


def test_pictures_to_vectors(run, refused, tmp_path, monkeypatch):
    class MeanColour:
        name = "colour/mean/1"

        def cut(self, pixels):
            return pixels

        def vectors(self, batch):
            return batch.mean(axis=(1, 2)).astype(np.float32)

    asked = []
    monkeypatch.setattr(commands, "load_activations", lambda *given: asked.append(given) or MeanColour())
    for name in ("red", "sea"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (2, 2), (len(name), 0, 9)).save(tmp_path / "pictures" / name / "a.png")
    status, out, _ = run(
        "lab", "embed", "pictures", "--layer", "fc2", "--classifier", "w.h5", "--network", "vgg16", "--out", "e.npz"
    )
    assert (status, asked) == (0, [("w.h5", "fc2", "vgg16")])
    assert "2 vectors of 3 numbers from pictures of 2 classes: e.npz" in out
    assert LabelledVectors.load(tmp_path / "e.npz").vectors.tolist() == [[3, 0, 9], [3, 0, 9]]
    (tmp_path / "pictures/grey").mkdir()
    assert "grey has no pictures" in refused("lab", "embed", "pictures", "--out", "e.npz")
    assert "there is no folder" in refused("lab", "embed", "none", "--out", "e.npz")


def test_maps_of_chosen_classes(run, refused, clouds, tmp_path):
    chosen = ("--class", "class 4", "--class", "class 1")
    status, out, _ = run("lab", "plot", clouds, *chosen, "--method", "pca", "--out", "m.png")
    assert status == 0
    assert "24 vectors of 2 classes by first two principal components" in out
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width > 500
    first = (tmp_path / "m.png").read_bytes()
    run("lab", "plot", clouds, *chosen, "--method", "pca", "--out", "m.png")
    assert (tmp_path / "m.png").read_bytes() == first
    assert "must end in .png or .svg" in refused("lab", "plot", clouds, "--out", "m.gif")
    assert "did you mean 'class" in refused("lab", "plot", clouds, "--class", "clas", "--out", "m.png")
    assert "unknown kind of map" in refused("lab", "plot", clouds, "--method", "umap", "--out", "m.png")


def test_a_report_of_vectors(run, refused, clouds, tmp_path):
    arguments = (
        "lab",
        "measure",
        clouds,
        "--test",
        "others.npz",
        "--subsets",
        2,
        "--show",
        "class 0",
        "--show",
        "class 3",
    )
    status, out, err = run(*arguments, "--out", "report")
    assert (status, err) == (0, "")
    assert "A linear SVM gives 100.0% of 72 vectors of 6 classes their own class" in out
    assert "Judged by 24 others, which it never saw, the SVM is right for 100.0% (86.2% to 100.0%)" in out
    page = (tmp_path / "report/tables.md").read_text()
    assert "| 5 | 1.00 (1.00 to 1.00) |" in page
    assert "2 of 6 classes." in page
    assert "nan" not in page
    assert set(pd.read_csv(tmp_path / "report/class_counts.csv")["classes"]) == {5, 6}
    assert pd.read_csv(tmp_path / "report/classes.csv")["vectors"].tolist() == [4] * 6
    assert set(json.loads((tmp_path / "report/manifest.json").read_text())["sha256"]) == {"clouds.npz", "others.npz"}
    assert sorted(path.name for path in (tmp_path / "report/figures").glob("*.png")) == [
        "class_counts.png",
        "pca.png",
        "tsne.png",
    ]
    assert "of 6 classes 9 cannot be drawn" in refused("lab", "measure", clouds, "--classes", 9, "--out", "r")
    assert not (tmp_path / "r").exists()


def test_words_with_labels_and_results(run, refused, words, files, tmp_path):
    (tmp_path / "l.tsv").write_text("man\tm\nking\tm\nboy\tm\nwoman\tf\nqueen\tf\ngirl\tf\nlass\tf\n")
    status, _, err = run("lab", "measure", words, "--labels", "l.tsv", "--subsets", 2, "--out", "r")
    assert (status, err) == (0, "confemb: note: no vectors of 1 words in l.tsv: 'lass'.\n")
    assert "give words and labels by --labels" in refused("lab", "measure", words, "--out", "r")
    (tmp_path / "groups.toml").write_text('early = ["a", "b", "c"]\nlate = ["x", "y", "z"]\n')
    given = ("--embedder", "counts", "--bootstraps", 0)
    run("embed", files / "p.csv", *given, "--groups", "groups.toml", "--out", "result")
    assert "6 vectors of 2 classes" in run("lab", "plot", "result", "--method", "pca", "--out", "m.svg")[1]
    run("embed", files / "p.csv", *given, "--out", "plain")
    assert "declares no groups of classes" in refused("lab", "plot", "plain", "--out", "m.svg")
    assert "holds no finished result" in refused("lab", "plot", tmp_path, "--out", "m.svg")


def test_vectors_for_the_projector(run, refused, words, clouds, tmp_path):
    assert run("lab", "export", words, "--limit", 3, "--out", "p")[1] == "p/vectors.tsv\np/metadata.tsv\n"
    assert (tmp_path / "p/metadata.tsv").read_text() == "man\nwoman\nking\n"
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "p/vectors.tsv"), SPACE[:3])
    run("lab", "export", clouds, "--class", "class 2", "--out", "q")
    assert (tmp_path / "q/metadata.tsv").read_text().splitlines()[:2] == ["name\tlabel", "v24\tclass 2"]
    np.savez(tmp_path / "mixed.npz", embeddings=np.array([[1.0], [1, 2]], object), labels=np.arange(2))
    assert "pickled objects" in refused("lab", "export", tmp_path / "mixed.npz", "--out", "q")
    (tmp_path / "mixed.txt").write_text("a 1 2\nb 1 2 3\nc 1\n")
    assert "line 3: expected a word and 2 numbers" in refused("lab", "export", tmp_path / "mixed.txt", "--out", "q")
