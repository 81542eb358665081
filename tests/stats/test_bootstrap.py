from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from confemb.records.embedding import ClassEmbedding
from confemb.records.options import PairOptions
from confemb.records.pairs import count_pairs, pairs_from_confusions
from confemb.records.predictions import Predictions
from confemb.stats.bootstrap import (
    CellResampling,
    PictureResampling,
    picture_hashes,
    picture_replicates,
    poisson_weights,
    replicate_cosines,
)
from confemb.support.errors import ConfembError


@dataclass(frozen=True)
class Rows:
    """A tiny deterministic embedder: the square roots of each class's row of shares."""

    deterministic: ClassVar[bool] = True

    def embed(self, counts, *, seed):
        matrix = counts.matrix().toarray()
        return ClassEmbedding(np.sqrt(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)), counts.class_names)


def some_predictions(rows, classes=4, k=2, seed=0, **options):
    generator = np.random.default_rng(seed)
    top = np.argsort(generator.random((rows, classes)), axis=1)[:, :k]
    names = tuple(f"c{i}" for i in range(classes))
    return Predictions(np.arange(rows) % classes, top, None, names, np.array([f"p{i}" for i in range(rows)]), **options)


def same_counts(a, b):
    return a.class_names == b.class_names and all(
        np.array_equal(getattr(a, what), getattr(b, what)) for what in ("true", "predicted", "rank", "counts")
    )


def test_weights_are_poisson_and_unrelated():
    hashes = picture_hashes(some_predictions(40_000))
    first, second, other = (poisson_weights(hashes, seed=s, replicate=b) for s, b in ((0, 0), (0, 1), (1, 0)))
    seen = np.bincount(first, minlength=6)
    wanted = stats.poisson.pmf(np.arange(5), 1) * len(first)
    assert stats.chisquare([*seen[:5], seen[5:].sum()], [*wanted, len(first) - wanted.sum()]).pvalue > 0.001
    # Independent draws correlate by chance only: one standard error is 0.005.
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.02
    # Over replicates, too, every picture's weight is Poisson(1).
    one = np.array([poisson_weights(hashes[:1], seed=3, replicate=b)[0] for b in range(2000)])
    assert one.mean() == pytest.approx(1, abs=0.09)
    assert one.var() == pytest.approx(1, abs=0.2)


def test_the_weights_are_these():
    # Kept, so that shards counted by different versions still add up.
    hashes = picture_hashes(some_predictions(12))
    assert poisson_weights(hashes, seed=0, replicate=0).tolist() == [2, 1, 0, 1, 2, 0, 0, 1, 1, 0, 0, 1]


@given(st.integers(0, 2**32), st.integers(0, 50), st.integers(20, 40))
def test_shards_add_up_to_the_whole(seed, replicate, cut):
    whole = some_predictions(60)

    def count(part):
        weights = poisson_weights(picture_hashes(part), seed=seed, replicate=replicate)
        return count_pairs(part, k=2, repeats=weights, missing_classes="keep")

    shards = [whole.where(np.arange(cut)), whole.where(np.arange(cut, 60))]
    assert same_counts(count(shards[0]) + count(shards[1]), count(whole))


def test_order_changes_nothing_and_rows_of_one_picture_go_together():
    whole = some_predictions(60)
    mixed = whole.where(np.random.default_rng(5).permutation(60))
    for a, b in zip(
        (PictureResampling(whole, 2).replicate(3), *PictureResampling(whole, 2).halves(3)),
        (PictureResampling(mixed, 2).replicate(3), *PictureResampling(mixed, 2).halves(3)),
        strict=True,
    ):
        assert same_counts(a, b)
    twice = whole.where(np.repeat(np.arange(60), 2))
    weights = poisson_weights(picture_hashes(twice), seed=0, replicate=0)
    assert np.array_equal(weights[::2], weights[1::2])
    # The same id in another split is another picture.
    names = np.array(["x", "x"])
    split = Predictions([0, 1], [[0], [1]], None, ("a", "b"), names, np.array(["train", "test"]))
    assert len(np.unique(picture_hashes(split))) == 2


def test_pictures_without_ids_are_known_by_their_row():
    bare = Predictions([0, 1, 0], [[0], [1], [1]], None, ("a", "b"))
    assert len(np.unique(picture_hashes(bare))) == 3


def test_halves_are_stratified_and_add_up():
    predictions = some_predictions(59)
    first, second = PictureResampling(predictions, 2).halves(0)
    assert same_counts(first + second, count_pairs(predictions, k=2))
    pictures = [half.matrix().sum(axis=1) / 2 for half in (first, second)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert abs(pictures[0].sum() - pictures[1].sum()) <= 1
    assert not same_counts(first, PictureResampling(predictions, 2).halves(1)[0])
    assert not same_counts(first, PictureResampling(predictions, 2, seed=1).halves(0)[0])


def test_weighted_pairs_are_drawn_with_their_weights(predictions):
    drawn = PictureResampling(predictions, 3, weighting="probability", temperature=2.0, seed=4).replicate(1)
    weights = poisson_weights(picture_hashes(predictions), seed=4, replicate=1)
    wanted = count_pairs(predictions, k=3, weighting="probability", temperature=2.0, repeats=weights)
    assert same_counts(drawn, wanted)
    assert drawn.unit == wanted.unit < 1


def test_cells_have_the_distribution_of_their_pictures():
    confusions = np.array([[6, 2, 1], [0, 5, 3], [2, 1, 40]])
    counts = pairs_from_confusions(confusions, ("a", "b", "c"))
    cells = np.array([CellResampling(counts).replicate(b).matrix().toarray() for b in range(400)])
    # As many single pictures, of which the confusion matrix is made.
    true, predicted = np.nonzero(confusions)
    each = confusions[true, predicted]
    pictures = Predictions(np.repeat(true, each), np.repeat(predicted, each)[:, None], None, ("a", "b", "c"))
    drawn = np.array([PictureResampling(pictures, 1).replicate(b).matrix().toarray() for b in range(400)])
    for i, j in zip(true, predicted, strict=True):
        assert stats.ks_2samp(cells[:, i, j], drawn[:, i, j], method="asymp").pvalue > 1e-4
    assert cells[:, 2, 2].var() == pytest.approx(40, rel=0.3)
    first, second = CellResampling(counts).halves(0)
    assert same_counts(first + second, counts)
    assert np.array_equal(np.sort([first.matrix().sum(axis=1)[0], second.matrix().sum(axis=1)[0]]), [4, 5])


def test_only_a_confusion_matrix_is_drawn_without_pictures():
    with pytest.raises(ConfembError, match="give the predictions"):
        CellResampling(count_pairs(some_predictions(20), k=2))


def test_replicates_are_the_embedding_of_the_replicates_counts():
    predictions = some_predictions(200)
    calls = []
    found = list(
        picture_replicates(
            predictions, Rows(), pairs=PairOptions(k=2), replicates=3, seed=7, progress=lambda *c: calls.append(c)
        )
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    for number, values in enumerate(found):
        assert values.shape == (1, 6)
        assert values.dtype == np.float32
        counts = PictureResampling(predictions, 2, seed=7).replicate(number)
        wanted = Rows().embed(counts, seed=0).cosine().values[np.triu_indices(4, 1)]
        np.testing.assert_allclose(values[0], wanted, atol=1e-6)


def test_a_class_without_pictures_in_a_replicate_is_not_known_there():
    labels = np.array([0] * 40 + [1] * 40 + [2])
    generator = np.random.default_rng(0)
    top = np.argsort(generator.random((81, 3)), axis=1)[:, :2]
    predictions = Predictions(labels, top, None, ("a", "b", "rare"))
    values = np.concatenate(list(picture_replicates(predictions, Rows(), pairs=PairOptions(k=2), replicates=40)))
    resampling = PictureResampling(predictions, 2)
    missing = np.array([poisson_weights(resampling.hashes, seed=0, replicate=b)[80] == 0 for b in range(40)])
    assert 0 < missing.sum() < 40
    # The pairs are a-b, a-rare, b-rare.
    assert not np.isnan(values[:, 0]).any()
    assert np.array_equal(np.isnan(values[:, 1]), missing)
    assert np.array_equal(np.isnan(values[:, 2]), missing)


def test_a_class_that_stands_in_no_pair_is_not_known():
    # Self-pairs dropped, class c is left in no pair wherever its one confusion is not drawn.
    predictions = Predictions([0, 1, 0, 1, 2, 2, 2], [[1], [0], [1], [0], [0], [2], [2]], None, ("a", "b", "c"))
    drawn = replicate_cosines(
        PictureResampling(predictions, 1, "drop"), Rows(), predictions.class_names, replicates=30, seed=0
    )
    known = [~np.isnan(values[0]) for values in drawn]
    assert any(k.all() for k in known)
    assert any(k[0] and not k[1:].any() for k in known)


def test_what_can_never_be_embedded_is_an_error():
    class Never:
        deterministic = True

        def embed(self, counts, *, seed):
            raise ConfembError("no.")

    with pytest.raises(ConfembError, match=r"none of 3 bootstrap replicates of the pictures can be embedded \(no\)"):
        list(picture_replicates(some_predictions(20), Never(), pairs=PairOptions(k=2), replicates=3))
    with pytest.raises(ConfembError, match="k = 5"):
        picture_replicates(some_predictions(20), Rows(), pairs=PairOptions(k=5))


def test_a_seeded_embedder_runs_twice_with_seeds_of_its_own():
    seeds = []

    class Seeded:
        def embed(self, counts, *, seed):
            seeds.append(seed)
            return Rows().embed(counts, seed=seed)

    values = list(picture_replicates(some_predictions(60), Seeded(), pairs=PairOptions(k=2), replicates=3))
    assert [v.shape for v in values] == [(2, 6)] * 3
    assert len(set(seeds)) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)
