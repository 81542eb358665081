import jax
import jax.numpy as jnp
import numpy as np
import pytest

from confemb.spaces.captions.losses import (
    batch_margin_loss,
    contrastive_loss,
    hardest_negatives,
    margin_loss,
    semi_hard_negatives,
)

SCORES = np.array([[2.0, 1.5, 3.0], [0.0, 1.0, 0.5], [1.0, -1.0, 0.25]])
ALONE = np.eye(3, dtype=bool)


def test_the_margin_loss_by_hand():
    # max(0, 1 - 2 + 1.5) + max(0, 1 - 3 + 1) + max(0, 1 - 0.5 + 0.5) = 0.5 + 0 + 1
    assert margin_loss(jnp.array([2.0, 3.0, 0.5]), jnp.array([1.5, 1.0, 0.5]), 1.0) == pytest.approx(1.5)


def test_batch_losses_by_hand():
    # Rows: hardest 3, 0.5, 1 against positives 2, 1, 0.25: 2 + 0.5 + 1.75; columns: 1, 1.5, 3: 0 + 1.5 + 3.75.
    loss = batch_margin_loss(jnp.array(SCORES), jnp.array(ALONE), 1.0, negatives="hardest", both_ways=False)
    assert loss == pytest.approx(4.25)
    loss = batch_margin_loss(jnp.array(SCORES), jnp.array(ALONE), 1.0, negatives="hardest", both_ways=True)
    assert loss == pytest.approx(9.5)
    # Semi-hard: 1.5 below 2, 0.5 below 1, -1 below 0.25: 0.5 + 0.5 + 0.
    loss = batch_margin_loss(jnp.array(SCORES), jnp.array(ALONE), 1.0, negatives="semi-hard", both_ways=False)
    assert loss == pytest.approx(1.0)
    # All: means of (0.5, 2), (0, 0.5), (1.75, 0).
    loss = batch_margin_loss(jnp.array(SCORES), jnp.array(ALONE), 1.0, negatives="all", both_ways=False)
    assert loss == pytest.approx(1.25 + 0.25 + 0.875)


def test_the_contrastive_loss_by_hand():
    scores = np.array([[1.0, 0.0], [0.5, 0.25]])
    wanted = 0.0
    for i in range(2):
        wanted += np.log(np.exp(scores[i] / 0.5).sum()) - scores[i, i] / 0.5
        wanted += np.log(np.exp(scores[:, i] / 0.5).sum()) - scores[i, i] / 0.5
    assert contrastive_loss(jnp.array(scores), jnp.eye(2, dtype=bool), 0.5) == pytest.approx(wanted / 2)


@pytest.fixture
def batch():
    """Scores of 12 pairs, of 7 pictures; some scores are equal."""
    generator = np.random.default_rng(3)
    owners = generator.integers(0, 7, 12)
    return generator.normal(size=(12, 12)).round(1), owners[:, None] == owners[None, :]


def test_chosen_negatives_are_those_that_loops_find(batch):
    scores, same = batch
    hardest, semi_hard = [], []
    for i in range(len(scores)):
        others = [scores[i, j] for j in range(len(scores)) if not same[i, j]]
        below = [score for score in others if score < scores[i, i]]
        hardest.append(max(others))
        semi_hard.append(max(below) if below else min(others))
    assert any(h != s for h, s in zip(hardest, semi_hard, strict=True))
    np.testing.assert_allclose(hardest_negatives(jnp.array(scores), jnp.array(same)), hardest, rtol=1e-6)
    np.testing.assert_allclose(semi_hard_negatives(jnp.array(scores), jnp.array(same)), semi_hard, rtol=1e-6)


@pytest.mark.parametrize("negatives", ["hardest", "semi-hard", "all"])
def test_captions_of_the_same_picture_change_nothing(batch, negatives):
    scores, same = batch
    louder = np.where(same & ~np.eye(12, dtype=bool), 100.0, scores)
    loss, changed = (
        batch_margin_loss(jnp.array(s), jnp.array(same), 0.2, negatives=negatives, both_ways=True)
        for s in (scores, louder)
    )
    assert loss == pytest.approx(float(changed))
    loss, changed = (contrastive_loss(jnp.array(s), jnp.array(same), 0.2) for s in (scores, louder))
    assert loss == pytest.approx(float(changed))


@pytest.mark.parametrize("negatives", ["hardest", "semi-hard", "all"])
def test_a_batch_of_one_picture_teaches_nothing(negatives):
    def loss(scores):
        return batch_margin_loss(scores, jnp.ones((3, 3), bool), 1.0, negatives=negatives, both_ways=True)

    value, gradient = jax.value_and_grad(loss)(jnp.array(SCORES))
    assert value == 0
    assert (gradient == 0).all()


def test_gradients_are_finite_where_others_are_left_out(batch):
    scores, same = batch
    gradient = jax.grad(lambda s: contrastive_loss(s, jnp.array(same), 0.1))(jnp.array(scores))
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[same & ~np.eye(12, dtype=bool)] == 0).all()
