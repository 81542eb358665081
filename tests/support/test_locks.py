import subprocess
import sys

import pytest

from confemb.support.errors import ConfembError
from confemb.support.locks import alone_in

HOLD = """
import sys, time
from pathlib import Path
from confemb.support.locks import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path):
    """A folder that another process holds, and that process."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield tmp_path, process
        process.kill()


def test_a_folder_that_another_process_holds_is_refused(held):
    folder, _ = held
    with (
        pytest.raises(ConfembError, match=r"another confemb is at work in .*: wait until it ends, or choose another"),
        alone_in(folder),
    ):
        pytest.fail("both hold it")


def test_a_killed_holder_is_none_any_more_and_leaves_nothing(held):
    folder, process = held
    process.kill()
    process.wait()
    with alone_in(folder) as alone:
        assert alone
    assert list(folder.iterdir()) == []


def test_another_holder_can_be_waited_for(held):
    folder, process = held
    with alone_in(folder, waiting=process.kill) as alone:
        assert alone
        assert process.wait() != 0


def test_the_folder_is_made_and_free_afterwards(tmp_path):
    for _ in range(2):
        with alone_in(tmp_path / "new") as alone:
            assert alone
            assert (tmp_path / "new").is_dir()


def test_without_locks_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("confemb.support.locks.fcntl", None)
    with alone_in(tmp_path) as first, alone_in(tmp_path) as second:
        assert (first, second) == (False, False)
