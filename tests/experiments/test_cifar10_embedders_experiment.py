"""experiments/cifar10_embedders.py: the embedders measured against references, seeds and halves of the pictures."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import confemb
from confemb.datasets.cifar10 import CLASS_NAMES
from confemb.references.cifar10h import HumanConfusions
from confemb.reporting.study import write_study
from confemb.support.manifest import Manifest

UPPER = np.triu_indices(10, k=1)
LABELS = np.arange(400) % 10


def probabilities(seed, noise=1.0):
    """Confuses animals with animals and vehicles with vehicles, cats with dogs most."""
    vehicle = np.isin(np.arange(10), [0, 1, 8, 9])
    generator = np.random.default_rng(seed)
    scores = noise * generator.normal(size=(len(LABELS), 10)) + 1.5 * (vehicle[LABELS][:, None] == vehicle)
    scores[np.arange(len(LABELS)), LABELS] += 2
    scores[LABELS == 3, 5] += 1
    scores[LABELS == 5, 3] += 1
    odds = np.exp(scores)
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def module(load_script):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
        found = load_script("cifar10_embedders")
        for part in (found, sys.modules["cifar10_embedders_measures"]):
            patch.setattr(part, "EMBEDDERS", {"skipgram": {}, "counts": {}, "diffusion": {}})
            patch.setattr(part, "SEEDS", range(2))
        patch.setattr(sys.modules["cifar10_embedders_measures"], "SPLITS", {True: 2, False: 1})
        yield found


@pytest.fixture
def measures(module):
    return sys.modules["cifar10_embedders_measures"]


@pytest.fixture(scope="module")
def networks(module):
    found = []
    for seed, chosen in ((0, False), (1, False), (2, True)):
        predictions = confemb.predictions_from_scores(probabilities(seed), LABELS, CLASS_NAMES, k=10)
        found.append(module.Network(f"network {seed}", predictions, None, chosen))
    return found


@pytest.fixture(scope="module")
def people():
    return HumanConfusions(np.rint(50 * probabilities(9, noise=0.3)).astype(np.int64), LABELS)


@pytest.fixture(scope="module")
def frame(module, networks, people):
    references = {name: people.similarity(CLASS_NAMES) for name in ("people", "wordnet", "paper")}
    return module.measure_all(networks, references, None, confemb.support.progress.Display(enabled=False))


def test_each_reading_is_measured_against_the_references(module, frame, networks, people):
    assert len(frame) == 3 * 3 * len(module.READINGS)
    wanted = people.similarity(CLASS_NAMES).values[UPPER]
    for reading, options in (("k = 2", {"k": 2}), ("softmax mass", {"k": 10, "weighting": "probability"})):
        counts = confemb.count_pairs(networks[0].predictions, **options)
        for name, values in (
            ("counts", confemb.count_similarity(counts).values),
            ("diffusion", confemb.embedders.make_pair_embedder("diffusion", {}).embed(counts, seed=0).cosine().values),
        ):
            where = (frame["network"] == "network 0") & (frame["embedder"] == name) & (frame["reading"] == reading)
            row = frame[where].iloc[0]
            assert row["people"] == pytest.approx(stats.spearmanr(values[UPPER], wanted).statistic, abs=2e-3)
            assert row["people"] == row["paper"]
            assert row["seeds"] == 1
            assert row["whole"] >= row["halves"] > 0
    assert (frame[frame["embedder"] == "skipgram"]["seeds"] < 1).all()


def test_an_embedder_that_finds_no_vector_is_unknown_not_an_end(measures, networks, people, monkeypatch):
    def refuse(embedder, *rest):
        raise confemb.ConfembError("the class 'cat' gets no vector")

    monkeypatch.setattr(measures, "embed_runs", refuse)
    monkeypatch.setattr(measures, "READINGS", {"k = 1": {"k": 1}})
    rows = pd.DataFrame(measures.measure(networks[0], {"people": people.similarity(CLASS_NAMES)}))
    assert len(rows) == 3
    assert rows[["people", "halves", "seeds"]].isna().all(axis=None)


def test_the_report_tells_judged_from_chosen_and_comes_out_the_same_again(module, frame, networks, people, tmp_path):
    study = module.study_of(frame, networks, people, {"files": {}})
    judged = frame[~frame["chosen_on"]]
    table = module.table_of(judged, "people").set_index("embedder")
    mine = judged[(judged["embedder"] == "diffusion") & (judged["reading"] == module.RECOMMENDED_READING)]["people"]
    assert table.loc["diffusion", module.RECOMMENDED_READING] == pytest.approx(mine.mean())
    assert any(f"{mine.mean():.3f} ({mine.min():.3f} to {mine.max():.3f} over 2 networks" in s for s in study.findings)
    best, reading, value = module.best_of(judged, "people")
    assert table.loc[best, reading] == pytest.approx(value) == pytest.approx(table.to_numpy().max())
    for name in ("one", "two"):
        write_study(study, tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name
    text = (tmp_path / "one" / "tables.md").read_text(encoding="utf-8")
    assert "Networks the settings were chosen on" in text
    assert len(pd.read_csv(tmp_path / "one" / "embedders.csv")) == len(frame)


def test_it_says_in_how_many_networks_an_embedder_is_nearer_than_the_counts(module, frame):
    judged = frame[~frame["chosen_on"]]
    found = module.nearer_than_counts(judged, "people").set_index("embedder")
    assert list(found.index) == ["skipgram", "diffusion"]
    for reading in module.READINGS:
        part = judged[judged["reading"] == reading].pivot(index="network", columns="embedder", values="people")
        assert found.loc["diffusion", reading] == f"{(part['diffusion'] > part['counts']).sum()} of 2"
    unknown = judged.assign(people=judged["people"].where(judged["embedder"] != "skipgram"))
    assert set(module.nearer_than_counts(unknown, "people").set_index("embedder").loc["skipgram"]) == {"–"}


def test_the_pairs_furthest_from_people_are_named(module, networks):
    judged = networks[:2]
    embedder = confemb.embedders.make_pair_embedder("diffusion", {})
    options = module.READINGS[module.RECOMMENDED_READING]
    ranks = [
        stats.rankdata(embedder.embed(confemb.count_pairs(n.predictions, **options), seed=0).cosine().values[UPPER])
        for n in judged
    ]
    # People who see just what the networks' mean says, but take cats for ships.
    wanted = np.eye(10)
    wanted[UPPER] = np.mean(ranks, axis=0)
    cat_ship = np.flatnonzero((UPPER[0] == 3) & (UPPER[1] == 8))[0]
    wanted[3, 8] = 99
    wanted = np.maximum(wanted, wanted.T)
    mean, between, frame = module.odd_pairs(judged, confemb.SimilarityMatrix(wanted, CLASS_NAMES), most=3)
    assert frame["pair"][0] == "cat, ship"
    assert frame["people's rank"][0] == 45
    assert frame["networks' mean rank"][0] == np.mean(ranks, axis=0)[cat_ship]
    assert between == pytest.approx(stats.spearmanr(*ranks).statistic, abs=5e-3)
    assert 0.8 < mean < 1


def test_networks_are_read_and_checked(measures, networks, tmp_path):
    splits = np.where(np.arange(len(LABELS)) < 100, "train", "test")
    predictions = replace(networks[0].predictions, splits=splits)
    folder = tmp_path / "network"
    folder.mkdir()

    def save(found):
        confemb.save_predictions(found, folder / "predictions.parquet")
        manifest = Manifest(folder)
        manifest.record("predict", "key", ["predictions.parquet"])
        manifest.save()

    save(predictions)
    found = measures.read_network(folder, chosen_on=True)
    # Only what it did not learn from.
    assert (found.name, len(found.predictions), found.chosen_on) == ("network", 300, True)
    assert measures.measure_own(found, {}, None) == []
    save(replace(predictions, top_classes=predictions.top_classes[:, :3], top_probs=predictions.top_probs[:, :3]))
    with pytest.raises(confemb.ConfembError, match=r"lacks test predictions with all 10 .* prediction.k = 10"):
        measures.read_network(folder, chosen_on=False)
    np.save(tmp_path / "few.npy", probabilities(0))
    with pytest.raises(confemb.ConfembError, match=r"few.npy has shape \(400, 10\); it must be \(10000, 10\)"):
        measures.read_network(tmp_path / "few.npy", chosen_on=False)
    with pytest.raises(confemb.ConfembError, match="does not exist"):
        measures.read_network(tmp_path / "none.npy", chosen_on=False)
