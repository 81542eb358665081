"""Experiments on predictions made elsewhere: one classifier is `confemb embed`, many are added up and compared."""

import json

import numpy as np
import pandas as pd
import pytest

import confemb
from confemb.pipeline.experiment import load_experiment
from confemb.pipeline.predictions_experiment import PredictionsExperiment, PredictionsSection, load_runnable
from confemb.pipeline.predictions_run import read_classifiers
from confemb.records.embedding import ClassEmbedding, EmbeddingRuns
from confemb.records.imagenet import imagenet_classes
from confemb.records.pairs import PairCounts
from confemb.records.prediction_files import save_predictions
from confemb.result.model_files import pool
from confemb.stats.bootstrap import PictureResampling
from confemb.stats.seeds import rank_correlations

NAMES = tuple("abcdef")
SETTINGS = """
title = "A few classifiers"
[predictions]
path = "many.npz"
classes = "classes.txt"
[pairs]
k = 2
[embedding]
name = "diffusion"
dim = 3
[uncertainty]
pictures = 5
split_halves = 2
[families]
one = ["x", "y"]
"""


def classifier(seed, pictures=300):
    """Confuse classes within two blocks of three."""
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % 6
    scores = generator.normal(size=(pictures, 6)) + 2.0 * (labels[:, None] // 3 == np.arange(6) // 3)
    scores[np.arange(pictures), labels] += 1.5
    return confemb.predictions_from_scores(scores, labels, NAMES, k=4, logits=True, classifier=f"c{seed}")


@pytest.fixture(scope="module")
def found():
    return {name: classifier(seed) for seed, name in enumerate("xyz")}


@pytest.fixture
def folder(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {name: one.top_classes for name, one in found.items()}
    np.savez(tmp_path / "many.npz", labels=found["x"].labels, filenames=np.array(["p"] * 300), **arrays)
    (tmp_path / "classes.txt").write_text("\n".join(NAMES) + "\n")
    (tmp_path / "few.toml").write_text(SETTINGS)
    return tmp_path


def table(*counts):
    return sum(one.matrix().toarray() for one in counts).tolist()


def test_counts_of_many_are_the_sum_and_pictures_are_drawn_for_all_at_once(found):
    together = pool(found, k=2)
    assert len(together) == 900
    every = [confemb.count_pairs(one, k=2) for one in found.values()]
    assert table(confemb.count_pairs(together, k=2)) == table(*every)
    # A replicate of the whole is the sum of the classifiers' replicates: the same pictures are drawn for each.
    ids = np.array([str(i) for i in range(300)])
    single = [
        PictureResampling(confemb.Predictions(o.labels, o.top_classes, None, NAMES, ids), k=2).replicate(3)
        for o in found.values()
    ]
    assert table(PictureResampling(together, k=2).replicate(3)) == table(*single)


def test_many_classifiers_give_one_result_each_ones_vectors_and_a_study(run, folder, found):
    status, out, err = run("run", "few.toml", "--out", "result")
    assert status == 0, err
    assert "nearest class" in out
    embedder = confemb.embedders.make_pair_embedder("diffusion", {"dim": 3})
    counts = {name: confemb.count_pairs(one, k=2) for name, one in found.items()}
    for name, one in counts.items():
        vectors = ClassEmbedding.load(folder / "result" / "embeddings" / f"{name}.txt")
        np.testing.assert_allclose(vectors.vectors, embedder.embed(one, seed=0).vectors, atol=1e-6)
    total = PairCounts.load(folder / "result" / "pairs.npz")
    assert table(total) == table(*counts.values())
    runs = EmbeddingRuns.load(folder / "result" / "embedding_runs.npz")
    np.testing.assert_allclose(runs.vectors[0], embedder.embed(total, seed=0).vectors, atol=1e-6)
    studied = pd.read_csv(folder / "result" / "models" / "agreement_diffusion.csv", index_col=0)
    cosines = np.stack([embedder.embed(one, seed=0).cosine().values[np.triu_indices(6, 1)] for one in counts.values()])
    np.testing.assert_allclose(studied.to_numpy(), rank_correlations(cosines), atol=1e-5)
    nearest = pd.read_csv(folder / "result" / "models" / "nearest.csv", index_col=0)
    mean = np.full((6, 6), -np.inf)
    mean[np.triu_indices(6, 1)] = cosines.mean(axis=0)
    mean = np.maximum(mean, mean.T)
    assert nearest["nearest_1"].tolist() == [NAMES[i] for i in mean.argmax(axis=1)]
    same = [sum(mean_of(row).argmax(axis=1)[i] == mean[i].argmax() for row in cosines) for i in range(6)]
    assert nearest["classifiers_that_agree"].tolist() == same
    manifest = json.loads((folder / "result" / "manifest.json").read_text())
    assert manifest["source"]["settings"]["pairs"]["k"] == 2
    assert list(manifest["source"]["files"]) == ["many.npz"]
    # The same again gives the same bytes.
    before = {p: p.read_bytes() for p in (folder / "result").rglob("*") if p.suffix in (".txt", ".csv", ".md", ".html")}
    run("run", "few.toml", "--out", "result")
    for path, content in before.items():
        if path.name != "report.html":
            assert path.read_bytes() == content, path


def mean_of(row):
    full = np.full((6, 6), -np.inf)
    full[np.triu_indices(6, 1)] = row
    return np.maximum(full, full.T)


def test_one_classifier_gives_what_embed_gives(run, folder, found):
    save_predictions(found["y"], folder / "y.parquet")
    options = ["--set", "predictions.path=y.parquet", "--set", "families={}"]
    status, _, err = run("run", "few.toml", "--out", "one", *options)
    assert status == 0, err
    run("embed", "y.parquet", "--out", "two", "--embedder", "diffusion", "-k", 2, "--dim", 3, "--bootstraps", 5)
    for name in ("embedding.txt", "similarity_matrix.csv", "pairs.npz"):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
    assert not (folder / "one" / "models").exists()
    # Chosen from many by name.
    run("run", "few.toml", "--out", "three", "--set", 'predictions.classifiers=["y"]')
    assert (folder / "three" / "embedding.txt").read_bytes() == (folder / "one" / "embedding.txt").read_bytes()


def test_what_does_not_fit_is_refused(refused, folder):
    elsewhere = "is run by `confemb run`: it has the section [predictions]"
    assert elsewhere in refused("train", "few.toml")
    assert elsewhere in refused("retrain", "few.toml", "--networks", 2, "--out", "o")
    assert "unknown classifier 'w' in predictions.classifiers" in refused(
        "run", "few.toml", "--set", 'predictions.classifiers=["w"]'
    )
    assert "unknown key 'pth' in the section [predictions]" in refused("run", "few.toml", "--set", "predictions.pth=1")
    assert "both sections [dataset] and [predictions]" in refused("run", "few.toml", "--set", "dataset.name=digits")
    assert "k = 5" in refused("run", "few.toml", "--set", "pairs.k=5")
    assert "'q'" in refused("run", "few.toml", "--set", 'families={"one"=["q"]}', "--out", "o")
    assert isinstance(load_runnable("few.toml"), PredictionsExperiment)
    with pytest.raises(confemb.ConfembError, match="is run by `confemb run`"):
        load_experiment("few.toml")


def test_no_classifiers_name_leads_out_of_the_result(refused, folder, found):
    arrays = {"x": found["x"].top_classes, "../../outside": found["y"].top_classes}
    np.savez(folder / "many.npz", labels=found["x"].labels, **arrays)
    (folder / "few.toml").write_text(SETTINGS.split("[families]")[0])
    message = refused("run", "few.toml", "--out", "a/result")
    assert "the classifier '../../outside' cannot give a file its name" in message
    assert not (folder / "a").exists()


def test_pictures_of_several_classes_are_not_put_together(found):
    labels = np.array([0, 1])
    one = confemb.Predictions(labels, np.array([[2], [2]]), None, NAMES, np.array(["p", "p"]), weights=[0.5, 0.5])
    with pytest.raises(confemb.ConfembError, match="cannot be put together"):
        pool({"x": one, "y": one}, k=1)


def test_imagenets_classes_are_known_by_name():
    from confemb.records.class_cells import load_class_names

    assert load_class_names("imagenet") == tuple(c.name for c in imagenet_classes())


def test_of_scores_as_many_classes_are_kept_as_are_asked_for(tmp_path):
    probs = np.random.default_rng(0).dirichlet(np.ones(8), size=40)
    np.savez(tmp_path / "p.npz", probs=probs, labels=np.arange(40) % 8)
    section = PredictionsSection(path=str(tmp_path / "p.npz"))
    assert read_classifiers(section)["p"].k == 5
    np.testing.assert_array_equal(
        read_classifiers(section, keep=7)["p"].top_classes, np.argsort(-probs, axis=1, kind="stable")[:, :7]
    )
