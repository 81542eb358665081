"""The short form of `tests/torture`: damaged and hostile files for every reader, with little memory."""

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from confemb.records.imagenet import imagenet_classes
from tests.torture.confined import Outcome, run_confined
from tests.torture.fuzz import case, place
from tests.torture.harmful_files import all_hostile
from tests.torture.hostile import OPTIONAL, judged, odd_files
from tests.torture.mutations import damaged, mutants
from tests.torture.readers import all_readers
from tests.torture.readers.opening import FRESH, NOT_FUZZED, opens, reached
from tests.torture.report import plain, write_report
from tests.torture.trials import SHOWN_FAILURES, Trial

MUTANTS = 8

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by Linux's means")


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return all_readers(tmp_path_factory.mktemp("seeds"), fresh=False)


def test_damaged_files_are_read_or_refused_in_a_sentence(readers, tmp_path):
    cases, names = [], []
    for number, reader in enumerate(readers):
        path = place(reader, tmp_path / str(number), reader.seeds[0])
        random = Random(reader.name)
        contents = [*reader.seeds, *(mutants(reader.seeds, random) for _ in range(MUTANTS))]
        cases += [case(reader, path, content) for content in contents]
        names += [reader.name] * len(contents)
    outcomes = run_confined(cases)
    assert [(name, o) for name, o in zip(names, outcomes, strict=True) if not o.held] == []
    kinds = Counter(outcome.kind for outcome in outcomes)
    # Most seeds are sound, most mutants are not.
    assert kinds["read"] > len(readers)
    assert kinds["refused"] > len(cases) / 3


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("h5py", "nltk", "torch")), reason="needs what its readers need"
)
def test_no_place_where_a_file_is_opened_is_forgotten(readers, tmp_path):
    # Read once in a process, so perhaps by an earlier test.
    imagenet_classes.cache_clear()
    found, opened = reached(readers, tmp_path), opens()
    assert sorted(opened - found - set(NOT_FUZZED) - FRESH) == [], "give a reader in tests/torture/readers"
    # Nothing is excused that is gone, or that is tried after all.
    assert sorted((set(NOT_FUZZED) | FRESH) - opened) == []
    assert sorted(found & (set(NOT_FUZZED) | FRESH)) == []


@pytest.mark.slow
def test_readers_that_need_a_process_of_their_own_are_not_forgotten_either(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.torture.readers.made_elsewhere import fresh_readers; "
        "from tests.torture.readers.opening import FRESH, reached; folder = Path(sys.argv[1]); "
        "print(sorted(FRESH - reached(fresh_readers(folder / 'made'), folder / 'work')))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    without = (
        []
        if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime")
        else ["classifiers/adapters/onnx.py:_open"]
    )
    assert done.stdout.strip() == str(without)


def test_files_made_to_do_harm_are_refused(readers, tmp_path):
    by_name = {reader.name: reader for reader in readers}
    cases, about = [], []
    for number, hostile in enumerate(all_hostile()):
        if hostile.large or hostile.reader not in by_name:
            continue
        reader = by_name[hostile.reader]
        path = place(reader, tmp_path / str(number), hostile.content())
        cases.append(lambda reader=reader, path=path: reader.read(path))
        about.append((hostile.reader, hostile.what, hostile.refused))
    outcomes = run_confined(cases)
    assert len(cases) > 80
    assert [judged(*a[:2], o, a[2]) for a, o in zip(about, outcomes, strict=True) if judged(*a[:2], o, a[2])] == []


def test_what_stands_in_a_files_place_is_refused(readers, tmp_path):
    cases, about = [], []
    chosen = (
        "predictions, CSV",
        "result folder, pair counts",
        "experiment, TOML",
        "weights, safetensors",
        "weights, .h5",
    )
    for reader in readers:
        if reader.name in (*chosen, "pictures, PNG", "word vectors, text", "image folder, classes.txt"):
            for what, run, refused in odd_files(reader, tmp_path / reader.name.replace("/", "_")):
                if "shrinks" not in what or reader.name == "weights, safetensors":
                    cases.append(run)
                    about.append((reader.name, what, refused and reader.name not in OPTIONAL))
    outcomes = run_confined(cases)
    assert [judged(*a[:2], o, a[2]) for a, o in zip(about, outcomes, strict=True) if judged(*a[:2], o, a[2])] == []


def test_the_child_tells_how_a_case_fails():
    import signal
    import time

    from confemb.support.errors import ConfembError

    def refuse(sentence):
        raise ConfembError(sentence)

    cases = [
        lambda: 1,
        lambda: refuse("no: mend it."),
        lambda: [] + 1,
        lambda: bytearray(1 << 33),
        lambda: time.sleep(30),
        lambda: os.kill(os.getpid(), signal.SIGKILL),
        lambda: time.sleep(0),
    ]
    kinds = [outcome.kind for outcome in run_confined(cases, seconds=0.3)]
    assert kinds == ["read", "refused", "traceback", "memory", "hang", "crash", "read"]
    assert not Outcome("hang").held
    assert Outcome("refused").held


def test_the_same_seed_damages_alike():
    sound = b'{"a": [1, 2, 3]}' * 10
    made = [[damaged(sound, random) for _ in range(50)] for random in (Random("x"), Random("x"), Random("y"))]
    assert made[0] == made[1] != made[2]
    assert len(set(made[0])) > 40


def test_a_trial_counts_all_failures_and_shows_some():
    trial = Trial.of("what", 100, [str(number) for number in range(30)])
    assert (trial.tried, trial.held, trial.failures) == (100, 70, [str(number) for number in range(SHOWN_FAILURES)])


def test_a_trial_counts_how_its_cases_ended():
    trial = Trial.of("what", 5, [], ["read", "refused", "refused", "read", "refused"])
    assert trial.happened == "3 refused, 2 read"


def test_a_failures_text_names_no_folder_of_this_machine():
    said = plain("status 2, '/tmp/confemb-x1/a_b/result': confemb: cannot read /root/x/p.csv: no; 3/4 and https://x/y")
    assert said == "status 2, '.../result': confemb: cannot read .../p.csv: no; 3/4 and https://x/y"


def test_the_report_tells_what_was_tried_how_often_and_what_happened(tmp_path):
    found = {
        "killed": [
            Trial.of("SIGKILL in the stage train: whole", 7, []),
            Trial.of("SIGKILL in the stage embed: whole", 6, []),
        ],
        "fuzz": [
            Trial.of(
                "predictions, CSV", 3, ["traceback: KeyError at /somewhere/x/y.py"], ["read", "traceback", "refused"]
            )
        ],
        "guided": [Trial.of("by coverage (not tried: Atheris is not installed)", 0, [])],
    }
    shown = write_report(found, tmp_path / "report", seed=0, seconds=60)
    assert "16 cases of 4 kinds: 1 did not hold." in shown
    assert "13 runs were killed (SIGKILL), 6 or more in each of 2 stages." in shown
    assert "Not tried here: by coverage (not tried: Atheris is not installed)." in shown
    text = (tmp_path / "report" / "tables.md").read_text()
    assert "traceback: KeyError at .../y.py" in text
    assert "| predictions, CSV | 3 | 2 | 1 read, 1 traceback, 1 refused |" in text
    assert str(tmp_path) not in (tmp_path / "report" / "report.html").read_text()
