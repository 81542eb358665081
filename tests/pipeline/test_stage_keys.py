"""Each stage's key holds all that its outcome depends on, and nothing else: every option, changed by itself."""

from inspect import isclass
from typing import get_args

import pytest
from pydantic import BaseModel

from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import Run
from confemb.support.progress import Display

BASE = {
    "name": "mini",
    "title": "A few digits",
    "dataset": {"name": "digits"},
    "classifier": {"name": "fast_cnn", "widths": [8, 16], "shift": 1, "mirror": False},
    "training": {"epochs": 4, "learning_rate": 0.1},
    "embedding": {"dim": 4},
}
# Option -> another value, and the first stage that has to run anew; None for what only the report shows.
CHANGES = {
    "name": ("other", None),
    "title": ("Another", None),
    "description": ("Another", None),
    "seed": (1, "train"),
    # The same pictures under other names are tested below; these two options digits does not take.
    "dataset.path": None,
    "dataset.image_size": None,
    "dataset.crop": None,
    "dataset.name": None,
    "dataset.train": ("test", "train"),
    "dataset.test": (None, None),
    "dataset.predict": (["test"], "predict"),
    "dataset.hold_out": (["nine"], "train"),
    # Another network has other options, so that it never changes alone.
    "classifier.name": None,
    "classifier.weights": None,
    "classifier.shift": (0, "train"),
    "training.epochs": (5, "train"),
    "training.batch_size": (64, "train"),
    "training.learning_rate": (0.2, "train"),
    "training.momentum": (0.8, "train"),
    "training.nesterov": (False, "train"),
    "training.weight_decay": (0.1, "train"),
    "training.label_smoothing": (0.1, "train"),
    # They go with label_smoothing = "similarity" only; tests/networks/training/test_smoothing.py has their keys.
    "training.smoothing_similarity": None,
    "training.smoothing_share": None,
    "training.schedule": ("cosine", "train"),
    "training.warmup": (0.1, "train"),
    "training.step_epochs": (3, "train"),
    "training.ema_decay": (0.9, "train"),
    "training.keep_epochs": ([1], "train"),
    "training.dtype": ("bfloat16", "train"),
    "prediction.k": (4, "predict"),
    "prediction.mirror": (True, "predict"),
    "pairs.k": (2, "embed"),
    "pairs.self_pairs": ("drop", "embed"),
    "pairs.missing_classes": ("drop", "embed"),
    "pairs.weighting": ("probability", "embed"),
    "pairs.temperature": (2.0, "embed"),
    "embedding.name": ("directed", "embed"),
    "embedding.seeds": (3, "embed"),
    "embedding.dim": (3, "embed"),
    "uncertainty.pictures": (3, "uncertainty"),
    "uncertainty.split_halves": (3, "uncertainty"),
    "uncertainty.dimension_splits": (3, "uncertainty"),
    "report.groups": ({"odd": ["one", "three"]}, None),
    "report.reference": ([], None),
    "report.examples": (3, "predict"),
    "report.item": ("digit", None),
}
STAGES = ("train", "predict", "embed", "uncertainty")


def options(model=Experiment, prefix=""):
    """Return the dotted names of every option of an experiment."""
    found = set()
    for name, field in model.model_fields.items():
        annotations = [a for a in (field.annotation, *get_args(field.annotation)) if isclass(a)]
        sections = [a for a in annotations if issubclass(a, BaseModel)]
        found |= options(sections[0], f"{prefix}{name}.") if sections else {prefix + name}
    return found


def keys(folder, **changes):
    table = dict(BASE)
    for section, change in changes.items():
        table[section] = table.get(section, {}) | change if isinstance(change, dict) else change
    experiment = Experiment.model_validate(table)
    run = Run(experiment, folder, Display())
    return run._keys(experiment.model_dump(mode="json", exclude_none=True))


def test_every_option_is_looked_at():
    assert options() <= set(CHANGES)


@pytest.mark.parametrize("option", [name for name, change in CHANGES.items() if change is not None])
def test_an_option_changes_the_stages_that_depend_on_it(option, tmp_path):
    value, first = CHANGES[option]
    section, _, name = option.rpartition(".")
    changed = {section: {name: value}} if section else {name: value}
    before, after = keys(tmp_path), keys(tmp_path, **changed)
    anew = STAGES[STAGES.index(first) :] if first else ()
    assert {stage for stage in STAGES if before[stage] != after[stage]} == set(anew)
