"""`confemb words`: what is printed, and what is refused in one sentence."""

import re

import pytest

from confemb.cli.commands import words as commands
from confemb.records.word_vectors import WordVectors


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch, colours):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONFEMB_VECTORS", raising=False)

    def activations(classifier, layer, network):
        colours.name = f"{classifier}/{layer}/1"
        return colours

    monkeypatch.setattr(commands, "load_activations", activations)


def test_vectors_from_a_folder_then_questions(run, garage, paint, tmp_path):
    status, out, err = run("words", "vectors", garage)
    assert status == 0
    assert re.fullmatch(r"confemb: note: .*garage: 1 file passed over: notes\.txt \(no picture\)\.\n", err)
    assert "3 words of 3 numbers from 4 pictures: word_vectors.bin" in out
    assert "2 words without a sound picture: 'broken', 'empty'" in out
    assert run("words", "similarity", "car", "tabby") == (0, "+0.000\n", "")
    assert run("words", "nearest", "car", "--top", 1) == (0, "fire_engine  +0.981\n", "")
    assert run("words", "analogy", "fire_engine", "-", "car", "+", "car", "--top", 1)[1] == "tabby  +0.196\n"
    paint("gatto.png", (0, 200, 0))
    assert run("words", "translate", tmp_path / "gatto.png", "--top", 1) == (0, "gatto  tabby 1.000\n", "")
    status, out, err = run("words", "translate", garage, "--top", 1)
    assert [line.split() for line in out.splitlines()] == [
        ["car", "car", "1.000"],
        ["fire_engine", "fire_engine", "1.000"],
        ["tabby", "tabby", "1.000"],
    ]
    assert "skipped" in err
    assert "broken.jpg" in err


def test_several_sources_and_a_list_of_words(run, garage, paint, tmp_path):
    paint("b.png", (0, 0, 255))
    (tmp_path / "more.tsv").write_text("boat\tb.png\ncar\tb.png\n")
    (tmp_path / "list.txt").write_text("car\nboat\ntree\n")
    status, _, err = run("words", "vectors", garage, "more.tsv", "--words", "list.txt", "--out", "v.txt")
    assert status == 0
    assert err.endswith("confemb: note: no pictures of 1 of the words in list.txt.\n")
    found = WordVectors.load(tmp_path / "v.txt")
    assert found.words == ("car", "boat")
    assert found.vectors.tolist() == [[0.5, 0, 0.5], [0, 0, 1]]


def test_mistakes(run, refused, garage, tmp_path):
    assert "make it with `confemb words vectors`" in refused("words", "nearest", "car")
    (garage / "notes.txt").unlink()
    run("words", "vectors", garage)
    assert "did you mean 'tabby'" in refused("words", "nearest", "taby")
    assert "a + or - is missing" in refused("words", "analogy", "car", "tabby")
    assert "a word is missing" in refused("words", "analogy", "car", "+")
    assert "cannot be read as a picture" in refused("words", "translate", garage / "broken.jpg")
    assert "does not exist: check the path" in refused("words", "translate", tmp_path / "none.jpg")
    assert "was made by resnet50:keras/avg_pool/1" in refused("words", "translate", garage, "--layer", "stage3")
    assert "neither a folder of pictures nor a .tsv" in refused("words", "vectors", garage / "car.png")
    assert "there is no folder or .tsv 'cifar99' here; unknown dataset 'cifar99': did you mean 'cifar10'" in refused(
        "words", "vectors", "cifar99"
    )
    assert "none of the 1 words asked for" in refused("words", "vectors", garage, "--words", _write(tmp_path, "x\n"))
    (tmp_path / "word_vectors.bin").write_bytes(b"9 3\nx ")
    assert "truncated" in refused("words", "nearest", "car")


def _write(tmp_path, text):
    (tmp_path / "words.txt").write_text(text)
    return tmp_path / "words.txt"


def test_nouns_of_a_folder_that_is_none(refused, tmp_path):
    pytest.importorskip("nltk")
    assert "holds no WordNet" in refused("words", "nouns", "--wordnet", tmp_path)
