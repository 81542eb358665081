"""The CIFAR-10 classifiers by top-1 alone, on made-up predictions."""

import numpy as np
import pandas as pd
import pytest

import confemb
from confemb.records.similarity import agreement


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("cifar10_classifiers")


def make_network(seed, *, pictures=1200, k=10):
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % 10
    logits = generator.normal(size=(pictures, 10))
    logits[np.arange(pictures), labels] += 2.0
    logits[np.arange(pictures), labels ^ 1] += 1.0
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return confemb.predictions_from_scores(logits, labels, names, k=k, logits=True)


def test_families_are_told_by_how_names_begin(script):
    names = ("resnet_basic_32", "wide_resnet_tf", "wrn_28_10", "shake_drop", "darc", "resnet_preact_basic_110")
    assert script.families(names) == {
        "ResNet": ["resnet_basic_32", "resnet_preact_basic_110"],
        "wide ResNet": ["wide_resnet_tf", "wrn_28_10"],
        "Shake": ["shake_drop"],
    }


def test_votes_count_as_predictions(script):
    labels = np.array([0, 0, 1])
    votes = np.zeros((12, 10))
    votes[:3, :2] = [[8, 2], [4, 6], [1, 9]]
    labels = np.concatenate([labels, np.arange(1, 10)])
    votes[3:, :] = 10 * np.eye(10)[1:]
    found = script.people_similarity(votes, labels)
    # 8 of 20 votes for pictures of the first class name the second, 1 of 20 the other way about.
    assert found.between("airplane", "automobile") == pytest.approx((8 / 20 + 1 / 20) / 2)


def test_pictures_as_good_is_spearman_browns_formula_turned_round(script):
    curve = pd.DataFrame({"pictures": [1000], "top-1 counts": [0.6]})
    # Three times the pictures: 3 r / (1 + 2 r).
    assert script.pictures_as_good(curve, "top-1 counts", 1.8 / 2.2) == pytest.approx(3000)


def test_more_pictures_are_more_reliable(script, monkeypatch):
    monkeypatch.setattr(script, "PICTURES", (50, 600))
    curve = script.learning_curve(make_network(0), draws=5)
    assert curve["pictures"].tolist() == [50, 600]
    for name in script.READINGS:
        assert curve[name].iloc[1] > curve[name].iloc[0]


def test_what_is_no_table_of_the_classes_is_refused(script, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 9)))
    with pytest.raises(confemb.ConfembError, match=r"has shape \(3, 9\); it must be \(pictures, 10\)"):
        script.read_array(tmp_path / "x.npy")
    (tmp_path / "y.npy").write_text("no array")
    with pytest.raises(confemb.ConfembError, match="is no NPY file"):
        script.read_array(tmp_path / "y.npy")


def test_the_whole_report(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "SPLITS", 2)
    monkeypatch.setattr(script, "PICTURES", (50, 500))
    monkeypatch.setattr(script, "SEEDS", 2)
    classifiers = {name: make_network(seed, k=1) for seed, name in enumerate(("wrn_1", "wrn_2", "resnext_1", "darc"))}
    network = make_network(9)
    people = confemb.count_similarity(confemb.count_pairs(make_network(10), k=3))
    study = script.study_of(classifiers, network, people, {"files": {}})
    table = study.data["reliability.csv"].set_index("classifier")
    one = confemb.count_similarity(confemb.count_pairs(classifiers["darc"], k=1))
    assert table.loc["darc", "agreement with people"] == pytest.approx(agreement(one, people).spearman)
    assert table.loc["darc", "errors"] == (classifiers["darc"].top_classes[:, 0] != classifiers["darc"].labels).sum()
    readings = study.data["readings.csv"].set_index("reading")
    assert readings.loc["probabilities", "agreement with the probabilities"] == pytest.approx(1)
    assert "What top-1 can say" in script.write_study(study, tmp_path)
