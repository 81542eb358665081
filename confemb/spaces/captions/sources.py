"""Captioned pictures: read from a table, from the tutorial's annotations, or from MSCOCO's JSON; split by picture."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from confemb.spaces.captions.text import tokenise
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.files import parse_json, read_text

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

_HEADER = ["image", "caption"]
_NAMES = "image|image_name|image_id|filename|file_name|file|picture|img|image_path"
_TEXTS = "caption|captions|comment|text|description|sentence"
_DELIMITED_HEADER = re.compile(
    rf"\ufeff?\s*\"?(?:{_NAMES})\"?\s*([,|])(?:\s*\"?\w*(?:number|id|nr|no|index)\"?\s*\1)?\s*\"?(?:{_TEXTS})\"?\s*$"
)
# A picture's name that ends by a comma or a bar, where a blank or a tab would end it otherwise.
_PICTURE_NAME = re.compile(r"\"?[^\s,|\"]+\.(?:jpe?g|png|gif|bmp|webp|tiff?)(?:#[0-9]+)?\"?\s*([,|])", re.IGNORECASE)
# Flickr8k's own file numbers the captions of a picture: 1000268201_693b08cb0e.jpg#0.
_NUMBERED = re.compile(r"#[0-9]+$")


@dataclass(frozen=True, eq=False)
class Captions:
    """Pictures and what people wrote under them.

    Attributes:
        name: where they are from, for messages and manifests.
        pictures: the P pictures' names, all different, in the order in which they are named first.
        texts: the M captions as they were written; those of a picture stand together, in their order.
        picture_of: (M,) int32, the picture of each caption, rising.
    """

    name: str
    pictures: tuple[str, ...]
    texts: tuple[str, ...]
    picture_of: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ConfembError for no captions, one without words, or a picture's name that a table cannot hold."""
        if not self.texts:
            raise ConfembError(f"{self.name} holds no captions.")
        for name in self.pictures:
            if "\t" in name or len(name.splitlines()) > 1 or name.endswith(("\n", "\r")):
                raise ConfembError(f"{self.name}: the picture's name {name!r} holds a tab or a line end: rename it.")
        for number, text in enumerate(self.texts):
            if not tokenise(text):
                picture = self.pictures[self.picture_of[number]]
                raise ConfembError(f"{self.name}: a caption of {picture} has no words ({text!r}): remove that row.")

    @classmethod
    def of_rows(cls, name: str, rows: Iterable[tuple[str, str]]) -> "Captions":
        """Return captions from (picture, caption) rows in any order; raises ConfembError as the record itself."""
        by_picture: dict[str, list[str]] = {}
        for picture, text in rows:
            by_picture.setdefault(picture, []).append(text)
        counts = [len(texts) for texts in by_picture.values()]
        return cls(
            name,
            tuple(by_picture),
            tuple(text for texts in by_picture.values() for text in texts),
            np.repeat(np.arange(len(by_picture), dtype=np.int32), counts),
        )

    def of_pictures(self, rows: np.ndarray) -> np.ndarray:
        """Return the (m,) rows of the captions of some pictures, rising."""
        return np.flatnonzero(np.isin(self.picture_of, rows))

    def first_of_each(self, count: int) -> np.ndarray:
        """Return the (m,) rows of the first `count` captions of each picture."""
        starts = np.searchsorted(self.picture_of, self.picture_of)
        return np.flatnonzero(np.arange(len(self.texts)) - starts < count)


def load_captions(path: str | Path) -> Captions:
    """Read captioned pictures; the format is seen from the file.

    * a table: lines of picture, tab, caption; a first line "image caption" is a header; Flickr8k's own numbers behind
      the pictures' names (`#0`) are left out;
    * the same parted by commas (Kaggle's Flickr8k, captions.txt) or bars (Flickr30k, results.csv), with or without a
      header; a number between the picture and its caption is left out;
    * the tutorial's annotations: lines of a picture's name, a blank, and its caption;
    * MSCOCO's captions_*.json: `images` with `id` and `file_name`, `annotations` with `image_id` and `caption`. Images
      without a caption are left out.

    Raises:
        ConfembError: a file that cannot be read, a line without a picture or a caption, a caption without words, an
            id that stands twice, or an annotation of an image that is not there; the message names file and line.
    """
    path = Path(path)
    text = read_text(path)
    if path.suffix == ".json":
        return _from_coco(path, text)
    lines = text.splitlines()
    if path.suffix == ".tsv" or "\t" in lines[0]:
        return Captions.of_rows(path.name, _table_rows(path, lines))
    if delimiter := _delimiter(path, lines[0]):
        return Captions.of_rows(path.name, _delimited_rows(path, text, delimiter))
    return Captions.of_rows(path.name, _annotation_rows(path, lines))


def picture_files(captions: Captions, folder: str | Path) -> list[Path]:
    """Return each picture's file in a folder.

    Raises:
        ConfembError: no such folder, or pictures that are not in it; the message names some.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ConfembError(f"there is no folder of pictures {folder}: check the path.")
    files = [folder / name for name in captions.pictures]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ConfembError(
            f"{len(missing)} of the {len(files)} pictures of {captions.name} are not in {folder}: "
            f"{quoted_list(missing)}."
        )
    return files


def split_pictures(captions: Captions, *, validation: int, test: int, seed: int) -> np.ndarray:
    """Draw which pictures are learned from; all captions of a picture fall in its part.

    The draw depends on the pictures' names and the seed, not on their order in the file.

    Args:
        captions: the captioned pictures.
        validation, test: how many pictures; the others are learned from.
        seed: draws them.

    Returns:
        (P,) str, one of `PARTS` for each picture.

    Raises:
        ConfembError: fewer than two pictures would be left to learn from.
    """
    count = len(captions.pictures)
    if count - validation - test < 2:
        raise ConfembError(
            f"{captions.name} has {count} pictures: with {validation} for validation and {test} for the test fewer "
            "than 2 are left to learn from; set captions.validation and captions.test lower (in the experiment, or by "
            "--set)."
        )
    by_name = np.argsort(np.array(captions.pictures))
    drawn = by_name[np.random.default_rng(seed).permutation(count)]
    parts = np.full(count, "train", dtype="<U10")
    parts[drawn[:test]] = "test"
    parts[drawn[test : test + validation]] = "validation"
    return parts


def _table_rows(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        picture, _, text = (cell.strip() for cell in line.partition("\t"))
        if number == 1 and [picture.lower(), text.lower()] == _HEADER:
            continue
        if "\t" not in line or not picture:
            raise ConfembError(f"{path}, line {number}: expected a picture, a tab and its caption.")
        if not text:
            raise ConfembError(f"{path}, line {number}: the caption of {picture} is empty: remove that line.")
        yield _NUMBERED.sub("", picture), text


def _delimiter(path: Path, first: str) -> str | None:
    """Return what parts a picture from its caption in the first line, a comma or a bar; None where a blank does."""
    if header := _DELIMITED_HEADER.match(first.lower()):
        return header[1]
    named = _PICTURE_NAME.match(first)
    return named[1] if named else ("," if path.suffix == ".csv" else None)


def _delimited_rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[str, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    if delimiter == "|":
        # Bars do not stand in captions, quotes do.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    wanted = 0
    try:
        for cells in reader:
            number = reader.line_num
            if not any(map(str.strip, cells)):
                continue
            if number == 1 and _DELIMITED_HEADER.match(text.partition("\n")[0].lower()):
                continue
            wanted = wanted or (3 if len(cells) > 2 and cells[1].strip().isdecimal() else 2)
            picture = cells[0].strip()
            if len(cells) < wanted or not picture:
                raise ConfembError(f"{path}, line {number}: expected a picture, {delimiter!r} and its caption.")
            # A caption with commas that is not quoted.
            caption = delimiter.join(cells[wanted - 1 :]).strip()
            if not caption:
                raise ConfembError(f"{path}, line {number}: the caption of {picture} is empty: remove that line.")
            yield _NUMBERED.sub("", picture), caption
    except csv.Error as error:
        raise ConfembError(f"{path}, line {reader.line_num}: {error}.") from error


def _annotation_rows(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        picture, *words = line.split()
        if not words:
            raise ConfembError(
                f"{path}, line {number}: expected a picture's name, a blank and its caption, but found {line!r}."
            )
        yield picture, " ".join(words)


def _from_coco(path: Path, text: str) -> Captions:
    content = parse_json(text, where=str(path))
    try:
        images, annotations = list(content["images"]), list(content["annotations"])
        names = [(image["id"], image["file_name"]) for image in images]
        rows = [(each["image_id"], each["caption"], each.get("id")) for each in annotations]
        _refuse_no_texts(path, "file_name", names)
        _refuse_no_texts(path, "caption", [(identity, caption) for _, caption, identity in rows])
        # An id that is a list or an object is none.
        hash((*names, *(identity for identity, _, _ in rows), *(identity for _, _, identity in rows)))
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfembError(
            f"{path} is not MSCOCO's JSON ({error!r}): it needs `images` with id and file_name, and `annotations` with "
            "image_id and caption."
        ) from error
    _refuse_twice(path, "images", [identity for identity, _ in names])
    _refuse_twice(path, "file names", [name for _, name in names])
    _refuse_twice(path, "annotations", [identity for _, _, identity in rows if identity is not None])
    by_image: dict[Any, list[str]] = {identity: [] for identity, _ in names}
    for identity, caption, _ in rows:
        if identity not in by_image:
            raise ConfembError(f"{path}: an annotation is of image {identity!r}, which is not among the images.")
        by_image[identity].append(" ".join(caption.split()))
    return Captions.of_rows(path.name, ((name, caption) for identity, name in names for caption in by_image[identity]))


def _refuse_no_texts(path: Path, key: str, values: list[tuple[Any, Any]]) -> None:
    """Raise for the first value that is no text, as null and lists are; by the id of its image or annotation."""
    for place, (identity, value) in enumerate(values):
        if not isinstance(value, str):
            what = "image" if key == "file_name" else "annotation"
            told = "null" if value is None else f"a {type(value).__name__} ({str(value)[:40]})"
            raise ConfembError(
                f"{path}: the {key} of the {what} with the id {identity!r} (number {place}) is {told}: it must be "
                "a text; "
                "remove it, or give it one of its own."
            )


def _refuse_twice(path: Path, what: str, identities: list[Any]) -> None:
    seen: set[Any] = set()
    for identity in identities:
        if identity in seen:
            raise ConfembError(f"{path}: the id {identity!r} stands twice among the {what}: keep one of them.")
        seen.add(identity)
