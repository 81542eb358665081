"""Files made to do harm, for every reader."""

import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.torture import harmful_bytes as make
from tests.torture.readers import npz

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
    yield from _hostile_folders()


def _hostile_predictions() -> Iterator[Hostile]:
    for reader in ("predictions, NPZ", "result folder, pair counts", "result folder, example pictures"):
        name = {"predictions, NPZ": "labels", "result folder, pair counts": "counts"}.get(reader, "images")
        for shape in ("(1152921504606846976,)", "(1024, 1152921504606846976)", "(0, 1152921504606846976)", "(-1,)"):
            yield Hostile(
                reader,
                f"a shape of {shape}",
                lambda name=name, shape=shape: make.npz_of(**{name: make.npy_header(shape)}),
            )
        yield Hostile(
            reader,
            "texts of 0 letters, 2^40 of them",
            lambda name=name: make.npz_of(**{name: make.npy_header("(1099511627776,)", "<U0")}),
        )
        yield Hostile(
            reader,
            "a bomb of 1 GiB",
            lambda name=name: make.zip_of(f"{name}.npy", GIB, start=make.npy_header(f"({GIB},)", "|u1")),
            large=True,
        )
        yield Hostile(
            reader, "pickled objects", lambda name=name: make.npz_of(**{name: make.npy_header("(1,)", "|O") + b"cos\n"})
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
    yield Hostile("predictions, CSV", "60,000 columns, a gap", lambda: make.many_columns(",top70000"))
    yield Hostile("predictions, CSV", "60,000 columns, two alike", lambda: make.many_columns(",top7"))
    yield Hostile("predictions, CSV", "10^7 empty lines", lambda: b"label,top1\n" + b"\n" * 10_000_000, large=True)
    yield Hostile("confusion matrix, CSV", "counts of 10^300", lambda: b",a,b\na,1e300,1\nb,1,1e300\n")
    yield Hostile("confusion matrix, CSV", "a count that is not finite", lambda: b",a,b\na,inf,1\nb,1,2\n")
    yield Hostile("predictions, Parquet", "50 million equal rows", lambda: make.parquet(50_000_000), large=True)
    yield Hostile(
        "predictions, Parquet",
        "1 MB of text in 100,000 rows",
        lambda: make.parquet(100_000, text="a" * 1_000_000),
        False,
        large=True,
    )
    yield Hostile("result folder, embedding.txt", "vectors of 2^60 numbers", lambda: b"1 1152921504606846976\na 1\n")
    yield Hostile("result folder, embedding.txt", "2^60 vectors", lambda: b"1152921504606846976 1\na 1\n")


def _hostile_weights() -> Iterator[Hostile]:
    tensors = "weights, safetensors"
    yield Hostile(tensors, "a header of 2^60 bytes", lambda: make.safetensors(b"{}", length=2**60))
    yield Hostile(tensors, "a header nested without end", lambda: make.safetensors(b'{"a":' * 100_000))
    big = b'{"a":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,8]}}'
    yield Hostile(tensors, "a shape of 2^60", lambda: make.safetensors(big, data=bytes(8)))
    none = b'{"a":{"dtype":"F32","shape":[0,1152921504606846976],"data_offsets":[0,0]}}'
    yield Hostile(tensors, "an empty tensor with a side of 2^60", lambda: make.safetensors(none), False)
    yield Hostile("weights, TF.js folder", "a shape of 2^80", lambda: make.tfjs(shape=[2**40, 2**40]))
    yield Hostile(
        "weights, TF.js folder", "a shard outside", lambda: make.tfjs().replace(b"a.bin", b"../../etc/passwd")
    )
    yield Hostile(
        "weights, TF.js archive", "a member of 1 GiB", lambda: make.tar_bomb(tarfile.REGTYPE, GIB), large=True
    )
    yield Hostile(
        "weights, TF.js archive", "a PAX header of 1 GiB", lambda: make.tar_bomb(tarfile.XHDTYPE, GIB), large=True
    )
    yield Hostile(
        "weights, TF.js archive",
        "a long name of 1 GiB",
        lambda: make.tar_bomb(tarfile.GNUTYPE_LONGNAME, GIB),
        large=True,
    )
    yield Hostile("weights, TF.js archive", "a link out", make.tar_link)
    yield Hostile("weights, .pth", "code to run", make.runs_code)
    yield Hostile("weights, .pth", "one number over 2^34 places", make.pth)
    yield Hostile("weights, .pth", "a bomb of 1 GiB", lambda: make.pth(packed=True), large=True)
    yield Hostile(
        "weights, .h5",
        "a packed dataset of 2^40 numbers",
        lambda: make.h5(lambda f: f["a"].create_dataset("a/kernel:0", (2**40,), "f4", chunks=(1024,), compression=9)),  # type: ignore[index]
    )

    def outside(file: object) -> None:
        import h5py

        file["a"]["a/kernel:0"] = h5py.ExternalLink("/etc/passwd", "/x")  # type: ignore[index]

    yield Hostile("weights, .h5", "a link to another file", lambda: make.h5(outside))
    yield Hostile(
        "weights, .h5",
        "a dataset kept in another file",
        lambda: make.h5(lambda f: f["a"].create_dataset("a/kernel:0", (16,), "u1", external=[("/etc/passwd", 0, 16)])),  # type: ignore[index]
    )
    for reader in ("weights, Hugging Face config", "weights, Hugging Face preprocessor"):
        yield Hostile(reader, "nested 200,000 deep", lambda: b'{"a":' * 200_000)


def _hostile_pictures() -> Iterator[Hostile]:
    for kind in ("PNG",):
        reader = f"pictures, {kind}"
        yield Hostile(reader, "2^31 pixels a side", lambda: make.png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(100))))
        yield Hostile(
            reader,
            "a bomb of 4 * 10^8 pixels",
            lambda: make.png(20_000, 20_000, make.zlib_zeros(20_001 * 20_000)),
            large=True,
        )
        yield Hostile(
            reader, "a stripe of 1 by 8 * 10^7", lambda: make.png(80_000_000, 1, make.zlib_zeros(80 << 20)), large=True
        )
        yield Hostile(
            reader,
            "a comment of 1 GiB",
            lambda: make.png(4, 4, zlib.compress(bytes(20)), more=make.text_chunk(GIB)),
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
    yield Hostile("captions, features", "a shape of 2^60", lambda: make.npy_header("(2, 576460752303423488)"))
    yield Hostile("captions, MSCOCO", "nested 200,000 deep", lambda: b'{"images":' * 200_000)
    pairs = b": s\n" + b"".join(b"a%d b%d\n" % (i, i) for i in range(20_000))
    yield Hostile("analogies", "a section of 20,000 pairs", lambda: pairs)
    yield Hostile("labelled vectors, NPZ", "a label of 2^40", lambda: npz(
        embeddings=np.ones((2, 2), np.float32), labels=np.array([0, 2**40])))  # fmt: skip
    yield Hostile("shard of predictions, Parquet", "no class names, 10^7 rows", lambda: make.parquet(10_000_000))
    yield Hostile("word vectors, text", "2^60 words", lambda: b"1152921504606846976 1\na 1\n")
    yield Hostile("word vectors, gzip", "one line of 1 GiB", lambda: make.of_zeros(GIB, byte=b"a"), large=True)
    yield Hostile("word vectors, gzip", "the same word without end", lambda: make.of_zeros(GIB, byte=b"a 1\n"))
    yield Hostile(
        "word vectors, gzip",
        "1 GiB of empty lines",
        lambda: make.of_zeros(GIB, start=b"a 1\n", byte=b"\n"),
        large=True,
    )
    yield Hostile("word vectors, zip", "a bomb of 1 GiB", lambda: make.zip_of("a.txt", GIB, byte=b"a 1\n"), large=True)
    yield Hostile("word vectors, zip", "two files", make.two_members)


def _hostile_folders() -> Iterator[Hostile]:
    """Yield files of folders that confemb or TFDS made, and ONNX files."""
    experiment = "space of captions, experiment.json"
    yield Hostile(experiment, "nested 200,000 deep", lambda: b'{"a":' * 200_000)
    yield Hostile(experiment, "a space of 2^40 dimensions", lambda: json.dumps(
        {"name": "a", "title": "a", "space": {"dim": 2**40, "word_dim": 3}}).encode())  # fmt: skip
    yield Hostile("space of captions, captions.tsv", "a byte-order mark and nothing else", lambda: b"\xef\xbb\xbf")
    yield Hostile("space of captions, captions.tsv", "a head and no rows", lambda: b"picture\tpart\tcaption\n")
    one = b'{"pictures.kernel":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'
    yield Hostile("space of captions, weights.safetensors", "a kernel without sides", lambda: make.safetensors(
        one, data=bytes(4)))  # fmt: skip
    none = b'{"pictures.kernel":{"dtype":"F32","shape":[1152921504606846976,0],"data_offsets":[0,0]}}'
    yield Hostile("space of captions, weights.safetensors", "a side of 2^60", lambda: make.safetensors(none))
    yield Hostile("TFDS folder, dataset_info.json", "nested 200,000 deep", lambda: b'{"a":' * 200_000)
    yield Hostile("TFDS folder, features.json", "a class of Python's own to be imported", lambda: json.dumps(
        {"pythonClassName": "subprocess.Popen", "featuresDict": {"features": {}}}).encode())  # fmt: skip
    for name in ("train", "test"):
        record = f"TFDS folder, tiny_grey-{name}.array_record-00000-of-00001"
        yield Hostile(record, "one record's head and nothing else", lambda: b"\xff" * 64)
    for name in ("info.json", "train.images.npy"):
        yield Hostile(f"cache of a dataset, {name}", "nested 200,000 deep", lambda: b"[" * 200_000)
    yield Hostile("cache of a dataset, train.images.npy", "a shape of 2^60", lambda: make.npy_header(
        "(1152921504606846976, 1, 1, 1)", "|u1"))  # fmt: skip
    yield Hostile("cache of a dataset, train.ids.npy", "pickled objects", lambda: make.npy_header("(4,)", "|O") + b"c")
    for name in ("ready.json", "manifest.json"):
        reader = f"unfinished result, {name}"
        yield Hostile(reader, "nested 200,000 deep", lambda: b'{"a":' * 200_000, False)
    yield Hostile("ONNX file", "a table kept in another file", make.onnx_elsewhere)
    yield Hostile("ONNX file", "a table of 2^40 numbers, repeated by the graph", make.onnx_large)
