"""Choosing an embedder: in an experiment, and on the command line with its options."""

import json

import numpy as np
import pytest

from confemb.classifiers.adapters.flax import FlaxClassifier
from confemb.embedders import EMBEDDERS, is_deterministic, make_embedder
from confemb.networks import make_network
from confemb.networks.pretrained.weights import load_weights
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import run_experiment
from confemb.records.embedding import ClassEmbedding, EmbeddingRuns

MINI = {
    "name": "mini",
    "title": "A few digits",
    "dataset": {"name": "digits"},
    "classifier": {"name": "fast_cnn", "widths": [8, 16], "shift": 1, "mirror": False},
    "training": {"epochs": 1, "batch_size": 16, "learning_rate": 0.1},
}


def test_the_classifiers_own_vectors_in_an_experiment(tmp_path, digits, no_figures):
    for name in ("weights", "features"):
        run_experiment(Experiment.model_validate(MINI | {"embedding": {"name": name}}), tmp_path)
        runs = EmbeddingRuns.load(tmp_path / "embedding_runs.npz")
        network = make_network("fast_cnn", (8, 8, 1), 10, seed=0, options={"widths": [8, 16]})
        load_weights(network, tmp_path / "weights.safetensors")
        classifier = FlaxClassifier(network, digits["train"].class_names)
        expected = make_embedder(name, {}).embed_classifier(
            classifier, [digits["train"], digits["test"]], digits["train"].class_names, batch_size=256
        )
        np.testing.assert_allclose(runs.vectors[0], expected.vectors, atol=1e-5)
        assert runs.vectors.shape == (1, 10, 16)
        manifest = json.loads((tmp_path / "manifest.json").read_text())
        assert manifest["stages"]["embed"]["looks_into_classifier"] is True
        page = (tmp_path / "report.html").read_text()
        assert "the same classifier always gives the same vectors" in page
        assert "The vectors are taken from the classifier itself" in page
        assert "## Seeds" not in (tmp_path / "tables.md").read_text()


def test_every_embedder_of_pairs_on_the_command_line(run, files, no_figures):
    for name in EMBEDDERS.names():
        if name in ("weights", "features"):
            continue
        out = files / name
        status, said, err = run("embed", files / "p.csv", "--out", out, "--embedder", name, "--bootstraps", 0)
        assert (status, err) == (0, ""), name
        assert "Table 1" in said
        stage = json.loads((out / "manifest.json").read_text())["stages"]["embed"]
        deterministic = is_deterministic(make_embedder(name, {}))
        assert stage["deterministic"] is deterministic
        assert stage["seeds"] == ([0] if deterministic else list(range(20)))
        tables = (out / "tables.md").read_text()
        assert ("seeds" in tables) is not deterministic, name
        cosine = ClassEmbedding.load(out / "embedding.txt").cosine()
        assert cosine.between("a", "b") > cosine.between("a", "x"), name


def test_options_reach_the_embedder(run, files, no_figures):
    status, _, err = run(
        *("embed", files / "p.csv", "--out", files / "out", "--embedder", "ppmi", "--bootstraps", 0),
        *("--dim", 3, "--option", "shift=1.2", "--option", "context_smoothing = 1.0"),
    )
    assert (status, err) == (0, "")
    stage = json.loads((files / "out" / "manifest.json").read_text())["stages"]["embed"]
    assert stage["embedder"] == "Ppmi(dim=3, shift=1.2, context_smoothing=1.0, eigenvalue_weight=0.5)"
    assert ClassEmbedding.load(files / "out" / "embedding.txt").vectors.shape == (6, 3)
    # A value that is not TOML is a plain string.
    walk = ("--embedder", "diffusion", "--option", "weight=walk", "--bootstraps", 0)
    assert run("embed", files / "p.csv", "--out", files / "walk", *walk)[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--option", "dim"], "--option 'dim' must be KEY=VALUE, for example negative=10"),
        (["--option", "dim=3", "--dim", "3"], "--option 'dim=3': dim is given twice; give it once"),
        (["--option", "name=ppmi"], "--option 'name=ppmi': give it as --embedder"),
        (["--option", "seeds=3"], "--option 'seeds=3': give it as --seeds"),
        (["--option", "negatives=3"], "unknown option 'negatives'"),
        (["--embedder", "skipgram", "--option", "negative=0"], "embedding.negative = 0 is not allowed"),
        (["--embedder", "counts", "--dim", "3"], "unknown option 'dim' in the section [embedding] for 'counts'"),
        (["--embedder", "ppmi", "--dim", "7"], "dim = 7 is more than a matrix of 6 classes has dimensions"),
        (["--embedder", "diffusion", "--option", "time=inf"], "embedding.time = inf is not allowed"),
        (["--embedder", "diffusion", "--option", "weight=cold"], "embedding.weight = 'cold' is not allowed"),
        (["--embedder", "weights"], "the embedder 'weights' looks into the classifier"),
    ],
)
def test_wrong_options_are_refused(refused, files, options, message):
    assert message in refused("embed", files / "p.csv", "--out", files / "out", *options)
