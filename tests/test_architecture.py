"""The shape of the package: imports run one way, heavy libraries are imported late, modules stay small."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import confemb

PACKAGE = Path(confemb.__file__).parent
HEAVY = {
    "apache_beam",
    "faiss",
    "flax",
    "gensim",
    "jax",
    "matplotlib",
    "nltk",
    "onnxruntime",
    "optax",
    "orbax",
    "seaborn",
    "sklearn",
    "tensorflow_datasets",
    "torch",
    "transformers",
}

# From the bottom up; a module imports from its own floor and those below. What stands in none is a stage.
FLOORS = [
    {"errors"},
    {"files", "held", "locks", "npz", "registry"},
    {
        "class_cells",
        "embedding",
        "pair_corpus",
        "pair_weights",
        "pairs",
        "prediction_files",
        "prediction_formats",
        "predictions",
        "similarity",
    },
    {"<stages>"},
    {"pipeline", "predictions_run", "series", "unknown_run"},
    {"commands"},
    {"cli", "__main__"},
]


def modules() -> dict[str, Path]:
    """Return dotted name -> file of every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["confemb", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path, *, top_only: bool) -> set[str]:
    """Return the dotted names a file imports; for `from a import b` both `a` and `a.b`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes, found = list(tree.body), set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif not (top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            nodes.extend(ast.iter_child_nodes(node))
    return found


def floor(module: str) -> int:
    room = module.split(".")[1] if "." in module else "errors"
    return next((i for i, rooms in enumerate(FLOORS) if room in rooms), FLOORS.index({"<stages>"}))


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    # The package itself imports by name at first use, and is no part of the order.
    if module == "confemb":
        return
    own = {name for name in imports(MODULES[module], top_only=False) if name in MODULES and name != "confemb"}
    upwards = {name for name in own if floor(name) > floor(module)}
    assert not upwards, f"{module} imports back up: {sorted(upwards)}"


def reached_at_import(start: str) -> set[str]:
    """Return the package's modules that importing one of them loads."""
    seen, left = set(), [start]
    while left:
        module = left.pop()
        if module in seen or module not in MODULES:
            continue
        seen.add(module)
        left.extend(imports(MODULES[module], top_only=True))
        left.append(module.rpartition(".")[0])
    return seen


@pytest.mark.parametrize("start", ["confemb.cli", "confemb.prediction_files", "confemb.embedding", "confemb.embedders"])
def test_heavy_libraries_are_imported_late(start):
    for module in sorted(reached_at_import(start)):
        top = {name.split(".")[0] for name in imports(MODULES[module], top_only=True)}
        assert not top & HEAVY, f"{start} loads {module}, which imports {sorted(top & HEAVY)} at its top"


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_small(module):
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{module} has {lines} lines: is it still one room?"


def test_every_public_name_is_there():
    assert set(confemb.__all__) == {*confemb._MODULES, "__version__"}
    for name in confemb.__all__:
        assert getattr(confemb, name) is not None
    assert set(confemb.__all__) <= set(dir(confemb))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        confemb.nothing  # noqa: B018


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == confemb._MODULES


def test_the_version_is_the_packages():
    import tomllib

    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == confemb.__version__


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import confemb", {"numpy", "pandas", "scipy", *HEAVY}),
        ("import confemb; confemb.load_pairs, confemb.ClassEmbedding, confemb.EMBEDDERS, confemb.SkipGram", HEAVY),
    ],
)
def test_what_an_import_loads(code, unwanted):
    script = f"{code}; import sys; print(*sorted({unwanted!r} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == []
