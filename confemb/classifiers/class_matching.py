"""Which of a model's classes each label of the data means: by name, never by order."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from confemb.records.imagenet import imagenet_classes
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import parse_json, read_text

Unmatched = Literal["refuse", "leave-out"]
_WNID = re.compile(r"[nvasr][0-9]{8}")
# What `LABEL_0` and bare numbers have in common: they name a place, not a class.
_PLACE = re.compile(r"(label[_ ]?)?[0-9]+", re.IGNORECASE)
# How a label was matched, the surest first; the text is what the user reads.
HOW = {
    "map": "by the map",
    "name": "by name",
    "spelling": "by name, but for case and punctuation",
    "part": "by one of several names",
    "wnid": "by WordNet id",
    "synonym": "by a WordNet synonym",
}


@dataclass(frozen=True, eq=False)
class ClassMatch:
    """Which class each label means.

    Attributes:
        labels: the L label names of the data.
        class_names: the K classes of the model.
        places: (L,) int32, the class of each label; -1 for one that is left out.
        how: for each label one of `HOW`, or "" where it is left out.
    """

    labels: tuple[str, ...]
    class_names: tuple[str, ...]
    places: np.ndarray
    how: tuple[str, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """The labels that mean no class of the model."""
        return tuple(label for label, place in zip(self.labels, self.places, strict=True) if place < 0)

    def as_record(self) -> list[list[str]]:
        """Return [label, class, how] for each label, the class "" where it is left out; JSON-able."""
        return [
            [label, "" if place < 0 else self.class_names[place], how]
            for label, place, how in zip(self.labels, self.places, self.how, strict=True)
        ]

    def summary(self, most: int = 12) -> str:
        """Return how the labels were matched, those named whose names differ."""
        counts = {said: self.how.count(key) for key, said in HOW.items()}
        parts = [f"{count} {said}" for said, count in counts.items() if count]
        differ = [
            f"{label} -> {name}" for label, name, how in self.as_record() if how not in ("", "name") and label != name
        ]
        text = f"{len(self.labels)} labels, {len(self.class_names)} classes: {', '.join(parts) or 'none matched'}"
        if differ:
            more = f", and {len(differ) - most} more" if len(differ) > most else ""
            text += f" ({', '.join(differ[:most])}{more})"
        if self.left_out:
            text += f"; left out: {quoted_list(self.left_out, limit=most)}"
        return text


def match_classes(
    labels: Sequence[str],
    class_names: Sequence[str],
    *,
    mapping: Mapping[str, str | None] | None = None,
    unmatched: Unmatched = "refuse",
) -> ClassMatch:
    """Match labels with a model's classes.

    Tried in this order: `mapping`; the same name; the same but for case, accents and punctuation; one of several names
    ("tench, Tinca tinca"); the WordNet id of an ImageNet class; WordNet, where it is installed: both names have the
    same noun as their first sense.

    Args:
        labels: the L label names.
        class_names: the K classes.
        mapping: label -> class; None leaves the label out.
        unmatched: what to do with labels that match no class: refuse them by name, or leave their items out.

    Raises:
        ConfembError: a label that matches two classes, two labels that match one class (the mapping may say so on
            purpose), a mapping that names what is not there, a label that matches none.
    """
    labels, names = tuple(labels), tuple(class_names)
    mapping = dict(mapping or {})
    _check_mapping(mapping, labels, names)
    places = np.full(len(labels), -1, np.int32)
    how = [""] * len(labels)
    for i, label in enumerate(labels):
        target = mapping.get(label)
        if target is not None:
            places[i], how[i] = names.index(target), "map"
    left = [i for i, label in enumerate(labels) if label not in mapping]
    for key, keys_of in _methods():
        if not left:
            break
        index = _index(names, keys_of)
        for i in left:
            candidates = sorted({place for one in keys_of(labels[i]) for place in index.get(one, ())})
            if len(candidates) > 1:
                raise ConfembError(
                    f"the label {labels[i]!r} could be any of the classes {quoted_list(names[c] for c in candidates)} "
                    f"({HOW[key]}): say which with --map."
                )
            if candidates:
                places[i], how[i] = candidates[0], key
        left = [i for i in left if places[i] < 0]
    _check_once(labels, names, places, how)
    match = ClassMatch(labels, names, places, tuple(how))
    unknown = [labels[i] for i in left]
    if unknown and unmatched == "refuse":
        raise ConfembError(_refusal(unknown, labels, names))
    if (places < 0).all():
        raise ConfembError(_refusal(list(labels), labels, names))
    return match


def load_map(path: Path) -> dict[str, str | None]:
    """Read which class each label means: a CSV file with the columns label and class, or a JSON object.

    An empty class (null in JSON) leaves the label's items out.

    Raises:
        ConfembError: another kind of file, a label that stands twice.
    """
    text = read_text(path)
    if path.suffix.lower() == ".json":
        values = parse_json(text, where=str(path))
        if not isinstance(values, dict) or not all(isinstance(v, str) or v is None for v in values.values()):
            raise ConfembError(f"{path} must hold a JSON object: each label with its class, or with null.")
        return {label: name or None for label, name in values.items()}
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or [cell.strip() for cell in rows[0]] != ["label", "class"]:
        raise ConfembError(f"{path} must be a CSV file with the header label,class, or a JSON object (.json).")
    mapping: dict[str, str | None] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != 2:
            raise ConfembError(f"{path}: line {line} has {len(row)} cells; it must have a label and a class.")
        label, name = row[0].strip(), row[1].strip()
        if label in mapping:
            raise ConfembError(f"{path}: line {line} has the label {label!r} again: keep one of its lines.")
        mapping[label] = name or None
    return mapping


def _check_mapping(mapping: Mapping[str, str | None], labels: Sequence[str], names: Sequence[str]) -> None:
    for label, name in mapping.items():
        if label not in labels:
            raise unknown_name("label", label, labels, where="the map")
        if name is not None and name not in names:
            raise unknown_name("class", name, names, where="the map")


def _check_once(labels: Sequence[str], names: Sequence[str], places: np.ndarray, how: Sequence[str]) -> None:
    """Raise where two labels came to mean one class without the map saying so."""
    taken: dict[int, int] = {}
    for i, place in enumerate(places.tolist()):
        if place < 0:
            continue
        other = taken.setdefault(place, i)
        if other != i and not how[i] == how[other] == "map":
            raise ConfembError(
                f"the labels {labels[other]!r} and {labels[i]!r} both match the class {names[place]!r}: if both mean "
                "it, say so with --map; if one does not, map it elsewhere or leave it out there."
            )


def _refusal(unknown: list[str], labels: Sequence[str], names: Sequence[str]) -> str:
    if len(names) > 1 and all(_PLACE.fullmatch(name) for name in names) and not all(map(_PLACE.fullmatch, unknown)):
        return (
            f"the model's classes have no names, only numbers ({quoted_list(names, limit=3)}), and classes are never "
            "matched by their order: give the names in the order of its outputs with --classes FILE."
        )
    if all(map(_PLACE.fullmatch, unknown)) and not all(map(_PLACE.fullmatch, names)):
        return (
            f"the labels are numbers ({quoted_list(unknown, limit=3)}), and classes are never matched by their order: "
            "give the labels' names in index order with --label-names FILE."
        )
    if len(unknown) == len(labels):
        said = "none of the data's labels is among the model's classes"
    else:
        said = f"{len(unknown)} of the data's {len(labels)} labels are not among the model's classes"
    return (
        f"{said}: {quoted_list(unknown)}; the {len(names)} classes are {quoted_list(names)}. Say what they mean "
        "with --map FILE, or leave their items out with --unmatched leave-out."
    )


def _methods() -> list[tuple[str, Callable[[str], Iterable[Any]]]]:
    """Return what makes two names alike, the surest first: a function from a name to its keys."""
    return [
        ("name", lambda name: [name]),
        ("spelling", lambda name: [_plain(name)]),
        ("part", _parts),
        ("wnid", _wnids),
        ("synonym", _Synonyms()),
    ]


def _index(names: Sequence[str], keys_of: Callable[[str], Iterable[Any]]) -> dict[Any, list[int]]:
    index: dict[Any, list[int]] = {}
    for place, name in enumerate(names):
        for key in set(keys_of(name)):
            index.setdefault(key, []).append(place)
    return index


def _plain(name: str) -> str:
    """Return a name without case, accents and punctuation; a name of punctuation alone stays as it is."""
    text = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    words = re.sub(r"[\W_]+", " ", text).strip()
    return words or name


def _parts(name: str) -> list[str]:
    return [plain for part in name.split(",") if (plain := _plain(part))]


def _wnids(name: str) -> list[str]:
    """Return the WordNet id a name is, begins with (n01440764_tench), or has in ImageNet."""
    first = re.split(r"[_ ]", name.strip(), maxsplit=1)[0]
    if _WNID.fullmatch(first):
        return [first]
    known = _imagenet_by_name()
    return list(dict.fromkeys(known[part] for part in (_plain(name), *_parts(name)) if part in known))


def _imagenet_by_name() -> dict[str, str]:
    return {_plain(c.name): c.wnid for c in imagenet_classes()}


class _Synonyms:
    """The noun that WordNet has as a name's first sense; nothing where WordNet is not installed."""

    def __init__(self) -> None:
        self._open: Any = None
        self._missing = False

    def __call__(self, name: str) -> list[str]:
        if self._wordnet() is None:
            return []
        found = []
        for part in name.split(","):
            senses = self._open.synsets(_plain(part).replace(" ", "_"), pos="n") if part.strip() else []
            found += [senses[0].name()] if senses else []
        return found[:1]

    def _wordnet(self) -> Any:
        if self._open is None and not self._missing:
            from confemb.references.wordnet_database import open_wordnet

            try:
                self._open = open_wordnet()
            except ConfembError:
                self._missing = True
        return self._open
