"""Functions that take one of a few names refuse any other, rather than take it for the last of them."""

import numpy as np
import pytest

from confemb.embedders.diffusion import Diffusion
from confemb.embedders.skipgram import SkipGram
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions
from confemb.references.cifar10h import HumanConfusions
from confemb.studies.difference import pair_differences
from confemb.studies.severity import severities
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "fox")
PREDICTIONS = Predictions(np.array([0, 1, 2]), np.array([[0, 1], [1, 0], [2, 1]]), np.full((3, 2), 0.5), NAMES)
COUNTS = count_pairs(PREDICTIONS, k=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_pairs(PREDICTIONS, k=2, weighting="probabilty"), "'probabilty' in weighting: .*'probability'"),
        (lambda: count_pairs(PREDICTIONS, k=2, missing_classes="drip"), "'drip' in missing_classes: .*'drop'"),
        (lambda: count_pairs(PREDICTIONS, k=2, self_pairs="keeps"), "'keeps' in self_pairs: .*'keep'"),
        (lambda: COUNTS.select(missing_classes="kept"), "'kept' in missing_classes: .*'keep'"),
        (lambda: pair_differences(PREDICTIONS, PREDICTIONS, weighting="counts"), "'counts' in weighting: .*'count'"),
        (lambda: severities(Diffusion().embed(COUNTS).cosine(), "ranks"), "'ranks' in scale: .*'rank'"),
        (lambda: SkipGram(order="sort").embed(COUNTS, seed=0), "'sort' in order: .*'sorted'"),
        (lambda: Diffusion(weight="walks"), "'walks' in weight: .*'walk'"),
        (lambda: Diffusion(compare="profile"), "'profile' in compare: .*'profiles'"),
        (
            lambda: HumanConfusions(np.eye(3, dtype=int), np.arange(3), NAMES).noise_ceiling(NAMES, split="vote"),
            "'vote' in split: .*'votes'",
        ),
    ],
)
def test_another_name_is_refused(call, message):
    with pytest.raises(ConfembError, match=f"unknown value {message}"):
        call()
