"""Files made to do harm: each is refused in one sentence, in little time and memory.

    python -m experiments.torture.hostile

Bombs that unpack to gigabytes, headers that claim 2^60 bytes, class indices of 2^40, nesting without end, mixed
encodings, NUL bytes, files that shrink while they are read, links in circles, pipes, devices, and folders in place of
files. What a file unpacks to is bounded by `confemb.files.MOST_UNPACKED` (4 GiB); the trials lower that bound, so that
their bombs need not be larger, and give each reader a fixed amount of memory.
"""

import gzip
import io
import json
import os
import struct
import tarfile
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.torture.confined import MEMORY, SECONDS, Case, Outcome, run_confined
from experiments.torture.fuzz import place
from experiments.torture.readers import Reader, all_readers, npz
from experiments.torture.trials import Trial

GIB = 1 << 30


@dataclass(frozen=True)
class Hostile:
    """A file made to do harm.

    Attributes:
        reader: the name of the reader it is for.
        what: what is wrong with it.
        content: makes its bytes.
        refused: whether it must be refused; else it may also be read.
        large: whether it takes seconds to make or to read.
    """

    reader: str
    what: str
    content: Callable[[], bytes]
    refused: bool = True
    large: bool = False


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


def _zlib_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def _text_chunk(size: int) -> bytes:
    content = b"Comment\0\0" + _zlib_zeros(size)
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


def _safetensors(header: bytes, *, length: int | None = None, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def _many_columns(last: str) -> bytes:
    names = ",".join(f"top{i}" for i in range(1, 60_001))
    return f"label,{names}{last}\n".encode() + b"0" + b",1" * 60_001 + b"\n"


def _parquet(rows: int, *, text: str = "a") -> bytes:
    """Return a small Parquet file of very many equal rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    values = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text]))
    numbers = pa.array(np.zeros(rows, np.int8))
    pq.write_table(pa.table({"label": numbers, "top1": numbers, "id": values}), out, compression="zstd")
    return out.getvalue()


def _pth(**options: object) -> bytes:
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


def _runs_code() -> bytes:
    """Return a pickle, as .pth, that would run a program."""
    return b"\x80\x02cposix\nsystem\nq\x00X\x0c\x00\x00\x00touch /tmp/pwq\x01\x85q\x02Rq\x03."


def _h5(write: Callable[[object], None]) -> bytes:
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"a"]
            file.create_group("a").attrs["weight_names"] = [b"a/kernel:0"]
            write(file)
        return path.read_bytes()


def _tfjs(**weight: object) -> bytes:
    plan = {"name": "a", "shape": [2], "dtype": "float32"} | weight
    return json.dumps({"weightsManifest": [{"paths": ["a.bin"], "weights": [plan]}]}).encode()


def _tar_bomb(kind: bytes, size: int) -> bytes:
    """Return a .tgz whose only member has a long beginning, of the kind given."""
    member = tarfile.TarInfo("package/model.json")
    member.type, member.size = kind, size
    return of_zeros(size, start=member.tobuf(tarfile.GNU_FORMAT), byte=b"a")


LABELS = npz(labels=np.array([0, 1]))


def all_hostile() -> Iterator[Hostile]:
    """Yield every file; what a library that is not installed would have to make is left out by the caller."""
    deep = (b"[" * 200_000, b'{"a":' * 200_000)
    yield from _hostile_predictions()
    yield from _hostile_weights()
    for reader in ("class names, JSON", "result folder, manifest", "result folder, reliability"):
        for content in deep:
            yield Hostile(reader, "nested 200,000 deep", lambda content=content: content)
        yield Hostile(reader, "a number of 100,000 digits", lambda: b"9" * 100_000)
        yield Hostile(reader, "UTF-16", lambda: '["cat"]'.encode("utf-16"))
    for reader in ("experiment, TOML", "groups, TOML"):
        yield Hostile(reader, "arrays 200,000 deep", lambda: b"a = " + b"[" * 200_000)
        yield Hostile(reader, "tables 50,000 deep", lambda: b"a" + b".a" * 50_000 + b" = 1")
        yield Hostile(reader, "a table head 50,000 deep", lambda: b"[a" + b".a" * 50_000 + b"]\nb = 1")
        yield Hostile(reader, "a number of 100,000 digits", lambda: b"a = " + b"9" * 100_000)
        yield Hostile(reader, "NUL", lambda: b'a = "\0"')
        yield Hostile(reader, "Latin-1", lambda: 'a = "é"'.encode("latin-1"))
    yield Hostile("experiment, TOML", "a circle of extends", lambda: b'extends = "e"')
    yield Hostile("experiment, TOML", "extends a path outside", lambda: b'extends = "../../../../etc/passwd"')
    for text in ("a\0b\nc", "a\nb\udc80".encode("utf-8", "surrogateescape"), "a\n" + "b" * 5_000_000):
        content = text.encode() if isinstance(text, str) else text
        yield Hostile(
            "class names, text", "a NUL, a wrong byte or a name of megabytes", lambda content=content: content
        )
    yield Hostile("class names, JSON", "half a character", lambda: b'["a", "\\ud800"]')
    yield Hostile("class names, CSV column", "100,000 columns, two alike", lambda: (b"a," * 100_000 + b"a\n") * 2)
    yield from _hostile_pictures()
    yield from _hostile_words()


def _hostile_predictions() -> Iterator[Hostile]:
    for reader in ("predictions, NPZ", "result folder, pair counts", "result folder, example pictures"):
        name = {"predictions, NPZ": "labels", "result folder, pair counts": "counts"}.get(reader, "images")
        for shape in ("(1152921504606846976,)", "(1024, 1152921504606846976)", "(0, 1152921504606846976)", "(-1,)"):
            yield Hostile(
                reader, f"a shape of {shape}", lambda name=name, shape=shape: npz_of(**{name: npy_header(shape)})
            )
        yield Hostile(reader, "texts of 0 letters, 2^40 of them", lambda name=name: npz_of(**{name: npy_header(
            "(1099511627776,)", "<U0")}))  # fmt: skip
        yield Hostile(
            reader,
            "a bomb of 1 GiB",
            lambda name=name: zip_of(f"{name}.npy", GIB, start=npy_header(f"({GIB},)", "|u1")),
            large=True,
        )
        yield Hostile(
            reader, "pickled objects", lambda name=name: npz_of(**{name: npy_header("(1,)", "|O") + b"cos\n"})
        )
    yield Hostile("predictions of many models, NPZ", "a class index of 2^40", lambda: npz(
        labels=np.array([0, 1]), a=np.array([0, 2**40])))  # fmt: skip
    for column in ("labels", "topk"):
        arrays = {"labels": np.array([0, 1]), "topk": np.array([[0, 1], [1, 0]])}
        arrays[column] = arrays[column] + 2**40
        yield Hostile("predictions, NPZ", f"class indices of 2^40 in {column}", lambda arrays=arrays: npz(**arrays))
    for cell in ("1099511627776", "-1", "9" * 18, "9" * 19, "9" * 5000, "1e400", "nan", ""):
        yield Hostile(
            "predictions, CSV", f"a class index {cell[:20]}", lambda cell=cell: f"label,top1\n0,1\n1,{cell}\n".encode()
        )
    yield Hostile("predictions, CSV", "UTF-16", lambda: "label,top1\na,b\nb,a\n".encode("utf-16"))
    yield Hostile("predictions, CSV", "Latin-1 after UTF-8", lambda: "label,top1\né,b\n".encode() + b"b,\xe9\n")
    yield Hostile("predictions, CSV", "NUL in a name", lambda: b"label,top1\na\0,b\nb,a\0\n")
    yield Hostile(
        "predictions, CSV", "a name of 100,000 letters", lambda: b"label,top1\n" + b"a" * 100_000 + b",b\nb,b\n"
    )
    yield Hostile("predictions, CSV", "a cell that never ends", lambda: b'label,top1\na,"' + b"b\n" * 500_000)
    yield Hostile("predictions, CSV", "60,000 columns, a gap", lambda: _many_columns(",top70000"))
    yield Hostile("predictions, CSV", "60,000 columns, two alike", lambda: _many_columns(",top7"))
    yield Hostile("predictions, CSV", "10^7 empty lines", lambda: b"label,top1\n" + b"\n" * 10_000_000, large=True)
    yield Hostile("confusion matrix, CSV", "counts of 10^300", lambda: b",a,b\na,1e300,1\nb,1,1e300\n")
    yield Hostile("confusion matrix, CSV", "a count that is not finite", lambda: b",a,b\na,inf,1\nb,1,2\n")
    yield Hostile("predictions, Parquet", "50 million equal rows", lambda: _parquet(50_000_000), large=True)
    yield Hostile(
        "predictions, Parquet",
        "1 MB of text in 100,000 rows",
        lambda: _parquet(100_000, text="a" * 1_000_000),
        False,
        large=True,
    )
    yield Hostile("result folder, embedding.txt", "vectors of 2^60 numbers", lambda: b"1 1152921504606846976\na 1\n")
    yield Hostile("result folder, embedding.txt", "2^60 vectors", lambda: b"1152921504606846976 1\na 1\n")


def _hostile_weights() -> Iterator[Hostile]:
    tensors = "weights, safetensors"
    yield Hostile(tensors, "a header of 2^60 bytes", lambda: _safetensors(b"{}", length=2**60))
    yield Hostile(tensors, "a header nested without end", lambda: _safetensors(b'{"a":' * 100_000))
    big = b'{"a":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,8]}}'
    yield Hostile(tensors, "a shape of 2^60", lambda: _safetensors(big, data=bytes(8)))
    none = b'{"a":{"dtype":"F32","shape":[0,1152921504606846976],"data_offsets":[0,0]}}'
    yield Hostile(tensors, "an empty tensor with a side of 2^60", lambda: _safetensors(none), False)
    yield Hostile("weights, TF.js folder", "a shape of 2^80", lambda: _tfjs(shape=[2**40, 2**40]))
    yield Hostile("weights, TF.js folder", "a shard outside", lambda: _tfjs().replace(b"a.bin", b"../../etc/passwd"))
    yield Hostile("weights, TF.js archive", "a member of 1 GiB", lambda: _tar_bomb(tarfile.REGTYPE, GIB), large=True)
    yield Hostile(
        "weights, TF.js archive", "a PAX header of 1 GiB", lambda: _tar_bomb(tarfile.XHDTYPE, GIB), large=True
    )
    yield Hostile(
        "weights, TF.js archive", "a long name of 1 GiB", lambda: _tar_bomb(tarfile.GNUTYPE_LONGNAME, GIB), large=True
    )
    yield Hostile("weights, TF.js archive", "a link out", lambda: _tar_link())
    yield Hostile("weights, .pth", "code to run", _runs_code)
    yield Hostile("weights, .pth", "one number over 2^34 places", _pth)
    yield Hostile("weights, .pth", "a bomb of 1 GiB", lambda: _pth(packed=True), large=True)
    yield Hostile(
        "weights, .h5",
        "a packed dataset of 2^40 numbers",
        lambda: _h5(lambda f: f["a"].create_dataset("a/kernel:0", (2**40,), "f4", chunks=(1024,), compression=9)),  # type: ignore[index]
    )

    def outside(file: object) -> None:
        import h5py

        file["a"]["a/kernel:0"] = h5py.ExternalLink("/etc/passwd", "/x")  # type: ignore[index]

    yield Hostile("weights, .h5", "a link to another file", lambda: _h5(outside))
    yield Hostile(
        "weights, .h5",
        "a dataset kept in another file",
        lambda: _h5(lambda f: f["a"].create_dataset("a/kernel:0", (16,), "u1", external=[("/etc/passwd", 0, 16)])),  # type: ignore[index]
    )
    for reader in ("weights, Hugging Face config", "weights, Hugging Face preprocessor"):
        yield Hostile(reader, "nested 200,000 deep", lambda: b'{"a":' * 200_000)


def _tar_link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/model.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return out.getvalue()


def _hostile_pictures() -> Iterator[Hostile]:
    for kind in ("PNG",):
        reader = f"pictures, {kind}"
        yield Hostile(reader, "2^31 pixels a side", lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(100))))
        yield Hostile(
            reader,
            "a bomb of 4 * 10^8 pixels",
            lambda: png(20_000, 20_000, _zlib_zeros(20_001 * 20_000)),
            large=True,
        )
        yield Hostile(
            reader, "a stripe of 1 by 8 * 10^7", lambda: png(80_000_000, 1, _zlib_zeros(80 << 20)), large=True
        )
        yield Hostile(
            reader,
            "a comment of 1 GiB",
            lambda: png(4, 4, zlib.compress(bytes(20)), more=_text_chunk(GIB)),
            False,
            large=True,
        )
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b","
    gif += struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00;"
    yield Hostile("pictures, GIF", "65,535 pixels a side", lambda: gif)
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, *[0] * 6)
    yield Hostile("pictures, BMP", "60,000 pixels a side", lambda: bmp)
    yield Hostile("pictures, PPM", "60,000 pixels a side", lambda: b"P6 60000 60000 255\n")
    yield Hostile(
        "pictures, PNG", "PostScript under another name", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    )


def _hostile_words() -> Iterator[Hostile]:
    yield Hostile("word vectors, word2vec binary", "vectors of 2^60 numbers", lambda: b"1 1152921504606846976\na ")
    yield Hostile("word vectors, word2vec binary", "2^60 words", lambda: b"1152921504606846976 1\na " + bytes(4))
    yield Hostile("captions, features", "a shape of 2^60", lambda: npy_header("(2, 576460752303423488)"))
    yield Hostile("captions, MSCOCO", "nested 200,000 deep", lambda: b'{"images":' * 200_000)
    pairs = b": s\n" + b"".join(b"a%d b%d\n" % (i, i) for i in range(20_000))
    yield Hostile("analogies", "a section of 20,000 pairs", lambda: pairs)
    yield Hostile("labelled vectors, NPZ", "a label of 2^40", lambda: npz(
        embeddings=np.ones((2, 2), np.float32), labels=np.array([0, 2**40])))  # fmt: skip
    yield Hostile("shard of predictions, Parquet", "no class names, 10^7 rows", lambda: _parquet(10_000_000))
    yield Hostile("word vectors, text", "2^60 words", lambda: b"1152921504606846976 1\na 1\n")
    yield Hostile("word vectors, gzip", "one line of 1 GiB", lambda: of_zeros(GIB, byte=b"a"), large=True)
    yield Hostile("word vectors, gzip", "the same word without end", lambda: of_zeros(GIB, byte=b"a 1\n"))
    yield Hostile(
        "word vectors, gzip",
        "1 GiB of empty lines",
        lambda: of_zeros(GIB, start=b"a 1\n", byte=b"\n"),
        large=True,
    )
    yield Hostile("word vectors, zip", "a bomb of 1 GiB", lambda: zip_of("a.txt", GIB, byte=b"a 1\n"), large=True)
    yield Hostile("word vectors, zip", "two files", lambda: _two_members())


def _two_members() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../a", "a 1")
        archive.writestr("b", "b 1")
    return out.getvalue()


def odd_files(reader: Reader, folder: Path) -> Iterator[tuple[str, Case, bool]]:
    """Yield what may stand in a file's place: (what, the reading of it, whether it must be refused)."""

    def fresh(name: str) -> Path:
        path = place(reader, folder / name, reader.seeds[0])
        path.unlink()
        return path

    def read(path: Path) -> Case:
        return lambda: reader.read(path)

    path = fresh("folder")
    path.mkdir()
    # A folder of TF.js is a checkpoint too, and a folder of pictures has no classes.txt of its own.
    yield "a folder", read(path), True
    path = fresh("pipe")
    os.mkfifo(path)
    yield "a named pipe that nobody writes to", read(path), True
    path = fresh("device")
    path.symlink_to("/dev/zero")
    yield "a link to /dev/zero", read(path), True
    path = fresh("circle")
    path.symlink_to(path)
    yield "a link to itself", read(path), True
    yield "nothing", read(fresh("nothing")), True
    path = fresh("sparse")
    with open(path, "wb") as file:
        file.truncate(1 << 42)
    yield "a sparse file of 4 TiB", read(path), True
    path = fresh("unreadable")
    path.write_bytes(b"")
    yield "an empty file", read(path), True
    path = fresh("link")
    other = path.with_name("elsewhere")
    other.write_bytes(reader.seeds[0])
    path.symlink_to(other)
    yield "a link to a sound file", read(path), False
    path = fresh("shrinking")
    yield "a file that shrinks while it is read", lambda: shrinking(reader, path), False


def shrinking(reader: Reader, path: Path) -> object:
    """Read a file while another thread cuts and restores it, again and again."""
    from confemb.errors import ConfembError

    sound = reader.seeds[0] * 1
    stop = threading.Event()

    def cut() -> None:
        while not stop.is_set():
            for size in (len(sound) // 2, 0, len(sound)):
                with open(path, "r+b") as file:
                    file.truncate(size)
                    if size == len(sound):
                        file.write(sound)

    path.write_bytes(sound)
    thread = threading.Thread(target=cut)
    thread.start()
    until = time.monotonic() + 0.2
    found: object = None
    try:
        while time.monotonic() < until:
            try:
                found = reader.read(path)
            except ConfembError as error:
                found = error
    finally:
        stop.set()
        thread.join()
    return found


def judged(reader: str, what: str, outcome: Outcome, refused: bool) -> str | None:
    """Return what went wrong with a case, or None."""
    if not outcome.held:
        return f"{reader}, {what}: {outcome.kind}: {outcome.detail}"
    if refused and outcome.kind == "read":
        return f"{reader}, {what}: it was read"
    return None


# Where a file is missing, nothing is refused: `classes.txt` is optional, and vectors' neighbours are not looked for.
OPTIONAL = frozenset({"image folder, classes.txt", "weights, Hugging Face preprocessor"})


def run(seconds: float, seed: int) -> list[Trial]:
    """Try every hostile file and, for every reader, everything that may stand in a file's place; once each."""
    with tempfile.TemporaryDirectory(prefix="confemb-hostile-") as name:
        scratch, work = Path(name) / "seeds", Path(name) / "work"
        scratch.mkdir()
        work.mkdir()
        readers = {reader.name: reader for reader in all_readers(scratch)}
        cases: list[Case] = []
        about: list[tuple[str, str, bool]] = []
        for number, hostile in enumerate(all_hostile()):
            if hostile.reader not in readers:
                continue
            reader = readers[hostile.reader]
            path = place(reader, work / str(number), hostile.content())
            cases.append(lambda reader=reader, path=path: reader.read(path))  # type: ignore[misc]
            about.append((hostile.reader, hostile.what, hostile.refused))
        made = len(cases)
        for reader in readers.values():
            if reader.name == "--set KEY=VALUE":
                # Words of the command line, not a file.
                continue
            for what, case, refused in odd_files(reader, work / f"odd {reader.name}".replace("/", "_")):
                if reader.name in OPTIONAL and what != "a named pipe that nobody writes to":
                    refused = False
                cases.append(case)
                about.append((reader.name, what, refused))
        outcomes = run_confined(cases)
    failures = [judged(*case[:2], outcome, case[2]) for case, outcome in zip(about, outcomes, strict=True)]
    must = f"refused in one sentence, within {SECONDS:.0f} s and {MEMORY >> 20} MiB"
    return [
        Trial.of(f"files made to do harm: {must}", made, [f for f in failures[:made] if f]),
        Trial.of(
            f"pipes, devices, folders, links, shrinking files in a file's place: read, or {must}",
            len(cases) - made,
            [f for f in failures[made:] if f],
        ),
    ]


def main() -> None:
    """Run the trials and print what failed."""
    for trial in run(0, 0):
        print(f"{trial.what}: {trial.held} of {trial.tried}")
        for failure in trial.failures:
            print(f"   {failure}")


if __name__ == "__main__":
    main()
