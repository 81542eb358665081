"""What the README shows: its commands, experiments, Python and links are those of the code beside it."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

import confemb
from confemb.cli.app import app
from confemb.pipeline.experiment import load_experiment
from confemb.pipeline.predictions_experiment import load_runnable

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
if not (README.is_file() and (ROOT / "reports").is_dir()):
    pytest.skip("there are no README and reports here", allow_module_level=True)
TEXT = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return the calls of confemb in blocks and between backticks; one word alone is a command's name."""
    lines = [line.removeprefix("$ ") for block in (*blocks("sh"), *blocks("console")) for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    found = [*lines, *(" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose))]
    return [one for one in dict.fromkeys(found) if one.startswith("confemb ")]


@pytest.mark.parametrize("line", commands())
def test_commands_have_the_arguments_and_options_that_are_shown(line):
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if words and words[0].startswith("-"):
        # Without its arguments: an option that is talked of.
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known
    elif words:
        command.make_context("confemb", words)


def test_the_result_shown_is_printed_as_shown(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (block,) = blocks("console")
    line, printed = re.search(r"^\$ confemb (similar .*)\n((?s:.*))", block, flags=re.MULTILINE).groups()
    app(shlex.split(line), standalone_mode=False)
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("text", blocks("toml"))
def test_experiments_are_valid(text, tmp_path):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    load_runnable(str(tmp_path / "mine.toml"))


def test_an_experiment_on_other_pictures_keeps_nothing_of_cifar10(tmp_path):
    (text,) = (block for block in blocks("toml") if "extends" in block)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    report = load_experiment(str(tmp_path / "mine.toml")).report
    assert (report.groups, report.references) == ({}, [])


def test_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_names = ["cat", "dog", "horse", "truck"]
    labels = np.repeat(np.arange(4), 50)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=200)
    given = {"probabilities": probabilities, "labels": labels, "class_names": class_names, "images": probabilities}
    for block in blocks("python"):
        exec(block, given | {"my_function": lambda batch: batch})


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(?:python )?(experiments/[\w/]+(?:\.\w+)?)", TEXT))))
def test_scripts_are_there(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Classifier|\w+\(\))`", TEXT))))
def test_names_are_public(name):
    assert name.removesuffix("()").removeprefix("confemb.") in confemb.__all__
