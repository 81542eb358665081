"""Clusters and SVM: classes that lie apart, classes that mean nothing, and what scikit-learn says itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confemb.spaces.lab.class_counts import default_counts, over_class_counts
from confemb.spaces.lab.labelled import LabelledVectors
from confemb.spaces.lab.measures import (
    cluster_agreement,
    cluster_agreement_interval,
    clusters,
    corrected_interval,
    cross_validate,
    judge_apart,
    linear_svm,
)
from confemb.support.errors import ConfembError


def test_classes_that_lie_apart_are_told_apart(make_clouds):
    found = make_clouds(4, 12, apart=50)
    assert cluster_agreement(found.vectors, found.labels) == pytest.approx(1)
    agreement = cluster_agreement_interval(found.vectors, found.labels, halves=4)
    assert (agreement.value, agreement.low, agreement.high) == (pytest.approx(1), pytest.approx(1), 1)
    crossed = cross_validate(found.vectors, found.labels, repeats=2)
    assert crossed.accuracy.value == 1
    assert np.isnan(crossed.accuracy.low)
    np.testing.assert_array_equal(crossed.predicted, found.labels)


def test_classes_that_mean_nothing_are_guessed(make_clouds):
    found = make_clouds(2, 150, apart=0)
    agreement = cluster_agreement_interval(found.vectors, found.labels, halves=6)
    assert agreement.value < 0.05
    assert agreement.low == 0
    crossed = cross_validate(found.vectors, found.labels, repeats=2)
    assert crossed.accuracy.low < 0.5 < crossed.accuracy.high


def test_two_classes_in_one_place_share_half_the_information():
    # Four classes of which two pairs coincide: two places, 1 bit of 2. Clusters split the places at random or not at
    # all, and the information is between 1 and 2 bits.
    vectors = np.repeat([[0.0, 0], [9, 9]], 40, axis=0)
    labels = np.tile([0, 1], 40) + np.repeat([0, 2], 40)
    spread = vectors + 0.01 * np.random.default_rng(0).normal(size=vectors.shape)
    assert cluster_agreement(spread, labels) == pytest.approx(1 / 2, abs=0.08)
    assert len(np.unique(clusters(spread, labels))) == 4


def test_the_nmi_is_its_definition(make_clouds):
    found = make_clouds(3, 20, apart=1.5)
    given = clusters(found.vectors, found.labels, components=2, seed=1)
    table = np.zeros((3, 3))
    np.add.at(table, (found.labels, given), 1 / len(given))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    there = table > 0
    information = (table[there] * np.log(table[there] / np.outer(rows, columns)[there])).sum()
    entropies = [-(p * np.log(p)).sum() for p in (rows, columns)]
    wanted = information / np.mean(entropies)
    assert cluster_agreement(found.vectors, found.labels, components=2, seed=1) == pytest.approx(wanted)
    assert 0.05 < wanted < 0.99


def test_scaling_is_learnt_within_the_folds(make_clouds):
    found = make_clouds(3, 10, apart=3)
    stretched = found.vectors * np.geomspace(1e-3, 1e3, found.vectors.shape[1])
    plain, scaled = (cross_validate(v, found.labels, repeats=2, seed=4) for v in (found.vectors, stretched))
    np.testing.assert_array_equal(plain.folds, scaled.folds)
    # A single outlier among those left out does not move the scale of those that are learnt from.
    learn = linear_svm().fit(found.vectors[:-1], found.labels[:-1])
    np.testing.assert_allclose(learn[0].mean_, found.vectors[:-1].mean(axis=0), rtol=1e-5)


def test_cross_validation_is_scikit_learns(make_clouds):
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    found = make_clouds(3, 12, apart=1.5)
    ours = cross_validate(found.vectors, found.labels, folds=4, repeats=2, seed=7)
    for repeat in range(2):
        split = StratifiedKFold(4, shuffle=True, random_state=7 + repeat)
        theirs = cross_val_score(linear_svm(), found.vectors, found.labels, cv=split)
        np.testing.assert_allclose(ours.folds[repeat], theirs)
    assert ours.folds.min() < 1
    again = cross_validate(found.vectors, found.labels, folds=4, repeats=2, seed=7)
    np.testing.assert_array_equal(again.predicted, ours.predicted)


def test_the_interval_is_corrected_for_shared_vectors():
    accuracies = np.array([[0.5, 0.7], [0.6, 0.8]])
    found = corrected_interval(accuracies, test_share=0.25)
    deviation = np.sqrt((1 / 4 + 0.25) * accuracies.var(ddof=1))
    assert found.value == pytest.approx(0.65)
    assert found.high - found.value == pytest.approx(3.182446 * deviation)
    assert found.value - found.low == pytest.approx(3.182446 * deviation)
    assert np.isnan(corrected_interval(np.array([0.5]), test_share=1).low)
    # Everything right in every fold: not "100 % for sure".
    assert np.isnan(corrected_interval(np.ones((5, 5)), test_share=0.25).low)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 4))
def test_no_measure_leaves_its_range(seed, classes):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), 3)
    vectors = generator.normal(size=(len(labels), 2))
    assert -1e-9 <= cluster_agreement(vectors, labels, seed=seed) <= 1 + 1e-9
    crossed = cross_validate(vectors, labels, repeats=1, seed=seed)
    assert 0 <= crossed.accuracy.value <= 1
    if np.ptp(crossed.folds) > 0:
        assert 0 <= crossed.accuracy.low <= crossed.accuracy.value <= crossed.accuracy.high <= 1
    assert crossed.folds.shape == (1, 3)


def test_judged_by_others_of_the_same_classes_in_another_order(make_clouds):
    learn, judge = make_clouds(3, 10, apart=20), make_clouds(3, 5, apart=20, seed=1)
    turned = LabelledVectors(judge.vectors, 2 - judge.labels, judge.class_names[::-1], judge.ids)
    accuracy, predicted = judge_apart(learn, turned)
    assert accuracy.value == 1
    # Wilson's bound for 15 of 15.
    assert accuracy.low == pytest.approx(15 / (15 + 1.959964**2))
    assert predicted.tolist() == judge.labels.tolist()
    with pytest.raises(ConfembError, match="nothing to learn the class 'class 2' from"):
        judge_apart(learn.of_classes(["class 0", "class 1"]), judge)
    with pytest.raises(ConfembError, match="have 8 numbers, those to judge by 9"):
        judge_apart(learn, make_clouds(3, 5, apart=20, dim=9))


def test_too_little_to_measure(make_clouds):
    one = make_clouds(1, 9, apart=1)
    with pytest.raises(ConfembError, match="one class only"):
        cluster_agreement(one.vectors, one.labels)
    with pytest.raises(ConfembError, match="one class only"):
        cross_validate(one.vectors, one.labels)
    with pytest.raises(ConfembError, match="a class has one vector only"):
        cross_validate(np.ones((3, 2)), np.array([0, 0, 1]))
    few = make_clouds(2, 3, apart=9)
    assert np.isnan(cluster_agreement_interval(few.vectors, few.labels).low)


def test_more_classes_are_harder(make_clouds):
    found = make_clouds(12, 8, apart=3.5, dim=12)
    done = []
    rows = over_class_counts(
        found, [2, 6, 12], subsets=4, progress=lambda what, here, total: done.append((here, total))
    )
    assert [row.classes for row in rows] == [2, 6, 12]
    assert [row.chance for row in rows] == [1 / 2, 1 / 6, 1 / 12]
    assert rows[0].accuracy.value > rows[2].accuracy.value > 0.5
    assert all(row.agreement.low <= row.agreement.value <= row.agreement.high for row in rows)
    assert rows[2].agreement.value > rows[2].shuffled
    assert done[-1] == (12, 12)
    assert over_class_counts(found, [6], subsets=4)[0] == rows[1]
    with pytest.raises(ConfembError, match="of 12 classes 13 cannot be drawn: give numbers from 2 to 12"):
        over_class_counts(found, [13])


def test_classes_that_cannot_be_counted_over_are_named(make_clouds):
    with pytest.raises(ConfembError, match="one class only, 'class 0'"):
        over_class_counts(make_clouds(1, 9, apart=1))
    found = make_clouds(2, 3, apart=9)
    alone = LabelledVectors(found.vectors[:4], found.labels[:4], found.class_names, found.ids[:4])
    with pytest.raises(ConfembError, match="of 'class 1' there is one vector only"):
        over_class_counts(alone)


def test_the_numbers_of_classes_measured_by_default():
    assert default_counts(3) == [3]
    assert default_counts(15) == [5, 10, 15]
    assert default_counts(17) == [5, 10, 15, 17]
    assert default_counts(67) == [10, 20, 30, 40, 50, 60, 67]
    assert len(default_counts(1000)) == 10
