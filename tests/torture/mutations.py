"""Damaging the bytes of a file, so that a reader gets far into it before it stumbles."""

import contextlib
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from random import Random

# Where sizes, counts and indices stand: what breaks those who trust them.
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**60, 2**63 - 1, 2**64 - 1)
TEXTS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\n\n", b",", b'"', b"\t", b" ", b"nan",
    b"-inf", b"1e999", b"-0", b"1099511627776", b"9" * 40, b"9" * 5000, b"[" * 3000, b"{" * 3000, b'{"a":' * 2000,
    b"=cmd()", b"../../x", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"true", b"null", b"''", b"label", b"top1", b"prob1",
    b"\\ud800",
)  # fmt: skip

# How far from the beginning half of the changes are.
NEAR = 1024

Change = Callable[[bytearray, Random], None]


def _place(data: bytearray, random: Random) -> int:
    """Return a place to change; often near the beginning, since long files are mostly of one kind or padding."""
    return random.randrange(len(data) if random.random() < 0.5 else min(len(data), NEAR))


def _flip(data: bytearray, random: Random) -> None:
    data[_place(data, random)] ^= 1 << random.randrange(8)


def _replace(data: bytearray, random: Random) -> None:
    data[_place(data, random)] = random.randrange(256)


def _number(data: bytearray, random: Random) -> None:
    size = random.choice((1, 2, 4, 8))
    number = (random.choice(NUMBERS) + random.randint(-1, 1)) % 256**size
    start = _place(data, random)
    data[start : start + size] = number.to_bytes(size, random.choice(("little", "big")))


def _text(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    data[start : start + random.choice((0, 0, 1, 4))] = random.choice(TEXTS)


def _cut(data: bytearray, random: Random) -> None:
    del data[_place(data, random) :]


def _remove(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    del data[start : start + random.randint(1, 1 + len(data) // 4)]


def _repeat(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    piece = bytes(data[start : start + random.randint(1, 64)])
    data[start:start] = piece * random.choice((1, 2, 50))


def _zeros(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    size = min(len(data) - start, random.randint(1, 32))
    data[start : start + size] = bytes(size)


def _move(data: bytearray, random: Random) -> None:
    start, size, target = _place(data, random), random.randint(1, 32), _place(data, random)
    data[target : target + size] = data[start : start + size]


CHANGES: tuple[Change, ...] = (_flip, _replace, _number, _number, _text, _text, _cut, _remove, _repeat, _zeros, _move)


def damaged(data: bytes, random: Random) -> bytes:
    """Return the bytes with one to four changes."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        if not changed:
            break
        random.choice(CHANGES)(changed, random)
    return bytes(changed)


def damaged_within(data: bytes, random: Random) -> bytes:
    """Return the bytes with a change below what packs them: checksums and lengths are right again.

    Known are ZIP (NPZ, .pth), gzip, PNG and safetensors; anything else is damaged as it is.
    """
    for magic, change in _PACKED.items():
        if data.startswith(magic):
            # What a former change broke can no longer be unpacked.
            with contextlib.suppress(zipfile.BadZipFile, OSError, EOFError, ValueError, struct.error, zlib.error):
                return change(data, random)
    if len(data) > 8 and data[8:9] == b"{":
        with contextlib.suppress(ValueError, struct.error):
            return _safetensors(data, random)
    return damaged(data, random)


def _zip(data: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    chosen = random.randrange(len(members))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for number, (name, content) in enumerate(members):
            archive.writestr(name, damaged(content, random) if number == chosen else content)
    return out.getvalue()


def _gzip(data: bytes, random: Random) -> bytes:
    return gzip.compress(damaged(gzip.decompress(data), random), 1, mtime=0)


def _png(data: bytes, random: Random) -> bytes:
    chunks, place = [], 8
    while place + 12 <= len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        chunks.append([data[place + 4 : place + 8], data[place + 8 : place + 8 + size]])
        place += 12 + size
    chosen = random.choice(chunks)
    if chosen[0] == b"IDAT":
        chosen[1] = zlib.compress(damaged(zlib.decompress(chosen[1]), random), 1)
    else:
        chosen[1] = damaged(chosen[1], random)
    return data[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _safetensors(data: bytes, random: Random) -> bytes:
    (size,) = struct.unpack("<Q", data[:8])
    header = data[8 : 8 + size]
    json.loads(header)
    header = damaged(header, random)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


_PACKED: dict[bytes, Callable[[bytes, Random], bytes]] = {
    b"PK\x03\x04": _zip,
    b"\x1f\x8b": _gzip,
    b"\x89PNG\r\n\x1a\n": _png,
}


def mutants(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return a damaged file: one of the seeds, changed as it is or below its packing."""
    return random.choice((damaged, damaged_within))(random.choice(seeds), random)
