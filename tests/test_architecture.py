"""The shape of the package: imports run one way through its rooms, and heavy libraries are imported late."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import confemb
from confemb.datasets import DATASETS
from confemb.embedders import EMBEDDERS
from confemb.networks import CLASSIFIERS
from confemb.references import REFERENCE_FILES, REFERENCES
from confemb.support.moved_names import MOVED

PACKAGE = Path(confemb.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
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
# From the bottom up.
ROOMS = [
    layer.removeprefix("confemb.") for layer in reversed(PROJECT["tool"]["importlinter"]["contracts"][0]["layers"])
]


def modules() -> dict[str, Path]:
    """Return dotted name -> file of every module of the package."""
    named = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["confemb", *path.relative_to(PACKAGE).with_suffix("").parts]
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


MODULES = modules()


def imports_at_top(path: Path) -> set[str]:
    """Return the dotted names a file imports when it is imported; for `from a import b` both `a` and `a.b`."""
    nodes: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    names = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.extend(ast.iter_child_nodes(node))
    return names


def test_every_part_of_the_package_is_a_room():
    entries = {path.name for path in PACKAGE.iterdir() if not path.name.startswith(("__pycache__", "."))}
    files = {name for name in entries if "." in name}
    assert entries - files == set(ROOMS)
    assert files == {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}
    assert len(ROOMS) <= 16


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room):
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")))
    assert text is not None
    assert "Start reading at" in text
    assert "May import" in text


def test_the_contract_has_no_exceptions():
    settings = PROJECT["tool"]["importlinter"]
    assert settings["exclude_type_checking_imports"] is False
    assert [set(contract) for contract in settings["contracts"]] == [{"id", "name", "type", "layers"}]


def lint(root: Path) -> subprocess.CompletedProcess:
    """Check the imports of the copy of the package in `root`."""
    return subprocess.run(
        [shutil.which("lint-imports", path=str(Path(sys.executable).parent)), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "lint-imports").exists(), reason="import-linter comes with confemb[lint]"
)
@pytest.mark.parametrize(
    "planted",
    [
        None,
        "from confemb.cli import main",
        "def late():\n    from confemb.pipeline import run\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from confemb.networks import Network\n",
    ],
    ids=["as it is", "at the top", "late", "for type checkers"],
)
def test_imports_run_one_way(planted, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "confemb", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    if planted is not None:
        (tmp_path / "confemb" / "support" / "planted.py").write_text(planted)
    done = lint(tmp_path)
    assert done.returncode == (planted is not None), done.stdout
    assert ("planted" in done.stdout) == (planted is not None)


def of_the_front_page(source: str) -> list[str]:
    """Return the names that a module takes from the front page, through which every room is reached."""
    nodes = list(ast.walk(ast.parse(source)))
    whole = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names if alias.name == "confemb"]
    taken = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "confemb"]
    return whole + [alias.name for n in taken for alias in n.names if alias.name not in ROOMS]


def test_no_room_goes_through_the_front_page():
    assert of_the_front_page("import confemb\n\ndef f():\n    from confemb import compare, stats\n") == [
        "confemb",
        "compare",
    ]
    for name, path in MODULES.items():
        assert of_the_front_page(path.read_text(encoding="utf-8")) == [], name


def upward_names(room: str, targets: dict[str, str]) -> list[str]:
    """Return the names whose part, "module:attribute", stands above a room's floor."""
    above = ROOMS[ROOMS.index(room) + 1 :]
    return [name for name, target in targets.items() if target.split(".")[1].split(":")[0] in above]


@pytest.mark.parametrize(
    ("room", "targets"),
    [
        ("datasets", DATASETS._built_in),
        ("embedders", EMBEDDERS._built_in),
        ("references", REFERENCES._built_in),
        ("references", REFERENCE_FILES),
        ("networks", CLASSIFIERS._built_in),
    ],
    ids=["datasets", "embedders", "references", "files of references", "classifiers"],
)
def test_names_in_registries_obey_the_order(room, targets):
    assert upward_names(room, targets) == []
    assert upward_names(room, targets | {"planted": "confemb.cli.app:main"}) == ["planted"]


def test_what_lies_above_registers_itself():
    own = metadata.entry_points(group="confemb.references").select(name="captions")
    assert [entry.value for entry in own] == ["confemb.spaces.captions.reference:space_reference"]


def reached_at_import(start: str) -> set[str]:
    """Return the package's modules that importing one of them loads."""
    seen, left = set(), [start]
    while left:
        module = left.pop()
        if module in seen or module not in MODULES:
            continue
        seen.add(module)
        left.extend(imports_at_top(MODULES[module]))
        left.append(module.rpartition(".")[0])
    return seen


@pytest.mark.parametrize(
    "start", ["confemb.cli.app", "confemb.records.prediction_files", "confemb.records.embedding", "confemb.embedders"]
)
def test_heavy_libraries_are_imported_late(start):
    for module in sorted(reached_at_import(start)):
        top = {name.split(".")[0] for name in imports_at_top(MODULES[module])}
        assert not top & HEAVY, f"{start} loads {module}, which imports {sorted(top & HEAVY)} at its top"


def test_the_front_page_is_one_page():
    names = set(confemb.__all__) - set(ROOMS)
    assert 30 <= len(names) <= 42
    for name in confemb.__all__:
        assert getattr(confemb, name) is not None
    assert set(confemb.__all__) - {"__version__"} <= set(dir(confemb))
    assert set(ROOMS) <= set(confemb.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        confemb.nothing  # noqa: B018


@pytest.mark.parametrize("name", MOVED)
def test_names_that_left_the_front_page_say_where_they_are(name):
    with pytest.warns(DeprecationWarning, match=rf"confemb\.{name} is now {MOVED[name]}\.{name}"):
        assert getattr(confemb, name) is not None
    assert name not in confemb.__all__


def test_the_version_is_the_packages():
    assert PROJECT["project"]["version"] == confemb.__version__


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
