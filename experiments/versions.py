"""Tests with the lowest and the highest versions that pyproject.toml allows, and the wheel by itself: `make versions`.

Makes an environment for each Python that pyproject.toml names and each end of the ranges with uv (`pip install uv`),
with the extra `train` and no other, runs the tests there, and writes a row for each into the CSV. The lowest versions
are those with wheels for that Python: nothing is compiled. Then builds the wheel, installs it with `train`, and runs
five commands from another folder. A Python that the machine lacks gets a row that says so; pyenv's are found where
pyenv has them.

python experiments/versions.py [--pythons 3.11 3.12 3.13] [--tests FILE ...] --out reports/reliability/versions.csv
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from confemb.reporting.study import frame_csv
from confemb.support.files import write_text

ROOT = Path(__file__).parent.parent
ENDS = {"lowest": "lowest-direct", "highest": "highest"}
COUNTED = ("passed", "failed", "errors", "skipped")


def uv(*arguments: str | Path) -> None:
    """Run uv; raises CalledProcessError where it fails."""
    command = ["uv", *map(str, arguments), "--quiet", "--no-python-downloads"]
    subprocess.run(command, check=True, cwd=ROOT)


def project() -> dict[str, Any]:
    """Return what pyproject.toml says of the project."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required() -> list[str]:
    """Return the names of the packages that confemb needs, with those of the extra `train`."""
    needed = [*project()["dependencies"], *project()["optional-dependencies"]["train"]]
    return [re.split(r"[^\w-]", requirement)[0] for requirement in needed]


def claimed() -> list[str]:
    """Return the Pythons that pyproject.toml names, the oldest first."""
    found = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text) for text in project()["classifiers"]]
    return [match[1] for match in found if match]


def version_here(python: str) -> str | None:
    """Return the whole version of a Python as `3.11`; None where the machine has none."""
    found = subprocess.run(
        ["uv", "python", "find", python, "--no-python-downloads"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        return None
    code = "import platform; print(platform.python_version())"
    said = subprocess.run([found.stdout.strip(), "-c", code], capture_output=True, text=True, check=False)
    return said.stdout.strip() or None


def environment(folder: Path, python: str, end: str) -> Path:
    """Make an environment at one end of the ranges, and return its Python."""
    uv("venv", "--python", python, folder)
    pinned = folder / "pinned.txt"
    uv(
        "pip",
        "compile",
        "pyproject.toml",
        "--extra",
        "train",
        "--extra",
        "test",
        "--python-version",
        python,
        "--resolution",
        ENDS[end],
        *(f"--only-binary={name}" for name in required()),
        "-o",
        pinned,
    )
    own = folder / "bin" / "python"
    uv("pip", "install", "--python", own, "-r", pinned)
    uv("pip", "install", "--python", own, "--no-deps", "-e", ".")
    return own


def own_environment() -> dict[str, str]:
    """Return the variables of this process without those that lead Python elsewhere."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    }


def run_tests(python: Path, tests: list[str]) -> dict[str, object]:
    """Run the tests, and count what became of them."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "auto", "--dist", "loadfile", *tests]
    done = subprocess.run(command, cwd=ROOT, env=own_environment(), capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-300:]
    counts = {name: sum(map(int, re.findall(rf"(\d+) {name.rstrip('s')}", last))) for name in COUNTED}
    if done.returncode not in (0, 5):
        print(done.stdout[-4000:], file=sys.stderr)
    return {**counts, "status": done.returncode}


def try_wheel(home: Path, python: str) -> dict[str, object]:
    """Build the wheel, install it into an environment of its own, and run an experiment elsewhere."""
    home.mkdir()
    uv("build", "--wheel", "--out-dir", home / "dist")
    (wheel,) = (home / "dist").glob("*.whl")
    uv("venv", "--python", python, home / "wheel")
    uv("pip", "install", "--python", home / "wheel" / "bin" / "python", f"{wheel}[train]")
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    commands = [
        ("list", "experiments"),
        ("run", "digits", "--set", "training.epochs=1", "--set", "uncertainty.pictures=2", "--out", "my_result"),
        ("report", "my_result"),
        ("similar", "my_result", "three"),
        ("compare", "my_result", "my_result"),
    ]
    failed = 0
    for command in commands:
        program = home / "wheel" / "bin" / "confemb"
        done = subprocess.run(
            [program, *command], cwd=elsewhere, env=own_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            failed += 1
            print(f"confemb {' '.join(command)}: {done.stderr[-2000:]}", file=sys.stderr)
    counts = dict.fromkeys(COUNTED, 0) | {"passed": len(commands) - failed, "failed": failed}
    return {**counts, "status": int(failed > 0)}


def main() -> int:
    """Run all, and write the table after each row: a run that is stopped has what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pythons", nargs="+", default=claimed())
    parser.add_argument(
        "--tests", nargs="*", default=[], help="what pytest runs; all fast tests where nothing is given"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if shutil.which("uv") is None:
        parser.error("uv is needed: pip install uv.")
    rows: list[dict[str, object]] = []

    def note(python: str, end: str, what: str, counts: dict[str, object], started: float) -> None:
        seconds = round(time.monotonic() - started)
        rows.append({"python": python, "versions": end, "what": what, **counts, "seconds": seconds})
        print(rows[-1], flush=True)
        write_text(options.out, frame_csv(pd.DataFrame(rows)))

    # A shim in the PATH runs only the Pythons that are switched on.
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/*/bin")
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(pyenv))])
    here = {python: version for python in options.pythons if (version := version_here(python))}
    for python in options.pythons:
        if python not in here:
            absent = dict.fromkeys(COUNTED, 0) | {"status": 0}
            note(python, "", "not tried: not on this machine", absent, time.monotonic())
    if not here:
        parser.error(f"none of Python {', '.join(options.pythons)} was found.")
    with tempfile.TemporaryDirectory(prefix="confemb-versions-") as name:
        home = Path(name)
        # Where most breaks comes first: the oldest Python with the lowest versions, the newest with the highest.
        oldest, *newer = here
        cases = [(oldest, "lowest"), *((python, "highest") for python in reversed(here))]
        cases += [(python, "lowest") for python in newer]
        for python, end in cases:
            started = time.monotonic()
            own = environment(home / f"{end}-{python}", python, end)
            note(here[python], end, " ".join(options.tests) or "all fast tests", run_tests(own, options.tests), started)
        for python in (oldest, *newer[-1:]):
            started = time.monotonic()
            counts = try_wheel(home / f"wheel-{python}", python)
            note(here[python], "highest", "the wheel alone, five commands", counts, started)
    return int(any(row["status"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
