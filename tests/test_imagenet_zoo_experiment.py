"""The zoo of ImageNet classifiers, on a few made-up ones."""

import numpy as np
import pytest
from scipy import stats

import confemb


@pytest.fixture(scope="module")
def zoo_module(load_script):
    return load_script("imagenet_zoo")


@pytest.fixture
def zoo(zoo_module):
    """Five classifiers' similarities of 12 classes: one underlying order with more and more noise."""
    generator = np.random.default_rng(3)
    base = generator.normal(size=66)
    cosines = np.stack([base + noise * generator.normal(size=66) for noise in (0.1, 0.2, 0.4, 0.8, 1.6)])
    counts = np.where(cosines > 0.5, cosines, 0.0)
    names = ("vgg11", "vgg_16_tf", "se_resnet50", "alexnet", "fv_4k")
    seeds = np.linspace(0.9, 0.5, 5)
    classes = tuple(f"c{i}" for i in range(12))
    return zoo_module.Zoo(cosines.astype(np.float32), counts.astype(np.float32), seeds, names, classes)


def make_predictions(name, *, seed, size=12, pictures=360):
    """Pictures whose class is confused with the next two; the more so the higher the seed."""
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % size
    logits = generator.normal(size=(pictures, size)) * (1 + seed / 5)
    for step, height in enumerate((6.0, 3.0, 2.0)):
        logits[np.arange(pictures), (labels + step) % size] += height
    names = tuple(f"c{i}" for i in range(size))
    return confemb.predictions_from_scores(logits, labels, names, k=5, logits=True, classifier=name)


def test_agreement_with_the_others_is_scipys(zoo_module, zoo):
    found = zoo_module.agreement_with_others(zoo.cosines)
    for i, row in enumerate(zoo.cosines):
        others = np.delete(zoo.cosines, i, axis=0).astype(np.float64).mean(axis=0)
        assert found[i] == pytest.approx(stats.spearmanr(row, others).statistic, abs=1e-9)
    assert found[0] > found[3] > found[4]


def test_neighbours_are_those_of_the_square_matrix(zoo_module, zoo):
    square = np.full((12, 12), -np.inf)
    for value, i, j in zip(zoo.cosines[0], *np.triu_indices(12, k=1), strict=True):
        square[i, j] = square[j, i] = value
    found = zoo.neighbours(zoo.cosines[0], 4)
    for i in range(12):
        assert found[i].tolist() == sorted(range(12), key=lambda j, i=i: -square[i, j])[:4]


def test_shared_neighbours_and_the_nearest_table(zoo_module, zoo):
    shared = zoo_module.shared_neighbours(zoo)
    for i in range(5):
        others = np.delete(zoo.cosines, i, axis=0).mean(axis=0)
        pairs = zip(zoo.neighbours(zoo.cosines[i]), zoo.neighbours(others), strict=True)
        assert shared[i] == pytest.approx(np.mean([len(set(a) & set(b)) / 5 for a, b in pairs]))
    table = zoo_module.nearest_table(zoo)
    mean = zoo.matrix(zoo.cosines.astype(np.float64).mean(axis=0))
    assert table["nearest_1"].tolist() == [f"c{j}" for j in mean.argmax(axis=1)]
    np.testing.assert_allclose(table["cosine_1"], mean.max(axis=1), atol=1e-4)
    firsts = np.stack([zoo.matrix(row).argmax(axis=1) for row in zoo.cosines])
    same = (firsts == mean.argmax(axis=1)).sum(axis=0)
    np.testing.assert_array_equal(table["classifiers_with_same_first"], same)


def test_the_noise_of_the_seeds_is_taken_out(zoo_module):
    # Three classifiers correlate at 0.6; each is known through two seeds with noise of its own strength.
    generator = np.random.default_rng(5)
    truth = generator.multivariate_normal(np.zeros(3), np.full((3, 3), 0.6) + 0.4 * np.eye(3), size=20_000).T
    seeds = truth + np.array([0.3, 1.0, 2.0])[:, None] * generator.normal(size=(2, 3, 20_000))
    between = np.array([confemb.rank_correlations(seeds[:, i])[0, 1] for i in range(3)])
    measured = confemb.rank_correlations(seeds.mean(axis=0))
    corrected = zoo_module.without_seed_noise(measured, between)
    upper = np.triu_indices(3, k=1)
    np.testing.assert_allclose(corrected[upper], confemb.rank_correlations(truth)[upper], atol=0.03)
    assert (measured[upper] < corrected[upper] - 0.1).sum() >= 2
    np.testing.assert_array_equal(np.diag(corrected), 1.0)


def test_families(zoo_module):
    names = ("resnext50", "se_resnext101", "senet154", "resnet50", "inception_resnet_v2_tf", "pnasnet_tf", "alexnet")
    names += ("densenet121",)
    assert zoo_module.families(names) == {
        "DenseNet": ["densenet121"],
        "SENet": ["se_resnext101", "senet154"],
        "ResNeXt": ["resnext50"],
        "NASNet": ["pnasnet_tf"],
        "Inception": ["inception_resnet_v2_tf"],
        "ResNet": ["resnet50"],
    }


def test_from_predictions_to_the_page(zoo_module):
    names = ("vgg11", "vgg16", "vgg19", "alexnet", "resnet50", "resnet101")
    predictions = {name: make_predictions(name, seed=seed) for seed, name in enumerate(names)}
    zoo = zoo_module.embed_zoo(predictions, zoo_module.Display(enabled=False))
    upper = np.triu_indices(12, k=1)
    counts = confemb.count_pairs(predictions["vgg16"], k=5)
    direct = [confemb.SkipGram(dim=50).embed(counts, seed=seed).cosine().values[upper] for seed in (2, 3)]
    np.testing.assert_allclose(zoo.cosines[1], np.mean(direct, axis=0), atol=1e-6)
    assert zoo.seed_agreement[1] == pytest.approx(stats.spearmanr(*direct).statistic, abs=1e-3)
    np.testing.assert_allclose(zoo.counts[1], confemb.count_similarity(counts).values[upper], atol=1e-7)
    summary = zoo_module.summarise(zoo, predictions).set_index("classifier")
    assert summary.loc["vgg19", "top_1"] == pytest.approx(predictions["vgg19"].accuracy)
    assert summary["family"].to_dict() == dict(zip(names, ["VGG"] * 3 + [""] + ["ResNet"] * 2, strict=True))
    agreement = confemb.SimilarityMatrix(confemb.rank_correlations(zoo.cosines), zoo.classifiers)
    table = zoo_module.agreement_table(agreement, agreement, summary.reset_index())
    assert table["median"][0] == pytest.approx(np.median(agreement.values[np.triu_indices(6, k=1)]))
    groups = {"VGG": names[:3], "ResNet": names[4:]}
    assert table["within families"][1] == pytest.approx(confemb.group_separation(agreement, groups).within_all)
    summary = summary.reset_index()
    page = zoo_module.findings(summary, table, zoo, zoo_module.nearest_table(zoo), summary[["classifier"]])
    assert "order the 66 pairs of 12 classes alike" in page
    with confemb.reporting.style.figure_style():
        figure = zoo_module.agreement_figure(agreement, zoo_module.families(names), title="", label="")
    shown = figure.axes[1].get_images()[0].get_array().filled(np.nan)
    order = [agreement.index(label.get_text()) for label in figure.axes[1].get_yticklabels()]
    assert sorted(order) == list(range(6))
    wanted = agreement.values[np.ix_(order, order)]
    np.testing.assert_allclose(shown[~np.eye(6, dtype=bool)], wanted[~np.eye(6, dtype=bool)])


def test_each_half_has_half_of_every_class(zoo_module, monkeypatch):
    found = make_predictions("vgg11", seed=4)
    seen = []
    embed = zoo_module.embed

    def spy(predictions, seeds):
        seen.append((np.bincount(predictions.labels).tolist(), list(seeds)))
        return embed(predictions, seeds)

    monkeypatch.setattr(zoo_module, "embed", spy)
    agreement = zoo_module.self_agreement(found, 7)
    assert seen == [([15] * 12, [7, 8]), ([15] * 12, [9, 10])]
    assert agreement["corrected"] >= agreement["other half of the pictures"]
    order = np.argsort(found.labels, kind="stable")
    counts = [confemb.count_similarity(confemb.count_pairs(found.where(order[i::2]), k=5)) for i in (0, 1)]
    # As float32: two ways to add up one sum are a tie then.
    values = [part.values[np.triu_indices(12, k=1)].astype(np.float32) for part in counts]
    assert agreement["plain counts"] == pytest.approx(stats.spearmanr(*values).statistic)


def test_the_file_is_read_and_checked(zoo_module, tmp_path):
    wnids = np.array([c.wnid for c in confemb.imagenet_classes()])
    labels, top = np.array([0, 1], np.int16), np.array([[0, 5, 6, 7, 8], [2, 1, 3, 4, 5]], np.uint16)
    path = tmp_path / "zoo.npz"
    np.savez(path, labels=labels, wnids=wnids, filenames=np.array(["x", "y"]), resnet50=top)
    found = zoo_module.read_zoo(path)
    assert list(found) == ["resnet50"]
    assert (found["resnet50"].accuracy, found["resnet50"].class_names[:2]) == (0.5, ("tench", "goldfish"))
    np.savez(path, labels=labels, wnids=wnids[::-1], resnet50=top)
    with pytest.raises(confemb.ConfembError, match="wnids must be those of ImageNet's"):
        zoo_module.read_zoo(path)
    np.savez(path, resnet50=top)
    with pytest.raises(confemb.ConfembError, match="no predictions of many classifiers: 'labels'"):
        zoo_module.read_zoo(path)
    np.savez(path, labels=labels, wnids=wnids, resnet50=top, names=np.array([{}]))
    with pytest.raises(confemb.ConfembError, match="no predictions of many classifiers: Object arrays"):
        zoo_module.read_zoo(path)
    with pytest.raises(confemb.ConfembError, match="does not exist"):
        zoo_module.read_zoo(tmp_path / "none.npz")
