import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import is_valid_linkage, leaves_list

from confemb.analysis.clustering import find_clusters, place_labels, place_on_map, seriate
from confemb.records.embedding import cosines
from confemb.records.similarity import SimilarityMatrix


def similarity_of(vectors):
    vectors = np.asarray(vectors, float)
    return SimilarityMatrix(cosines(vectors), tuple(f"c{i}" for i in range(len(vectors))))


def test_classes_on_an_arc_are_put_in_the_order_of_their_angles():
    angles = np.deg2rad([0, 5, 11, 18, 26, 35, 45, 56])
    shuffled = np.array([6, 2, 0, 5, 3, 1, 7, 4])
    found = seriate(similarity_of(np.column_stack([np.cos(angles), np.sin(angles)])[shuffled]))
    along = shuffled[found.order].tolist()
    assert along in (sorted(along), sorted(along, reverse=True))
    # The end nearer to class 0 (angle 45) comes first.
    assert along == sorted(along, reverse=True)


@given(st.integers(1, 12), st.integers(0, 1000))
def test_seriation_is_a_permutation_and_its_tree_is_valid(size, seed):
    found = seriate(similarity_of(np.random.default_rng(seed).normal(size=(size, 4))))
    assert sorted(found.order.tolist()) == list(range(size))
    if size > 1:
        assert is_valid_linkage(found.tree)
        assert leaves_list(found.tree).tolist() == found.order.tolist()


def test_planted_clusters_are_found_in_seriated_order():
    generator = np.random.default_rng(0)
    vectors = np.eye(4)[np.arange(20) % 4] + 0.05 * generator.normal(size=(20, 4))
    similarity = similarity_of(vectors)
    seriation = seriate(similarity)
    clusters = find_clusters(similarity, seriation, count=4)
    assert sorted(tuple(sorted(c.members)) for c in clusters) == [tuple(range(b, 20, 4)) for b in range(4)]
    assert [i for c in clusters for i in c.members] == seriation.order.tolist()
    for cluster in clusters:
        inner = similarity.values[np.ix_(cluster.members, cluster.members)]
        assert cluster.similarity == pytest.approx(inner[np.triu_indices(5, 1)].mean())
        assert cluster.medoid == cluster.members[inner.sum(axis=1).argmax()]


@given(st.integers(3, 10), st.integers(0, 1000))
def test_the_map_of_vectors_in_a_plane_keeps_every_distance(size, seed):
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, size)
    unit = np.column_stack([np.cos(angles), np.sin(angles)])
    places, kept = place_on_map(similarity_of(unit))
    assert kept == pytest.approx(1.0)
    between = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.testing.assert_allclose(between, np.linalg.norm(unit[:, None] - unit[None], axis=-1), atol=1e-6)


def test_the_map_has_a_fixed_sign():
    places, _ = place_on_map(similarity_of(np.random.default_rng(1).normal(size=(8, 5))))
    for axis in places.T:
        assert axis[np.abs(axis).argmax()] > 0


def test_labels_overlap_neither_one_another_nor_points():
    generator = np.random.default_rng(0)
    points = generator.uniform(50, 550, size=(15, 2))
    sizes = np.tile([60.0, 14.0], (15, 1))
    centres = np.array(place_labels(points, sizes, (0, 0, 600, 600)))
    for i in range(15):
        apart = np.abs(centres - centres[i])
        assert ((apart[:, 0] >= 60) | (apart[:, 1] >= 14))[np.arange(15) != i].all()
        off = np.abs(points - centres[i])
        assert ((off[:, 0] >= 30) | (off[:, 1] >= 7)).all()
    assert (centres - sizes / 2 >= 0).all()
    assert (centres + sizes / 2 <= 600).all()


def test_a_label_without_room_is_given_up_if_it_may_be():
    points = np.zeros((3, 2)) + 10.0
    sizes = np.full((3, 2), 15.0)
    assert place_labels(points, sizes, (0, 0, 20, 20), must_place=False) == [None] * 3
    assert None not in place_labels(points, sizes, (0, 0, 20, 20))
