import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from confemb.networks.training.checkpoints import Checkpoints
from confemb.support.errors import ConfembError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError("state/d/78\": Failed to write 19474 bytes [os_error_code='28']"), "No space left on device"),
        (ValueError("two\nlines"), "two lines"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch, error, reason):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, (np.zeros(3),), [{"train_loss": 1.0}])

        def fail(*_, **__):
            raise error

        monkeypatch.setattr(checkpoints._manager, "save", fail)
        with pytest.raises(ConfembError, match=rf"cannot write the checkpoint of epoch 2 to .*: {reason}; the same"):
            checkpoints.save(2, (np.ones(3),), [{"train_loss": 1.0}] * 2)
        state, history = checkpoints.restore((np.zeros(3),))
        np.testing.assert_array_equal(state[0], np.zeros(3))
        assert len(history) == 1


def test_orbax_prints_no_tracebacks_of_its_own(tmp_path, monkeypatch, caplog):
    def log():
        for name in ("absl", "asyncio", "concurrent.futures"):
            logging.getLogger(name).error("a thread raised an exception")

    def fail(*_, **__):
        log()
        raise ValueError("no room")

    # What is quiet after a failure is put back when this test ends.
    for name in ("absl", "asyncio", "concurrent.futures"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)

    with Checkpoints(tmp_path) as checkpoints:
        monkeypatch.setattr(checkpoints._manager, "save", fail)
        with pytest.raises(
            ConfembError, match="cannot write the checkpoint of epoch 1 to .*: no room; the same command"
        ):
            checkpoints.save(1, (np.zeros(3),), [])
    # Some comes later, when a thread ends or a task is collected.
    log()
    assert "raised an exception" not in caplog.text


def test_writes_that_end_too_late_are_not_told_of_after_a_failure(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    tell = sys.unraisablehook
    late = SimpleNamespace(exc_value=RuntimeError("Event loop is closed"))
    other = SimpleNamespace(exc_value=RuntimeError("something else"))

    def fail(*_, **__):
        sys.unraisablehook(late)
        raise ValueError("no room")

    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, (np.zeros(3),), [])
        assert sys.unraisablehook is tell
        monkeypatch.setattr(checkpoints._manager, "save", fail)
        with pytest.raises(ConfembError, match="no room"):
            checkpoints.save(2, (np.zeros(3),), [])
    for what in (late, other):
        sys.unraisablehook(what)
    assert told == [other]
