"""Numbers at the edge are refused by their range, in Python and on the command line alike."""

import numpy as np
import pytest

import confemb
from confemb.embedders import embed_runs, make_embedder
from confemb.support.errors import ConfembError
from confemb.support.ranges import MOST_DIMENSIONS, MOST_NEGATIVE, MOST_SEED, check_seed


@pytest.fixture(scope="module")
def counts():
    predictions = confemb.Predictions(np.array([0, 1, 2]), np.array([[1, 2], [0, 2], [0, 1]]), None, ("a", "b", "c"))
    return confemb.count_pairs(predictions, k=2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("skipgram", {"dim": 2_000_000_000}, "dim = 2000000000 is out of range: it must be at most 100,000"),
        ("skipgram", {"dim": 0}, "dim = 0 is out of range: it must be at least 1"),
        ("skipgram", {"dim": 2.5}, "dim = 2.5 is not allowed: give a whole number"),
        ("skipgram", {"negative": 99_999_999}, "negative = 99999999 is out of range: it must be at most 10,000"),
        ("directed", {"negative": 0}, "negative = 0 is out of range"),
        ("skipgram", {"epochs": -1}, "epochs = -1 is out of range"),
        ("skipgram", {"learning_rate": float("nan")}, "learning_rate = nan is out of range"),
        ("balanced", {"dim": MOST_DIMENSIONS + 1}, "dim = 100001 is out of range"),
        ("balanced", {"negative": MOST_NEGATIVE + 1}, "negative = 10001 is out of range"),
        ("ppmi", {"shift": 0}, "shift = 0 is out of range: it must be above 0"),
        ("diffusion", {"time": 1e6}, "time = 1000000.0 is out of range: it must be below 1,000,000"),
    ],
)
def test_options_of_embedders(name, options, message):
    with pytest.raises(ConfembError, match=message.replace("(", r"\(")):
        type(make_embedder(name, {}))(**options)
    with pytest.raises(ConfembError):
        make_embedder(name, options)


@pytest.mark.parametrize("seed", [-1, MOST_SEED + 1, 2**32, 1.5, True, "1"])
def test_seeds(counts, seed):
    with pytest.raises(ConfembError, match="seed = .* is out of range: give a whole number from 0 to 2,147,483,647"):
        embed_runs(confemb.SkipGram(), counts, [seed])
    with pytest.raises(ConfembError, match="out of range"):
        confemb.SkipGram().embed(counts, seed=seed)


def test_the_highest_seed_is_taken(counts):
    assert check_seed(np.int64(MOST_SEED)) == MOST_SEED
    assert len(embed_runs(confemb.SkipGram(), counts, [MOST_SEED])) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seed", "4294967296"],
        ["--seed", "-1"],
        ["--seeds", "10001"],
        ["--seeds", "0"],
        ["--dim", "2000000000"],
        ["--dim", "0"],
        ["--bootstraps", "999999999"],
        ["--option", "negative=99999999"],
        ["--option", "epochs=0"],
    ],
)
def test_options_of_the_command_line(run, tmp_path, arguments):
    (tmp_path / "p.csv").write_text("label,top1,top2\na,a,b\nb,b,a\n")
    status, out, err = run("embed", tmp_path / "p.csv", "--out", tmp_path / "out", "--embedder", "skipgram", *arguments)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
