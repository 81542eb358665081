import io
import os
import shutil
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

from confemb.datasets import open_dataset, tfds_source
from confemb.datasets.tfds_source import find_prepared, open_builder, prepare, quiet_tfds, reachable
from confemb.support.errors import ConfembError

SHAPES = [(8, 8), (8, 12), (20, 10)]


def encoded(pixels, kind="png"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=kind)
    file.seek(0)
    return file


@pytest.fixture(scope="module")
def pictures():
    """Grey pictures with their labels, in the order of their ids: split -> (images, labels)."""
    rng = np.random.default_rng(0)
    return {
        "train": (rng.integers(0, 256, (30, 8, 8), dtype=np.uint8), rng.integers(0, 3, 30)),
        "test": (rng.integers(0, 256, (7, 8, 8), dtype=np.uint8), rng.integers(0, 3, 7)),
        "unlabelled": (rng.integers(0, 256, (4, 8, 8), dtype=np.uint8), np.full(4, -1)),
    }


@pytest.fixture(scope="module")
def data_dir(pictures, tmp_path_factory):
    """A TFDS folder with three small sets of its own, which TFDS reads without their code."""
    root = tmp_path_factory.mktemp("tfds")
    with quiet_tfds() as tfds:

        class Grey(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            name = "tiny_grey"
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                features = {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(names=["zebra", "ant", "cow"]),
                }
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, manager):
                return {split: self._generate_examples(split, *part) for split, part in pictures.items()}

            def _generate_examples(self, split, images, labels):
                for row in reversed(range(len(labels))):
                    yield row, {"id": f"{row:04d}", "image": encoded(images[row]), "label": int(labels[row])}

            def _log_download_bytes(self):
                pass

            def _log_download_done(self):
                pass

        class Sizes(Grey, skip_registration=True):
            name = "tiny_sizes"

            def _info(self):
                features = {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(num_classes=2),
                }
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, manager):
                return {"whole": self._sized()}

            def _sized(self):
                for row, shape in enumerate(SHAPES):
                    pixels = np.full((*shape, 3), 80 * row, np.uint8)
                    yield row, {"image": encoded(pixels, "jpeg"), "label": row % 2}

        class Words(Grey, skip_registration=True):
            name = "tiny_words"

            def _info(self):
                features = {"id": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, manager):
                return {"whole": iter([(0, {"id": "a", "label": 1})])}

    for kind in (Grey, Sizes, Words):
        scratch = root / "scratch"
        prepare(lambda folder, kind=kind: kind(data_dir=str(folder), file_format="array_record"), scratch, root)
    return root


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)


def test_prepared_set_is_read_in_the_order_of_its_ids(data_dir, pictures, capsys):
    source = open_dataset("tfds:tiny_grey", path=str(data_dir))
    # A part without labels has nothing to compare predictions with.
    assert sorted(source.splits) == ["test", "train"]
    for split in source.splits:
        dataset = source.load(split)
        images, labels = pictures[split]
        np.testing.assert_array_equal(dataset.images[..., 0], images)
        np.testing.assert_array_equal(dataset.labels, labels)
        assert dataset.images.shape == (len(labels), 8, 8, 1)
        assert list(dataset.ids) == [f"{row:04d}" for row in range(len(labels))]
        assert dataset.class_names == ("zebra", "ant", "cow")
        assert dataset.name == "tfds:tiny_grey"
    with pytest.raises(ConfembError, match="unknown split 'unlabelled' in tfds:tiny_grey"):
        source.load("unlabelled")
    assert capsys.readouterr() == ("", "")


def test_folder_is_found_by_the_variable_of_tfds(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    assert len(open_dataset("tfds:tiny_grey").load("test")) == 7


def test_pictures_of_differing_sizes_need_image_size(data_dir):
    with pytest.raises(ConfembError, match="give image_size to make them alike"):
        open_dataset("tfds:tiny_sizes", path=str(data_dir)).fetch()
    dataset = open_dataset("tfds:tiny_sizes", path=str(data_dir), image_size=6).load("whole")
    assert dataset.images.shape == (3, 6, 6, 3)
    # A set without ids keeps TFDS's own order, and says so in the ids.
    assert list(dataset.ids) == ["whole_00000", "whole_00001", "whole_00002"]
    assert dataset.class_names == ("0", "1")
    rows = dataset.images[:, 3, 3, 0] // 80
    assert sorted(rows) == [0, 1, 2]
    np.testing.assert_array_equal(dataset.labels, rows % 2)


def test_set_without_pictures(data_dir):
    with pytest.raises(ConfembError, match="no single picture feature"):
        open_dataset("tfds:tiny_words", path=str(data_dir)).fetch()


def test_cache_follows_the_prepared_folder(data_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(data_dir / "tiny_grey", copy / "tiny_grey")
    source = open_dataset("tfds:tiny_grey", path=str(copy))
    source.fetch()
    record = next(copy.glob("tiny_grey/1.0.0/*train.array_record*"))
    content = record.read_bytes()
    record.write_bytes(content[: len(content) // 2])
    source.fetch()
    assert len(source.load("train")) == 30
    info = copy / "tiny_grey" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text() + " ")
    with pytest.raises(ConfembError, match=r"the TFDS folder .* is damaged .*remove it and fetch again"):
        open_dataset("tfds:tiny_grey", path=str(copy)).fetch()


def test_folder_in_another_format_is_passed_over(data_dir, tmp_path):
    shutil.copytree(data_dir / "tiny_grey", tmp_path / "tiny_grey")
    info = tmp_path / "tiny_grey" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    assert find_prepared("tiny_grey", [tmp_path]) is None
    assert find_prepared("tiny_grey", [tmp_path, data_dir]) is not None


def test_unknown_set():
    with pytest.raises(ConfembError, match="unknown TFDS dataset 'mnits': did you mean 'mnist'"):
        open_dataset("tfds:mnits").fetch()


def test_unknown_version(tmp_path):
    with pytest.raises(ConfembError, match=r"TFDS cannot open 'mnist:9.9.9': .*9\.9\.9"):
        open_builder("mnist:9.9.9", tmp_path)


def test_unreachable_home_is_named(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(tfds_source, "reachable", lambda url: bool(asked.append(url)))
    with pytest.raises(ConfembError, match=r"mnist is not prepared .* cannot be reached: prepare it elsewhere"):
        open_dataset("tfds:mnist").fetch()
    assert len(asked) == 1
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_set_whose_code_fails(monkeypatch, tmp_path):
    def fail(make_builder, scratch, data_dir):
        raise error

    monkeypatch.setattr(tfds_source, "reachable", lambda url: True)
    monkeypatch.setattr(tfds_source, "prepare", fail)
    error = ModuleNotFoundError("No module named 'tensorflow'")
    with pytest.raises(ConfembError, match=r"No module named 'tensorflow'\): install what is missing"):
        open_dataset("tfds:mnist").fetch()
    error = RuntimeError("cut off\non the way")
    with pytest.raises(ConfembError, match=r"could not prepare mnist \(RuntimeError: cut off on the way\)"):
        open_dataset("tfds:mnist").fetch()


def test_reachable_gives_up_in_time(monkeypatch):
    monkeypatch.setattr("urllib.request._opener", None)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    # It listens, and never answers.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        start = time.monotonic()
        assert not reachable(f"http://127.0.0.1:{port}/x", seconds=0.3)
        assert time.monotonic() - start < 2
    assert not reachable(f"http://127.0.0.1:{port}/x", seconds=2)
    assert not reachable("no address", seconds=2)


def test_reachable_is_bounded_when_the_name_lookup_hangs(monkeypatch):
    answer = threading.Event()

    def look_up(*_, **__):
        answer.wait(20)
        raise OSError("no such name")

    monkeypatch.setattr(tfds_source.urllib.request, "urlopen", look_up)
    start = time.monotonic()
    assert not reachable("http://localhost", seconds=0.2)
    assert time.monotonic() - start < 2
    answer.set()


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("dataset_info.json", lambda data: data[:50], "is damaged"),
        ("dataset_info.json", lambda data: data.replace(b'"splits"', b'"splyts"'), "is damaged"),
        (
            "dataset_info.json",
            lambda data: data.replace(b'"30"', b'"1099511627776"'),
            "is damaged",
        ),
        (
            "features.json",
            lambda data: data.replace(b"tensorflow_datasets.", b"subprocess."),
            "which is no part of TFDS",
        ),
        ("features.json", lambda data: data.replace(b'"python', b'"pythom'), "is damaged"),
    ],
)
def test_a_damaged_folder_is_refused_in_a_sentence(data_dir, tmp_path, name, damage, said):
    copy = tmp_path / "copy"
    shutil.copytree(data_dir, copy)
    path = copy / "tiny_grey" / "1.0.0" / name
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    assert path.read_bytes() != sound
    with pytest.raises(ConfembError, match=said) as caught:
        open_dataset("tfds:tiny_grey", path=str(copy)).fetch()
    assert str(caught.value).count("is damaged (") <= 1


def test_a_pipe_in_a_folder_is_not_waited_for(data_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(data_dir, copy)
    path = copy / "tiny_grey" / "1.0.0" / "features.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfembError, match=r"features\.json is a pipe or a device"):
        open_dataset("tfds:tiny_grey", path=str(copy)).fetch()
