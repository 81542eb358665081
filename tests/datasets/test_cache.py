import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from confemb.datasets import cache as cache_module
from confemb.datasets.cache import ArrayCache, Contents, SplitRows, cache_root, fingerprint, scratch_folder, write_split
from confemb.support.errors import ConfembError

IMAGES = np.arange(6 * 2 * 3 * 1, dtype=np.uint8).reshape(6, 2, 3, 1)
LABELS = np.array([0, 1, 0, 1, 1, 0], dtype=np.int32)
NAMES = ("cat", "dög")


def rows(images=IMAGES, labels=LABELS):
    return SplitRows(labels, [f"a_{row}" for row in range(len(labels))], iter(images))


def contents(scratch=None):
    return Contents(NAMES, {"train": rows(), "test": rows(IMAGES[:2], LABELS[:2])}, "a test")


def test_round_trip(tmp_path):
    cache = ArrayCache(tmp_path, "toy", name="toy")
    cache.build(contents)
    train, test = cache.load("train"), cache.load("test")
    np.testing.assert_array_equal(train.images, IMAGES)
    np.testing.assert_array_equal(train.labels, LABELS)
    assert list(train.ids) == ["a_0", "a_1", "a_2", "a_3", "a_4", "a_5"]
    assert train.class_names == NAMES
    assert (train.name, train.split, len(test)) == ("toy", "train", 2)
    assert train.fingerprint == fingerprint(IMAGES, LABELS, NAMES) != test.fingerprint
    assert not list(tmp_path.rglob("*.part"))


def test_fingerprint_is_what_it_is_said_to_be():
    header = json.dumps({"class_names": ["cat", "dög"], "shape": [6, 2, 3, 1]}).encode()
    expected = hashlib.sha256(header + IMAGES.tobytes() + LABELS.astype("<i4").tobytes()).hexdigest()
    assert fingerprint(IMAGES, LABELS, NAMES) == expected
    assert fingerprint(IMAGES, LABELS[::-1], NAMES) != expected
    assert fingerprint(IMAGES, LABELS, NAMES[::-1]) != expected
    assert fingerprint(IMAGES.reshape(6, 3, 2, 1), LABELS, NAMES) != expected


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=5)))
def test_any_pictures_come_back_as_they_were(tmp_path_factory, images):
    folder = tmp_path_factory.mktemp("split")
    labels = np.zeros(len(images), dtype=np.int32)
    shape, digest = write_split(folder, "x", rows(images, labels), NAMES, lambda count: None)
    found = np.load(folder / "x.images.npy", allow_pickle=False)
    np.testing.assert_array_equal(found, images)
    assert shape == images.shape
    assert digest == fingerprint(images, labels, NAMES)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"x")


def empty(path):
    path.write_bytes(b"")


def other_type(path):
    np.save(path, np.zeros((6, 2, 3, 1), dtype=np.int16))


def pickled(path):
    np.save(path, np.array([{}] * 6), allow_pickle=True)


def no_json(path):
    path.write_text('{"format": 1')


def other_json(path):
    path.write_text("[1, 2]")


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        *itertools.product(
            ["train.images.npy", "train.labels.npy", "train.ids.npy", "test.ids.npy"],
            [cut, lengthen, empty, other_type, pickled, os.unlink],
        ),
        *itertools.product(["info.json"], [empty, no_json, other_json, os.unlink]),
    ],
)
def test_damaged_cache_is_refused_and_rebuilt(tmp_path, what, damage):
    cache = ArrayCache(tmp_path, "toy", name="toy")
    cache.build(contents)
    damage(tmp_path / "toy" / "arrays" / what)
    with pytest.raises(ConfembError, match="not complete: fetch toy again"):
        cache.load("train")
    cache.build(contents)
    np.testing.assert_array_equal(cache.load("train").images, IMAGES)
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["arrays", "stamps.json"]


def test_cache_is_made_once_and_follows_its_signature(tmp_path):
    made = []

    def make(scratch):
        made.append(scratch)
        return contents()

    for signature in ("a", "a", "b", "b"):
        ArrayCache(tmp_path, "toy", name="toy", signature=signature).build(make)
    assert len(made) == 2
    assert not any(scratch.exists() for scratch in made)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConfembError, RuntimeError])
def test_failed_build_leaves_nothing_and_keeps_what_was_there(tmp_path, error):
    def make(scratch):
        (scratch / "half").write_text("half")
        return Contents(NAMES, {"train": SplitRows(LABELS, ["i"] * 6, broken())}, "a test")

    def broken():
        yield IMAGES[0]
        raise error("stop")

    old = ArrayCache(tmp_path, "toy", name="toy", signature="old")
    old.build(contents)
    with pytest.raises(error):
        ArrayCache(tmp_path, "toy", name="toy", signature="new").build(make)
    assert len(old.load("train")) == 6
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["arrays", "stamps.json"]


def another_process(root, making):
    """Start a process that builds the same cache, running the lines `making` on the way."""
    code = f"""
import sys, time
import numpy as np
from confemb.datasets import cache as cache_module
from confemb.datasets.cache import ArrayCache, Contents, SplitRows

def make(scratch):
    {making}
    rows = SplitRows(np.zeros(1, np.int32), ["a"], [np.zeros((1, 1, 1), np.uint8)])
    return Contents(["cat"], {{"train": rows}}, "it")

said = []
cache = ArrayCache(__import__("pathlib").Path({str(root)!r}), "toy", name="toy")
cache.build(make, lambda *report: said.append(report[0]))
assert len(cache.load("train")) == 1
print("waited" if any("waiting" in what for what in said) else "made")
"""
    # Not forked: a library that another test has loaded may have threads.
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_killed_build_is_swept_up(tmp_path):
    process = another_process(tmp_path, "(scratch / 'half').touch(); print('on', flush=True); time.sleep(60)")
    with process:
        assert process.stdout.readline() == "on\n"
        process.kill()
    cache = ArrayCache(tmp_path, "toy", name="toy")
    assert list((tmp_path / "toy").glob("*.part/half"))
    assert cache.info() is None
    cache.build(contents)
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["arrays", "stamps.json"]


def test_two_builds_at_once_do_the_work_once(tmp_path):
    log = tmp_path / "log"
    making = f"open({str(log)!r}, 'a').write('made '); time.sleep(2)"
    processes = [another_process(tmp_path / "root", making) for _ in range(2)]
    said = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert log.read_text() == "made "
    # A very slow machine may start the second when the first is done.
    assert sorted(said) in (["made", "waited"], ["made", "made"])


def test_without_locks_the_first_to_end_wins(tmp_path, monkeypatch):
    monkeypatch.setattr("confemb.support.locks.fcntl", None)
    first, second = (ArrayCache(tmp_path, "toy", name="toy") for _ in range(2))

    def make(scratch):
        first.build(contents)
        return Contents(NAMES, {"train": rows(IMAGES[::-1])}, "a test")

    second.build(make)
    np.testing.assert_array_equal(second.load("train").images, IMAGES)
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["arrays", "stamps.json"]


def test_pictures_of_two_sizes_or_too_few(tmp_path):
    def build(images):
        ArrayCache(tmp_path, "toy", name="toy").build(
            lambda scratch: Contents(NAMES, {"train": rows(images)}, "a test")
        )

    with pytest.raises(ConfembError, match=r"picture a_1 has the shape \(3, 3, 1\).*image_size"):
        build([IMAGES[0], np.zeros((3, 3, 1), np.uint8)])
    with pytest.raises(ConfembError, match="gave 2 pictures for 6 labels"):
        build(IMAGES[:2])


def test_wrong_fingerprint_is_refused(tmp_path):
    good = {"train": fingerprint(IMAGES, LABELS, NAMES), "test": fingerprint(IMAGES[:2], LABELS[:2], NAMES)}
    with pytest.raises(ConfembError, match="what a test holds is not toy"):
        ArrayCache(tmp_path, "toy", name="toy", fingerprints=dict(good, test="0")).build(contents)
    ArrayCache(tmp_path, "toy", name="toy", fingerprints=good).build(contents)


def test_unknown_split(tmp_path):
    cache = ArrayCache(tmp_path, "toy", name="toy")
    cache.build(contents)
    with pytest.raises(ConfembError, match="did you mean 'train'"):
        cache.load("trian")


def test_cache_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfembError, match="cannot make the folder"):
        ArrayCache(tmp_path / "file", "toy", name="toy").build(contents)


def test_full_disk(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("confemb.datasets.cache.os.fsync", full)
    with pytest.raises(ConfembError, match=re.escape("No space left on device; free some space")):
        ArrayCache(tmp_path, "toy", name="toy").build(contents)
    assert not list((tmp_path / "toy").iterdir())


def test_cache_root(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("CONFEMB_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert str(cache_root()) == "/home/me/.cache/confemb"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(cache_root()) == "/xdg/confemb"
    monkeypatch.setenv("CONFEMB_CACHE", "~/mine")
    assert str(cache_root()) == "/home/me/mine"
    assert cache_root(str(tmp_path)) == tmp_path


def test_scratch_folder_is_removed(tmp_path):
    with scratch_folder(tmp_path / "new", "is tried") as scratch:
        (scratch / "a").mkdir()
    assert not list((tmp_path / "new").iterdir())


def test_what_an_npm_without_parent_goes_on_writing_is_swept_up(tmp_path):
    left = tmp_path / "0123456789ab.part"
    left.mkdir()
    with scratch_folder(tmp_path, "is tried"):
        assert not left.exists()
        # It found its folder just before that was removed.
        left.mkdir()
        (left / "weights.tgz").write_bytes(b"half")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("info.json", lambda data: data.replace(b'"class_names"', b'"klass_names"')),
        ("info.json", lambda data: data.replace(b'"fingerprint"', b'"fingerprynt"')),
        ("info.json", lambda data: data.replace(b'"x"', b"7")),
        (
            "train.images.npy",
            lambda data: data.replace(b"(4, 3, 3, 1), }" + b" " * 19, b"(4" + b"0" * 19 + b", 3, 3, 1), }"),
        ),
        ("train.ids.npy", lambda data: data.replace(b"}", b" ")),
        ("train.ids.npy", lambda data: data[:-4] + b"\xff\xff\xff\xff"),
        ("train.labels.npy", lambda data: data[:-4] + b"\x09\0\0\0"),
    ],
)
def test_a_damaged_cache_is_none_and_is_made_again(tmp_path, name, damage):
    def contents(_):
        images = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3, 1)
        rows = SplitRows(np.array([0, 1, 0, 1], np.int32), list("abcd"), iter(images))
        return Contents(["x", "y"], {"train": rows}, "here")

    cache = ArrayCache(tmp_path, "some", name="some")
    cache.build(contents)
    sound = {path.name: path.read_bytes() for path in cache.folder.iterdir()}
    damaged = damage(sound[name])
    assert damaged != sound[name]
    (cache.folder / name).write_bytes(damaged)
    assert cache.info() is None
    with pytest.raises(ConfembError, match="is not complete: fetch some again"):
        cache.load("train")
    cache.build(contents)
    assert {path.name: path.read_bytes() for path in cache.folder.iterdir()} == sound


def _built(root):
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    rows = SplitRows(np.arange(6, dtype=np.int32) % 2, [f"p{i}" for i in range(6)], list(pictures))
    cache = ArrayCache(root, "small", name="small")
    cache.build(lambda _: Contents(("a", "b"), {"test": rows}, "here"))
    return cache, pictures


def _change(path, offset, value):
    content = bytearray(path.read_bytes())
    content[offset] = value
    path.write_bytes(content)


@pytest.mark.parametrize("what", ["images", "labels", "ids"])
@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_changed_in_the_cache_is_not_loaded_under_the_old_fingerprint(tmp_path, what, hidden):
    cache, pictures = _built(tmp_path)
    assert np.array_equal(cache.load("test").images, pictures)
    path = cache.folder / f"test.{what}.npy"
    before = path.stat()
    offset = {"images": -1, "labels": -4, "ids": -4}[what]
    _change(path, offset, {"images": 255 - int(pictures[-1, -1, -1, -1]), "labels": 0, "ids": ord("9")}[what])
    if hidden:
        # Whoever sets the time back cannot set back the time of that.
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.info() is None
    with pytest.raises(ConfembError, match="fetch small again"):
        cache.load("test")


def test_a_cache_that_was_copied_or_touched_is_hashed_once(tmp_path, monkeypatch):
    cache, pictures = _built(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copied = ArrayCache(tmp_path / "two", "small", name="small")
    hashed = []
    own = cache_module.fingerprint
    monkeypatch.setattr(cache_module, "fingerprint", lambda *given: hashed.append(1) or own(*given))
    cache.load("test")
    assert hashed == []
    for _ in range(3):
        assert np.array_equal(copied.load("test").images, pictures)
    assert hashed == [1]
    (copied.folder / "test.labels.npy").touch()
    copied.load("test")
    assert hashed == [1, 1]
    # A cache of an earlier version has no stamps.
    (copied.home / "stamps.json").unlink()
    copied.load("test")
    copied.load("test")
    assert hashed == [1, 1, 1]


def test_a_cache_of_other_pictures_is_not_made_good_by_its_stamps(tmp_path):
    cache, _ = _built(tmp_path)
    _change(cache.folder / "test.images.npy", -1, 7)
    _change(cache.folder / "test.images.npy", -2, 9)
    (cache.home / "stamps.json").write_text("{}")
    assert cache.info() is None
