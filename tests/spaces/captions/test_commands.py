"""The command line, from training to searching."""

import numpy as np
import pytest

from confemb.spaces.captions import gallery
from confemb.spaces.captions.space import JointSpace

# As in test_space.py: a program is compiled once.
SETTINGS = """
title = "Colours"
[captions]
validation = 5
test = 10
[space]
dim = 16
word_dim = 3
[training]
epochs = 3
batch_size = 8
learning_rate = 0.02
"""


@pytest.fixture(scope="module")
def trained(album, tmp_path_factory):
    """A space trained by the command, with what it printed."""
    import contextlib
    import io
    import sys
    from unittest import mock

    from confemb.cli import app as cli

    folder = tmp_path_factory.mktemp("commands")
    (folder / "colours.toml").write_text(SETTINGS)
    given = ["--captions", album / "captions.tsv", "--features", album / "features.npy", "--vectors"]
    arguments = ["captions", "train", folder / "colours.toml", *given, album / "vectors.txt", "--out", folder / "space"]
    printed = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["confemb", *map(str, arguments)]),
        contextlib.redirect_stdout(printed),
        pytest.raises(SystemExit) as stopped,
    ):
        cli.main()
    assert stopped.value.code == 0
    return folder / "space", printed.getvalue()


@pytest.fixture(autouse=True)
def mean_colours(monkeypatch):
    """The classifier's place is taken by mean colours: the real one's weights are not part of the tests."""

    def features(space, files, *, one=False, progress=None):
        from confemb.datasets.pictures import decode_picture

        pixels = [decode_picture(file, mode="RGB", image_size=None, where=str(file)) for file in files]
        return np.stack([each.mean(axis=(0, 1)) / 255 for each in pixels])

    monkeypatch.setattr(gallery, "features_of", features)


def test_training_tells_what_it_found(trained):
    folder, printed = trained
    assert printed.startswith(f"40 pictures, 120 captions, 13 words: {folder}\nvalidation: 5 pictures, 15 captions\n")
    assert "a picture finds its captions: recall at 1, 5, 10: " in printed


def test_measuring(run, trained):
    status, out, _ = run("captions", "measure", "--space", trained[0])
    assert status == 0
    assert out.startswith("test: 10 pictures, 30 captions\n  pairwise accuracy ")
    assert run("captions", "measure", "--space", trained[0], "--part", "tests")[0] == 2
    assert "name one part" in run("captions", "measure", "--space", trained[0], "--part", "all")[2]


def test_captioning(run, trained, album):
    space = JointSpace.load(trained[0])
    status, out, _ = run("captions", "caption", album / "pictures" / "07.png", "--space", trained[0], "--top", "3")
    wanted = space.captions_for(space.picture_places[7], top=3, among="train")
    assert status == 0
    assert [line.strip().split("  ", 1)[1] for line in out.splitlines()] == [each.name for each in wanted]


def test_searching(run, trained, album, tmp_path):
    space = JointSpace.load(trained[0])
    shown = ["--pictures", album / "pictures", "--out", tmp_path / "found", "--top", "4"]
    status, out, err = run("captions", "search", "a blue zeppelin", "red", "--space", trained[0], *shown)
    assert status == 0
    assert "unknown words in 'a blue zeppelin': 'zeppelin'" in err
    wanted = space.pictures_for(space.place_captions(["red"])[0], top=4)
    assert [line.split()[-1] for line in out.splitlines()[6:10]] == [each.name for each in wanted]
    assert (tmp_path / "found" / "figures" / "pictures_2.png").read_bytes()[:4] == b"\x89PNG"
    page = (tmp_path / "found" / "report.html").read_text(encoding="utf-8")
    assert "Unknown words, read as padding: zeppelin." in page
    assert wanted[0].name in page


def test_searching_another_folder(run, trained, album):
    within = run("captions", "search", "red", "--space", trained[0], "--within", album / "pictures")[1]
    assert within == run("captions", "search", "red", "--space", trained[0])[1]


def test_likeness(run, trained, album):
    status, out, _ = run("captions", "similar", "a red picture", "--space", trained[0], "--top", "2")
    assert status == 0
    assert out.splitlines()[0].split("  ", 1)[1].strip().endswith("a red picture")
    out = run("captions", "similar", album / "pictures" / "07.png", "--space", trained[0], "--top", "2")[1]
    assert out.splitlines()[0].endswith("1.000  07.png")


def test_class_names_meet_pictures(run, trained, tmp_path):
    space = JointSpace.load(trained[0])
    names = ["red", "green", "blue", "white", "black"]
    places = space.place_captions(names)
    units = places / np.linalg.norm(places, axis=1, keepdims=True)
    matrix = "\n".join(
        [",".join(["", *names])]
        + [f"{n}," + ",".join(f"{v:.6f}" for v in row) for n, row in zip(names, units @ units.T, strict=True)]
    )
    (tmp_path / "m.csv").write_text(matrix)
    status, out, _ = run("compare", tmp_path / "m.csv", f"captions:{trained[0]}")
    assert status == 0
    assert "1.00" in out
    assert run("compare", tmp_path / "m.csv", "captions")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption", "none.png"], "none.png"),
        (["search", "zeppelin"], "no word of 'zeppelin' is known"),
        (["search", "red", "--among", "tests"], "did you mean 'test'"),
        (["search", "red", "--within", "none"], "there is no folder none"),
        (["similar", "..."], "has no words"),
        (["similar", "zeppelin " * 100], "none of the last 16 words"),
        (["similar", "none.PNG"], "none.PNG"),
    ],
)
def test_refusals(run, trained, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run("captions", *arguments, "--space", trained[0])
    assert (status, err.startswith("confemb: ")) == (2, True)
    assert message in err


def test_without_a_space(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run("captions", "search", "red")
    assert status == 2
    assert "make it by `confemb captions train`" in err
    (tmp_path / "e.toml").write_text(SETTINGS)
    status, _, err = run("captions", "train", "e.toml")
    assert status == 2
    assert "no captions are given" in err
