import hashlib
import json
import os

import pytest

from confemb.errors import ConfembError, quoted_list, unknown_name
from confemb.files import make_folder, read_arrays, read_bytes, sha256_file, whole_file, write_json, write_text

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")


def test_a_file_appears_with_its_folders(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "é\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é\n".encode()
    assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_the_old_file_stays_when_writing_fails(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def write_half():
        with whole_file(path) as temporary:
            assert temporary.suffix == ".csv"
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfembError, match="cannot make the folder .*file.*choose another folder"):
        write_text(tmp_path / "file" / "b.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfembError, match="cannot write .*folder: Is a directory"):
        write_text(tmp_path / "folder", "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@not_as_root
def test_a_forbidden_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfembError, match="cannot write .*Permission denied"):
        write_text(tmp_path / "b.txt", "x")
    with pytest.raises(ConfembError, match="cannot make the folder"):
        make_folder(tmp_path / "new")


def test_json_keeps_order_and_refuses_nan(tmp_path):
    write_json(tmp_path / "m.json", {"b": 1, "a": "é"})
    assert (tmp_path / "m.json").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "é"\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "m.json", float("nan"))
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == {"b": 1, "a": "é"}


def test_reading(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    assert read_bytes(path) == b"abc"
    assert sha256_file(path) == hashlib.sha256(b"abc").hexdigest()
    path.write_bytes(b"")
    for wrong, sentence in ((path, "is empty"), (tmp_path / "none", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(ConfembError, match=sentence):
            read_bytes(wrong)
    with pytest.raises(ConfembError, match="broken or no NPZ file at all"):
        read_arrays(b"abc", ["labels"])


def test_lists_of_names_are_cut():
    assert quoted_list(["a"]) == "'a'"
    assert quoted_list("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"


def test_unknown_names_suggest_the_nearest():
    error = unknown_name("class", "autmobile", ["ship", "automobile"], where="column 'top1'")
    assert str(error) == (
        "unknown class 'autmobile' in column 'top1': did you mean 'automobile'? known: 'automobile', 'ship'."
    )
    assert str(unknown_name("class", "x", [])) == "unknown class 'x': none is known."
