"""`torch:FILE.pt2`: programs exported by `torch.export.save`, read only where nothing in them is run."""

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.adapters.torch import to_numpy
from confemb.classifiers.models.picture_input import batch_preparation, filled, meaning_of_scores, need_names
from confemb.classifiers.models.torch_device import UNTRIED, best_device
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.extras import import_extra
from confemb.support.files import sha256_file

BATCH = 32
# What may be called in a program's graph. PyTorch itself looks any name up, torch.load among them.
_OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|quantized_decomposed|torchvision)\.\w+(\.\w+)?"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne|le|lt|ge|gt|and_|or_|not_)"
    r"|math\.(floor|ceil|trunc|sqrt)|torch\.sym_\w+|torch\._check\w*|torch\._constrain_as_size"
)
# Names become variables of a function that PyTorch writes and runs.
_NAME = re.compile(r"[\w.]*")
# What sizes are made of, as sympy writes them: PyTorch gives them to sympy, which evaluates Python.
# fmt: off
_SIZE_FUNCTIONS = frozenset({
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Mod", "Max", "Min", "Abs", "And",
    "Or", "Not", "Equality", "Unequality", "LessThan", "StrictLessThan", "GreaterThan",
    "StrictGreaterThan", "Eq", "Ne", "Le", "Lt", "Ge", "Gt", "FloorDiv", "CleanDiv", "ModularIndexing",
    "PythonMod", "CeilDiv", "CeilToInt", "FloorToInt", "TruncToInt", "RoundToInt", "IntTrueDiv",
    "FloatTrueDiv", "ToFloat", "FloatPow", "PowByNatural", "Where", "Identity",
})
# fmt: on
_SIZE_WORDS = frozenset({"oo", "int_oo", "true", "false", "zoo"})
_SYMBOL = re.compile(r"[a-z]{1,4}\d+")
_LARGEST_JSON = 1 << 28


def open_exported(
    file: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open a program that takes one batch of pictures (four axes) or rows of numbers (two) and gives (n, K) scores.

    Files are refused that hold pickled objects or compiled code, call anything but tensor operations, or have sizes
    that are more than arithmetic.

    Raises:
        ConfembError: torch is missing, a file that is broken or refused, another number of inputs, unknown classes.
    """
    torch = import_extra("torch", "torch", what="exported PyTorch programs")
    path = Path(file).expanduser()
    check_archive(path)
    try:
        program = torch.export.load(str(path))
    except Exception as error:  # torch raises errors of many kinds for a broken file.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfembError(f"{file} cannot be read as an exported program ({type(error).__name__}: {said}).") from error
    entries = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(entries) != 1:
        raise ConfembError(f"{file} takes {len(entries)} inputs; it must take one batch: export a module of one input.")
    example = entries[0].meta["val"]
    shape = tuple(int(axis) if isinstance(axis, int) else None for axis in example.shape)
    fixed = shape[0]
    dtype = np.dtype(str(example.dtype).removeprefix("torch."))
    device = best_device() if settings.device == "auto" else settings.device
    # The checks of the inputs are Python code from the file, and the shapes are checked here.
    module = program.module(check_guards=False)
    if device != "cpu":
        from torch.export.passes import move_to_device_pass

        module = move_to_device_pass(program, device).module(check_guards=False)
    takes, prepare, described = batch_preparation(shape, dtype, settings.preprocess, where=file)

    def forward(batch: np.ndarray) -> np.ndarray:
        count = len(batch)
        with torch.inference_mode():
            scores = module(torch.from_numpy(filled(batch, fixed or count)).to(device))
        if not isinstance(scores, torch.Tensor):
            raise ConfembError(f"{file} gives {type(scores).__name__}, not one tensor: export a module that does.")
        return to_numpy(scores)[:count]

    if fixed is not None and settings.batch_size not in (None, fixed):
        raise ConfembError(f"{file} was exported for batches of {fixed}: leave --batch-size out.")
    return OpenedModel(
        name=path.stem,
        class_names=need_names(settings.class_names, where=file),
        logits=meaning_of_scores(settings.scores),
        takes=takes,
        prepare=prepare,
        forward=forward,
        identity={"family": "torch", "sha256": sha256_file(path), "preprocess": described},
        batch_size=fixed or settings.batch_size or BATCH,
        device=device,
        notes=() if device == "cpu" else (f"computing on {device}: {UNTRIED}",),
    )


def check_archive(path: Path) -> None:
    """Raise ConfembError for a .pt2 file whose reading would unpickle, evaluate or load code from it."""
    torch = import_extra("torch", "torch", what="exported PyTorch programs")
    if not path.is_file():
        raise ConfembError(f"there is no file {path}; give the path of a .pt2 file.")
    refused = "which would run code from the file: only programs of tensors, saved by torch.export.save, are read."
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            inside = {name: name.partition("/")[2] for name in names}
            programs = [name for name in names if re.fullmatch(r"models/[^/]+\.json", inside[name])]
            if len(programs) != 1:
                raise ConfembError(
                    f"{path} holds {len(programs)} programs in the archive format of recent PyTorch "
                    "(models/NAME.json); it must hold one: export the model again with torch.export.save."
                )
            if compiled := [name for name in names if inside[name].startswith("data/aotinductor")]:
                raise ConfembError(f"{path} holds compiled code ({compiled[0]!r}), {refused}")
            for name in names:
                if inside[name].startswith(("data/weights/", "data/constants/")):
                    _check_payload(archive, name, str(path), refused)
                elif inside[name].startswith("data/sample_inputs/"):
                    # PyTorch itself falls back to unpickling where this fails.
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            program = _json(archive, programs[0])
            _check_graph(program, str(path), refused)
            for expression in _texts(program, "expr_str"):
                if not is_size(expression):
                    raise ConfembError(f"{path} holds the size {expression[:80]!r}, {refused}")
    except ConfembError:
        raise
    except Exception as error:
        # A broken archive, JSON that is none, tensors that torch refuses to read without unpickling.
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise ConfembError(
            f"{path} is broken, or holds pickled objects, {refused} ({type(error).__name__}: {said})"
        ) from error


def _check_payload(archive: zipfile.ZipFile, name: str, where: str, refused: str) -> None:
    """Refuse tensors that are pickled, and objects that are no tensors."""
    if name.endswith(".pt"):
        raise ConfembError(f"{where} holds pickled weights ({name!r}), {refused}")
    if not name.endswith(".json"):
        return
    for tensor, about in _json(archive, name).get("config", {}).items():
        if about.get("use_pickle") or not str(about.get("path_name", "")).startswith(("weight_", "tensor_")):
            raise ConfembError(f"{where} holds {tensor!r} as a pickled object, {refused}")


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _LARGEST_JSON:
        raise ConfembError(f"{name!r} is too large to be a description: {quoted_list([name])}.")
    return json.loads(archive.read(name))


def _check_graph(program: Any, where: str, refused: str) -> None:
    """Refuse calls of anything but tensor operations, and names that are more than names."""
    for node in _objects(program):
        if "target" in node and "inputs" in node and "outputs" in node:
            target = str(node["target"])
            if not _OPERATORS.fullmatch(target):
                raise ConfembError(f"{where} calls {target[:80]!r}, {refused}")
    for name in _texts(program, "name"):
        if not _NAME.fullmatch(name):
            raise ConfembError(f"{where} has the name {name[:80]!r}, {refused}")


def is_size(expression: str) -> bool:
    """Tell whether an expression, as sympy writes it, is only arithmetic of numbers and symbols."""
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return _is_size(tree.body)


def _is_size(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) or (
            isinstance(node.value, str) and _SYMBOL.fullmatch(node.value) is not None
        )
    if isinstance(node, ast.Name):
        return node.id in _SIZE_WORDS or _SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.UnaryOp):
        return _is_size(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_size(node.left) and _is_size(node.right)
    if isinstance(node, ast.Compare):
        return all(map(_is_size, [node.left, *node.comparators]))
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in _SIZE_FUNCTIONS
        return known and all(map(_is_size, [*node.args, *(keyword.value for keyword in node.keywords)]))
    return False


def _texts(value: Any, key: str) -> Iterator[str]:
    """Yield every text that stands under a key."""
    return (one[key] for one in _objects(value) if isinstance(one.get(key), str))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield one
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
