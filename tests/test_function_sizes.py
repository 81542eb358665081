"""How long functions are and how many parameters they take; docs/architecture.md names the exceptions with reasons."""

import ast
import re
from pathlib import Path

import pytest

import confemb

PACKAGE = Path(confemb.__file__).parent
DOCS = PACKAGE.parent / "docs" / "architecture.md"
LONGEST, MOST_PARAMETERS, MOST_LONG = 60, 8, 16


def functions(tree, prefix=""):
    """Yield (dotted name, node) of every function, those within functions and classes too."""
    for node in ast.iter_child_nodes(tree):
        inside = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{prefix}{node.name}."
        yield from functions(node, inside)


def lines(node):
    return node.end_lineno - node.lineno + 1


def parameters(node):
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len(given) - (given[:1] != [] and given[0].arg in ("self", "cls"))


def found(root):
    """Return the names ("room/module.function") of the functions that are too long, and of those that take too much."""
    long, wide = set(), set()
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root).with_suffix("").as_posix()
        for name, node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            if lines(node) > LONGEST:
                long.add(f"{module}.{name}")
            if parameters(node) > MOST_PARAMETERS:
                wide.add(f"{module}.{name}")
    return long, wide


def named(heading):
    """Return the names in the first column of the table below a heading of docs/architecture.md."""
    _, _, rest = DOCS.read_text(encoding="utf-8").partition(f"### {heading}\n")
    return re.findall(r"^\| `([^`]+)`", rest.partition("\n#")[0], flags=re.MULTILINE)


def test_functions_are_measured(tmp_path):
    (tmp_path / "room").mkdir()
    body = "\n".join(["        pass"] * 60)
    wide = ", ".join("abcdefghi")
    (tmp_path / "room" / "m.py").write_text(f"class C:\n    def f(self, {wide[:-3]}):\n{body}\n\ndef g({wide}): ...\n")
    assert found(tmp_path) == ({"room/m.C.f"}, {"room/m.g"})


@pytest.mark.skipif(not DOCS.is_file(), reason="there are no docs here")
@pytest.mark.parametrize(("which", "heading"), enumerate(["Functions over 60 lines", "More than 8 parameters"]))
def test_the_exceptions_are_those_with_a_reason(which, heading):
    exceptions = named(heading)
    assert sorted(exceptions) == sorted(found(PACKAGE)[which])
    # A command's help texts stand among its parameters.
    assert which or len([name for name in exceptions if not name.startswith("cli/")]) <= MOST_LONG
