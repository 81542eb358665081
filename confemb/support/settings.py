"""Settings read from TOML: sections that know every key, `extends`, overrides, and errors that name the key."""

import os
import re
import sys
import tomllib
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import decode_text, is_there, read_bytes

# Experiments of different kinds are told apart by a section that only one kind has.
_COMMANDS = {"dataset": "confemb run", "predictions": "confemb run", "captions": "confemb captions train"}

Settings = TypeVar("Settings", bound=BaseModel)


# A dotted key of very many parts, quoted or not.
_DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")


PositiveInt = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


def _check_name(name: str) -> str:
    """Return an experiment's name; its result goes into a folder of that name."""
    if not name.strip() or name in (".", "..") or any(c in "/\\" or not c.isprintable() for c in name):
        raise ValueError("an experiment's name is a folder's: letters, digits, blanks and -_. without / or \\")
    return name


Name = Annotated[str, AfterValidator(_check_name)]


class Section(BaseModel):
    """A section of an experiment."""

    # Unknown keys are refused: a misspelt one must not be a silent default.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PluginSection(Section):
    """A section for a part that may be a plug-in, with options of its own."""

    # Keys beyond the ones named here are the plug-in's own options; the plug-in's signature checks them.
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def options(self) -> dict[str, Any]:
        """The plug-in's own options."""
        return dict(self.model_extra or {})


def experiment_folders() -> list[Path]:
    """Return where experiments are looked for by bare name: ./experiments, then those shipped with confemb."""
    package = Path(__file__).parents[1]
    shipped, checkout = package / "experiments", package.parent / "experiments"
    return [folder for folder in (Path("experiments"), shipped, checkout) if folder.is_dir()]


def experiment_names() -> list[str]:
    """Return the bare names of all experiments that are found, sorted."""
    return sorted({path.stem for folder in experiment_folders() for path in folder.glob("*.toml")})


def load_settings(model: type[Settings], name_or_path: str, overrides: list[str] | None = None) -> Settings:
    """Read an experiment of another kind, `model`, just as `load_experiment` does."""
    return check_settings(model, *read_settings(name_or_path, overrides))


def read_settings(name_or_path: str, overrides: list[str] | None = None) -> tuple[dict[str, Any], str]:
    """Return an experiment's table with the overrides in it, and what it is called in messages."""
    if name_or_path == "-":
        name, where = "stdin", "standard input"
        table = _extended(parse_toml(sys.stdin.buffer.read(), where), where, Path(), seen=())
    else:
        path = _find(name_or_path)
        name, where, table = path.stem, str(path), _read(path, seen=())
    for override in overrides or []:
        _override(table, override)
    table.setdefault("name", name)
    table.setdefault("title", name)
    return table, where


def check_settings(model: type[Settings], table: dict[str, Any], where: str) -> Settings:
    """Return a table as an experiment of the kind `model`; raises ConfembError as `load_experiment`."""
    for section, command in _COMMANDS.items():
        if section in table and section not in model.model_fields:
            raise ConfembError(f"{where} is run by `{command}`: it has the section [{section}].")
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise explain(error, where, model) from None


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path)
    if path.suffix == ".toml" or os.sep in name_or_path:
        if not (is_there(path) and path.is_file()):
            raise ConfembError(f"there is no experiment file {path}; give a TOML file or a name: {_known()}.")
        return path
    for folder in experiment_folders():
        if is_there(folder / f"{name_or_path}.toml"):
            return folder / f"{name_or_path}.toml"
    raise unknown_name("experiment", name_or_path, experiment_names())


def _known() -> str:
    return ", ".join(experiment_names()) or "none found"


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ConfembError(f"{path} extends itself; remove the circle of `extends`.")
    table = parse_toml(read_bytes(path), str(path))
    return _extended(table, str(path), path.parent, (*seen, path.resolve()))


def _extended(table: dict[str, Any], where: str, folder: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Return `table` laid over the experiment it extends, which may stand beside it in `folder`."""
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise ConfembError(f"{where}: `extends` must be the name of an experiment, in quotes.")
    sibling = folder / f"{base.removesuffix('.toml')}.toml"
    return _merge(_read(sibling if is_there(sibling) else _find(base), seen), table)


def parse_toml(content: bytes, where: str) -> dict[str, Any]:
    """Return what TOML holds; raises ConfembError, which names `where`, for anything else."""
    try:
        return _toml(decode_text(content, where=where))
    # A number of thousands of digits is a ValueError of another kind.
    except ValueError as error:
        raise ConfembError(f"{where} is not valid TOML: {error}.") from error
    except RecursionError:
        raise ConfembError(f"{where} is no TOML that can be read: it is nested too deeply.") from None


def _toml(text: str) -> dict[str, Any]:
    """Return what TOML text holds; raises ValueError or RecursionError for text that is none."""
    # Python's parser takes time in proportion to the square of a dotted key's parts.
    if _DEEP_KEY.search(text):
        raise RecursionError
    return tomllib.loads(text)


def _merge(base: dict[str, Any], changes: dict[str, Any], *, in_section: bool = False) -> dict[str, Any]:
    """Return `changes` laid over `base`, section by section; within one, an empty table takes the base's away."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and (value or not in_section)
        # Another classifier or embedder has other options: the base's do not carry over.
        if both and len({part["name"] for part in (merged[key], value) if "name" in part}) < 2:
            merged[key] = _merge(merged[key], value, in_section=True)
        else:
            merged[key] = value
    return merged


def key_and_value(text: str, option: str, *, example: str) -> tuple[str, Any]:
    """Split KEY=VALUE; the value is read as TOML, or as a plain string where it is not TOML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfembError(f"{option} {text!r} must be KEY=VALUE, for example {example}.")
    try:
        return key.strip(), _toml(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value.strip()


def _override(table: dict[str, Any], override: str) -> None:
    key, value = key_and_value(override, "--set", example="training.epochs=2")
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfembError(f"--set {override!r}: {section!r} is a value, not a section.")
    table[last] = value


def explain(error: ValidationError, where: str, kind: type[BaseModel]) -> ConfembError:
    """Return the first problem of a model of the given kind as one sentence that names the key."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        model = kind
        for part in location[:-1]:
            annotation = model.model_fields[part].annotation
            # A section that may be left out is annotated "Section | None".
            model = next(a for a in (annotation, *get_args(annotation)) if isclass(a) and issubclass(a, BaseModel))
        section = f"the section [{'.'.join(location[:-1])}] of {where}" if location[:-1] else where
        return unknown_name("key", location[-1], model.model_fields, where=section)
    if first["type"] == "missing":
        return ConfembError(f"{where} lacks the key {key!r}; add it.")
    message = first["msg"].removeprefix("Value error, ")
    return ConfembError(f"{where}: {key} = {first['input']!r} is not allowed: {message[0].lower()}{message[1:]}.")
