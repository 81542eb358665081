"""The parts of the study of pictures and captions that compute."""

import numpy as np
import pandas as pd
import pytest

from confemb.spaces.captions.retrieval import rank_all


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("captions_study_measures")


def history(study, cpu_seconds, recall):
    frame = pd.DataFrame({"cpu_seconds": cpu_seconds, **dict.fromkeys(study.MEASURES, recall)})
    frame["pairwise_accuracy"] = 0.9
    return frame


def test_settings_are_compared_at_equal_time(study):
    slow = [history(study, [2.0, 2.0, 2.0, 9.0], [0.1, 0.2, 0.3, 0.4])]
    fast = [history(study, [1.0] * 12, np.arange(12) / 100), history(study, [1.0] * 12, np.arange(12) / 50)]
    table, until = study.at_equal_time({"slow": slow, "fast": fast})
    # Four epochs at the median of 2 s: eight epochs of 1 s fit, whatever the noise of a single one.
    assert until == 8
    assert table["epochs"].tolist() == [4, 8]
    assert table["mean recall"].tolist() == ["40.0", "10.5 (7.0 to 14.0)"]


def test_a_setting_is_never_asked_for_epochs_it_has_not_run(study):
    runs = {"slow": [history(study, [5.0] * 4, [0.1] * 4)], "fast": [history(study, [1.0] * 6, [0.2] * 6)]}
    assert study.at_equal_time(runs)[0]["epochs"].tolist() == [4, 6]


def test_estimates_have_intervals_over_pictures_and_seeds(study):
    generator = np.random.default_rng(0)
    pictures = generator.normal(size=(200, 8))
    owners = np.repeat(np.arange(200), 2)
    good, bad = (
        study.Tested(
            [rank_all(pictures, pictures[owners] + scale * generator.normal(size=(400, 8)), owners) for _ in range(2)]
        )
        for scale in (1.0, 3.0)
    )
    shares = [run.measures()["caption_recall_1"] for run in good.runs]
    text = good.estimate("caption_recall_1")
    mean, low, high = (float(part) for part in text.replace("[", "").replace("]", "").replace(",", "").split())
    assert mean == pytest.approx(100 * np.mean(shares), abs=0.06)
    assert low < mean < high
    # About two standard errors of a share of 200 pictures to each side.
    error = 100 * np.sqrt(mean / 100 * (1 - mean / 100) / 200)
    assert 3 * error < high - low < 6 * error
    ratio = float(good.times(bad, "caption_recall_1").split()[0])
    assert ratio == pytest.approx(np.mean(shares) / bad.mean("caption_recall_1"), abs=0.06)


def test_spreads(study):
    assert study.spread([0.5]) == "50.0"
    assert study.spread([0.1, 0.3]) == "20.0 (10.0 to 30.0)"
    assert study.mean_recall(dict.fromkeys(study.MEASURES, 0.25)) == 0.25


def test_published_figures_are_complete(study):
    for _, _, *numbers, source in study.PUBLISHED:
        assert len(numbers) == 8
        assert numbers[0] < numbers[1] < numbers[2]
        assert numbers[4] < numbers[5] < numbers[6]
        assert source
