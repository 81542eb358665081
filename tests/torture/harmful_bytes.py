"""How the bytes of files made to do harm are put together: bombs, headers that lie, links, code."""

import gzip
import io
import json
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np


def of_zeros(size: int, *, start: bytes = b"", end: bytes = b"", byte: bytes = b"\0") -> bytes:
    """Return a gzip file that unpacks to so many equal bytes between two texts."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(start)
        piece = byte * ((1 << 20) // len(byte))
        for _ in range(size >> 20):
            file.write(piece)
        file.write(end)
    return out.getvalue()


def zip_of(name: str, size: int, *, start: bytes = b"", byte: bytes = b"\0") -> bytes:
    """Return a ZIP file with one packed member of so many equal bytes behind a beginning."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(start)
        piece = byte * ((1 << 20) // len(byte))
        for _ in range(size >> 20):
            member.write(piece)
    return out.getvalue()


def npy_header(shape: str, kind: str = "<f4") -> bytes:
    """Return the beginning of a .npy file that claims a shape."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npz_of(**members: bytes) -> bytes:
    """Return an NPZ file of .npy files' bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def png(width: int, height: int, data: bytes, *, more: bytes = b"") -> bytes:
    """Return a PNG that claims a size, grey, 8 bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zlib_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def text_chunk(size: int) -> bytes:
    content = b"Comment\0\0" + zlib_zeros(size)
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


def safetensors(header: bytes, *, length: int | None = None, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def many_columns(last: str) -> bytes:
    names = ",".join(f"top{i}" for i in range(1, 60_001))
    return f"label,{names}{last}\n".encode() + b"0" + b",1" * 60_001 + b"\n"


def parquet(rows: int, *, text: str = "a") -> bytes:
    """Return a small Parquet file of very many equal rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    values = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text]))
    numbers = pa.array(np.zeros(rows, np.int8))
    pq.write_table(pa.table({"label": numbers, "top1": numbers, "id": values}), out, compression="zstd")
    return out.getvalue()


def pth(**options: object) -> bytes:
    """Return a .pth of one number, spread over a tensor of 2^34 of them, or packed."""
    import torch

    tensor = torch.zeros(1).expand(2**34)
    out = io.BytesIO()
    torch.save({"a": tensor}, out)
    if not options:
        return out.getvalue()
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(out.getvalue())) as archive,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other,
    ):
        for info in archive.infolist():
            content = bytes(1 << 30) if info.filename.endswith("/data/0") else archive.read(info)
            other.writestr(info.filename, content)
    return packed.getvalue()


def runs_code() -> bytes:
    """Return a pickle, as .pth, that would run a program."""
    return b"\x80\x02cposix\nsystem\nq\x00X\x0c\x00\x00\x00touch /tmp/pwq\x01\x85q\x02Rq\x03."


def h5(write: Callable[[object], None]) -> bytes:
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"a"]
            file.create_group("a").attrs["weight_names"] = [b"a/kernel:0"]
            write(file)
        return path.read_bytes()


def tfjs(**weight: object) -> bytes:
    plan = {"name": "a", "shape": [2], "dtype": "float32"} | weight
    return json.dumps({"weightsManifest": [{"paths": ["a.bin"], "weights": [plan]}]}).encode()


def tar_bomb(kind: bytes, size: int) -> bytes:
    """Return a .tgz whose only member has a long beginning, of the kind given."""
    member = tarfile.TarInfo("package/model.json")
    member.type, member.size = kind, size
    return of_zeros(size, start=member.tobuf(tarfile.GNU_FORMAT), byte=b"a")


def tar_link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/model.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return out.getvalue()


def two_members() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../a", "a 1")
        archive.writestr("b", "b 1")
    return out.getvalue()


def _onnx(nodes: list[object], constants: list[object]) -> bytes:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("rows", "scores")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], constants)
    content: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    return content


def onnx_elsewhere() -> bytes:
    """Return an ONNX file whose table is the beginning of /etc/passwd."""
    from onnx import StringStringEntryProto, TensorProto, helper

    table = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=[2, 2])
    table.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../../../../etc/passwd"), ("offset", "0"), ("length", "16")):
        table.external_data.append(StringStringEntryProto(key=key, value=value))
    return _onnx([helper.make_node("MatMul", ["rows", "table"], ["scores"])], [table])


def onnx_large() -> bytes:
    """Return an ONNX file that asks for 2^40 equal numbers."""
    from onnx import helper, numpy_helper

    shape = numpy_helper.from_array(np.array([2**20, 2**20]), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["table"]),
        helper.make_node("ReduceSum", ["table"], ["one"], keepdims=0),
        helper.make_node("Add", ["rows", "one"], ["scores"]),
    ]
    return _onnx(nodes, [shape])
