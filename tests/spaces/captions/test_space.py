"""The whole way: train from files, ask the space, ask the saved space."""

import json

import numpy as np
import pytest

from confemb.records.word_vectors import WordVectors
from confemb.spaces.captions.gallery import open_gallery
from confemb.spaces.captions.run import load_caption_data, measure, train_captions
from confemb.spaces.captions.settings import CaptionsExperiment
from confemb.spaces.captions.space import FILES, JointSpace
from confemb.support.errors import ConfembError


def experiment(album, **captions):
    return CaptionsExperiment.model_validate(
        {
            "name": "colours",
            "title": "Colours",
            "captions": {
                "file": str(album / "captions.tsv"),
                "features": str(album / "features.npy"),
                "vectors": str(album / "vectors.txt"),
                "validation": 5,
                "test": 10,
                **captions,
            },
            "space": {"dim": 16, "word_dim": 3},
            "training": {"epochs": 3, "batch_size": 8, "learning_rate": 0.02},
        }
    )


@pytest.fixture(scope="module")
def folder(album, tmp_path_factory):
    folder = tmp_path_factory.mktemp("space") / "colours"
    train_captions(experiment(album), folder)
    return folder


@pytest.fixture(scope="module")
def space(folder):
    return JointSpace.load(folder)


def test_what_lies_in_the_folder(album, folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "history.csv", "manifest.json"])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["data"]["pictures"] == {"train": 25, "validation": 5, "test": 10}
    # The test pictures are not measured on while settings are chosen, and no path of the machine is recorded.
    assert set(manifest["stages"]["train"]["measures"]) == {"validation"}
    assert manifest["experiment"]["captions"]["file"] is None


def test_nothing_of_held_apart_pictures_is_learned(album, tmp_path):
    """With other words in the captions of held-apart pictures, the weights and the vocabulary stay the same."""
    found = experiment(album)
    data = load_caption_data(found.captions)
    held = {p for p, part in zip(data.captions.pictures, data.parts, strict=True) if part != "train"}
    lines = (album / "captions.tsv").read_text().splitlines()
    changed = [f"{line.partition(chr(9))[0]}\tquite other words" if line[:6] in held else line for line in lines]
    (tmp_path / "captions.tsv").write_text("\n".join(changed))
    first = train_captions(found, tmp_path / "a")
    second = train_captions(experiment(album, file=str(tmp_path / "captions.tsv")), tmp_path / "b")
    assert "quite" in " ".join(second.captions.texts)
    assert first.vocabulary == second.vocabulary
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() == (
        tmp_path / "b" / "weights.safetensors"
    ).read_bytes()


def test_the_saved_space_is_the_trained_one(album, folder, space):
    # Done already: read, not trained again.
    before = (folder / "weights.safetensors").stat().st_mtime_ns
    again = train_captions(experiment(album), folder)
    assert (folder / "weights.safetensors").stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.caption_places, space.caption_places)
    np.testing.assert_allclose(space.place_captions(space.captions.texts), space.caption_places, atol=1e-6)
    np.testing.assert_allclose(space.place_pictures(np.load(album / "features.npy")), space.picture_places, atol=1e-6)
    assert measure(space, "test").measures().keys() == measure(again, "validation").measures().keys()


def test_answers_are_the_highest_scores(space):
    place = space.picture_places[3]
    for part in ("all", "train", "test"):
        rows = space.rows(part)[1]
        scores = {space.captions.texts[row]: float(space.caption_places[row] @ place) for row in rows}
        wanted = sorted(scores, key=scores.get, reverse=True)[:4]
        found = space.captions_for(place, top=4, among=part)
        assert [each.name for each in found] == wanted
        assert [each.score for each in found] == pytest.approx([scores[name] for name in wanted], abs=1e-5)
    sentence = space.place_captions(["a red picture"])[0]
    wanted = np.argsort(-(space.picture_places @ sentence))[:5]
    assert [each.row for each in space.pictures_for(sentence, top=5)] == wanted.tolist()
    # There are 15 different sentences under the 40 pictures.
    assert len(space.captions_for(place, top=100)) == 15


def test_likeness_is_a_cosine(space):
    found = space.captions_like(space.caption_places[0], top=3)
    assert found[0].name == space.captions.texts[0]
    assert found[0].score == pytest.approx(1, abs=1e-5)
    units = space.picture_places / np.linalg.norm(space.picture_places, axis=1, keepdims=True)
    found = space.pictures_like(space.picture_places[7], top=40)
    assert found[0].row == 7
    assert {each.row: each.score for each in found} == pytest.approx(dict(enumerate(units @ units[7])), abs=1e-5)


def test_unknown_words(space):
    known = space.place_captions(["a red picture"])
    assert space.vocabulary.unknown("a red zeppelin") == ["zeppelin"]
    assert space.place_captions(["a red zeppelin"]).shape == known.shape
    with pytest.raises(ConfembError, match=r"no word of 'zeppelin' is known \('zeppelin'\)"):
        space.place_captions(["zeppelin"])
    with pytest.raises(ConfembError, match="has no words"):
        space.place_captions(["..."])
    # Of a long sentence the last 16 words are read: a known one before them has no part in its place.
    with pytest.raises(ConfembError, match=r"none of the last 16 words, which alone are read, .* \('zeppelin'\)"):
        space.place_captions(["red picture" + " zeppelin" * 16])
    np.testing.assert_array_equal(
        space.place_captions(["zeppelin red" + " zeppelin" * 15]), space.place_captions(["red" + " zeppelin" * 15])
    )


def test_galleries(space, album, tmp_path):
    own = open_gallery(space, among="test", pictures=album / "pictures")
    assert len(own.names) == len(own.files) == 10
    place = space.place_captions(["a blue picture"])[0]
    assert [f.name for f in own.best(place, top=3)] == [f.name for f in space.pictures_for(place, top=3, among="test")]
    assert open_gallery(space).files == {}
    with pytest.raises(ConfembError, match="no folder of pictures"):
        open_gallery(space, pictures=tmp_path / "none")
    # Called like a picture, but a folder.
    (tmp_path / "trip.jpg").mkdir()
    with pytest.raises(ConfembError, match="holds no pictures"):
        open_gallery(space, within=tmp_path)


def test_refusals(album, tmp_path, space, folder):
    with pytest.raises(ConfembError, match=r"the space takes \(pictures, 3\)"):
        space.place_pictures(np.ones((2, 4)))
    with pytest.raises(ConfembError, match="no captions are given"):
        load_caption_data(experiment(album, file=None).captions)
    with pytest.raises(ConfembError, match="no pictures are given"):
        load_caption_data(experiment(album, features=None).captions)
    with pytest.raises(ConfembError, match="holds no space"):
        JointSpace.load(tmp_path)
    WordVectors(("red", "blue"), np.ones((2, 5))).save(tmp_path / "v.txt")
    with pytest.raises(ConfembError, match=r"have 5 numbers, but space.word_dim is 3"):
        train_captions(experiment(album, vectors=str(tmp_path / "v.txt")), tmp_path / "out")
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in FILES:
        (broken / name).write_bytes((folder / name).read_bytes())
    lines = (broken / "captions.tsv").read_text().splitlines()
    (broken / "captions.tsv").write_text("\n".join(lines[:-3]) + "\n")
    with pytest.raises(ConfembError, match="holds no places of 39 pictures"):
        JointSpace.load(broken)
    (broken / "captions.tsv").write_text("picture,caption\n")
    with pytest.raises(ConfembError, match="is no table of pictures"):
        JointSpace.load(broken)
