"""The one door: only confemb's own files are touched, no link is followed, and unfinished work is its user's."""

import json
import os
import shutil
from pathlib import Path

import pytest

from confemb.support import output_folder as door
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError
from confemb.support.files import write_text
from confemb.support.output_folder import check_output, known_files, output_folder, refuse_input

ROOT = Path(__file__).parents[2]
MANIFESTS = {path.parent: json.loads(path.read_text()) for path in (ROOT / "reports").rglob("manifest.json")}
REPORTS = sorted(folder for folder, values in MANIFESTS.items() if "confemb" in values)


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


def write(folder: Path, title: str, **texts: str) -> None:
    with output_folder(folder) as new:
        new.values["title"] = title
        for name, text in texts.items():
            write_text(new.new(name.replace("__", "/").replace("_", ".")), text)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(errors="replace")
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "out"
    write(folder, "one", a_csv="1", figures__b_svg="1")
    assert contents(folder) == {"a.csv": "1", "figures/b.svg": "1"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["written"]) == {"a.csv", "figures/b.svg"}
    write(folder, "two", a_csv="2", c_csv="2")
    assert contents(folder) == {"a.csv": "2", "c.csv": "2"}
    assert not (folder / "figures").exists()
    assert sorted(os.listdir(folder)) == ["a.csv", "c.csv", "manifest.json"]
    with pytest.raises(RuntimeError), output_folder(folder) as new:  # noqa: PT012
        write_text(new.new("a.csv"), "3")
        raise RuntimeError
    assert contents(folder) == {"a.csv": "2", "c.csv": "2"}


@pytest.mark.parametrize("name", ["notes.txt", "report.html", ".hidden", "figures/mine.png", "predictions.parquet"])
def test_a_folder_with_a_users_own_files_is_refused_before_any_work(tmp_path, name):
    folder = tmp_path / "mine"
    write_text(folder / name, "mine")
    with pytest.raises(ConfembError, match=f"holds '{name.split('/')[0]}' and no manifest of confemb's"):
        check_output(folder)
    with pytest.raises(ConfembError, match="no manifest of confemb's"), output_folder(folder):
        pytest.fail("work was begun")
    assert contents(folder) == {name: "mine"}


def test_a_users_own_files_in_a_result_stay(tmp_path):
    folder = tmp_path / "out"
    write(folder, "one", a_csv="1", figures__b_svg="1")
    write_text(folder / "notes.txt", "mine")
    write_text(folder / "figures" / "mine.svg", "mine")
    write(folder, "two", c_csv="2")
    assert contents(folder) == {"c.csv": "2", "notes.txt": "mine", "figures/mine.svg": "mine"}
    with pytest.raises(ConfembError, match=r"notes\.txt is in the way and was not written by confemb"):
        write(folder, "three", notes_txt="3")
    assert contents(folder) == {"c.csv": "2", "notes.txt": "mine", "figures/mine.svg": "mine"}
    # A name that confemb always uses is refused at once.
    write_text(folder / "report.html", "mine")
    with pytest.raises(ConfembError, match=r"report\.html is in the way"):
        check_output(folder)


def test_a_manifest_of_another_program_is_none(tmp_path):
    write_text(tmp_path / "manifest.json", '{"stages": {}, "name": "an app"}')
    with pytest.raises(ConfembError, match="no confemb manifest"):
        check_output(tmp_path)
    write_text(tmp_path / "manifest.json", '{"confemb": "1", "stages": {}, "written": {"../x": "0"}}')
    with pytest.raises(ConfembError, match="no confemb manifest"):
        check_output(tmp_path)


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_committed_reports_are_recognised(tmp_path, report):
    folder = tmp_path / "copy"
    shutil.copytree(report, folder, symlinks=True, ignore=lambda home, names: ["network_00"])
    before = {name for name in contents(folder) if (folder / name).parent == folder or name.startswith("figures/")}
    check_output(folder)
    values = json.loads((folder / "manifest.json").read_text())
    known = known_files(values)
    with output_folder(folder) as new:
        for name in before:
            write_text(new.new(name), "new")
    after = contents(folder)
    assert {after[name] for name in before} <= {"new"}
    # From now on every file is known.
    assert before <= known_files(json.loads((folder / "manifest.json").read_text()))
    assert {"report.html", "tables.md"} <= known


def test_folders_that_scripts_have_written_are_no_results(tmp_path):
    """Those of experiments/newsgroups_embeddings.py and visual_words.py; no command writes over them."""
    for report in sorted(set(MANIFESTS) - set(REPORTS)):
        with pytest.raises(ConfembError, match="no confemb manifest"):
            check_output(shutil.copytree(report, tmp_path / report.name))


def test_inputs_within_the_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "p.parquet", "x")
    for out in (".", str(tmp_path), "../" + tmp_path.name):
        with pytest.raises(ConfembError, match=r"p\.parquet lies in .* which is to be written"):
            check_output(out, inputs=["p.parquet"])
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfembError, match="lies in"):
        check_output("link", inputs=["p.parquet"])
    check_output("out", inputs=["p.parquet", "-", "wordnet:wup", "no\0path"])
    with pytest.raises(ConfembError, match="would overwrite it"):
        refuse_input(Path("p.parquet"), ["../" + tmp_path.name + "/p.parquet"])


@pytest.mark.parametrize("name", ["figures", "manifest.json"])
def test_no_link_is_followed(tmp_path, name):
    outside = tmp_path / "outside"
    write_text(outside / "a.png", "mine")
    folder = tmp_path / "out"
    write(folder, "one", figures__a_png="1")
    if name == "figures":
        shutil.rmtree(folder / "figures")
        (folder / "figures").symlink_to(outside)
    else:
        (folder / name).rename(outside / name)
        (folder / name).symlink_to(outside / name)
    before = contents(outside)
    with pytest.raises(ConfembError, match="is a link"):
        write(folder, "two", b_csv="2")
    with pytest.raises(ConfembError, match="is a link"):
        check_output(folder)
    assert contents(outside) == before


def test_a_link_that_appears_while_the_work_goes_on_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    write_text(outside / "a.png", "mine")
    folder = tmp_path / "out"
    with pytest.raises(ConfembError, match="is a link"), output_folder(folder) as new:  # noqa: PT012
        write_text(new.new("figures/a.png"), "1")
        (folder / "figures").symlink_to(outside)
    assert contents(outside) == {"a.png": "mine"}
    # Nor by the calls themselves, were it put there later still.
    mover = door.Mover(folder, {"figures/a.png"}, older=False)
    write_text(tmp_path / "source", "1")
    with pytest.raises(OSError, match=r"figures|Not a directory|Too many levels"):
        mover.move(tmp_path / "source", "figures/a.png")
    mover.remove("figures/a.png")
    assert contents(outside) == {"a.png": "mine"}


def unfinished(folder: Path) -> Path:
    draft = Draft(folder)
    write_text(draft.new("weights.txt"), "1")
    draft.record("train", "key", ["weights.txt"])
    return draft.work


def test_what_a_stopped_run_left_is_used_by_its_user_only(tmp_path, state):
    folder = tmp_path / "out"
    folder.mkdir()
    work = unfinished(folder)
    assert Draft(folder).reuse("train", "key")
    # A copy, from an archive or another machine, has another inode; another user has another key.
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert not Draft(copy).reuse("train", "key")
    assert (copy / ".unfinished" / "weights.txt").read_text() == "1"
    (state / "confemb" / "key").write_bytes(b"0" * 32)
    draft = Draft(folder)
    assert not draft.reuse("train", "key")
    assert draft.work != work
    draft.discard()
    assert (work / "weights.txt").read_text() == "1"


def test_unfinished_work_with_a_link_is_not_used(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    work = unfinished(folder)
    (work / "checkpoints").symlink_to(tmp_path)
    assert not Draft(folder).reuse("train", "key")
    (work / "checkpoints").unlink()
    assert Draft(folder).reuse("train", "key")


def test_a_prepared_draft_of_somebody_else_changes_nothing(tmp_path):
    outside = tmp_path / "outside"
    write_text(outside / "a.png", "mine")
    folder = tmp_path / "out"
    write(folder, "one", a_csv="1")
    shutil.rmtree(folder / "figures", ignore_errors=True)
    report = folder / ".unfinished" / "report"
    write_text(report / "figures" / "a.png", "evil")
    write_text(report / "manifest.json", '{"confemb": "1", "stages": {}}')
    write_text(folder / ".unfinished" / "ready.json", '{"remove": ["a.csv"]}')
    Draft(folder)
    assert (folder / "a.csv").read_text() == "1"
    (folder / "figures").symlink_to(outside)
    with pytest.raises(ConfembError, match="is a link"):
        Draft(folder)
    assert contents(outside) == {"a.png": "mine"}


def test_a_key_is_made_once_and_kept_from_others(state):
    first = door._key()
    assert door._key() == first
    assert (state / "confemb" / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (state / "confemb").iterdir()] == ["key"]


def test_work_is_possible_where_no_key_can_be_kept(tmp_path, monkeypatch):
    write_text(tmp_path / "file", "x")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    folder = tmp_path / "out"
    write(folder, "one", a_csv="1")
    assert contents(folder) == {"a.csv": "1"}


def test_files_of_versions_without_a_manifest_are_replaced(tmp_path):
    folder = tmp_path / "embeddings"
    for name in ("A.txt", "B.txt"):
        write_text(folder / name, "old")
    with output_folder(folder, older=["*.txt"]) as new:
        for name in ("A.txt", "D.txt"):
            write_text(new.new(name), "new")
    assert contents(folder) == {"A.txt": "new", "D.txt": "new"}


def test_two_at_once_do_not_mix(tmp_path):
    with output_folder(tmp_path / "out") as new:
        write_text(new.new("a.csv"), "1")
        with pytest.raises(ConfembError, match="another confemb is at work"), output_folder(tmp_path / "out"):
            pytest.fail("both were let in")
    assert contents(tmp_path / "out") == {"a.csv": "1"}
