"""Visual vectors: means of known activations, whatever is broken, stopped or batched."""

import json

import numpy as np
import pytest
from PIL import Image

from confemb.datasets import Dataset
from confemb.records.word_vectors import WordVectors
from confemb.spaces.words.activations import Broken, ClassifierActivations, Clock, picture_vectors, stream_vectors
from confemb.spaces.words.sources import (
    CallablePictures,
    ChosenWords,
    DatasetPictures,
    FolderPictures,
    JoinedPictures,
    NamedPictures,
    TablePictures,
    word_of,
)
from confemb.spaces.words.translation import ranks_of, translate
from confemb.spaces.words.visual import WORDS_IN_PART, summary, visual_vectors
from confemb.support.errors import ConfembError


def solid(*colour):
    return np.full((6, 6, 3), colour, np.uint8)


def test_a_folder_gives_a_vector_a_word_and_names_what_is_broken(garage, colours, tmp_path):
    out = tmp_path / "out" / "v.bin"
    found = visual_vectors(FolderPictures(garage), colours, out)
    assert found.vectors.words == ("car", "fire_engine", "tabby")
    np.testing.assert_allclose(found.vectors.vectors, [[1, 0, 0], [1, 0.2, 0], [0, 1, 0]], atol=1e-6)
    assert found.pictures.tolist() == [1, 2, 1]
    assert found.without == ("broken", "empty")
    assert [(each.word, each.picture.endswith("broken.jpg")) for each in found.skipped] == [("broken", True)]
    assert sorted(path.name for path in out.parent.iterdir()) == ["v.bin", "v.bin.json", "v.bin.skipped.tsv"]
    listed = (tmp_path / "out/v.bin.skipped.tsv").read_text().splitlines()
    assert listed[0] == "word\tpicture\treason"
    assert listed[1].startswith("broken\t")
    assert "cannot be read as a picture" in listed[1]
    about = json.loads((tmp_path / "out/v.bin.json").read_text())
    assert (about["activations"], about["words"], about["pictures"]) == ("colour/mean/1", 3, 4)
    said = summary(found, out)
    assert "3 words of 3 numbers from 4 pictures" in said
    assert "2 words without a sound picture: 'broken', 'empty'" in said
    np.testing.assert_array_equal(WordVectors.load(out).vectors, found.vectors.vectors)


def test_at_most_so_many_pictures_a_word(garage, colours, tmp_path):
    found = visual_vectors(FolderPictures(garage), colours, tmp_path / "v.txt", pictures_per_word=1)
    assert found.pictures.tolist() == [1, 1, 1]
    np.testing.assert_allclose(found.vectors.vectors[1], [1, 0, 0])


def many(count):
    return {f"w{i:03}": [solid(i % 256, 100, i // 256)] for i in range(count)}


def test_a_stopped_run_goes_on_to_the_same_bytes(colours, tmp_path):
    pictures = many(3 * WORDS_IN_PART + 5)
    whole, stopped = tmp_path / "whole.bin", tmp_path / "stopped.bin"
    visual_vectors(NamedPictures(pictures), colours, whole, batch_size=16)
    calls = []

    class Stopping(type(colours)):
        def vectors(self, batch):
            calls.append(len(batch))
            if len(calls) == 10:
                raise KeyboardInterrupt
            return super().vectors(batch)

    with pytest.raises(KeyboardInterrupt):
        visual_vectors(NamedPictures(pictures), Stopping(), stopped, batch_size=16)
    assert not stopped.exists()
    parts = tmp_path / "stopped.bin.parts"
    assert len(list(parts.glob("*.npz"))) == 2
    # A damaged part is computed again.
    sorted(parts.glob("*.npz"))[0].write_bytes(b"broken")
    again = type(colours)()
    done = []
    visual_vectors(
        NamedPictures(pictures), again, stopped, batch_size=16, progress=lambda what, here, total: done.append(here)
    )
    assert sum(again.batches) == 2 * WORDS_IN_PART + 5
    assert done[-1] == len(pictures)
    assert stopped.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_parts_of_another_layer_are_not_taken(colours, tmp_path):
    pictures = many(WORDS_IN_PART + 1)

    def stopping(batch):
        raise KeyboardInterrupt

    first = type(colours)()
    first.vectors, first.name = stopping, "colour/other/1"
    with pytest.raises(KeyboardInterrupt):
        visual_vectors(NamedPictures(pictures), first, tmp_path / "v.bin")
    visual_vectors(NamedPictures(pictures), colours, tmp_path / "v.bin")
    assert sum(colours.batches) == len(pictures)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batches_and_broken_pictures_change_no_vector(colours, batch_size):
    pictures = [("a", solid(10, 0, 0)), ("b", b"broken"), ("c", solid(20, 0, 0)), ("d", np.zeros((3, 3), np.uint8))]
    pictures += [(f"e{i}", solid(i, i, 0)) for i in range(1, 20)]
    clock = Clock()
    found = list(stream_vectors(colours, pictures, batch_size=batch_size, clock=clock))
    assert len(found) == len(pictures)
    assert [name for (name, _), vector in zip(pictures, found, strict=True) if isinstance(vector, Broken)] == ["b", "d"]
    np.testing.assert_allclose(
        [v[0] * 255 for v in found if not isinstance(v, Broken)], [10, 20, *range(1, 20)], rtol=1e-5
    )
    assert clock.pictures == len(pictures)
    assert 0 <= clock.share_waiting <= 1
    assert max(colours.batches) <= batch_size


def test_pictures_are_asked_for_only_a_little_ahead(colours):
    asked = []

    def pictures():
        for i in range(400):
            asked.append(i)
            yield str(i), solid(i % 255 + 1, 0, 0)

    stream = stream_vectors(colours, pictures(), batch_size=4)
    next(stream)
    assert len(asked) <= 4 * 4
    stream.close()


def test_grey_pictures_and_pictures_by_bytes(colours, paint):
    path = paint("x.png", (51, 51, 51))
    found = list(
        stream_vectors(colours, [("g", np.full((4, 4, 1), 51, np.uint8)), ("b", path.read_bytes()), ("p", path)])
    )
    np.testing.assert_allclose(found, np.full((3, 3), 0.2), rtol=1e-5)


def test_a_function_of_ones_own_may_fail_for_a_word(colours, tmp_path):
    def search(word):
        if word == "nothing":
            return []
        if word == "down":
            raise TimeoutError("no answer")
        return [solid(len(word), 0, 0), solid(len(word), 2, 0)]

    source = CallablePictures(["car", "nothing", "down", "lorry", "car"], search, name="a search")
    found = visual_vectors(source, colours, tmp_path / "v.txt")
    assert found.vectors.words == ("car", "lorry")
    np.testing.assert_allclose(found.vectors.vectors * 255, [[3, 1, 0], [5, 1, 0]], rtol=1e-5)
    assert found.without == ("nothing", "down")
    assert [each.reason for each in found.skipped] == ["a search failed: TimeoutError: no answer"]


def test_activations_of_zeros_are_skipped_and_nothing_left_is_refused(colours, tmp_path):
    with pytest.raises(ConfembError, match="none of the 1 words has a sound picture; .* 0 or not finite"):
        visual_vectors(NamedPictures({"black": [solid(0, 0, 0)]}), colours, tmp_path / "v.bin")


def test_a_datasets_classes_are_words(colours, tmp_path):
    images = np.stack([solid(10, 0, 0), solid(0, 20, 0), solid(30, 0, 0)])
    dataset = Dataset(
        images, np.array([0, 1, 0]), ("polar bear", "n02123045"), np.array(["a", "b", "c"]), "d", "train", ""
    )
    found = visual_vectors(DatasetPictures(dataset), colours, tmp_path / "v.bin")
    assert found.vectors.words == ("polar_bear", "tabby")
    np.testing.assert_allclose(found.vectors.vectors * 255, [[20, 0, 0], [0, 20, 0]], rtol=1e-5)


def test_a_table_of_words_and_paths(paint, colours, tmp_path):
    paint("here/a.png", (255, 0, 0))
    paint("b.png", (0, 255, 0))
    (tmp_path / "t.tsv").write_text("word\tpath\ncar\there/a.png\ncar\tb.png\n\nlost\tnone.png\n")
    source = TablePictures(tmp_path / "t.tsv")
    assert source.words == ("car", "lost")
    found = visual_vectors(source, colours, tmp_path / "v.bin")
    np.testing.assert_allclose(found.vectors.vectors, [[0.5, 0.5, 0]])
    assert found.skipped[0].picture.endswith("none.png")
    (tmp_path / "t.tsv").write_text("car a.png\n")
    with pytest.raises(ConfembError, match=r"t\.tsv, line 1: expected a word, a tab and a path"):
        TablePictures(tmp_path / "t.tsv")


def test_sources_joined_and_chosen(garage, colours, tmp_path):
    more = NamedPictures({"car": [solid(0, 0, 255)], "boat": [solid(0, 0, 255)]})
    joined = JoinedPictures([FolderPictures(garage), more])
    assert joined.words == ("boat", "broken", "car", "empty", "fire_engine", "tabby")
    chosen = ChosenWords(joined, ["car", "boat", "tree", "car"])
    assert (chosen.words, chosen.missing) == (("car", "boat"), ("tree",))
    found = visual_vectors(chosen, colours, tmp_path / "v.bin")
    np.testing.assert_allclose(found.vectors.vectors, [[0.5, 0, 0.5], [0, 0, 1]])
    with pytest.raises(ConfembError, match="none of the 1 words asked for"):
        ChosenWords(joined, ["tree"])


def test_folders_without_pictures_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfembError, match="holds no pictures"):
        FolderPictures(tmp_path / "empty")
    with pytest.raises(ConfembError, match="there is no folder"):
        FolderPictures(tmp_path / "none")


def test_names_of_files_become_words():
    assert word_of("n02123045") == word_of("n02123045_tabby_cat") == "tabby"
    assert word_of("n99999999_x") == "n99999999_x"
    assert word_of("fire  engine") == "fire_engine"


def test_translation_finds_the_words_of_the_same_colour(garage, colours, paint, tmp_path):
    known = visual_vectors(FolderPictures(garage), colours, tmp_path / "v.bin").vectors
    paint("foreign/мурка.png", (10, 250, 10))
    paint("foreign/auto.png", (200, 0, 0))
    (tmp_path / "foreign/leer.png").write_bytes(b"")
    found, skipped = translate(FolderPictures(tmp_path / "foreign"), colours, known, top=2)
    assert [(each.word, each.nearest[0][0]) for each in found] == [("auto", "car"), ("мурка", "tabby")]
    assert found[0].nearest[0][1] == pytest.approx(1)
    assert [each.word for each in skipped] == ["leer"]
    with pytest.raises(ConfembError, match="cannot be read as a picture"):
        translate(NamedPictures({"x": [b"broken"]}), colours, known)


def test_ranks_of_the_right_words():
    known = WordVectors(("a", "b", "c"), np.eye(3))
    pictures = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1], [1, 1, 0]])
    assert ranks_of(known, pictures, ["a", "b", "c", "a"]).tolist() == [1, 2, 3, 2]
    with pytest.raises(ConfembError, match=r"picture 1 of 'b' has no direction: the length of its vector is 0\.0"):
        ranks_of(known, np.array([[1, 0, 0], [0, 0, 0]]), ["a", "b"])


def test_vectors_of_picture_files(garage, colours):
    files = [garage / "car.png", garage / "broken.jpg"]
    vectors, sound, broken = picture_vectors(colours, files)
    np.testing.assert_allclose(vectors, [[1, 0, 0]])
    assert (sound, [file for file, _ in broken]) == ([files[0]], [files[1]])
    with pytest.raises(ConfembError, match="cannot be read"):
        picture_vectors(colours, files[1:])


def test_a_networks_named_layer(tmp_path, paint):
    import jax.numpy as jnp

    from confemb.networks import make_network
    from confemb.networks.pretrained.models import Pretrained
    from confemb.spaces.words.activations import NetworkActivations

    network = make_network("resnet18", (32, 32, 3), 4, seed=0, options={"input_size": 32})
    pretrained = Pretrained(network, "resnet18", {}, tuple("abcd"), "weights")
    path = paint("x.png", (200, 30, 90), size=(50, 40))
    pixels = network.preprocessing.cut(Image.open(path))
    network.eval()
    inputs = network.prepare(jnp.asarray(np.asarray(pixels)[None]))
    for layer, size in (("avg_pool", 512), ("stage2", 128)):
        activations = NetworkActivations(pretrained, layer=layer, batch_size=2)
        found = activations.vectors(np.stack([np.asarray(pixels)] * 2))
        wanted = np.asarray(network(inputs, layer=layer))
        wanted = wanted.mean(axis=(1, 2)) if wanted.ndim == 4 else wanted
        assert found.shape == (2, size)
        np.testing.assert_allclose(found, np.repeat(wanted, 2, axis=0), rtol=2e-3, atol=1e-4)
    assert activations.name.startswith("weights/stage2/")
    with pytest.raises(ConfembError, match="unknown layer 'fc2' in resnet18"):
        NetworkActivations(pretrained, layer="fc2")


def test_any_classifier_that_shows_what_goes_into_its_last_layer(paint):
    class Open:
        name, class_names, logits = "open", ("a", "b"), True

        def scores(self, batch):
            raise AssertionError

        def class_weights(self):
            return np.ones((2, 3))

        def features(self, batch):
            return batch.max(axis=(1, 2))

    activations = ClassifierActivations(Open(), resize=5)
    vectors, _, _ = picture_vectors(activations, [paint("x.png", (1, 2, 3), size=(20, 10))])
    np.testing.assert_array_equal(vectors, [[1, 2, 3]])
    assert activations.name == "open/features/5"
    closed = type("Closed", (), {"name": "closed"})()
    with pytest.raises(ConfembError, match="'closed' shows only its scores"):
        ClassifierActivations(closed, resize=5)
