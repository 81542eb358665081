"""The report of the trials: what was tried, how often, and what happened."""

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from confemb.reporting.study import Section, Study, write_study
from confemb.reporting.tables import frame_table
from confemb.support.manifest import study_manifest
from tests.torture.confined import MEMORY, SECONDS
from tests.torture.trials import Trial

VERSIONS = "versions.csv"
MUST = f"read, or refused in one sentence, within {SECONDS:.0f} s of CPU time and {MEMORY >> 20:,} MiB"
# Kind -> heading, and what was done.
KINDS = {
    "killed": (
        "Killed and stopped",
        "A small experiment, from pictures to report, was killed again and again in each of its stages, half of the "
        "runs over the result of another configuration. publish is the moving of the finished result into its "
        "folder, which takes milliseconds.",
    ),
    "places": ("Full disks, read-only folders, vanished inputs", "The same experiment where something is in its way."),
    "changed": ("A changed configuration over an old result", "Nothing of the old one may be used that depends on it."),
    "together": ("Several at once", ""),
    "fuzz": (
        "Damaged files",
        f"Sound files of every format, changed at random, as they are or below what packs them. Each must be {MUST}.",
    ),
    "guided": (
        "Damaged files, guided by coverage",
        f"Atheris (libFuzzer) looks for inputs that reach new code. Each must be {MUST}. Readers whose work is done by "
        "libraries in C and Rust show it nothing and are left to the other trials.",
    ),
    "hostile": ("Files made to do harm", "Bombs, headers that lie, nesting without end, links, pipes, devices."),
    "names": ("Names made to be run", "Classes, captions and paths called <script>, =cmd() and the like."),
    "folders": ("Folders of other people's", "A user's own files, links, and drafts that somebody has prepared."),
    "stopped": (
        "Signals at any moment",
        "SIGINT, SIGTERM or SIGHUP while a command starts, works or ends: it ends within seconds by a stated status, "
        "without a traceback, and leaves no unfinished file.",
    ),
    "shown": ("Text at random", "On a terminal, in CSV, TSV, Markdown and LaTeX."),
    "numbers": ("Numbers at the edge", "Equal, tied, denormal, infinite and missing scores; float16; few and many."),
}
# Without these some trials have nothing to try.
OPTIONAL = ("atheris", "h5py", "nltk", "onnx", "onnxruntime", "torch")


def plain(text: str) -> str:
    """Return a failure's text without this machine's folders: of an absolute path the last name is kept."""
    return re.sub(r"(?<![\w.<:/])(?:/[^/\s'\":,;]+)+/([^/\s'\":,;]+)", r".../\1", text)


def write_report(found: Mapping[str, Sequence[Trial]], folder: Path, *, seed: int, seconds: float) -> str:
    """Write the study of all trials; returns what to print.

    `versions.csv` in the folder, which `experiments/versions.py` writes, is shown too.
    """
    rows = [
        (kind, trial.what, trial.tried, trial.held, trial.happened)
        for kind, trials in found.items()
        for trial in trials
    ]
    frame = pd.DataFrame(rows, columns=["kind", "what", "tried", "held", "happened"])
    sections = [Section("All", tables=[frame_table("What was tried", _by_kind(frame))])]
    for kind, trials in found.items():
        heading, text = KINDS.get(kind, (kind.replace("_", " ").capitalize(), ""))
        table = frame[frame["kind"] == kind].drop(columns="kind")
        if not table["happened"].any():
            table = table.drop(columns="happened")
        failures = "; ".join(plain(failure) for trial in trials for failure in trial.failures)
        text = f"{text} What did not hold: {failures}" if failures else text
        sections.append(Section(heading, text=text.strip(), tables=[frame_table(heading, table)]))
    if (folder / VERSIONS).is_file():
        versions = pd.read_csv(folder / VERSIONS, dtype=str).fillna("")
        note = (
            "Made by `make versions`. Environments without optional extras, with the lowest and the highest versions."
        )
        sections.append(Section("Versions", tables=[frame_table("Tests with other versions", versions, note=note)]))
    absent = [name for name in OPTIONAL if importlib.util.find_spec(name) is None]
    study = Study(
        title="How confemb stands being killed, filled up, fed rubbish and run twice",
        description="Every line was tried as often as it says, on the real command line or its own functions.",
        findings=list(_findings(found, frame)),
        facts=[("cases", f"{int(frame['tried'].sum()):,}"), ("minutes", f"{seconds / 60:.0f}")],
        sections=sections,
        data={"trials.csv": frame},
        manifest=study_manifest(
            command="make torture",
            seed=seed,
            seconds=round(seconds),
            cores=os.cpu_count(),
            not_installed=absent or None,
        ),
    )
    return write_study(study, folder)


def _by_kind(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind: its heading, how many things were tried, the cases, and those that did not hold."""
    return pd.DataFrame(
        [
            (KINDS.get(str(kind), (kind, ""))[0], len(rows), int(rows["tried"].sum()), int(rows["held"].sum()))
            for kind, rows in frame.groupby("kind", sort=False)
        ],
        columns=["what", "lines", "tried", "held"],
    )


def _findings(found: Mapping[str, Sequence[Trial]], frame: pd.DataFrame) -> Iterator[str]:
    cases, failed = int(frame["tried"].sum()), int((frame["tried"] - frame["held"]).sum())
    yield f"{cases:,} cases of {len(frame)} kinds: " + (f"{failed:,} did not hold." if failed else "all held.")
    kills = [trial for trial in found.get("killed", ()) if trial.what.startswith("SIGKILL")]
    if kills:
        yield (
            f"{sum(trial.tried for trial in kills)} runs were killed (SIGKILL), {min(trial.tried for trial in kills)} "
            f"or more in each of {len(kills)} stages."
        )
    if "fuzz" in found:
        damaged = sum(trial.tried for kind in ("fuzz", "guided") for trial in found.get(kind, ()))
        yield f"{damaged:,} damaged files were fed to {len(found['fuzz'])} readers."
    not_tried = [trial.what for trials in found.values() for trial in trials if not trial.tried]
    if not_tried:
        yield f"Not tried here: {'; '.join(not_tried)}."
