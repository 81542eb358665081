import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from confemb.datasets import open_dataset
from confemb.datasets.pictures import decode_picture
from confemb.networks.preprocessing import torch_preprocessing
from confemb.support.errors import ConfembError


def paint(path, colour=(10, 20, 30), size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    paint(root / "dog" / "b.png", (1, 2, 3))
    paint(root / "dog" / "A.PNG", (4, 5, 6))
    paint(root / "cat" / "x.bmp", (7, 8, 9))
    (root / "cat" / "notes.txt").write_text("no picture")
    (root / "cat" / ".hidden.png").write_text("no picture")
    (root / ".git").mkdir()
    return root


def opened(folder, **options):
    return open_dataset("image_folder", path=str(folder), cache_dir=str(folder.parent / "cache"), **options)


def test_one_folder_for_each_class(folder):
    source = opened(folder)
    assert source.splits == ("all",)
    dataset = source.load("all")
    assert dataset.class_names == ("cat", "dog")
    assert list(dataset.ids) == ["cat/x.bmp", "dog/A.PNG", "dog/b.png"]
    assert dataset.labels.tolist() == [0, 1, 1]
    assert dataset.images.shape == (3, 4, 6, 3)
    assert dataset.images[:, 0, 0].tolist() == [[7, 8, 9], [4, 5, 6], [1, 2, 3]]
    assert isinstance(dataset.images, np.memmap)


def test_classes_file_gives_the_order(folder):
    (folder / "classes.txt").write_text("dog\ncat\n")
    dataset = opened(folder).load("all")
    assert dataset.class_names == ("dog", "cat")
    assert list(dataset.ids) == ["dog/A.PNG", "dog/b.png", "cat/x.bmp"]
    assert dataset.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dog\ncat\ncow\n", "names 'cow', but there is no such class folder"),
        ("dog\n", "leaves out the class folder 'cat'"),
        ("dog\ncat\ndog\n", "names 'dog' twice"),
    ],
)
def test_classes_file_must_fit(folder, text, said):
    (folder / "classes.txt").write_text(text)
    with pytest.raises(ConfembError, match=said):
        opened(folder)


def test_split_folders(tmp_path):
    root = tmp_path / "pictures"
    paint(root / "test" / "cat" / "1.png")
    paint(root / "train" / "cat" / "1.png")
    paint(root / "train" / "dog" / "2.png", (9, 9, 9))
    source = opened(root)
    assert source.splits == ("train", "test")
    train, test = source.load("train"), source.load("test")
    assert train.class_names == test.class_names == ("cat", "dog")
    assert list(train.ids) == ["train/cat/1.png", "train/dog/2.png"]
    assert test.labels.tolist() == [0]
    with pytest.raises(ConfembError, match="unknown split 'tests'"):
        source.load("tests")


def test_cache_follows_the_files(folder):
    before = opened(folder).load("all")
    assert opened(folder).load("all").fingerprint == before.fingerprint
    paint(folder / "cat" / "x.bmp", (70, 80, 90))
    os.utime(folder / "cat" / "x.bmp", ns=(1, 1))
    after = opened(folder).load("all")
    assert after.images[0, 0, 0].tolist() == [70, 80, 90]
    paint(folder / "cat" / "y.png")
    assert len(opened(folder).load("all")) == 4
    # Sizes do not share a cache, and each keeps its own.
    assert opened(folder, image_size=2).load("all").images.shape == (4, 2, 2, 3)
    assert opened(folder).load("all").images.shape == (4, 4, 6, 3)


def test_differing_sizes_need_image_size(folder):
    paint(folder / "dog" / "wide.png", size=(40, 10))
    with pytest.raises(ConfembError, match=r"dog/wide.png has the shape \(10, 40, 3\).*give image_size"):
        opened(folder).fetch()
    assert opened(folder, image_size=5).load("all").images.shape == (4, 5, 5, 3)


def test_resizing_keeps_the_centre(tmp_path):
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, 15:25] = 200
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    found = decode_picture(path, mode="RGB", image_size=10, where="it")
    np.testing.assert_array_equal(found, pixels[:, 15:25])
    found = decode_picture(path, mode="RGB", image_size=5, where="it")
    assert found.shape == (5, 5, 3)
    assert found[2, 2].tolist() == [200, 200, 200]
    grey = decode_picture(path, mode="L", image_size=None, where="it")
    np.testing.assert_array_equal(grey, pixels[:, :, :1])


@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 60), height=st.integers(1, 60), size=st.integers(1, 40))
def test_any_size_becomes_the_square_asked_for(tmp_path_factory, width, height, size):
    path = paint(tmp_path_factory.mktemp("pictures") / "a.png", (3, 2, 1), (width, height))
    found = decode_picture(path, mode="RGB", image_size=size, where="it")
    np.testing.assert_array_equal(found, np.broadcast_to(np.array([3, 2, 1]), (size, size, 3)))


@pytest.mark.parametrize(("mode", "colour"), [("L", 7), ("RGBA", (7, 7, 7, 0)), ("P", 0), ("1", 0), ("LA", (7, 0))])
def test_other_modes_become_rgb(tmp_path, mode, colour):
    path = paint(tmp_path / "a.png", colour, mode=mode)
    assert decode_picture(path, mode="RGB", image_size=None, where="it").shape == (4, 6, 3)


def test_mistakes_in_the_folder(tmp_path, folder):
    with pytest.raises(ConfembError, match="there is no folder"):
        opened(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ConfembError, match="has no folders in it"):
        opened(tmp_path / "bare")
    (tmp_path / "bare" / "cat").mkdir()
    with pytest.raises(ConfembError, match="no pictures in the folders"):
        opened(tmp_path / "bare")
    (folder / "cow").mkdir()
    with pytest.raises(ConfembError, match=r"class folder .*cow has no pictures"):
        opened(folder)
    paint(folder / "cow" / "1.png")
    paint(folder / "cow" / "calf" / "1.png")
    with pytest.raises(ConfembError, match="has a folder in it, 'calf'"):
        opened(folder)


def test_split_without_classes(tmp_path):
    paint(tmp_path / "pictures" / "train" / "cat" / "1.png")
    (tmp_path / "pictures" / "test").mkdir()
    with pytest.raises(ConfembError, match=r"split 'test' in .* has no class folders"):
        opened(tmp_path / "pictures")


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture at all", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n"],
)
def test_broken_picture_is_named(folder, content):
    (folder / "dog" / "b.png").write_bytes(content)
    with pytest.raises(ConfembError, match=r"dog/b.png cannot be read as a picture.*mend or remove"):
        opened(folder).fetch()
    assert not list((folder.parent / "cache").rglob("arrays"))


def test_sixteen_bits_are_refused(folder):
    Image.fromarray(np.full((4, 6), 40_000, np.uint16)).save(folder / "dog" / "b.png")
    with pytest.raises(ConfembError, match=r"dog/b.png has more than 8 bits"):
        opened(folder).fetch()


# The pictures have 24 pixels: Pillow warns above the limit, and raises above twice the limit.
@pytest.mark.parametrize("limit", [15, 5])
def test_decompression_bomb_is_refused(folder, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ConfembError, match="too large to be decoded safely"):
        opened(folder).fetch()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_get_through_as_another_error(tmp_path, data):
    suffix = data.draw(st.sampled_from(["png", "jpg", "gif", "bmp", "tiff", "webp"]))
    path = paint(tmp_path / f"a.{suffix}", size=(9, 7))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = decode_picture(content, mode="RGB", image_size=8, where="it")
    except ConfembError:
        return
    assert found.shape == (8, 8, 3)


def test_a_stripe_is_refused_before_it_is_blown_up(tmp_path):
    Image.new("L", (1_000_000, 1)).save(tmp_path / "stripe.png")
    with pytest.raises(ConfembError, match="a stripe of 1,000,000 by 1 pixels cannot be resized"):
        decode_picture(tmp_path / "stripe.png", mode="RGB", image_size=224, where="the file stripe.png")
    with pytest.raises(ConfembError, match="a stripe of"):
        torch_preprocessing().cut(Image.new("RGB", (1_000_000, 1)))


def test_a_pipe_is_no_picture(tmp_path):
    os.mkfifo(tmp_path / "p.png")
    with pytest.raises(ConfembError, match="is a pipe or a device"):
        decode_picture(tmp_path / "p.png", mode="RGB", image_size=None, where="the file p.png")
