"""experiments/default_similarity.py: what it measures, and when the default wins, ties or loses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import confemb
from confemb.reporting.study import write_study

NAMES = tuple(f"class {i:02}" for i in range(12))


@pytest.fixture(scope="module")
def module(load_script):
    folder = str(Path(__file__).parents[2] / "experiments")
    with pytest.MonkeyPatch.context() as patch:
        # As where the script is run: it imports the one with the split from its own folder.
        patch.syspath_prepend(folder)
        return load_script("default_similarity")


def classifier(seed: int, pictures: int = 600) -> confemb.Predictions:
    """Confuses classes of one block of four."""
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % len(NAMES)
    scores = generator.normal(size=(pictures, 12)) + 2.5 * (labels[:, None] // 4 == np.arange(12) // 4)
    scores[np.arange(pictures), labels] += 2
    return confemb.Predictions(labels, np.argsort(-scores, axis=1)[:, :3], None, NAMES)


def test_neighbours_in_common(module):
    first = np.array([[1.0, 0.9, 0.5, 0.1], [0.9, 1.0, 0.2, 0.3], [0.5, 0.2, 1.0, 0.4], [0.1, 0.3, 0.4, 1.0]])
    second = first.copy()
    second[0, 1:] = [0.2, 0.9, 0.5]
    assert module.same_nearest(first, first, 2) == 1.0
    assert module.same_nearest(first, second, 1) == 0.75
    assert module.same_nearest(first, second, 2) == pytest.approx(7 / 8)


def test_measures_are_those_of_the_methods(module):
    predictions = classifier(0)
    block = np.arange(12) // 4
    reference = (block[:, None] == block).astype(float)
    reference[0, 1] = reference[1, 0] = np.nan
    rows = {row["method"]: row for row in module.measure(predictions, {"wordnet": reference}, 2, k=3)}
    assert tuple(rows) == module.METHODS
    upper = np.triu_indices(12, k=1)
    known = ~np.isnan(reference[upper])
    counts = confemb.count_pairs(predictions, k=3)
    values = confemb.count_similarity(counts).values[upper][known]
    expected = stats.spearmanr(values, reference[upper][known]).statistic
    assert rows["counts"]["wordnet"] == pytest.approx(expected, abs=1e-6)
    assert all(0.3 < row["halves"] <= 1 for row in rows.values())


def test_a_tie_is_an_interval_that_holds_0(module):
    gains = {"diffusion, profiles": [0.1, 0.11, 0.12], "diffusion, direct": [-0.2, 0.2, 0.01], "counts": [-0.1] * 3}
    rows = []
    for number in range(3):
        rows.append({"classifier": f"c{number}", "method": module.DEFAULT, "wordnet": 0.5})
        for method in module.METHODS[1:]:
            gain = gains.get(method, [0.1, 0.2, 0.3])[number] + 1e-6 * number
            rows.append({"classifier": f"c{number}", "method": method, "wordnet": 0.5 - gain})
    table = module.compared(pd.DataFrame(rows), {"wordnet": "WordNet"}).set_index("rival")
    assert table["the default"].to_dict() == {
        "diffusion, profiles": "wins",
        "diffusion, direct": "ties",
        "counts": "loses",
        module.ROWS: "ties",
    }
    half = stats.t.ppf(0.975, 2) * np.std([0.1, 0.2, 0.3], ddof=1) / np.sqrt(3)
    assert table.loc[module.ROWS, "95 % interval"] == f"{0.2 - half:.4f} to {0.2 + half:.4f}"


@pytest.mark.slow
def test_the_report_is_written(module, tmp_path):
    rows = []
    for seed, side in enumerate(("judging", "judging", "choosing", "choosing")):
        for row in module.measure(classifier(seed), {"wordnet": np.eye(12)[::-1] + np.eye(12)}, 1, k=3):
            facts = {"data": "imagenet", "side": side, "classifier": str(seed), "family": "f", "reading": "k = 3"}
            rows.append(facts | row)
    write_study(module.study_of(pd.DataFrame(rows), {}), tmp_path / "out")
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "imagenet, k = 3: judging side, against each rival" in text
    assert len(pd.read_csv(tmp_path / "out" / "classifiers.csv")) == 4 * len(module.METHODS)
