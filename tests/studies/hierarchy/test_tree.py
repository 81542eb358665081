import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster, is_valid_linkage, linkage
from scipy.spatial.distance import squareform

from confemb.records.similarity import SimilarityMatrix
from confemb.studies.hierarchy.tree import (
    ClassTree,
    agglomerate,
    cut,
    distances,
    from_linkage,
    shuffled,
    star,
    to_linkage,
)
from confemb.support.errors import ConfembError

METHODS = ["average", "complete", "single", "weighted"]


def random_similarity(size, seed=0):
    vectors = np.random.default_rng(seed).random((size, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return SimilarityMatrix(vectors @ vectors.T, tuple(f"c{i}" for i in range(size)))


# (a, b), (c, d, e) below the root.
SMALL = ClassTree(
    ("a", "b", "c", "d", "e"),
    np.array([5, 5, 6, 6, 6, 7, 7, -1]),
    np.array([0, 0, 0, 0, 0, 0.2, 0.5, 1.0]),
    np.array([np.nan] * 5 + [0.9, 0.4, 1.0]),
    ("a", "b", "c", "d", "e", "ab", "cde", "all"),
)


def same_groups(found, expected):
    pairs = set(zip(found.tolist(), expected.tolist(), strict=True))
    return len(pairs) == len(set(found.tolist())) == len(set(expected.tolist()))


@pytest.mark.parametrize("method", METHODS)
def test_it_is_scipys_tree(method):
    similarity = random_similarity(40)
    merges = linkage(distances(similarity), method)
    tree = agglomerate(similarity, method)
    np.testing.assert_allclose(tree.heights[40:], merges[:, 2])
    np.testing.assert_allclose(to_linkage(tree)[:, 2:], merges[:, 2:])
    heights = tree.heights[tree.lowest_common]
    np.testing.assert_allclose(heights, squareform(cophenet(merges)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [1, 2, 3, 7, 40])
def test_a_cut_by_number_is_scipys(method, number):
    similarity = random_similarity(40)
    expected = fcluster(linkage(distances(similarity), method), number, "maxclust")
    assert same_groups(cut(agglomerate(similarity, method), number=number), expected)


@given(size=st.integers(2, 12), seed=st.integers(0, 10**6), height=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_a_cut_by_height_is_scipys(size, seed, height):
    similarity = random_similarity(size, seed)
    expected = fcluster(linkage(distances(similarity), "average"), height, "distance")
    assert same_groups(cut(agglomerate(similarity), height=height), expected)


def test_linkages_go_there_and_back():
    tree = agglomerate(random_similarity(15))
    again = from_linkage(to_linkage(tree), tree.class_names)
    np.testing.assert_array_equal(again.parents, tree.parents)
    merges = to_linkage(SMALL)
    assert is_valid_linkage(merges)
    np.testing.assert_allclose(squareform(cophenet(merges)), SMALL.heights[SMALL.lowest_common])


def test_relations_of_a_small_tree():
    assert SMALL.children[6] == (2, 3, 4)
    assert SMALL.sizes.tolist() == [1, 1, 1, 1, 1, 2, 3, 5]
    assert SMALL.depths.tolist() == [2, 2, 2, 2, 2, 1, 1, 0]
    assert SMALL.ancestors(3) == [3, 6, 7]
    assert SMALL.lowest_common[0].tolist() == [0, 5, 7, 7, 7]
    assert SMALL.members[6].tolist() == [False, False, True, True, True]


def test_cuts_of_a_small_tree():
    assert cut(SMALL, number=2).tolist() == [5, 5, 6, 6, 6]
    # Splitting the highest, cde, gives four superclasses.
    assert cut(SMALL, number=3).tolist() == [5, 5, 6, 6, 6]
    assert cut(SMALL, number=4).tolist() == [5, 5, 2, 3, 4]
    assert cut(SMALL, height=0.3).tolist() == [5, 5, 2, 3, 4]
    assert cut(SMALL, support=0.5).tolist() == [5, 5, 2, 3, 4]
    assert cut(SMALL, support=0.4).tolist() == [5, 5, 6, 6, 6]
    assert cut(SMALL, number=4, support=0.5).tolist() == [5, 5, 2, 3, 4]
    assert cut(SMALL, number=3, support=0.5).tolist() == [7] * 5
    assert cut(SMALL, height=1.0).tolist() == [7] * 5


def test_collapsing_and_restricting():
    collapsed = SMALL.collapsed(0.5)
    assert collapsed.names == ("a", "b", "c", "d", "e", "ab", "all")
    assert collapsed.children[6] == (2, 3, 4, 5)
    some = SMALL.restricted_to(["e", "a", "c"])
    assert some.names == ("e", "a", "c", "cde", "all")
    assert some.parents.tolist() == [3, 4, 3, 4, -1]
    with pytest.raises(ConfembError, match="has no class 'x'"):
        SMALL.restricted_to(["a", "x"])


def test_a_known_tree_is_found():
    # Similarities that a tree made: their agglomeration is that tree, by every method.
    values = 1.0 - SMALL.heights[SMALL.lowest_common]
    for method in METHODS:
        tree = agglomerate(SimilarityMatrix(values, SMALL.class_names), method)
        np.testing.assert_allclose(tree.heights[tree.lowest_common], SMALL.heights[SMALL.lowest_common])


def test_star_and_shuffled():
    assert cut(star("abc"), number=2).tolist() == [3, 3, 3]
    other = shuffled(SMALL, 0)
    assert sorted(other.sizes) == sorted(SMALL.sizes)
    assert other.heights.tolist() == SMALL.heights.tolist()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"parents": np.array([5, 5, 6, 6, 6, 7, 7, 7])}, "one root"),
        ({"parents": np.array([6, 5, 6, 6, 6, 7, 7, -1])}, "at least two children"),
        ({"heights": np.array([0, 0, 0, 0, 0, 2.0, 0.5, 1.0])}, "at most its parent's"),
        ({"heights": np.array([0, 0, 0, 0, 0, np.nan, 0.5, 1.0])}, "at most its parent's"),
        ({"support": np.full(8, 1.5)}, "share from 0 to 1"),
        ({"names": ("a",)}, "a name for each"),
    ],
)
def test_what_is_no_tree_is_refused(change, match):
    values = {"parents": SMALL.parents, "heights": SMALL.heights}
    with pytest.raises(ConfembError, match=match):
        ClassTree(SMALL.class_names, **(values | change))


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({}, "cut a tree by"),
        ({"number": 2, "height": 0.1}, "cut a tree by"),
        ({"number": 9}, "9 superclasses"),
        ({"support": 2}, "not a share"),
    ],
)
def test_cuts_that_make_no_sense(how, match):
    with pytest.raises(ConfembError, match=match):
        cut(SMALL, **how)


def test_unknown_similarities_and_support():
    values = np.eye(3)
    values[0, 1] = values[1, 0] = np.nan
    with pytest.raises(ConfembError, match="not known"):
        agglomerate(SimilarityMatrix(values, ("a", "b", "c")))
    with pytest.raises(ConfembError, match="how well its nodes are supported"):
        cut(agglomerate(random_similarity(5)), support=0.5)
