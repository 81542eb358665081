"""Known and unknown classes: scores and areas against closed forms, simulated classes, and digits held out."""

import numpy as np
import pytest

from confemb.studies.unknown import (
    SCORES,
    auroc,
    choose_and_judge,
    discover_class,
    fit_profile,
    mean_interval,
    score_pictures,
    softmax,
)
from confemb.support.errors import ConfembError

# Two pairs of classes that are alike.
COSINES = np.array([[1, 0.9, 0, 0], [0.9, 1, 0, 0], [0, 0, 1, 0.9], [0, 0, 0.9, 1.0]])


def answers(pictures, seed, unknown=0):
    """Return logits and labels: each class gets its own logit and some of its neighbour's, the unknown none."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(pictures) % 4, np.full(unknown, -1)])
    logits = generator.normal(size=(len(labels), 4))
    for label, other in ((0, 1), (1, 0), (2, 3), (3, 2)):
        logits[labels == label, label] += 5
        logits[labels == label, other] += 2.5
    # What is unknown looks like one of either pair: an answer that no known class gives.
    logits[labels == -1] += [4, 0, 4, 0]
    return logits, labels


@pytest.fixture(scope="module")
def profile():
    return fit_profile(*answers(2000, 0), COSINES)


def test_the_area_is_the_share_of_pairs_in_order():
    generator = np.random.default_rng(0)
    known, unknown = generator.integers(0, 8, size=60).astype(float), generator.integers(-2, 6, size=40).astype(float)
    above = (known[:, None] > unknown).mean() + 0.5 * (known[:, None] == unknown).mean()
    assert auroc(known, unknown).value == pytest.approx(above)


def test_the_area_of_two_normal_distributions_is_in_its_interval():
    from scipy.stats import norm

    truth, covered = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        found = auroc(generator.normal(1, 1, size=80), generator.normal(size=50))
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_the_area_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(1)
    known, unknown = generator.normal(1, 1, size=300), generator.normal(size=200)
    expected = roc_auc_score(np.repeat([1, 0], [300, 200]), np.concatenate([known, unknown]))
    assert auroc(known, unknown).value == pytest.approx(expected)


def test_complete_separation_has_no_width():
    found = auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert (found.value, found.low, found.high) == (1, 1, 1)
    with pytest.raises(ConfembError, match="needs both"):
        auroc(np.array([1.0]), np.array([]))


def test_scores_by_hand(profile):
    logits = np.array([[3.0, 1.0, 0.0, -1.0]])
    probs = softmax(logits)[0]
    found = score_pictures(logits, profile)
    assert found["max_softmax"][0] == pytest.approx(probs[0])
    assert found["max_logit"][0] == 3
    assert found["energy"][0] == pytest.approx(np.log(np.exp(logits).sum()))
    assert found["mean_vector"][0] == pytest.approx(probs @ COSINES @ probs)
    # The three best are 0, 1 and 2, of which only the first two are alike.
    weights = np.array([probs[0] * probs[1], probs[0] * probs[2], probs[1] * probs[2]])
    assert found["cosine_spread"][0] == pytest.approx(0.9 * weights[0] / weights.sum())
    divergences = (probs * np.log(probs / profile.mean_probs)).sum(axis=1)
    assert found["kl_matching"][0] == pytest.approx(-divergences.min())
    away = logits - profile.mean_logits
    assert found["logit_profile"][0] == pytest.approx(-np.diag(away @ profile.precision @ away.T).min())


def test_the_likelihood_of_the_best_classes_is_a_mixture_over_the_classes(profile):
    ranks = np.exp(profile.ranks)
    assert np.allclose(ranks.sum(axis=2), 1)
    # Best to third: classes 2, 3, 0.
    found = score_pictures(np.array([[1.0, 0.0, 3.0, 2.0]]), profile)["top_k_likelihood"][0]
    expected = np.log(np.mean(ranks[0][:, 2] * ranks[1][:, 3] * ranks[2][:, 0]))
    assert found == pytest.approx(expected)


def test_geometry_tells_what_confidence_cannot(profile):
    logits, labels = answers(1200, 1, unknown=400)
    scores = score_pictures(logits, profile)
    assert set(scores) == set(SCORES)
    areas = {name: auroc(scores[name][labels >= 0], scores[name][labels < 0]).value for name in scores}
    # The unknown have two high logits of classes that are not alike.
    assert areas["logit_profile"] > 0.9
    assert areas["cosine_spread"] > 0.9
    assert areas["cosine_spread"] > areas["energy"] + 0.2


def test_what_is_not_unlike_is_not_told(profile):
    logits, _ = answers(1200, 2)
    other, _ = answers(1200, 3)
    first, second = score_pictures(logits, profile), score_pictures(other, profile)
    for name in SCORES:
        found = auroc(first[name], second[name])
        assert abs(found.value - 0.5) < 0.04


def test_the_new_class_is_made_of_the_unknown(profile):
    learned, _ = answers(4000, 4)
    logits, labels = answers(2000, 5, unknown=500)
    scores, known = score_pictures(logits, profile), score_pictures(learned, profile)
    found = discover_class(logits, scores["logit_profile"], learned, known["logit_profile"], groups=5)
    truth = labels < 0
    assert 0.05 < found.rejected[~truth].mean() < 0.15
    assert truth[found.members].mean() > 0.9
    assert found.members[truth].mean() > 0.5
    assert max(found.excess) > 20
    assert (found.members <= found.rejected).all()


def test_without_unknown_pictures_no_group_stands_out(profile):
    learned, _ = answers(4000, 6)
    logits, _ = answers(4000, 7)
    scores, known = score_pictures(logits, profile), score_pictures(learned, profile)
    found = discover_class(logits, scores["max_logit"], learned, known["max_logit"])
    assert max(found.excess) < 5


def test_no_class_chooses_its_own_score():
    by_class = {"a": {"x": 0.9, "y": 0.5}, "b": {"x": 0.6, "y": 0.7}, "c": {"x": 0.6, "y": 0.7}}
    # For a only b and c choose: y. For b and c it is a with the other one: x.
    assert choose_and_judge(by_class, ("x", "y")) == {"a": "y", "b": "x", "c": "x"}
    with pytest.raises(ConfembError, match="at least two"):
        choose_and_judge({"a": {"x": 1.0}}, ("x",))


def test_the_mean_and_its_interval_by_student():
    # Of 1, 2, 3: 2 -+ 4.3027 / sqrt(3).
    assert mean_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2, 2 - 2.48414, 2 + 2.48414), abs=1e-4)
    assert np.isnan(mean_interval(np.array([1.0]))[1])


def test_what_does_not_fit_is_refused():
    logits, labels = answers(100, 0)
    with pytest.raises(ConfembError, match="class 3 has no picture"):
        fit_profile(logits[labels < 3], labels[labels < 3], COSINES)
    with pytest.raises(ConfembError, match="row 0 has the label 4"):
        fit_profile(logits, np.full(len(logits), 4), COSINES)
    with pytest.raises(ConfembError, match=r"they must be \(N, K\), \(N,\) and \(K, K\)"):
        fit_profile(logits, labels[1:], COSINES)
    with pytest.raises(ConfembError, match="logits have 3 classes, but the profile was learned on 4"):
        score_pictures(logits[:, :3], fit_profile(logits, labels, COSINES))
    with pytest.raises(ConfembError, match="finite"):
        fit_profile(np.full((4, 4), np.nan), np.arange(4), COSINES)
    with pytest.raises(ConfembError, match="between 0 and 1"):
        discover_class(logits, logits[:, 0], logits, logits[:, 0], reject=1.5)
