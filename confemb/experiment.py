"""An experiment's configuration: read from TOML, checked, every key known."""

import os
import re
import sys
import tomllib
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from confemb.errors import ConfembError, unknown_name
from confemb.files import decode_text, is_there, read_bytes

# Experiments of different kinds are told apart by a section that only one kind has.
_COMMANDS = {"dataset": "confemb run", "predictions": "confemb run", "captions": "confemb captions train"}

Settings = TypeVar("Settings", bound=BaseModel)

# A dotted key of very many parts, quoted or not.
_DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")

PositiveInt = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A section of an experiment."""

    # Unknown keys are refused: a misspelt one must not be a silent default.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _PluginSection(Section):
    # Keys beyond the ones named here are the plug-in's own options; the plug-in's signature checks them.
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def options(self) -> dict[str, Any]:
        """The plug-in's own options."""
        return dict(self.model_extra or {})


class DatasetSection(Section):
    """Which pictures: `name` from the registry (or `tfds:NAME`), its folder, and which splits do what.

    `train` is learned from and `test` measured on while training; `predict` are the splits whose pictures become
    pairs, all of them by default. Classes in `hold_out` are neither learned nor among the classifier's outputs, but
    their pictures are predicted too: to see what a classifier makes of a class it does not know.
    """

    name: str
    path: str | None = None
    image_size: PositiveInt | None = None
    crop: PositiveInt | None = None
    train: str = "train"
    test: str | None = "test"
    predict: Annotated[list[str], Field(min_length=1)] | None = None
    hold_out: Annotated[list[str], Field(min_length=1)] | None = None


class ClassifierSection(_PluginSection):
    """Which network or plug-in, and its own options.

    With `weights` (a published name such as "resnet50:keras", or a file) the network is not trained here.
    """

    name: str
    weights: str | None = None


class ScheduleSection(Section):
    """The learning rate over time.

    `schedule` shapes it: "triangle" rises linearly from a fifth of `learning_rate` over the first `warmup` share of the
    steps and falls linearly to zero, "cosine" rises alike and falls as a cosine, "step" is multiplied by 0.1 every
    `step_epochs` epochs, "constant" stays.
    """

    epochs: PositiveInt
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["triangle", "cosine", "step", "constant"] = "triangle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.2
    step_epochs: PositiveInt = 350


class TrainingSection(ScheduleSection):
    """How the network is trained: SGD with momentum, compiled step by step, or on accelerators epoch by epoch.

    The weights after the epochs `keep_epochs` are kept beside the final ones, to see how similarities form.
    With `dtype` "bfloat16" the network computes in that type, for accelerators; weights, optimiser and the
    statistics of normalisations stay in float32, and predictions are made in it.
    """

    batch_size: PositiveInt = 128
    momentum: Probability = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Probability = 0.0
    ema_decay: Probability | None = None
    keep_epochs: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    dtype: Literal["float32", "bfloat16"] | None = None

    @field_validator("keep_epochs")
    @classmethod
    def _rising(cls, keep: list[int] | None, info: ValidationInfo) -> list[int] | None:
        """Refuse epochs that stand twice, fall, or lie beyond the last one."""
        last = info.data.get("epochs")
        if keep is not None and (keep != sorted(set(keep)) or (last is not None and keep[-1] > last)):
            raise ValueError(f"epochs must rise and none may lie beyond training.epochs = {last}")
        return keep


class PredictionSection(Section):
    """How many classes to keep for each picture; `mirror` averages the logits of a picture and its mirror image."""

    k: PositiveInt = 3
    mirror: bool = False


class PairsSection(Section):
    """Which (true, predicted) pairs are counted, and with which weight: see `confemb.count_pairs`."""

    k: PositiveInt = 3
    self_pairs: Literal["keep", "drop"] = "keep"
    missing_classes: Literal["error", "drop"] = "error"
    weighting: Literal["count", "probability"] = "count"
    temperature: Annotated[float, Field(gt=0)] = 1.0


class EmbeddingSection(_PluginSection):
    """Which embedder, over how many seeds (`seed`, `seed` + 1, ...), and its own options (`dim`, `order`, ...)."""

    name: str = "skipgram"
    seeds: PositiveInt = 20


class UncertaintySection(Section):
    """How much is drawn anew to tell how far a result is chance; 0 leaves a part out.

    `pictures` are bootstrap replicates of the pictures (default: 200; 20 with an embedder that depends on its seed,
    which is run twice on each), `split_halves` random splits into halves for the reliability (10; 5), and
    `dimension_splits` those on which dimensions are tried (5; 3, and 0 beyond 30 classes).
    """

    pictures: Annotated[int, Field(ge=0)] | None = None
    split_halves: Annotated[int, Field(ge=0)] | None = None
    dimension_splits: Annotated[int, Field(ge=0)] | None = None


class ReportSection(Section):
    """What the report shows: declared groups of classes, references, how many example pictures.

    `reference` is one or several of `confemb list references`, with their arguments ("paper", "wordnet:wup",
    "glove:FILE"), or paths of other results; the first one stands in the tables of similarities.
    `item` is what it calls one of what was classified: "picture", "text"; the plural is made with an s.
    """

    groups: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    reference: str | list[str] | None = None
    examples: Annotated[int, Field(ge=0, le=64)] = 8
    item: Annotated[str, Field(min_length=1, max_length=40)] = "picture"

    @property
    def references(self) -> list[str]:
        """The references' names."""
        return reference_names(self.reference)


def reference_names(reference: str | list[str] | None) -> list[str]:
    """Return the names that `reference`, one or several or none, stands for."""
    return [reference] if isinstance(reference, str) else list(reference or [])


class Experiment(Section):
    """One experiment, complete: everything a result depends on."""

    name: str
    title: str
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    dataset: DatasetSection
    classifier: ClassifierSection
    training: TrainingSection | None = None
    prediction: PredictionSection = PredictionSection()
    pairs: PairsSection = PairsSection()
    embedding: EmbeddingSection = EmbeddingSection()
    uncertainty: UncertaintySection = UncertaintySection()
    report: ReportSection = ReportSection()


def experiment_folders() -> list[Path]:
    """Return where experiments are looked for by bare name: ./experiments, then those shipped with confemb."""
    shipped = Path(__file__).parent / "experiments"
    checkout = Path(__file__).parent.parent / "experiments"
    return [folder for folder in (Path("experiments"), shipped, checkout) if folder.is_dir()]


def experiment_names() -> list[str]:
    """Return the bare names of all experiments that are found, sorted."""
    return sorted({path.stem for folder in experiment_folders() for path in folder.glob("*.toml")})


def load_experiment(name_or_path: str, overrides: list[str] | None = None) -> Experiment:
    """Read an experiment by file, bare name, or "-" for standard input, and check it.

    Args:
        name_or_path: a TOML file, or the bare name of one in the experiments folder.
        overrides: "section.key=value" texts that replace single values; the value is read as TOML, or
            as a plain string where it is not TOML.

    Raises:
        ConfembError: a file that is missing or not TOML, an unknown key (the nearest known one is
            named), or a value of the wrong type or out of range.
    """
    return load_settings(Experiment, name_or_path, overrides)


def load_settings(model: type[Settings], name_or_path: str, overrides: list[str] | None = None) -> Settings:
    """Read an experiment of another kind, `model`, just as `load_experiment` does."""
    return check_settings(model, *read_settings(name_or_path, overrides))


def read_settings(name_or_path: str, overrides: list[str] | None = None) -> tuple[dict[str, Any], str]:
    """Return an experiment's table with the overrides in it, and what it is called in messages."""
    if name_or_path == "-":
        name, where = "stdin", "standard input"
        table = _extended(_parse(sys.stdin.buffer.read(), where), where, Path(), seen=())
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
        raise _explain(error, where, model) from None


def load_groups(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Read groups of classes from a TOML file: a key for each group, `group = ["class", "class"]`.

    Raises:
        ConfembError: a file that is missing or not TOML, or a group that is no list of class names.
    """
    try:
        return ReportSection.model_validate({"groups": _parse(read_bytes(path), str(path))}).groups
    except ValidationError as error:
        raise _explain(error, str(path), Experiment) from None


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
    table = _parse(read_bytes(path), str(path))
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


def _parse(content: bytes, where: str) -> dict[str, Any]:
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


def embedding_section(name: str, seeds: int, options: list[str], *, dim: int | None = None) -> EmbeddingSection:
    """Return the section [embedding] of a command line.

    Args:
        name: the embedder.
        seeds: how many seeds.
        options: "key=value" texts, the embedder's own options; values as in `load_experiment`.
        dim: the option `dim`; None: not given.

    Raises:
        ConfembError: a text that is not KEY=VALUE, or an option given twice or by another name on the command line.
    """
    given: dict[str, Any] = {} if dim is None else {"dim": dim}
    for text in options:
        key, value = _key_and_value(text, "--option", example="negative=10")
        if key in EmbeddingSection.model_fields:
            raise ConfembError(f"--option {text!r}: give it as {'--embedder' if key == 'name' else '--seeds'}.")
        if key in given:
            raise ConfembError(f"--option {text!r}: {key} is given twice; give it once.")
        given[key] = value
    return EmbeddingSection(name=name, seeds=seeds, **given)


def _key_and_value(text: str, option: str, *, example: str) -> tuple[str, Any]:
    """Split KEY=VALUE; the value is read as TOML, or as a plain string where it is not TOML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfembError(f"{option} {text!r} must be KEY=VALUE, for example {example}.")
    try:
        return key.strip(), _toml(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value.strip()


def _override(table: dict[str, Any], override: str) -> None:
    key, value = _key_and_value(override, "--set", example="training.epochs=2")
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfembError(f"--set {override!r}: {section!r} is a value, not a section.")
    table[last] = value


def _explain(error: ValidationError, where: str, kind: type[BaseModel]) -> ConfembError:
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
