import numpy as np
import pytest

from confemb.spaces.captions.retrieval import bootstrap_measures, rank_all


@pytest.fixture
def places():
    generator = np.random.default_rng(5)
    counts = generator.integers(1, 4, 9)
    picture_of = np.repeat(np.arange(9), counts)
    pictures = generator.normal(size=(9, 4)).round(1)
    captions = (pictures[picture_of] + generator.normal(size=(len(picture_of), 4))).round(1)
    return pictures, captions, picture_of


def test_ranks_are_those_of_brute_force(places):
    pictures, captions, picture_of = places
    ranks = rank_all(*places)
    for i, picture in enumerate(pictures):
        scores = [float(picture @ caption) for caption in captions]
        own = [s for s, p in zip(scores, picture_of, strict=True) if p == i]
        others = [s for s, p in zip(scores, picture_of, strict=True) if p != i]
        assert ranks.captions[i] == 1 + sum(s >= max(own) for s in others)
        assert ranks.pairwise[i] == pytest.approx(np.mean([[o > s for s in others] for o in own]))
    for j, caption in enumerate(captions):
        scores = pictures @ caption
        assert ranks.pictures[j] == sum(scores >= scores[picture_of[j]])


def test_measures_are_shares_and_medians(places):
    ranks = rank_all(*places)
    found = ranks.measures()
    assert found["caption_recall_1"] == np.mean(ranks.captions == 1)
    assert found["picture_recall_5"] == np.mean(ranks.pictures <= 5)
    assert found["caption_median_rank"] == np.median(ranks.captions)
    assert found["picture_median_rank"] == np.median(ranks.pictures)
    assert found["pairwise_accuracy"] == pytest.approx(ranks.pairwise.mean())
    # Every picture drawn twice: the same measures.
    twice = ranks.measures(np.repeat(np.arange(9), 2))
    assert twice == pytest.approx(found)
    some = ranks.measures(np.array([2, 2, 7]))
    wanted = np.concatenate([ranks.pictures[ranks.picture_of == p] for p in (2, 2, 7)])
    assert some["picture_median_rank"] == np.median(wanted)
    assert some["caption_recall_10"] == np.mean(ranks.captions[[2, 2, 7]] <= 10)


def test_perfect_and_collapsed_spaces():
    perfect = rank_all(np.eye(5), np.repeat(np.eye(5), 3, axis=0), np.repeat(np.arange(5), 3)).measures()
    assert perfect["caption_recall_1"] == perfect["picture_recall_1"] == perfect["pairwise_accuracy"] == 1
    collapsed = rank_all(np.ones((5, 2)), np.ones((15, 2)), np.repeat(np.arange(5), 3)).measures()
    assert collapsed["caption_recall_10"] == collapsed["picture_recall_1"] == collapsed["pairwise_accuracy"] == 0
    assert (collapsed["caption_median_rank"], collapsed["picture_median_rank"]) == (13, 5)


def test_the_bootstrap_draws_pictures(places):
    ranks = rank_all(*places)
    drawn = bootstrap_measures(ranks, draws=400, seed=1)
    again = bootstrap_measures(ranks, draws=400, seed=1)
    for name, value in ranks.measures().items():
        assert drawn[name].shape == (400,)
        assert (drawn[name] == again[name]).all()
        assert drawn[name].min() <= value <= drawn[name].max()
    # The standard error of a share over 9 pictures.
    share = ranks.measures()["caption_recall_5"]
    assert drawn["caption_recall_5"].std() == pytest.approx(np.sqrt(share * (1 - share) / 9), rel=0.15)
