"""The report of the trials: what was tried, how often, and what happened."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from confemb.provenance import study_manifest
from confemb.reporting.study import Section, Study, write_study
from confemb.reporting.tables import frame_table
from experiments.torture.trials import Trial

VERSIONS = "versions.csv"
HEADINGS = {
    "killed": "Killed and stopped",
    "places": "Full disks, read-only folders, vanished inputs",
    "changed": "A changed configuration over an old result",
    "together": "Several at once",
}


def write_report(found: Mapping[str, Sequence[Trial]], folder: Path, *, seed: int, seconds: float) -> str:
    """Write the study of all trials; returns what to print.

    `versions.csv` in the folder, which `experiments/versions.py` writes, is shown too.
    """
    rows = [(kind, trial.what, trial.tried, trial.held) for kind, trials in found.items() for trial in trials]
    frame = pd.DataFrame(rows, columns=["kind", "what must hold", "tried", "held"])
    failed = int((frame["tried"] - frame["held"]).sum())
    sections = []
    for kind, trials in found.items():
        table = frame[frame["kind"] == kind].drop(columns="kind")
        heading = HEADINGS.get(kind, kind.replace("_", " ").capitalize())
        text = "; ".join(failure for trial in trials for failure in trial.failures)
        sections.append(Section(heading, text=text, tables=[frame_table(heading, table)]))
    if (folder / VERSIONS).is_file():
        versions = pd.read_csv(folder / VERSIONS, dtype=str).fillna("")
        note = (
            "Made by `make versions`: environments with the lowest and the highest versions that pyproject.toml allows."
        )
        sections.append(Section("Versions", tables=[frame_table("Tests with other versions", versions, note=note)]))
    study = Study(
        title="How confemb stands being killed, filled up, fed rubbish and run twice",
        description="Every line was tried as often as it says, on the real command line or its own functions.",
        findings=[
            f"{len(frame)} kinds of trial, {int(frame['tried'].sum()):,} cases: "
            + (f"{failed:,} did not hold." if failed else "all held.")
        ],
        sections=sections,
        data={"trials.csv": frame},
        manifest=study_manifest(command="make torture", seed=seed, seconds=round(seconds)),
    )
    return write_study(study, folder)
