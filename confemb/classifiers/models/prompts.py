"""What a zero-shot model is told of each class: sentences from a template, or from a file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import parse_json, read_text

DEFAULT_PICTURE_TEMPLATE = "a photo of a {}."
DEFAULT_TEXT_TEMPLATE = "This example is {}."
SLOT = "{}"


@dataclass(frozen=True)
class Prompts:
    """The prompts of each of K classes, at least one each.

    Attributes:
        by_class: (K,) tuples of sentences, in the order of the classes.
    """

    by_class: tuple[tuple[str, ...], ...]

    def as_record(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return class -> prompts, JSON-able."""
        return {name: list(prompts) for name, prompts in zip(names, self.by_class, strict=True)}


def load_prompts(given: str | None, names: Sequence[str], *, default: str) -> Prompts:
    """Return the prompts of the classes.

    Args:
        given: a template with {} for the class name; "default" or None for the usual one; or a file: a text file with a
            template on each line (each class gets all of them), a JSON object (.json) of class -> prompt or list of
            prompts, or a CSV file with the columns class and prompt.
        names: the K classes.
        default: the usual template.

    Raises:
        ConfembError: a template without {}, a file that names an unknown class or leaves one out.
    """
    if not names:
        raise ConfembError("a zero-shot model needs classes to choose from: give them with --classes FILE.")
    if given is None or given == "default":
        return _filled([default], names)
    if SLOT in given:
        return _filled([given], names)
    path = Path(given).expanduser()
    if not path.is_file():
        raise ConfembError(
            f"--prompts {given!r} is neither a template (it has no {{}} for the class name) nor a file: give one of "
            "both."
        )
    suffix = path.suffix.lower()
    if suffix == ".json":
        values = parse_json(read_text(path), where=str(path))
        if not isinstance(values, dict):
            raise ConfembError(f"{path} must hold a JSON object: class -> prompt or list of prompts.")
        found = {name: [value] if isinstance(value, str) else list(value) for name, value in values.items()}
        return _of_classes(found, names, path)
    if suffix == ".csv":
        return _of_classes(_csv_prompts(path), names, path)
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if without := [line for line in lines if SLOT not in line]:
        raise ConfembError(f"{path} has the line {without[0]!r} without {{}} for the class name: put it in.")
    return _filled(lines, names)


def _filled(templates: Sequence[str], names: Sequence[str]) -> Prompts:
    # A name is put in as a reader would write it: ids of files have underscores.
    return Prompts(tuple(tuple(t.replace(SLOT, name.replace("_", " ")) for t in templates) for name in names))


def _csv_prompts(path: Path) -> dict[str, list[str]]:
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    if rows.fieldnames is None or not {"class", "prompt"} <= set(rows.fieldnames):
        raise ConfembError(f"{path} must have the columns class and prompt.")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(str(row["class"]).strip(), []).append(str(row["prompt"]).strip())
    return found


def _of_classes(found: dict[str, list[str]], names: Sequence[str], path: Path) -> Prompts:
    for name, prompts in found.items():
        if name not in names:
            raise unknown_name("class", name, names, where=str(path))
        if not prompts or not all(isinstance(prompt, str) and prompt.strip() for prompt in prompts):
            raise ConfembError(f"{path} has an empty prompt for the class {name!r}: fill it.")
    if missing := [name for name in names if name not in found]:
        raise ConfembError(f"{path} has no prompt for the classes {quoted_list(missing)}: add them.")
    return Prompts(tuple(tuple(found[name]) for name in names))
