"""Losses over the scores of pictures and captions: max-margin with several kinds of negatives, and contrastive.

In a batch of n pairs, `scores` (n, n) holds the score of picture i with caption j; the diagonal are the positive ones.
`same` (n, n) is true where caption j is of picture i too, as on the diagonal: such a pair is never a negative.
"""

from typing import Literal

import jax
import jax.numpy as jnp

BatchNegatives = Literal["hardest", "semi-hard", "all"]


def margin_loss(positive: jax.Array, negative: jax.Array, margin: float) -> jax.Array:
    """Return the sum of max(0, margin - positive + negative) over (n,) scores of pairs (the tutorial's equation 1)."""
    return jnp.maximum(0.0, margin - positive + negative).sum()


def hardest_negatives(scores: jax.Array, same: jax.Array) -> jax.Array:
    """Return (n,) the highest score of each picture with a caption of another one; -inf where there is none.

    Source: F. Faghri et al., "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives" (BMVC 2018).
    """
    return jnp.where(same, -jnp.inf, scores).max(axis=1)


def semi_hard_negatives(scores: jax.Array, same: jax.Array) -> jax.Array:
    """Return (n,) the highest score of each picture that is below its positive one's, or its lowest where none is.

    Source: F. Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering" (CVPR 2015).
    """
    positive = jnp.diagonal(scores)[:, None]
    below = ~same & (scores < positive)
    highest_below = jnp.where(below, scores, -jnp.inf).max(axis=1)
    lowest = jnp.where(same, jnp.inf, scores).min(axis=1)
    # A picture without negatives has none here either.
    lowest = jnp.where(same.all(axis=1), -jnp.inf, lowest)
    return jnp.where(below.any(axis=1), highest_below, lowest)


def batch_margin_loss(
    scores: jax.Array, same: jax.Array, margin: float, *, negatives: BatchNegatives, both_ways: bool
) -> jax.Array:
    """Return the margin loss with negatives of the batch, summed over the pictures; `both_ways` adds the captions'.

    "all" is the mean over a row's negatives instead of one of them, so that losses are of one size.
    """
    loss = _one_way(scores, same, margin, negatives)
    return loss + _one_way(scores.T, same.T, margin, negatives) if both_ways else loss


def contrastive_loss(scores: jax.Array, same: jax.Array, temperature: float) -> jax.Array:
    """Return the cross-entropy of finding each picture's caption and each caption's picture in the batch, summed.

    Other captions of the same picture are left out. Source: A. van den Oord et al., "Representation Learning with
    Contrastive Predictive Coding" (2018), equation 4; both ways as in A. Radford et al. (CLIP, 2021).
    """
    others = same & ~jnp.eye(len(scores), dtype=bool)
    logits = jnp.where(others, -jnp.inf, scores / temperature)
    positive = jnp.diagonal(logits)
    across = jax.nn.logsumexp(logits, axis=1) - positive
    down = jax.nn.logsumexp(logits, axis=0) - positive
    return (across + down).sum() / 2


def _one_way(scores: jax.Array, same: jax.Array, margin: float, negatives: BatchNegatives) -> jax.Array:
    positive = jnp.diagonal(scores)
    if negatives == "all":
        violations = jnp.where(same, 0.0, jnp.maximum(0.0, margin - positive[:, None] + scores))
        return (violations.sum(axis=1) / jnp.maximum((~same).sum(axis=1), 1)).sum()
    choose = hardest_negatives if negatives == "hardest" else semi_hard_negatives
    return margin_loss(positive, choose(scores, same), margin)
