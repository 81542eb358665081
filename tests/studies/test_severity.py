import numpy as np
import pytest

from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.studies.severity import lca_heights, mistake_severity, severities
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "car", "truck")
VALUES = np.array([[1, 0.9, 0.1, 0.0], [0.9, 1, 0.2, 0.1], [0.1, 0.2, 1, 0.8], [0.0, 0.1, 0.8, 1]])
SIMILARITY = SimilarityMatrix(VALUES, NAMES)


def predicted(labels, top, **options):
    return Predictions(np.array(labels), np.array(top)[:, None], None, NAMES, **options)


class Synset:
    """As much of NLTK's synset as is used."""

    def __init__(self, *above):
        self.above = list(above)

    def hypernyms(self):
        return self.above

    def instance_hypernyms(self):
        return []


def test_severity_by_hand():
    # Two mistakes: cat as dog (0.1) and cat as truck (1.0); by chance a cat's costs (0.1 + 0.9 + 1) / 3.
    found = mistake_severity(predicted([0, 0, 2], [1, 3, 2]), severities(SIMILARITY), NAMES)
    assert found.mean == pytest.approx(0.55)
    assert found.random == pytest.approx(2 / 3)
    assert found.ratio == pytest.approx(0.55 / (2 / 3))
    assert (found.mistakes, found.pictures, found.left_out) == (2, 3, 0)


def test_ranks_do_not_depend_on_the_scale():
    ranks = severities(SIMILARITY, "rank")
    # From the most similar pair: cat-dog, car-truck, dog-car, then cat-car and dog-truck alike, cat-truck.
    np.testing.assert_allclose(ranks[np.triu_indices(4, 1)], [0, 0.7, 1, 2 / 5, 0.7, 1 / 5])
    bent = SimilarityMatrix(np.sign(VALUES) * VALUES**3, NAMES)
    np.testing.assert_array_equal(severities(bent, "rank"), ranks)


def test_random_mistakes_have_a_ratio_of_one():
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=6000)
    found = mistake_severity(
        predicted(labels, (labels + generator.integers(1, 4, size=6000)) % 4), severities(SIMILARITY), NAMES
    )
    assert found.ratio_low < 1 < found.ratio_high
    assert found.ratio == pytest.approx(1, abs=0.02)


def test_the_interval_covers_the_truth():
    severity = severities(SIMILARITY)
    generator = np.random.default_rng(1)
    # A cat is taken for a dog, car or truck with these chances.
    chances, truth = [0.6, 0.3, 0.1], 0.6 * 0.1 + 0.3 * 0.9 + 0.1 * 1.0
    # A random mistake on a cat is a dog, a car or a truck alike.
    true_ratio = truth / ((0.1 + 0.9 + 1.0) / 3)
    covered = ratio_covered = 0
    for seed in range(100):
        top = generator.choice([1, 2, 3], p=chances, size=150)
        found = mistake_severity(predicted(np.zeros(150, int), top), severity, NAMES, seed=seed, replicates=200)
        covered += found.low <= truth <= found.high
        ratio_covered += found.ratio_low <= true_ratio <= found.ratio_high
    assert min(covered, ratio_covered) >= 88


def test_heights_of_common_hypernyms():
    # entity > animal > (cat, dog); entity > vehicle > motor > (car, truck)
    entity = Synset()
    animal, vehicle = Synset(entity), Synset(entity)
    motor = Synset(vehicle)
    heights = lca_heights([Synset(animal), Synset(animal), Synset(motor), Synset(motor)])
    np.testing.assert_array_equal(heights, [[0, 1, 3, 3], [1, 0, 3, 3], [3, 3, 0, 1], [3, 3, 1, 0]])


def test_of_several_ways_up_the_lowest_hypernym_counts():
    # A dog is a domestic animal too, a shorter way up to the same animal.
    top = Synset()
    animal = Synset(top)
    carnivore = Synset(animal)
    domestic = Synset(animal)
    cat, dog = Synset(carnivore), Synset(carnivore, domestic)
    horse = Synset(domestic)
    np.testing.assert_array_equal(lca_heights([cat, dog, horse]), [[0, 1, 2], [1, 0, 1], [2, 1, 0]])


def test_classes_unknown_to_the_similarity_are_left_out():
    part = SIMILARITY.restricted_to(("cat", "dog"))
    found = mistake_severity(predicted([0, 0, 2], [1, 3, 2]), severities(part), part.class_names)
    assert (found.mean, found.mistakes, found.pictures, found.left_out) == (pytest.approx(0.1), 1, 1, 2)


def test_where_no_mistake_could_be_bad_there_is_no_ratio():
    names = NAMES[:3]
    alike = severities(SimilarityMatrix(np.ones((3, 3)), names))
    with pytest.raises(ConfembError, match="could have been taken for has the severity 0"):
        mistake_severity(predicted([0, 1], [1, 2]), alike, names)
    # A quarter of the replicates hold the first picture alone; they do not spoil the ratio of the others.
    flat = np.array([[0, 0, 0], [0.5, 0, 0.5], [0, 0, 0]])
    found = mistake_severity(predicted([0, 1], [1, 2]), flat, names)
    assert (found.mean, found.random, found.ratio) == (0.25, 0.25, 1.0)
    assert (found.ratio_low, found.ratio_high) == (1.0, 1.0)


def test_severities_of_other_classes_are_refused():
    with pytest.raises(ConfembError, match=r"shape \(4, 4\); of 3 classes they must be \(3, 3\)"):
        mistake_severity(predicted([0, 1], [1, 2]), severities(SIMILARITY), NAMES[:3])


def test_what_cannot_be_measured_is_refused():
    severity = severities(SIMILARITY)
    with pytest.raises(ConfembError, match="none of 2 pictures is wrong"):
        mistake_severity(predicted([0, 1], [0, 1]), severity, NAMES)
    with pytest.raises(ConfembError, match="class names must be alike"):
        mistake_severity(predicted([0], [1]), severity, ("a", "b", "c", "d"))
