import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import confemb

EXPERIMENT = """
[dataset]
name = "digits"
[classifier]
name = "fast_cnn"
widths = [8, 16]
shift = 1
mirror = false
[training]
epochs = 40
batch_size = 32
learning_rate = 0.1
"""


def start_training(tmp_path, name):
    """Start `confemb train` on the digits in a process of its own."""
    (tmp_path / "digits.toml").write_text(EXPERIMENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parent.parent)}
    code = "import sys; from confemb.cli.app import main; main()"
    command = [sys.executable, "-c", code, "train", "digits.toml", "--out", name]
    return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path):
    process = start_training(tmp_path, "killed")
    # Killed somewhere in the epochs that follow the third, while computing or while writing.
    while not list(tmp_path.glob("killed/.unfinished/checkpoints/*/3")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "weights.safetensors").exists()

    assert start_training(tmp_path, "killed").wait() == 0
    assert start_training(tmp_path, "unbroken").wait() == 0
    killed, unbroken = (tmp_path / name / "weights.safetensors" for name in ("killed", "unbroken"))
    assert killed.read_bytes() == unbroken.read_bytes()
    assert not (tmp_path / "killed" / ".unfinished").exists()
