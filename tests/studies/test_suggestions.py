"""Suggestions where the truth is known: simulated answers, and digits with classes planted and labels flipped."""

import numpy as np
import pytest

from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.studies.suggestions import share_interval, suggest_merges, suggest_relabels, suggest_splits
from confemb.support.errors import ConfembError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def pixels(digits):
    """Return all digits' pixels and labels."""
    images = np.concatenate([part.images for part in digits.values()]).reshape(-1, 64) / 255
    return images, np.concatenate([part.labels for part in digits.values()])


def out_of_sample(images, labels, class_names):
    """Return the predictions of a small classifier, each picture's from those that did not learn it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    model = LogisticRegression(max_iter=300, C=0.5)
    probs = cross_val_predict(model, images, labels, cv=3, method="predict_proba")
    return predictions_from_scores(probs, labels, class_names, k=len(class_names))


def drawn(rows, pictures, seed):
    """Return labels and predicted classes, drawn from each class's row of a confusion matrix."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(rows)), pictures)
    return labels, np.concatenate([generator.choice(len(rows), p=row, size=pictures) for row in rows])


def information(rows):
    """Return the share of the information on two equally frequent classes that their rows carry."""
    joint = np.asarray(rows) / 2
    columns = joint.sum(axis=0)
    return float((joint * np.log2(np.where(joint > 0, joint, 1) / np.where(joint > 0, 0.5 * columns, 1))).sum())


def test_told_apart_is_the_information_in_closed_form():
    # Of two classes with half of their pictures taken for each other nothing is told; with a tenth, 1 - H(0.1).
    labels = np.repeat([0, 1], 100_000)
    tenth = np.where(np.arange(200_000) % 10 == 0, 1 - labels, labels)
    (found,) = suggest_merges(labels, tenth, ("a", "b"))
    assert found.told_apart == pytest.approx(1 + 0.1 * np.log2(0.1) + 0.9 * np.log2(0.9), abs=1e-4)
    assert found.confused == pytest.approx(0.1)
    assert not found.suggested
    half = np.where(np.arange(200_000) % 2 == 0, 1 - labels, labels)
    (found,) = suggest_merges(labels, half, ("a", "b"))
    assert found.told_apart == 0
    assert found.p_value == pytest.approx(1)
    assert found.suggested


@pytest.mark.parametrize(
    "rows",
    [
        [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]],
        [[0.6, 0.4, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0]],
        [[0.8, 0.15, 0.05], [0.2, 0.75, 0.05], [0.0, 0.0, 1.0]],
    ],
)
def test_the_interval_covers_the_truth(rows):
    truth, covered = information(rows[:2]), 0
    for seed in range(150):
        found = suggest_merges(*drawn(rows, 120, seed), ("a", "b", "c"))
        pair = next(one for one in found if (one.class_1, one.class_2) == ("a", "b"))
        covered += pair.low - 1e-12 <= truth <= pair.high + 1e-12
    # 95 % within four standard deviations; it is on the safe side.
    assert covered / 150 >= 0.88


def test_the_test_holds_its_level():
    rows = [[0.45, 0.45, 0.1], [0.45, 0.45, 0.1], [0.05, 0.05, 0.9]]
    p_values = [suggest_merges(*drawn(rows, 150, seed), ("a", "b", "c"), most=1)[0].p_value for seed in range(200)]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.10


@pytest.mark.parametrize(
    ("labels", "predicted", "sentence"),
    [
        ([0, 2], [0, 1], "row 1 has the label 2"),
        ([0, 1], [0, -1], "row 1 has the predicted class -1"),
        ([0, 1, 1], [0, 1], r"labels have shape \(3,\), predicted classes \(2,\)"),
    ],
)
def test_merges_of_what_are_no_predictions_are_refused(labels, predicted, sentence):
    with pytest.raises(ConfembError, match=sentence):
        suggest_merges(np.array(labels), np.array(predicted), ("a", "b"))


def test_few_pictures_are_no_evidence():
    # Two of three pictures confused: no more than chance can say, whatever the rate.
    labels, predicted = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 0, 1])
    (found,) = suggest_merges(labels, predicted, ("a", "b"))
    assert not found.suggested
    assert found.high > 0.5


def test_one_class_planted_as_two_is_suggested_for_merging(pixels):
    images, labels = pixels
    eights = np.flatnonzero(labels == 8)
    planted = labels.copy()
    planted[np.random.default_rng(0).permutation(eights)[: len(eights) // 2]] = 10
    found = out_of_sample(images, planted, (*DIGITS, "eight again"))
    merges = suggest_merges(found.labels, found.top_classes[:, 0], found.class_names)
    assert [(one.class_1, one.class_2) for one in merges if one.suggested] == [("eight", "eight again")]
    assert merges[0].p_value > 0.01
    assert all(one.p_value < 0.001 for one in merges[1:])


def test_two_classes_planted_as_one_are_suggested_for_splitting(pixels):
    images, labels = pixels
    both = np.isin(labels, [2, 7])
    planted = np.unique(np.where(labels == 7, 2, labels), return_inverse=True)[1]
    names = tuple(name for name in DIGITS if name != "seven")
    found = {one.class_name: one for one in suggest_splits(out_of_sample(images, planted, names))}
    # Ones do come in two kinds, with a foot and without.
    assert set(found) <= {"two", "one"}
    split = found["two"]
    assert split.p_value < 0.001
    groups = [np.bincount(labels[list(rows)], minlength=10) for rows in split.rows]
    assert groups[0].sum() + groups[1].sum() == both.sum()
    right = max(groups[0][2] + groups[1][7], groups[0][7] + groups[1][2])
    assert right / both.sum() > 0.9


def test_probabilities_of_zero_make_no_groups():
    found = simulated(0, 0)
    rounded = Predictions(found.labels, found.top_classes, np.round(found.top_probs, 2), found.class_names)
    with pytest.raises(ConfembError, match="exactly 0"):
        suggest_splits(rounded)


def simulated(groups, seed, pictures=120, classes=5):
    """Return predictions of one class after another, the logits of each drawn around one mean, or of two `apart`."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), pictures)
    # Skewed and correlated, as logits are.
    logits = generator.gamma(2.0, size=(len(labels), classes)) @ generator.normal(size=(classes, classes)) * 0.7
    logits[np.arange(len(labels)), labels] += 6
    if groups:
        second = (labels == 0) & (generator.random(len(labels)) < 0.5)
        logits[second] += np.array([0, groups, -groups, 0, 0])
    return predictions_from_scores(logits, labels, ("a", "b", "c", "d", "e"), k=classes, logits=True)


def test_classes_of_one_group_are_rarely_suggested_for_splitting():
    assert sum(bool(suggest_splits(simulated(0, seed))) for seed in range(20)) <= 2


def test_the_two_groups_of_a_simulated_class_are_found():
    for seed in range(5):
        found = suggest_splits(simulated(8, seed))
        assert [one.class_name for one in found] == ["a"]
        assert sorted(one[0] for one in found[0].typical) == ["b", "c"]


def test_flipped_labels_are_found(pixels):
    images, labels = pixels
    generator = np.random.default_rng(0)
    flipped = np.zeros(len(labels), bool)
    flipped[generator.permutation(len(labels))[: len(labels) // 20]] = True
    given = np.where(flipped, (labels + generator.integers(1, 10, size=len(labels))) % 10, labels)
    found = suggest_relabels(out_of_sample(images, given, DIGITS))
    right = flipped[found.rows]
    # Measured: precision 0.91, recall 0.76.
    assert right.mean() > 0.85
    assert right.sum() / flipped.sum() > 0.7
    # The most suspicious are the surest, and are given their true class.
    surest = found.rows[:40]
    assert flipped[surest].mean() == 1
    assert (found.suggested[:40] == labels[surest]).mean() > 0.95


def test_confident_learning_by_hand():
    # Thresholds: the mean probability of a class over its own pictures, here 0.6 for a and 0.7 for b.
    probs = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55], [0.25, 0.75]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = suggest_relabels(predictions_from_scores(probs, labels, ("a", "b"), k=2))
    np.testing.assert_allclose(found.thresholds, [0.6, 0.7])
    # Only picture 1 is confidently another class; picture 4 is not confidently any.
    assert found.rows.tolist() == [1]
    assert found.suggested.tolist() == [1]
    np.testing.assert_allclose(found.margin, [0.4], atol=1e-6)
    assert found.pairs[0][:4] == ("a", "b", 1, 1 / 3)


def test_cifar10s_known_label_error_comes_first():
    """Test picture 2405 shows a frog and is labelled cat (Northcutt et al. 2021, labelerrors.com)."""
    from pathlib import Path

    probs = Path(__file__).parents[3] / "shared" / "data" / "cifar10_test_probs_label_errors.npy"
    top1 = probs.with_name("cifar10_test_top1.npz")
    if not (probs.is_file() and top1.is_file()):
        pytest.skip("the shared data is not here")
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    labels = np.load(top1)["labels"].astype(int)
    found = suggest_relabels(predictions_from_scores(np.load(probs), labels, names, k=10))
    assert found.rows[0] == 2405
    assert (names[labels[2405]], names[found.suggested[0]]) == ("cat", "frog")
    # As many as cleanlab 2.9.0's compute_confident_joint(calibrate=False) has off its diagonal, the same pictures.
    assert len(found.rows) == 244


@pytest.mark.parametrize("classes", [1, 2])
def test_too_few_classes_to_split_by(classes):
    labels = np.arange(80) % classes
    probs = np.random.default_rng(0).dirichlet(np.ones(classes), size=80)
    predictions = predictions_from_scores(probs, labels, tuple("ab"[:classes]), k=classes)
    assert suggest_splits(predictions) == []


def test_wilsons_interval():
    # Wilson (1927) for 8 of 10: 0.490 to 0.943.
    assert share_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share_interval(0, 10)[0] == 0


def test_what_is_not_there_is_said():
    labels = np.arange(12) % 3
    top = np.stack([labels, (labels + 1) % 3], axis=1)
    without = Predictions(labels, top, None, ("a", "b", "c"))
    with pytest.raises(ConfembError, match="no probabilities"):
        suggest_relabels(without)
    with pytest.raises(ConfembError, match="hold 2 of 3 classes"):
        suggest_splits(without)
