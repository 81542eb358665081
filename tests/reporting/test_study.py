"""A study's folder holds that study, whatever was written there before."""

import json

from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.style import new_figure


def study(*names):
    figures = [StudyFigure(name, f"Of {name}.", lambda: new_figure(1, 1)) for name in names]
    return Study(title="Two", description="", findings=["One."], sections=[Section("Figures", figures=figures)])


def test_figures_of_an_earlier_study_go(tmp_path):
    write_study(study("first", "second"), tmp_path)
    (tmp_path / "figures" / "mine.png").write_bytes(b"another's")
    write_study(study("second"), tmp_path)
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert left == {"second.png", "second.svg", "mine.png"}


def test_a_manifest_that_names_no_figures_removes_nothing(tmp_path):
    write_study(study("first"), tmp_path)
    manifest = tmp_path / "manifest.json"
    content = json.loads(manifest.read_text())
    # As an earlier version wrote it, and damaged.
    del content["written"]
    content["figures"] = "first"
    manifest.write_text(json.dumps(content))
    write_study(study("second"), tmp_path)
    assert (tmp_path / "figures" / "first.png").exists()
