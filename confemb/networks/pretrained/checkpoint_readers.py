"""Reads the tensors of checkpoints that other people's programs wrote.

Nothing of a checkpoint is run or unpickled, nothing is unpacked to disk, and no size that a file only claims is
believed: a file of a few kilobytes cannot ask for gigabytes.
"""

import io
import math
import pickle
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from confemb.networks.pretrained.keras_h5 import read_keras_h5
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.extras import import_extra
from confemb.support.files import is_there, parse_json, read_bytes, unpacked_gzip

TFJS_MODEL = "model.json"
SAFETENSORS = "model.safetensors"
# A model.json describes layers and tensors: some hundred kilobytes.
_JSON_LIMIT = 64 * 2**20
_TFJS_TYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "bool": "|b1", "uint8": "|u1"}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        arrays: its tensors by the names they have there.
        metadata: texts it carries beside them (safetensors only).
    """

    arrays: dict[str, np.ndarray]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint: a file, told apart by its ending, or a folder.

    Known are TF.js (`model.json` with its shards, the folder of both, or a `.tgz` that holds both), Keras `.h5`
    (extra `h5`), PyTorch `.pth`, `.pt` and `.bin` (extra `torch`), `.safetensors`, and a folder with a
    `model.safetensors`, as Hugging Face makes them.

    Raises:
        ConfembError: a file that is missing, truncated, of none of these kinds, or one that holds pickled code; or
            an extra that is not installed.
    """
    path = Path(path)
    if not is_there(path):
        raise ConfembError(f"cannot read the weights {path}: there is no such file; check the path.")
    if path.is_dir():
        for name in (SAFETENSORS, TFJS_MODEL):
            if (path / name).is_file():
                return read_checkpoint(path / name)
        raise ConfembError(f"cannot read the weights {path}: the folder holds neither {SAFETENSORS} nor {TFJS_MODEL}.")
    for endings, read in _READERS.items():
        if path.name.lower().endswith(endings):
            return read(path)
    known = sorted(ending for endings in _READERS for ending in endings)
    raise ConfembError(f"{path} is no checkpoint by its ending; known are {', '.join(known)}.")


def _read_safetensors(path: Path) -> Checkpoint:
    import_extra("safetensors", "train", what="Files of weights")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    # Not mapped into memory: a file that shrinks while it is mapped ends the program.
    data = read_bytes(path)
    try:
        arrays = load(data)
        # The library, which gives no metadata here, has checked the header.
        length = int.from_bytes(data[:8], "little")
        metadata = parse_json(data[8 : 8 + length], where=f"the header of {path}").get("__metadata__")
    # A type that numpy has not, such as bfloat16, is a TypeError or a KeyError.
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise ConfembError(f"{path} is no readable safetensors file: {error}.") from error
    return Checkpoint(arrays, metadata or {})


def _read_torch(path: Path) -> Checkpoint:
    torch = import_extra("torch", "torch", what="PyTorch checkpoints")
    data = read_bytes(path)
    # PyTorch packs nothing, and would unpack whatever a file claims to hold.
    if zipfile.is_zipfile(io.BytesIO(data)):
        _refuse_packed(data, path)
    try:
        with warnings.catch_warnings():
            # It warns of pickle protocols that it may then refuse; the refusal is enough.
            warnings.simplefilter("ignore")
            loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfembError(
            f"{path} holds pickled code or is no PyTorch checkpoint; nothing of it was run: "
            "save the state_dict alone, best as safetensors."
        ) from error
    # A damaged file makes PyTorch raise errors of many kinds.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfembError(f"{path} is truncated or no PyTorch checkpoint ({reason}): get it again.") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded:
        raise ConfembError(f"{path} holds no state_dict but {type(loaded).__name__}: save module.state_dict().")
    if strange := [str(name) for name, value in loaded.items() if not isinstance(value, torch.Tensor)]:
        raise ConfembError(
            f"{path} holds other things than tensors, {quoted_list(strange)}: save the state_dict alone."
        )
    arrays = {}
    for name, value in loaded.items():
        if value.layout is not torch.strided:
            raise ConfembError(f"{path} holds {name!r} as a sparse tensor: make it dense.")
        # Strides may spread a single number over a tensor of any size.
        if value.numel() * value.element_size() > len(data):
            raise ConfembError(f"{path} is smaller than its tensor {name!r} claims to be: save it contiguous.")
        array = value.detach()
        arrays[str(name)] = (array.float() if array.dtype is torch.bfloat16 else array).numpy()
    return Checkpoint(arrays)


def _refuse_packed(data: bytes, path: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            packed = any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
            claimed = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise ConfembError(f"{path} is truncated or no PyTorch checkpoint ({error}): get it again.") from error
    if packed or claimed > len(data):
        raise ConfembError(f"{path} claims to hold more than it does: save it by torch.save.")


def _read_h5(path: Path) -> Checkpoint:
    return Checkpoint(read_keras_h5(path))


def _read_tfjs_file(path: Path) -> Checkpoint:
    def shard(name: str) -> bytes:
        return read_bytes(path.parent / name)

    if path.stat().st_size > _JSON_LIMIT:
        raise ConfembError(f"{path} is too large for the description of a TF.js model.")
    return Checkpoint(_tfjs_arrays(read_bytes(path), shard, str(path)))


def _read_tfjs_archive(path: Path) -> Checkpoint:
    members: dict[str, bytes] = {}
    try:
        # One pass in the archive's own order: going back in it would mean decompressing it again.
        with unpacked_gzip(path) as content, tarfile.open(fileobj=content, mode="r|") as archive:
            for member in archive:
                # A sparse file has a size that stands for holes.
                if not member.isreg() or not member.name.endswith((f"/{TFJS_MODEL}", ".bin")):
                    continue
                file = archive.extractfile(member)
                members[member.name] = b"" if file is None else file.read()
    # tarfile's own checks of a damaged header are not complete.
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, TypeError, OverflowError, IndexError) as error:
        raise ConfembError(f"{path} is truncated or no .tgz archive ({error}): get it again.") from error
    models = [name for name in members if name.endswith(f"/{TFJS_MODEL}")]
    if len(models) != 1:
        raise ConfembError(f"the archive {path} holds {len(models)} files {TFJS_MODEL}; it must hold one.")
    folder = models[0].removesuffix(TFJS_MODEL)

    def shard(name: str) -> bytes:
        if folder + name not in members:
            raise ConfembError(f"the archive {path} lacks the shard {name!r}: get it again.")
        return members[folder + name]

    return Checkpoint(_tfjs_arrays(members[models[0]], shard, str(path)))


def _tfjs_arrays(model: bytes, shard: Callable[[str], bytes], where: str) -> dict[str, np.ndarray]:
    """Return the tensors of a TF.js model: its shards are one stream of bytes, in which tensor follows tensor."""
    try:
        groups = parse_json(model, where=where)["weightsManifest"]
        plan = [
            (
                [str(name) for name in group["paths"]],
                [
                    (str(w["name"]), w["shape"], _TFJS_TYPES[w["dtype"]], w.get("quantization"))
                    for w in group["weights"]
                ],
            )
            for group in groups
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfembError(f"{where} does not describe a TF.js layers model ({error!r}): get it again.") from error
    arrays: dict[str, np.ndarray] = {}
    for paths, weights in plan:
        if any("/" in name or "\\" in name or name in ("", ".", "..") for name in paths):
            raise ConfembError(f"{where} names shards outside its own folder, {quoted_list(paths)}: nothing was read.")
        stream = memoryview(b"".join(shard(name) for name in paths))
        start = 0
        for name, shape, kind, quantization in weights:
            if quantization is not None:
                raise ConfembError(f"{where} holds {name!r} quantized; only full weights can be read.")
            if name in arrays:
                raise ConfembError(f"{where} holds {name!r} twice.")
            if not isinstance(shape, list) or not all(type(side) is int and side >= 1 for side in shape):
                raise ConfembError(f"{where} gives {name!r} the shape {shape}, which is none.")
            count = math.prod(shape)
            end = start + count * np.dtype(kind).itemsize
            if end > len(stream):
                raise ConfembError(
                    f"{where} declares more than its shards hold: {name!r} ends at byte {end:,} of {len(stream):,}; "
                    "a shard is truncated, get it again."
                )
            arrays[name] = np.frombuffer(stream, kind, count, start).reshape(shape)
            start = end
        if start != len(stream):
            raise ConfembError(f"the shards of {where} hold {len(stream):,} bytes, of which {start:,} are declared.")
    return arrays


_READERS: dict[tuple[str, ...], Callable[[Path], Checkpoint]] = {
    (".safetensors",): _read_safetensors,
    (".h5", ".hdf5"): _read_h5,
    (".pth", ".pt", ".bin"): _read_torch,
    (".json",): _read_tfjs_file,
    (".tgz", ".tar.gz"): _read_tfjs_archive,
}
