"""Tests with the lowest and the highest versions that pyproject.toml allows, and the wheel by itself: `make versions`.

Makes an environment for each Python and each end of the ranges with uv (`pip install uv`), without optional extras,
runs the tests there, and writes a row for each into the CSV. Then builds the wheel, installs it alone, and runs
`confemb run digits` from another folder.

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
from pathlib import Path

import pandas as pd

from confemb.files import write_text
from confemb.reporting.study import frame_csv

ROOT = Path(__file__).parent.parent
ENDS = {"lowest": "lowest-direct", "highest": "highest"}
COUNTED = ("passed", "failed", "errors", "skipped")


def uv(*arguments: str | Path) -> None:
    """Run uv; raises CalledProcessError where it fails."""
    subprocess.run(["uv", *map(str, arguments), "--quiet"], check=True, cwd=ROOT)


def environment(folder: Path, python: str, end: str) -> Path:
    """Make an environment at one end of the ranges, and return its Python."""
    uv("venv", "--python", python, folder)
    pinned = folder / "pinned.txt"
    uv(
        "pip",
        "compile",
        "pyproject.toml",
        "--extra",
        "test",
        "--python-version",
        python,
        "--resolution",
        ENDS[end],
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
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=own_environment(), capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-300:]
    counts = {name: sum(map(int, re.findall(rf"(\d+) {name.rstrip('s')}", last))) for name in COUNTED}
    if done.returncode not in (0, 5):
        print(done.stdout[-4000:], file=sys.stderr)
    return {**counts, "status": done.returncode}


def try_wheel(home: Path, python: str) -> dict[str, object]:
    """Build the wheel, install it into an environment of its own, and run an experiment elsewhere."""
    uv("build", "--wheel", "--out-dir", home / "dist")
    (wheel,) = (home / "dist").glob("*.whl")
    uv("venv", "--python", python, home / "wheel")
    uv("pip", "install", "--python", home / "wheel" / "bin" / "python", wheel)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    commands = [
        ("list", "experiments"),
        ("run", "digits", "--set", "training.epochs=1", "--set", "uncertainty.pictures=2", "--out", "result"),
        ("report", "result"),
        ("similar", "result", "three"),
        ("compare", "result", "result"),
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


def row(python: str, end: str, what: str, counts: dict[str, object], started: float) -> dict[str, object]:
    """Return a row of the table, and print it."""
    found = {"python": python, "versions": end, "what": what, **counts, "seconds": round(time.monotonic() - started)}
    print(found, flush=True)
    return found


def main() -> int:
    """Run all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pythons", nargs="+", default=["3.11", "3.12", "3.13"])
    parser.add_argument(
        "--tests", nargs="*", default=[], help="what pytest runs; all fast tests where nothing is given"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if shutil.which("uv") is None:
        parser.error("uv is needed: pip install uv.")
    rows = []
    with tempfile.TemporaryDirectory(prefix="confemb-versions-") as name:
        home = Path(name)
        # The lowest versions have no wheels for newer Pythons.
        cases = [(options.pythons[0], "lowest"), *((python, "highest") for python in options.pythons)]
        for python, end in cases:
            started = time.monotonic()
            own = environment(home / f"{end}-{python}", python, end)
            counts = run_tests(own, options.tests)
            what = " ".join(options.tests) or "all fast tests"
            rows.append(row(python, end, what, counts, started))
        started = time.monotonic()
        counts = try_wheel(home, options.pythons[-1])
        rows.append(row(options.pythons[-1], "highest", "the wheel alone, five commands", counts, started))
    write_text(options.out, frame_csv(pd.DataFrame(rows)))
    return int(any(row["status"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
