"""Commands refuse to write where something of the user's lies, before any work, by status 2."""

import os

import pytest

TABLE = "id,label,top1,top2\n" + "".join(f"p{i},{a},{a},{b}\n" for i, (a, b) in enumerate(["ab", "bc", "ca"] * 4))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text(TABLE)
    (tmp_path / "q.csv").write_text(TABLE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "p.csv", "--out", "mine"], "mine holds 'notes.txt' and no manifest of confemb's"),
        (["embed", "p.csv", "--out", "."], "p.csv lies in ., which is to be written"),
        (["models", "p.csv", "q.csv", "--out", "mine"], "mine holds 'notes.txt'"),
        (["models", "p.csv", "q.csv", "--out", "."], "p.csv lies in"),
        (["diff", "p.csv", "q.csv", "--out", "mine"], "mine holds 'notes.txt'"),
        (["diff", "p.csv", "q.csv", "--out", "."], "p.csv lies in"),
        (["suggest", "p.csv", "--out", "mine"], "mine holds 'notes.txt'"),
        (["suggest", "p.csv", "--out", "."], "p.csv lies in"),
        (["retrain", "digits", "--networks", "2", "--out", "mine"], "mine holds 'notes.txt'"),
        (["unknown", "digits", "--out", "mine"], ""),
        (["run", "digits", "--out", "mine"], "mine holds 'notes.txt'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_folder_of_the_users_is_refused(refused, folder, arguments, message):
    before = contents(folder)
    assert message in refused(*arguments)
    assert contents(folder) == before


def test_a_result_is_written_again_over_itself_only(run, refused, folder):
    status, _, _ = run("embed", "p.csv", "--out", "out", "--bootstraps", "0")
    assert status == 0
    (folder / "out" / "mine.txt").write_text("mine")
    assert "lies in out" in refused("embed", "out/mine.txt", "--out", "out")
    status, _, _ = run("embed", "q.csv", "--out", "out", "--bootstraps", "0")
    assert status == 0
    assert (folder / "out" / "mine.txt").read_text() == "mine"
    status, _, _ = run("report", "out")
    assert status == 0
    os.rename(folder / "out" / "figures", folder / "figures")
    (folder / "out" / "figures").symlink_to(folder / "figures")
    before = contents(folder / "figures")
    assert "is a link" in refused("report", "out")
    assert "is a link" in refused("embed", "p.csv", "--out", "out")
    assert contents(folder / "figures") == before


def test_a_file_is_not_counted_into_itself(run, refused, folder):
    status, _, _ = run("count", "p.csv", "--out", "c.npz")
    assert status == 0
    before = contents(folder)
    assert "would overwrite it" in refused("count", "c.npz", "--out", "c.npz")
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["../x", "/x", "", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", " "])
def test_an_experiments_name_is_a_name(refused, folder, name):
    quoted = name.replace("\\", "\\\\").replace("\0", "\\u0000").replace("\n", "\\n")
    (folder / "e.toml").write_text(f'name = "{quoted}"\n[predictions]\npath = "p.csv"\n')
    before = contents(folder)
    assert "name" in refused("run", "e.toml")
    assert contents(folder) == before


def test_a_class_name_forges_no_line(run, folder):
    evil = '"a\ndog  +1.000\x1b[2J"'.replace("\x1b", "\u202e")
    (folder / "p.csv").write_text(TABLE.replace(",a", f",{evil}"))
    status, out, _ = run("embed", "p.csv", "--out", "out", "--bootstraps", "0")
    assert status == 0
    assert "\ndog" not in out
    status, out, _ = run("similar", "out", "b")
    assert status == 0
    assert len(out.splitlines()) == 2
    assert r"a\x0adog  +1.000\u202e[2J" in out
