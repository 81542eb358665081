"""The short form of `tests/torture/numbers.py`: numbers at the edge are right, or refused."""

import numpy as np
import pytest

from confemb.records.predictions import predictions_from_scores
from confemb.support.errors import ConfembError
from tests.torture.numbers import embed_whole, expected_probs, expected_top, refused_scores, tables, try_arrays


def test_scores_of_every_kind_give_the_exact_answer_by_every_way():
    pytest.importorskip("jax", reason="one of the ways needs confemb[train]")
    trials = try_arrays(np.random.default_rng(0), most=18, kinds=("f2", ">f8"))
    assert [trial.failures for trial in trials] == [[], [], []]
    assert trials[0].tried > 100
    assert trials[1].tried > 5 * 100


def test_the_reference_itself():
    assert expected_top(np.array([0.5, 0.25, 0.5, -0.0, 0.0]), 5) == [0, 2, 1, 3, 4]
    assert expected_probs(np.array([0.0, np.log(3)]), [1, 0]) == pytest.approx([0.75, 0.25], abs=1e-15)


@pytest.mark.parametrize(("what", "scores"), [pytest.param(*each, id=each[0]) for each in refused_scores()])
@pytest.mark.parametrize("logits", [False, True])
def test_what_is_no_score_is_refused(what, scores, logits):
    with pytest.raises(ConfembError, match="must be real numbers|must be finite|cannot hold exactly|are not an array"):
        predictions_from_scores(scores, np.array([0, 1]), ["a", "b"], k=1, logits=logits)


def test_the_row_of_an_inexact_score_is_named_across_blocks():
    scores = np.zeros((18, 2**18), np.int64)
    scores[17, 7] = 2**53 + 1
    with pytest.raises(ConfembError, match="row 17 has the score 9007199254740993, which float64"):
        predictions_from_scores(scores, np.zeros(18, int), list(map(str, range(2**18))), k=1)


@pytest.mark.parametrize(
    ("what", "embedder"),
    [("one class, k = K = 1", "counts"), ("all scores equal", "diffusion"), ("two classes, one picture each", "ppmi")],
)
def test_predictions_at_the_edge_give_cosines_or_are_refused(tmp_path, what, embedder):
    ((labels, top, options),) = [rest for name, *rest in tables(np.random.default_rng(0)) if name == what]
    assert embed_whole(labels, top, [*options, "--embedder", embedder], tmp_path / "result") is None
