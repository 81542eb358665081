import json
import os

import pytest

from confemb.support.draft import Draft
from confemb.support.errors import ConfembError
from confemb.support.files import write_text
from confemb.support.output_folder import make_work


def finish(draft, stage, key, **files):
    """Record a stage that wrote some texts."""
    names = {name.replace("_", "."): text for name, text in files.items()}
    for name, text in names.items():
        write_text(draft.new(name), text)
    draft.record(stage, key, names)


def published(folder, title, **texts):
    draft = Draft(folder)
    draft.values = {"title": title}
    finish(draft, "train", title, weights_txt=texts["weights"])
    finish(draft, "embed", title, **{name: text for name, text in texts.items() if name not in ("weights", "report")})
    report(draft, texts["report"])
    draft.publish(stale=["figures/b.txt"])
    draft.discard()


def report(draft, text):
    folder = draft.new_report()
    write_text(folder / "report.txt", text)
    write_text(folder / "figures" / f"{text}.txt", text)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def stages(folder):
    return {stage: record["key"] for stage, record in json.loads(contents(folder)["manifest.json"])["stages"].items()}


@pytest.fixture
def old(tmp_path):
    published(tmp_path, "old", weights="1", runs_txt="1", extra_txt="1", report="a")
    return tmp_path


def test_a_result_is_published_as_a_whole(old):
    found = contents(old)
    assert {name: text for name, text in found.items() if name != "manifest.json"} == {
        "weights.txt": "1",
        "runs.txt": "1",
        "extra.txt": "1",
        "report.txt": "a",
        "figures/a.txt": "a",
    }
    assert stages(old) == {"train": "old", "embed": "old"}


def test_until_it_is_published_the_folder_holds_the_old_result(old):
    before = contents(old)
    draft = Draft(old)
    finish(draft, "train", "new", weights_txt="2")
    report(draft, "b")
    assert {name: text for name, text in contents(old).items() if not name.startswith(".unfinished")} == before
    assert draft.path("weights.txt").read_text() == "2"
    # Whoever asks for the old result gets it, and whoever asks for the new one goes on.
    assert Draft(old).reuse("train", "old")
    again = Draft(old)
    assert again.reuse("train", "new")
    assert again.path("weights.txt").read_text() == "2"
    assert not again.reuse("embed", "new")


def test_what_is_not_the_new_results_is_gone(old):
    published(old, "new", weights="2", runs_txt="2", report="b")
    assert set(contents(old)) == {*("weights.txt", "runs.txt", "report.txt", "figures/b.txt", "manifest.json")}
    published(old, "newer", weights="2", runs_txt="2", report="c")
    assert "figures/b.txt" not in contents(old)


def test_another_runs_leftovers_are_not_mixed_in(old):
    # A run that was killed has left weights of the same name, and a report.
    draft = Draft(old)
    finish(draft, "train", "killed", weights_txt="9")
    report(draft, "killed")
    draft = Draft(old)
    draft.values = {"title": "old"}
    assert draft.reuse("train", "old")
    assert draft.reuse("embed", "old")
    report(draft, "a")
    draft.publish()
    assert contents(old)["weights.txt"] == "1"
    assert contents(old)["report.txt"] == "a"
    # It was not in the way, and can still go on.
    assert Draft(old).reuse("train", "killed")


@pytest.mark.parametrize("killed_at", range(12))
def test_a_run_that_is_killed_while_it_publishes_is_completed(old, monkeypatch, killed_at):
    class KilledError(BaseException):
        pass

    calls = []

    def counted(function):
        def call(*arguments, **options):
            calls.append(arguments)
            if len(calls) > killed_at:
                raise KilledError
            return function(*arguments, **options)

        return call

    draft = Draft(old)
    draft.values = {"title": "new"}
    finish(draft, "train", "new", weights_txt="2")
    finish(draft, "embed", "new", runs_txt="2")
    report(draft, "b")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counted(os.replace))
        patch.setattr("shutil.rmtree", counted(lambda *_, **__: None))
        patch.setattr("pathlib.Path.unlink", counted(type(old).unlink))
        try:
            draft.publish()
        except KilledError:
            # What a stage and a title say is of one result, whenever it was.
            said = json.loads(contents(old)["manifest.json"])
            assert {said["title"]} == {record["key"] for record in said["stages"].values()}
    again = Draft(old)
    again.values = {"title": "new"}
    assert again.reuse("train", "new")
    assert again.reuse("embed", "new")
    report(again, "b")
    again.publish(stale=["figures/a.txt"])
    again.discard()
    found = contents(old)
    assert (found["weights.txt"], found["runs.txt"], found["report.txt"]) == ("2", "2", "b")
    assert set(found) == {"weights.txt", "runs.txt", "report.txt", "figures/b.txt", "manifest.json"}


def test_a_file_changed_by_others_is_not_used(old):
    (old / "runs.txt").write_text("3")
    draft = Draft(old)
    assert not draft.reuse("embed", "old")
    draft.keep_rest()
    with pytest.raises(ConfembError, match=r"runs.txt is missing or was changed by others: run the experiment again"):
        draft.path("runs.txt")
    with pytest.raises(ConfembError, match=r"holds no finished result \(other.txt is missing\)"):
        draft.path("other.txt")


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/b.txt", "", "nul\0"])
def test_a_manifest_cannot_name_files_elsewhere(tmp_path, name):
    record = {"key": "k", "files": {name: "0" * 64}}
    write_text(tmp_path / "manifest.json", json.dumps({"stages": {"embed": record}}))
    with pytest.raises(ConfembError, match=r"manifest.json is no confemb manifest"):
        Draft(tmp_path)


def test_what_is_to_be_removed_cannot_be_elsewhere(tmp_path):
    folder = tmp_path / "result"
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    folder.mkdir()
    make_work(folder / ".unfinished")
    write_text(folder / ".unfinished" / "ready.json", json.dumps({"remove": ["../outside.txt", str(outside), 3]}))
    write_text(folder / ".unfinished" / "report" / "manifest.json", '{"confemb": "0", "stages": {}}')
    Draft(folder)
    assert outside.read_text() == "x"
    assert set(contents(folder)) == {"manifest.json"}


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"remove": 1}', "\xff"])
def test_broken_leftovers_are_passed_over(old, broken):
    before = contents(old)
    make_work(old / ".unfinished")
    for name in ("ready.json", "manifest.json", "report/manifest.json"):
        write_text(old / ".unfinished" / name, broken)
    draft = Draft(old)
    assert draft.reuse("train", "old")
    draft.discard()
    assert contents(old) == before
