from pathlib import Path

import pytest

import confemb
from confemb.pipeline.experiment import load_experiment
from confemb.spaces.captions.settings import load_captions_experiment
from confemb.support.errors import ConfembError

EXPERIMENTS = sorted((Path(confemb.__file__).parent.parent / "experiments").glob("captions_*.toml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_captions_experiment_loads(path):
    experiment = load_captions_experiment(path.stem)
    assert experiment.name == path.stem
    assert experiment.title != path.stem
    # Data are the user's: no path stands in it.
    assert experiment.captions.file is None
    with pytest.raises(ConfembError, match="is run by `confemb captions train`"):
        load_experiment(path.stem)


def test_the_tutorials_setting_is_the_tutorials():
    found = load_captions_experiment("captions_tutorial")
    assert found.captions.captions_per_picture == 1
    assert found.captions.max_length == 16
    assert (found.space.dim, found.space.word_dim, found.space.activation, found.space.score) == (
        256,
        100,
        "tanh",
        "dot",
    )
    training = found.training
    assert (training.loss, training.negatives, training.margin, training.both_ways) == ("margin", "random", 1.0, False)
    assert (training.epochs, training.batch_size) == (16, 64)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.negative=random", "did you mean 'negatives'"),
        ("training.loss=contrastive", 'set negatives = "all"'),
        ("training.both_ways=true", "random negatives are captions only"),
        ("training.batch_size=1", "greater than or equal to 2"),
        ("space.score=euclid", "should be 'dot' or 'cosine'"),
        ("captions.validation=0", "greater than or equal to 1"),
    ],
)
def test_refusals(override, message):
    with pytest.raises(ConfembError, match=message):
        load_captions_experiment("captions_tutorial", [override])


def test_the_contrastive_loss_is_symmetric():
    with pytest.raises(ConfembError, match="set both_ways = true"):
        load_captions_experiment("captions_tutorial", ["training.loss=contrastive", "training.negatives=all"])


def test_other_experiments_are_run_by_another_command():
    with pytest.raises(ConfembError, match="is run by `confemb run`"):
        load_captions_experiment("digits")
