"""What each pair weighs, in exact whole numbers, and the sums of these by pair of classes."""

from typing import Literal, get_args

import numpy as np

from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError, one_of

Weighting = Literal["count", "probability"]

# What one count stands for where pairs are weighted: whole numbers of millionths add up exactly in any order.
MILLIONTH = 1e-6


def millionths(predictions: Predictions, k: int, weighting: Weighting, temperature: float) -> np.ndarray | None:
    """Return (N, k) int64, what each pair weighs in millionths; None where each counts once.

    Raises:
        ConfembError: an unknown weighting, probabilities that are not there, a temperature that is not above 0.
    """
    one_of("weighting", weighting, *get_args(Weighting))
    if weighting == "count":
        if predictions.weights is None:
            return None
        return np.rint(np.repeat(predictions.weights[:, None], k, axis=1) / MILLIONTH).astype(np.int64)
    probs = _softened(predictions, k, temperature)
    if predictions.weights is not None:
        probs = probs * predictions.weights[:, None]
    return np.rint(probs / MILLIONTH).astype(np.int64)


def _softened(predictions: Predictions, k: int, temperature: float) -> np.ndarray:
    """Return (N, k) float64 probabilities, softened by the temperature."""
    if predictions.top_probs is None:
        raise ConfembError(
            "pairs can only be weighted by probability where the predictions have probabilities: "
            'add the columns prob1, prob2, ..., or use weighting = "count".'
        )
    if not (np.isfinite(temperature) and temperature > 0):
        raise ConfembError(f"temperature is {temperature}; it must be a number above 0.")
    probs = predictions.top_probs[:, :k].astype(np.float64)
    if temperature != 1.0:
        # Relative to the largest, so that no power underflows to a row of zeros.
        largest = np.maximum(probs.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        softened = (probs / largest) ** (1 / temperature)
        sums = softened.sum(axis=1, keepdims=True)
        probs = softened * np.divide(probs.sum(axis=1, keepdims=True), sums, out=np.zeros_like(sums), where=sums > 0)
    return probs


def count_codes(code: np.ndarray, weight: np.ndarray | None, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes (0 to `size` - 1) that occur with a weight above zero, and the sums of their weights."""
    if size <= 4 * len(code) + 2**20:
        # bincount adds weights as float64, which is exact for whole numbers up to 2 ** 53.
        sums = np.bincount(code, weights=weight, minlength=size)
        cells = np.flatnonzero(sums != 0)
        return cells, sums[cells].astype(np.int64)
    if weight is None:
        return np.unique(code, return_counts=True)
    order = np.argsort(code, kind="stable")
    cells, starts = np.unique(code[order], return_index=True)
    sums = np.add.reduceat(weight[order].astype(np.int64), starts) if len(starts) else np.empty(0, np.int64)
    there = sums != 0
    return cells[there], sums[there]
