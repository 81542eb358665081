import io
import sys
import time
from pathlib import Path

import pytest

import confemb
from confemb.analysis.options import ReportOptions
from confemb.pipeline.experiment import load_experiment
from confemb.pipeline.predictions_experiment import load_runnable
from confemb.support.errors import ConfembError
from confemb.support.settings import experiment_names

# Those on captions are of another kind: tests/captions/test_settings.py.
EXPERIMENTS = sorted(
    path
    for path in (Path(confemb.__file__).parent.parent / "experiments").glob("*.toml")
    if not path.stem.startswith("captions_")
)

BASE = """
title = "Base"
description = "What it is."
seed = 4

[dataset]
name = "digits"

[classifier]
name = "fast_cnn"
widths = [8, 16]
mirror = false

[training]
epochs = 2
learning_rate = 0.1

[embedding]
name = "skipgram"
dim = 3
seeds = 7

[report.groups]
low = ["zero", "one"]
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write an experiment beside base.toml; the working folder is another one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "base.toml").write_text(BASE)

    def call(text, name="mine"):
        (tmp_path / f"{name}.toml").write_text(text)
        return str(tmp_path / f"{name}.toml")

    return call


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_of_the_repository_loads(path):
    experiment = load_runnable(str(path))
    assert experiment.name == path.stem
    assert experiment.title != path.stem
    assert load_runnable(path.stem) == experiment
    assert path.stem in experiment_names()


def test_values_and_defaults(write):
    experiment = load_experiment(write(BASE))
    assert (experiment.name, experiment.title, experiment.seed) == ("mine", "Base", 4)
    assert experiment.classifier.options == {"widths": [8, 16], "mirror": False}
    assert (experiment.embedding.seeds, experiment.embedding.options) == (7, {"dim": 3})
    assert experiment.dataset.predict is None
    assert (experiment.prediction.k, experiment.pairs.k, experiment.pairs.self_pairs) == (3, 3, "keep")
    assert (experiment.training.momentum, experiment.training.schedule) == (0.9, "triangle")
    assert (experiment.report.reference, experiment.report.groups) == (None, {"low": ["zero", "one"]})


def test_an_extended_experiment_changes_single_values(write):
    child = load_experiment(
        write('extends = "base"\ntitle = "Longer"\n[training]\nepochs = 5\n[report.groups]\nhigh = ["eight"]\n')
    )
    base = load_experiment(write(BASE))
    assert (child.name, child.title, child.description) == ("mine", "Longer", "What it is.")
    assert child.training == base.training.model_copy(update={"epochs": 5})
    assert child.classifier == base.classifier
    assert child.report.groups == {"low": ["zero", "one"], "high": ["eight"]}


def test_an_empty_table_within_a_section_takes_the_bases_away(write):
    child = load_experiment(write('extends = "base"\n[report]\ngroups = {}\n'))
    assert child.report.groups == {}
    # A section with nothing in it changes nothing.
    assert load_experiment(write('extends = "base"\n[report]\n[training]\n')).report.groups == {"low": ["zero", "one"]}


def test_another_plug_in_drops_the_options_of_the_bases(write):
    child = load_experiment(
        write('extends = "base"\n[classifier]\nname = "paper_cnn"\n[embedding]\nname = "skipgram"\ndim = 9\n')
    )
    assert child.classifier.options == {}
    # The same plug-in keeps them.
    assert (child.embedding.seeds, child.embedding.options) == (7, {"dim": 9})


def test_a_base_that_leaves_the_name_to_the_default_is_extended(write):
    write(BASE.replace('name = "skipgram"\n', ""), "nameless")
    child = load_experiment(write('extends = "nameless"\n[embedding]\nname = "skipgram"\ndim = 9\n'))
    assert (child.embedding.seeds, child.embedding.options) == (7, {"dim": 9})


def test_extends_goes_over_several_steps_and_by_name(write):
    write('extends = "base.toml"\nseed = 5\n', "middle")
    assert load_experiment(write('extends = "middle"\n')).seed == 5
    assert load_experiment(write('extends = "digits"\n')).classifier == load_experiment("digits").classifier


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "mine"', r"mine\.toml extends itself; remove the circle"),
        ('extends = "other"', r"mine\.toml extends itself|other\.toml extends itself"),
        ('extends = "bases"', "unknown experiment 'bases'"),
        ("extends = 3", "`extends` must be the name of an experiment, in quotes"),
        ("seed = = 3", r"mine\.toml is not valid TOML: .*line 1"),
        ("seed = '\xff", r"mine\.toml is not valid TOML"),
    ],
)
def test_broken_files_are_refused(write, text, message):
    write('extends = "mine"', "other")
    with pytest.raises(ConfembError, match=message):
        load_experiment(write(text))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "training.epoch=3",
            r"unknown key 'epoch' in the section \[training\] of .*mine\.toml: did you mean 'epochs'\?",
        ),
        ("dataset.nmae=3", r"unknown key 'nmae' in the section \[dataset\] of .*: did you mean 'name'\?"),
        ("sed=3", r"unknown key 'sed' in .*mine\.toml: did you mean 'seed'\?"),
        ("trainings.epochs=3", "unknown key 'trainings' in .*did you mean 'training'"),
        ("report.group=3", r"unknown key 'group' in the section \[report\]"),
        ("training.epochs=0", r"training\.epochs = 0 is not allowed: input should be greater than or equal to 1"),
        ("training.epochs=2.5", r"training\.epochs = 2\.5 is not allowed"),
        ("training.epochs=many", r"training\.epochs = 'many' is not allowed"),
        ("training.learning_rate=-1", r"training\.learning_rate = -1 is not allowed"),
        ("training.learning_rate=nan", r"training\.learning_rate = nan is not allowed"),
        ("training.momentum=1", r"training\.momentum = 1 is not allowed"),
        ("training.schedule=linear", r"training\.schedule = 'linear' is not allowed: .*'step' or 'constant'"),
        ("pairs.self_pairs=maybe", r"pairs\.self_pairs = 'maybe' is not allowed: .*'keep' or 'drop'"),
        ("dataset.predict=[]", r"dataset\.predict = \[\] is not allowed"),
        ("dataset=digits", r"dataset = 'digits' is not allowed"),
        ("seed=-1", "seed = -1 is not allowed"),
        ("training.epochs", "--set 'training.epochs' must be KEY=VALUE, for example"),
        ("=3", "--set '=3' must be KEY=VALUE"),
        ("seed.deep=3", "--set 'seed.deep=3': 'seed' is a value, not a section"),
    ],
)
def test_wrong_values_and_keys_are_refused(write, override, message):
    with pytest.raises(ConfembError, match=message):
        load_experiment(write(BASE), [override])


def test_a_missing_key_is_named(write):
    with pytest.raises(ConfembError, match=r"mine\.toml lacks the key 'training\.learning_rate'; add it"):
        load_experiment(write(BASE.replace("learning_rate = 0.1", "")))
    with pytest.raises(ConfembError, match=r"mine\.toml lacks the key 'dataset'; add it"):
        load_experiment(write("# nothing"))


def test_set_reads_numbers_strings_and_lists(write):
    overrides = [
        "training.epochs=9",
        "training.learning_rate=1e-3",
        "training.nesterov=false",
        "dataset.predict=['test']",
        "classifier.widths=[4, 5]",
        'title="Two words"',
        "description=no quotes, an = sign",
        "report.reference=paper",
        "report.groups.round=['zero', 'eight']",
        "embedding.learning_rate = 0.5",
        "seed=1",
        "seed=2",
    ]
    experiment = load_experiment(write(BASE), overrides)
    assert (experiment.training.epochs, experiment.training.learning_rate) == (9, 0.001)
    assert experiment.training.nesterov is False
    assert experiment.dataset.predict == ["test"]
    assert experiment.classifier.options == {"widths": [4, 5], "mirror": False}
    assert (experiment.title, experiment.description) == ("Two words", "no quotes, an = sign")
    assert experiment.report.reference == "paper"
    assert experiment.report.groups == {"low": ["zero", "one"], "round": ["zero", "eight"]}
    assert experiment.embedding.options == {"dim": 3, "learning_rate": 0.5}
    assert experiment.seed == 2


def test_standard_input(write, monkeypatch):
    def given(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return load_experiment("-")

    assert given(BASE).name == "stdin"
    assert given('extends = "digits"\nseed = 9\n').classifier == load_experiment("digits").classifier
    with pytest.raises(ConfembError, match="unknown key 'sed' in standard input: did you mean 'seed'"):
        given(BASE.replace("seed", "sed", 1))
    with pytest.raises(ConfembError, match="standard input is not valid TOML"):
        given("[")


def test_experiments_that_are_not_there(tmp_path):
    with pytest.raises(ConfembError, match="unknown experiment 'digit': did you mean 'digits'"):
        load_experiment("digit")
    with pytest.raises(
        ConfembError, match=r"there is no experiment file .*none\.toml; give a TOML file or a name: .*digits"
    ):
        load_experiment(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("given", "names"), [(None, []), ("paper", ["paper"]), (["paper", "wordnet:wup"], ["paper", "wordnet:wup"])]
)
def test_references_may_be_one_or_several(given, names):
    assert ReportOptions(reference=given).references == names


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 50_000 + " = 1",
        "[a" + ".a" * 50_000 + "]",
        "a = {" + '"a" . ' * 5_000 + "a = 1}",
        "a = " + "[" * 9_000,
    ],
)
def test_keys_nested_without_end_are_refused_at_once(write, text):
    started = time.monotonic()
    with pytest.raises(ConfembError, match=r"mine\.toml is no TOML that can be read: it is nested too deeply"):
        load_experiment(write(text))
    assert time.monotonic() - started < 5


def test_numbers_of_thousands_of_digits_are_refused(write):
    with pytest.raises(ConfembError, match=r"mine\.toml is not valid TOML: Exceeds the limit"):
        load_experiment(write("seed = " + "9" * 5_000))
    with pytest.raises(ConfembError, match="seed = '999"):
        load_experiment(write(BASE), ["seed=" + "9" * 5_000])
