"""Pictures as viewers show them, known by what is in them; what is passed over is said."""

import io
import logging

import numpy as np
import pytest
from PIL import Image

from confemb.datasets.image_folder import ImageFolder, scan_folder
from confemb.datasets.picture_files import is_picture, picture_format
from confemb.datasets.pictures import decode_picture
from confemb.support.errors import ConfembError

PIXELS = np.zeros((6, 9, 3), np.uint8)
PIXELS[:2, :3] = (200, 30, 30)
PIXELS[4:, 6:] = (30, 30, 200)
FORMATS = {"JPEG": "jfif", "PNG": "", "GIF": "img", "BMP": "dib", "TIFF": "x", "WEBP": "picture"}


def encoded(kind="PNG", picture=None, **options):
    out = io.BytesIO()
    (Image.fromarray(PIXELS) if picture is None else picture).save(out, kind, **options)
    return out.getvalue()


def decoded(data):
    return decode_picture(data, mode="RGB", image_size=None, where="it")


# How a picture is stored that a viewer turns back, by its EXIF orientation.
STORED = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_stand_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](PIXELS)))
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(kind, stored, exif=exif, **options)), PIXELS)


def test_broken_exif_says_nothing():
    unknown = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0"
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + unknown):
        assert decoded(encoded("JPEG", exif=exif)).shape == (6, 9, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode):
    alpha = np.zeros((6, 9), np.uint8)
    alpha[:2, :3] = 255
    hidden = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    picture = Image.fromarray(np.dstack([np.where(alpha[:, :, None] > 0, PIXELS, hidden), alpha]))
    if mode == "P":
        indices = Image.fromarray(np.where(alpha > 0, 1, 0).astype(np.uint8), "P")
        indices.putpalette([9, 9, 9, 200, 30, 30])
        found = decoded(encoded("PNG", indices, transparency=0))
    else:
        found = decoded(encoded("PNG", picture.convert(mode)))
    assert (found[alpha == 0] == 255).all()
    grey = np.asarray(Image.fromarray(PIXELS).convert("L"))[0, 0]
    assert (found[alpha > 0] == (grey if mode == "LA" else (200, 30, 30))).all()


def test_opaque_pictures_keep_every_byte():
    for mode in ("RGB", "RGBA", "L", "LA"):
        picture = Image.fromarray(PIXELS).convert(mode)
        expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(decoded(encoded("PNG", picture)), expected)


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_are_known_by_their_bytes(tmp_path, kind):
    data = encoded(kind)
    assert picture_format(data[:64]) == kind
    path = tmp_path / f"p.{FORMATS[kind]}".rstrip(".")
    path.write_bytes(data)
    assert is_picture(path)


NO_PICTURES = [b"", b"text", b"BMW,1\nVW,2\n" * 9, b"%PDF-1.4", b"PK\x03\x04" + bytes(60), b"II, a sequel", b"GIF me"]


@pytest.mark.parametrize("data", NO_PICTURES)
def test_what_is_no_picture_is_not_taken_for_one(tmp_path, data):
    (tmp_path / "notes").write_bytes(data)
    assert not is_picture(tmp_path / "notes")


def folder(root, files):
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {"heic": b"\0\0\0\x18ftypheic" + bytes(40), "txt": b"notes", "svg": b"<svg></svg>"}
        path.write_bytes(data.get(path.suffix[1:], encoded("JPEG")))
    return root


def test_every_file_is_read_or_said(tmp_path, caplog):
    names = ["dog/a.jpg", "dog/b.jfif", "dog/c", "dog/d.JPG", "cat/a.jpg", "cat/b.heic", "cat/c.heic", "cat/notes.txt",
             "cat/.hidden.jpg", "cat/Thumbs.db", "__MACOSX/cat/._a.jpg", "montage.png", "classes.svg"]  # fmt: skip
    with caplog.at_level(logging.WARNING, "confemb"):
        found = scan_folder(folder(tmp_path, names))
    assert {name: [file.name for file in files] for name, files in found["all"].items()} == {
        "cat": ["a.jpg"],
        "dog": ["a.jpg", "b.jfif", "c", "d.JPG"],
    }
    assert len(caplog.messages) == 1
    said = caplog.messages[0]
    assert "5 files passed over: 2 .heic (HEIF, which is not read: save it as JPEG or PNG)" in said
    for one in ("montage.png (beside the class folders)", "notes.txt (no picture)", "classes.svg (a drawing (SVG)"):
        assert one in said


def test_nothing_is_said_where_nothing_is_passed_over(tmp_path, caplog):
    scan_folder(folder(tmp_path, ["cat/a.jpg", "dog/a.jpg", ".DS_Store", "__MACOSX/x/._a.jpg"]))
    folder(tmp_path, ["classes.txt"])
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    scan_folder(tmp_path)
    assert caplog.messages == []


STRAY = ["train/montage.png", "test/montage.png", "montage.png", "train/cat/notes.txt", "train/x"]


@pytest.mark.parametrize("stray", STRAY)
def test_one_stray_file_does_not_change_how_a_folder_is_read(tmp_path, stray, caplog):
    names = [f"{split}/{name}/{i}.jpg" for split in ("train", "test") for name in ("cat", "dog") for i in range(2)]
    folder(tmp_path, [*names, stray])
    (tmp_path / "__MACOSX").mkdir()
    found = scan_folder(tmp_path)
    assert {split: [*classes] for split, classes in found.items()} == {p: ["cat", "dog"] for p in ("train", "test")}
    assert sum(len(files) for classes in found.values() for files in classes.values()) == 8
    assert "1 file passed over" in caplog.messages[0]
    assert stray.rpartition("/")[2] in caplog.messages[0]
    assert ImageFolder(path=str(tmp_path), image_size=8, cache_dir=str(tmp_path / ".cache")).splits == ("train", "test")


def test_a_class_without_pictures_says_what_is_in_it(tmp_path):
    folder(tmp_path, ["cat/a.jpg", "dog/a.heic", "dog/b.heic"])
    with pytest.raises(ConfembError, match=r"class folder .*dog has no pictures \(2 \.heic \(HEIF, which is not read"):
        scan_folder(tmp_path)
    folder(tmp_path / "none", ["cat/a.heic"])
    with pytest.raises(ConfembError, match=r"no pictures in the folders of .*none: a\.heic \(HEIF"):
        scan_folder(tmp_path / "none")
