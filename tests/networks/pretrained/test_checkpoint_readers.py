import io
import json
import os
import pickle
import signal
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from confemb.networks.pretrained.checkpoint_readers import read_checkpoint
from confemb.support.errors import ConfembError

ARRAYS = {
    "conv/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv/bias": np.float32([1.5, -2.5]),
    "scale": np.array(7.0, np.float32),
}


def check(path, expected=ARRAYS):
    found = read_checkpoint(path).arrays
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == array.dtype


def refused(path, message):
    with pytest.raises(ConfembError, match=message) as caught:
        read_checkpoint(path)
    assert path.name in str(caught.value)


# TF.js


def tfjs(shard_bytes=40, **changes):
    """Return a TF.js model: file name -> bytes."""
    stream = b"".join(array.tobytes() for array in ARRAYS.values())
    shards = [stream[i : i + shard_bytes] for i in range(0, len(stream), shard_bytes)]
    paths = [f"group1-shard{i + 1}of{len(shards)}.bin" for i in range(len(shards))]
    weights = [{"name": n, "shape": list(a.shape), "dtype": "float32"} for n, a in ARRAYS.items()]
    group = {"paths": paths, "weights": weights} | changes
    files = dict(zip(paths, shards, strict=True))
    return files | {"model.json": json.dumps({"weightsManifest": [group]}).encode()}


def write_folder(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(path, files, top="package/model/"):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("shard_bytes", [4, 40, 1000])
def test_tfjs_from_folder_file_and_archive(tmp_path, shard_bytes):
    files = tfjs(shard_bytes)
    write_folder(tmp_path, files)
    check(tmp_path)
    check(tmp_path / "model.json")
    check(write_archive(tmp_path / "model.tgz", files))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weights": [{"name": "a", "shape": [10**9, 10**9], "dtype": "float32"}]},
            "declares more than its shards hold: 'a' ends at byte 4,000,000,000,000,000,000 of 108",
        ),
        ({"weights": [{"name": "a", "shape": [2], "dtype": "float32"}]}, "hold 108 bytes, of which 8 are declared"),
        ({"weights": [{"name": "a", "shape": [-2], "dtype": "float32"}]}, r"the shape \[-2\], which is none"),
        ({"weights": [{"name": "a", "shape": "2", "dtype": "float32"}]}, "the shape 2, which is none"),
        ({"weights": [{"name": "a", "shape": [2], "dtype": "string"}]}, "does not describe a TF.js layers model"),
        (
            {"weights": [{"name": "a", "shape": [2], "dtype": "float32", "quantization": {"dtype": "uint8"}}]},
            "'a' quantized",
        ),
        ({"weights": [{"name": "a", "shape": [1], "dtype": "float32"}] * 2}, "holds 'a' twice"),
        ({"paths": ["../secret.bin"]}, "names shards outside its own folder"),
        ({"paths": ["/etc/passwd"]}, "names shards outside its own folder"),
        ({"paths": ["none.bin"]}, r"none\.bin"),
    ],
)
def test_tfjs_that_makes_no_sense_is_refused(tmp_path, changes, message):
    files = tfjs(**changes)
    write_folder(tmp_path, files)
    with pytest.raises(ConfembError, match=message):
        read_checkpoint(tmp_path / "model.json")
    with pytest.raises(ConfembError, match=message):
        read_checkpoint(write_archive(tmp_path / "model.tgz", files))


def test_tfjs_that_is_truncated_is_refused(tmp_path):
    files = tfjs()
    whole = write_archive(tmp_path / "model.tgz", files).read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.tgz", "is truncated or no .tgz archive")
    (tmp_path / "text.tgz").write_text("no archive")
    refused(tmp_path / "text.tgz", "is truncated or no .tgz archive")
    last = max(name for name in files if name.endswith(".bin"))
    write_folder(tmp_path, files | {last: files[last][:-1]})
    refused(tmp_path / "model.json", "a shard is truncated")
    (tmp_path / "model.json").write_text("[1, 2")
    refused(tmp_path / "model.json", "is no valid JSON")


def test_an_archive_must_hold_one_model(tmp_path):
    refused(write_archive(tmp_path / "none.tgz", {"a.bin": b"x"}), "holds 0 files model.json")
    files = tfjs()
    refused(write_archive(tmp_path / "two.tgz", files | {"b/model.json": b"{}"}), "holds 2 files model.json")


# Keras


def write_h5(path, layers, root=""):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        place = file.create_group(root) if root else file
        place.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, weights in layers.items():
            group = place.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name, array in weights.items():
                group[name] = array
    return path


@pytest.mark.parametrize("root", ["", "model_weights"])
def test_keras_files_of_any_age(tmp_path, root):
    kernel, four = np.ones((1, 1, 2, 4), np.float32), np.arange(4, dtype=np.float32)
    norm = ("gamma", "beta", "running_mean", "running_std")
    layers = {
        "conv1_conv": {"conv1_conv/kernel:0": kernel, "conv1_conv/bias:0": four},
        "activation": {},
        "res2a_branch2a": {"res2a_branch2a_W_1:0": kernel, "res2a_branch2a_b_1:0": four},
        "bn_conv1": {f"bn_conv1_{leaf}:0": four + i for i, leaf in enumerate(norm)},
        "conv1_bn": {"conv1_bn/moving_mean:0": four},
    }
    check(
        write_h5(tmp_path / "weights.h5", layers, root),
        {
            "conv1_conv/kernel": kernel,
            "conv1_conv/bias": four,
            "res2a_branch2a/kernel": kernel,
            "res2a_branch2a/bias": four,
            "bn_conv1/gamma": four,
            "bn_conv1/beta": four + 1,
            "bn_conv1/moving_mean": four + 2,
            "bn_conv1/moving_variance": four + 3,
            "conv1_bn/moving_mean": four,
        },
    )


def test_keras_files_that_lead_elsewhere_or_claim_too_much_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write_h5(tmp_path / "weights.h5", {"conv": {"conv/kernel:0": np.ones(3)}})
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        file["conv/conv/kernel:0"] = h5py.ExternalLink("other.h5", "/secret")
    refused(path, "as a link to another place, which is not followed")
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        # Never written, so it takes no room in the file.
        file["conv"].create_dataset("conv/kernel:0", shape=(10**6, 10**6), dtype="f4", chunks=(100, 100))
    refused(path, "does not itself hold all it declares")
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        (tmp_path / "raw").write_bytes(bytes(12))
        file["conv"].create_dataset("conv/kernel:0", (3,), "f4", external=[(str(tmp_path / "raw"), 0, 12)])
    refused(path, "does not itself hold all it declares")


def test_keras_files_that_are_broken_or_of_another_kind_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write_h5(tmp_path / "weights.h5", {"conv": {"conv/kernel:0": np.ones((50, 50))}})
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:3000])
    refused(tmp_path / "cut.h5", "is truncated or no Keras .h5 file")
    with h5py.File(tmp_path / "new.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.ones(3)
    refused(tmp_path / "new.h5", "only .h5 files of Keras 1 and 2 can be read")
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        file["conv"]["conv/kernel:0"] = np.array([b"a", b"b"])
    refused(path, r"holds 'conv/kernel:0' as \|S1, not as numbers")


def test_a_keras_file_that_keeps_hdf5_busy_is_refused_in_time(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "weights.h5", {"conv": {"conv/kernel:0": np.ones(3)}})
    content = bytearray(path.read_bytes())
    # After its last name the heap of names has 16 bytes on the free rest: its number, 0, and its size. HDF5 steps over
    # an object of size 0 for ever.
    name = b"conv/kernel:0\0\0\0"
    size = content.index(name, content.index(b"GCOL")) + len(name) + 8
    assert not any(content[size - 8 : size])
    content[size : size + 8] = bytes(8)
    path.write_bytes(content)
    monkeypatch.setattr("confemb.networks.pretrained.keras_h5.SECONDS", 2.0)
    # Or HDF5 has learnt to see it.
    refused(path, "kept HDF5 busy for 2 s, as a damaged file can|is truncated or no Keras .h5 file")


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_a_keras_file_that_crashes_hdf5_is_refused(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "weights.h5", {"conv": {"conv/kernel:0": np.ones(3)}})
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    refused(path, rf"is truncated or no Keras .h5 file \(HDF5 ended with signal {int(signal.SIGSEGV)}\)")


def test_the_process_that_reads_keras_files_imports_nothing_of_the_folder_it_runs_in(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "weights.h5", {"conv": {"conv/kernel:0": np.ones(3)}})
    for name in ("h5py", "numpy", "confemb"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    check(path, {"conv/kernel": np.ones(3)})


# PyTorch


class Malice:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint was run')",))


def test_pytorch_state_dicts(tmp_path):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(array) for name, array in ARRAYS.items()}
    for name, content in {"a.pth": tensors, "b.pt": {"state_dict": tensors, "epoch": 3}}.items():
        torch.save(content, tmp_path / name)
        check(tmp_path / name)
    torch.save(tensors, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    check(tmp_path / "old.bin")
    torch.save({"a": torch.tensor([1.5, 2.0], dtype=torch.bfloat16)}, tmp_path / "half.pth")
    check(tmp_path / "half.pth", {"a": np.float32([1.5, 2.0])})


@pytest.mark.parametrize("new", [True, False])
def test_pytorch_files_with_pickled_code_are_refused_and_nothing_runs(tmp_path, new):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(2), "b": Malice()}, tmp_path / "bad.pth", _use_new_zipfile_serialization=new)
    refused(tmp_path / "bad.pth", "holds pickled code or is no PyTorch checkpoint; nothing of it was run")


def test_a_bare_pickle_is_refused_and_nothing_runs(tmp_path):
    pytest.importorskip("torch")
    for name in ("bad.pth", "bad.pt", "bad.bin"):
        (tmp_path / name).write_bytes(pickle.dumps(Malice()))
        refused(tmp_path / name, "nothing of it was run")


def test_pytorch_files_that_are_broken_or_of_another_kind_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(5000)}, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:5000])
    refused(tmp_path / "cut.pth", "is truncated or no PyTorch checkpoint|nothing of it was run")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("readme.txt", "no tensors here")
    refused(tmp_path / "zip.pth", "is truncated or no PyTorch checkpoint")
    torch.save(torch.zeros(2), tmp_path / "tensor.pth")
    refused(tmp_path / "tensor.pth", "holds no state_dict but Tensor")
    torch.save({"a": torch.zeros(2), "epoch": 3}, tmp_path / "more.pth")
    refused(tmp_path / "more.pth", "holds other things than tensors, 'epoch'")
    torch.save({"a": torch.eye(2).to_sparse()}, tmp_path / "sparse.pth")
    refused(tmp_path / "sparse.pth", "'a' as a sparse tensor")


# safetensors


def test_safetensors_with_metadata_and_from_a_folder(tmp_path):
    save_file(ARRAYS, tmp_path / "model.safetensors", {"format": "pt"})
    for path in (tmp_path, tmp_path / "model.safetensors"):
        found = read_checkpoint(path)
        assert dict(found.metadata) == {"format": "pt"}
        assert set(found.arrays) == set(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found.arrays[name], array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 10) + b"{}",
        struct.pack("<Q", 2) + b"{]",
        struct.pack("<Q", 61) + b'{"a":{"dtype":"F32","shape":[9999999],"data_offsets":[0,4]}}   ',
        struct.pack("<Q", 63) + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,800000000]}} ',
    ],
)
def test_safetensors_whose_header_lies_are_refused(tmp_path, content):
    (tmp_path / "bad.safetensors").write_bytes(content)
    refused(tmp_path / "bad.safetensors", "is no readable safetensors file|is empty")


# any


def test_what_is_no_checkpoint_is_said(tmp_path):
    refused(tmp_path / "none.pth", "cannot read the weights .*there is no such file")
    (tmp_path / "weights.onnx").write_bytes(b"x")
    refused(tmp_path / "weights.onnx", r"no checkpoint by its ending; known are \.bin, \.h5, ")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds neither model.safetensors nor model.json")


@pytest.mark.parametrize(("name", "module"), [("a.h5", "h5py"), ("a.pth", "torch")])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, name, module):
    import sys

    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfembError, match=rf"need {module}, which is missing.*pip install 'confemb\["):
        read_checkpoint(tmp_path / name)
