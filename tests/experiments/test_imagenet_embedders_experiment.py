"""experiments/imagenet_embedders.py: the embedders measured against WordNet and against halves of the pictures."""

import numpy as np
import pytest
from scipy import stats

import confemb
from confemb.embedders import make_pair_embedder
from confemb.reporting.study import write_study
from confemb.support.progress import Display

CLASSES = 12
NAMES = tuple(f"class {i:02}" for i in range(CLASSES))
UPPER = np.triu_indices(CLASSES, k=1)


@pytest.fixture(scope="module")
def module(load_script):
    return load_script("imagenet_embedders")


def classifier(name, seed, pictures=480):
    """Confuses classes of one block of four, and rather the neighbours in it."""
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % CLASSES
    block = labels[:, None] // 4 == np.arange(CLASSES) // 4
    scores = generator.normal(size=(pictures, CLASSES)) + 2.5 * block
    scores[np.arange(pictures), labels] += 2
    scores[np.arange(pictures), (labels + 1) % CLASSES] += 1
    top = np.argsort(-scores, axis=1)[:, :5]
    return confemb.Predictions(labels, top, None, NAMES, dataset="val", classifier=name)


@pytest.fixture(scope="module")
def zoo():
    names = ("densenet1", "densenet2", "resnet1", "resnet2", "vgg1", "vgg2", "alexnet")
    return {name: classifier(name, seed) for seed, name in enumerate(names)}


@pytest.fixture(scope="module")
def truth():
    """Pairs of one block are alike, and the next neighbours most."""
    i, j = UPPER
    return (i // 4 == j // 4) * 2.0 + (j - i == 1)


@pytest.fixture(scope="module")
def frame(module, zoo, truth):
    ranks = module.standard_ranks(truth)
    families = {"DenseNet": ["densenet1", "densenet2"], "ResNet": ["resnet1", "resnet2"], "VGG": ["vgg1", "vgg2"]}
    return module.measure_all(zoo, families, module.Ranks(ranks, ranks), 1, Display(enabled=False))


def test_ranks_give_spearmans_correlation(module):
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 5, 50), generator.normal(size=50)
    found = module.standard_ranks(x) @ module.standard_ranks(y)
    assert found == pytest.approx(stats.spearmanr(x, y).statistic)


def test_settings_are_judged_on_other_families_than_they_were_chosen_on(module, zoo, frame):
    assert set(frame[frame["chosen_on"]]["classifier"]) == {"densenet1", "densenet2", "resnet1", "resnet2"}
    assert set(frame[~frame["chosen_on"]]["family"]) == {"VGG", ""}
    assert set(frame.groupby("embedder")["classifier"].nunique()) == {7}
    assert set(frame["embedder"]) == set(module.embedders(CLASSES))


@pytest.mark.parametrize(
    ("name", "options"), [("diffusion (direct)", {"compare": "direct"}), ("diffusion", {"compare": "profiles"})]
)
def test_agreement_and_reliability_are_those_of_the_embedding(frame, zoo, truth, name, options):
    embedder = make_pair_embedder("diffusion", options)
    row = frame[(frame["classifier"] == "vgg1") & (frame["embedder"] == name) & (frame["k"] == 3)].iloc[0]
    cosines = embedder.embed(confemb.count_pairs(zoo["vgg1"], k=3), seed=0).cosine().values[UPPER]
    assert row["wup"] == row["path"] == pytest.approx(stats.spearmanr(cosines, truth).statistic, abs=1e-6)
    halves = [
        embedder.embed(half, seed=0).cosine().values[UPPER]
        for half in confemb.stats.bootstrap.PictureResampling(zoo["vgg1"], k=3).halves(0)
    ]
    half = stats.spearmanr(*(values.astype(np.float32) for values in halves)).statistic
    assert row["halves"] == pytest.approx(half, abs=1e-6)
    assert row["whole"] == pytest.approx(2 * half / (1 + half), abs=1e-6)


def test_the_report_says_what_was_measured_and_comes_out_the_same_again(module, frame, tmp_path):
    study = module.study_of(frame, {"files": {}})
    judged = frame[~frame["chosen_on"] & (frame["embedder"] == "diffusion") & (frame["k"] == 3)]
    assert f"{judged['wup'].mean():.3f} ({judged['wup'].min():.3f} to {judged['wup'].max():.3f})" in study.findings[0]
    assert "the 3 classifiers its settings were not chosen on" in study.findings[0]
    for name in ("one", "two"):
        write_study(study, tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name
    assert {path.name for path in (tmp_path / "one" / "figures").iterdir()} >= {"embedders.png", "embedders.svg"}
    table = module.summarise(frame)
    assert table["embedder"].tolist()[::3] == list(module.embedders(1000))
    families = module.by_family(frame).set_index("family")["settings chosen on it"].to_dict()
    assert families == {"VGG": "no", "others": "no", "DenseNet": "yes", "ResNet": "yes"}


def test_a_wordnet_that_is_none_is_said(module, tmp_path):
    pytest.importorskip("nltk")
    with pytest.raises(confemb.ConfembError, match="holds no WordNet"):
        module.wordnet_ranks(NAMES, tmp_path)
