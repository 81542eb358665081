"""A command that is told to stop ends within seconds, by a stated status, and leaves nothing half-written."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import confemb
from confemb.support.files import remove_unfinished, unfinished_folder, whole_file
from confemb.support.stopping import SECONDS_TO_STOP, STATUS, STOPPED

ROOT = str(Path(confemb.__file__).parents[1])
SIGNALS = list(STATUS)


def start(code: str, *arguments: object, folder: Path) -> subprocess.Popen[str]:
    # Whoever runs the tests in the background may ignore signals; a child would inherit that.
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in STATUS],
    )


def test_statuses_are_those_of_shells():
    assert {int(number): status for number, status in STATUS.items()} == {1: 129, 2: 130, 15: 143}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("what", "busy"),
    [
        ("importing", "import builtins; own = builtins.__import__\n"
         "def slow(name, *rest, **options):\n"
         "    if name == 'typer': print('ready', flush=True); time.sleep(60)\n"
         "    return own(name, *rest, **options)\n"
         "builtins.__import__ = slow\n"),
        ("in a library's C code", "import confemb.cli.app as app, re\n"
         "def main(stopping):\n"
         "    import numpy as np; a = np.ones((6000, 6000)); said = iter(['ready'])\n"
         "    while True:\n"
         "        try: [print(it, flush=True) for it in said]; a @ a @ a @ a @ a\n"
         "        except KeyboardInterrupt: pass\n"
         "app.main = main\n"),
        ("writing", "import confemb.cli.app as app\n"
         "def main(stopping):\n"
         "    from confemb.support.files import whole_file\n"
         "    with whole_file('table.csv') as part:\n"
         "        part.write_text('half'); said = iter(['ready'])\n"
         "        while True:\n"
         "            try: [print(it, flush=True) for it in said]; time.sleep(60)\n"
         "            except KeyboardInterrupt: pass\n"
         "app.main = main\n"),
    ],
)  # fmt: skip
def test_a_signal_ends_whatever_goes_on(tmp_path, number, what, busy):
    if "C code" in what and number != signal.SIGTERM:
        pytest.skip("once is enough")
    process = start(f"import time\n{busy}from confemb.cli import main\nmain()", folder=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, told = process.communicate(timeout=10 * SECONDS_TO_STOP)
    assert (process.returncode, told) == (STATUS[number], f"{STOPPED}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_at_once(tmp_path):
    code = (
        "import time, confemb.cli.app as app\n"
        "def main(stopping):\n"
        "    said = 'ready'\n"
        "    while True:\n"
        "        try: print(said, flush=True); time.sleep(60)\n"
        "        except KeyboardInterrupt: said = 'again'\n"
        "app.main = main\n"
        "import confemb.support.stopping as stopping; stopping.SECONDS_TO_STOP = 600\n"
        "from confemb.cli import main; main()"
    )
    process = start(code, folder=tmp_path)
    assert process.stdout is not None
    for line in ("ready\n", "again\n"):
        assert process.stdout.readline() == line
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "import confemb.cli.app as app\n"
        "def main(stopping):\n"
        "    os.kill(os.getpid(), signal.SIGHUP); print('still here')\n"
        "app.main = main\n"
        "from confemb.cli import main; main()"
    )
    process = start(code, folder=tmp_path)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "still here\n")


def test_what_is_unfinished_can_be_removed_from_anywhere(tmp_path):
    with pytest.raises(RuntimeError), whole_file(tmp_path / "a.csv") as part:  # noqa: PT012
        part.write_text("half")
        with unfinished_folder(tmp_path / "b.part") as folder:
            (folder / "c").write_text("half")
            remove_unfinished()
            assert list(tmp_path.iterdir()) == []
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_is_stopped_at_any_moment(tmp_path, number):
    """What ends it before Python has begun is the signal itself: the same status to a shell."""
    generator = np.random.default_rng(int(number))
    top = np.argsort(-generator.random((20_000, 40)), axis=1)[:, :5].astype(np.int32)
    names = tuple(f"class {i}" for i in range(40))
    confemb.save_predictions(
        confemb.Predictions(generator.integers(0, 40, 20_000), top, None, names), tmp_path / "p.parquet"
    )
    (tmp_path / "work").mkdir()
    moments = random.Random(int(number))
    code = "import sys; from confemb.cli import main; main()"
    for _ in range(12):
        process = start(code, "embed", "../p.parquet", "--out", "out", "--bootstraps", "0", folder=tmp_path / "work")
        time.sleep(moments.uniform(0.0, 4.0))
        process.send_signal(number)
        out, told = process.communicate(timeout=10 * SECONDS_TO_STOP)
        assert process.returncode in (0, STATUS[number], -number), told
        assert "Traceback" not in told or process.returncode == -number
        assert not list(tmp_path.rglob("*.part*"))
        assert ("report:" in out) == (process.returncode == 0)


_ARROW = """
import io, sys, threading, time
import pyarrow as pa, pyarrow.parquet as pq
import confemb.cli.app as app

class Slow(io.BytesIO):
    def read(self, *size):
        if threading.current_thread() is not threading.main_thread():
            reading.set()
            time.sleep(0.5)
        return super().read(*size)

def main(stopping):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"label": ["a", "b"] * 500}), sink)
    file = pq.ParquetFile(pa.PythonFile(Slow(sink.getvalue().to_pybytes()), mode="r"), pre_buffer=True)
    batches = file.iter_batches(10)
    threading.Thread(target=lambda: next(batches), daemon=True).start()
    reading.wait()
    print("confemb: the right message.", file=sys.stderr)
    sys.exit(2)

reading = threading.Event()
app.main = main
from confemb.cli import main
main()
"""


def test_a_librarys_thread_does_not_abort_the_end(tmp_path):
    """Arrow's threads take Python's lock to let go of a Python file; while Python is taken down that aborts."""
    process = start(_ARROW, folder=tmp_path)
    _, told = process.communicate(timeout=300)
    assert (process.returncode, told) == (2, "confemb: the right message.\n")
