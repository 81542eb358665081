import gzip
import hashlib
import json
import os
import time

import pytest

from confemb.support import files
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import (
    make_folder,
    parse_json,
    read_bytes,
    sha256_file,
    unpacked_gzip,
    whole_file,
    write_json,
    write_text,
)

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


def test_pipes_and_devices_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ConfembError, match="is a pipe or a device, no file"):
            read_bytes(path)
    with pytest.raises(ConfembError, match="is no path"):
        read_bytes("a\0b")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(ConfembError, match="cannot read .*circle: Too many levels"):
        read_bytes(tmp_path / "circle")


def test_json_that_is_nested_or_no_json_is_refused():
    assert parse_json(b'\xef\xbb\xbf{"a": [1]}', where="x") == {"a": [1]}
    for content in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(ConfembError, match="x is no (valid )?JSON"):
            parse_json(content, where="x")
    for content in (b"", b"{", b"9" * 5_000, b"\xff"):
        with pytest.raises(ConfembError, match="^x is no"):
            parse_json(content, where="x")


def test_a_gzip_bomb_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_UNPACKED", 1_000_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    (tmp_path / "small.gz").write_bytes(gzip.compress(b"a\nb"))
    with unpacked_gzip(tmp_path / "small.gz") as file:
        assert file.readline() == b"a\n"
        assert file.read() == b"b"
    with (
        pytest.raises(ConfembError, match="holds more than 1,000,000 bytes unpacked"),
        unpacked_gzip(tmp_path / "bomb.gz") as file,
    ):
        file.read()


def test_an_error_is_one_line_whatever_it_quotes():
    said = str(ConfembError("a file called \x1b[2Jx\n\u202eevil has " + "9" * 100_000 + "\x00: mend it."))
    assert said.startswith(r"a file called \x1b[2Jx \u202eevil has 999")
    assert said.isprintable()
    assert len(said) < 1_600
    assert said.endswith("9\\x00: mend it.")
    assert str(ConfembError("cannot read it: 'k'")) == "cannot read it: 'k'."


def test_a_near_name_is_not_sought_without_end():
    known = [f"{i:06}" + "a" * 300 for i in range(30_000)]
    started = time.monotonic()
    assert "did you mean" not in str(unknown_name("class", "a" * 300, known))
    assert "did you mean" not in str(unknown_name("class", "b" * 100_000, ["b" * 99_999]))
    assert time.monotonic() - started < 5


def test_lists_of_names_are_cut():
    assert quoted_list(["a"]) == "'a'"
    assert quoted_list("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"


def test_unknown_names_suggest_the_nearest():
    error = unknown_name("class", "autmobile", ["ship", "automobile"], where="column 'top1'")
    assert str(error) == (
        "unknown class 'autmobile' in column 'top1': did you mean 'automobile'? known: 'automobile', 'ship'."
    )
    assert str(unknown_name("class", "x", [])) == "unknown class 'x': none is known."


def test_a_path_without_a_name_is_no_file_to_write():
    with pytest.raises(ConfembError, match=r"cannot write /: it is a folder; give a file\."):
        write_text("/", "x")
