"""An experiment's configuration, put together from the sections of its stages."""

from typing import Annotated

from pydantic import Field

from confemb.analysis.options import ReportOptions
from confemb.classifiers.options import ClassifierOptions, PredictionOptions
from confemb.datasets.options import DatasetOptions
from confemb.embedders.options import EmbedderOptions
from confemb.networks.training.options import TrainingOptions
from confemb.records.options import PairOptions
from confemb.stats.options import UncertaintyOptions
from confemb.support.settings import Name, Section, load_settings


class Experiment(Section):
    """One experiment, complete: everything a result depends on."""

    name: Name
    title: str
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    dataset: DatasetOptions
    classifier: ClassifierOptions
    training: TrainingOptions | None = None
    prediction: PredictionOptions = PredictionOptions()
    pairs: PairOptions = PairOptions()
    embedding: EmbedderOptions = EmbedderOptions()
    uncertainty: UncertaintyOptions = UncertaintyOptions()
    report: ReportOptions = ReportOptions()


def load_experiment(name_or_path: str, overrides: list[str] | None = None) -> Experiment:
    """Read an experiment by file, bare name, or "-" for standard input, and check it.

    Args:
        name_or_path: a TOML file, or the bare name of one in the experiments folder.
        overrides: "section.key=value" texts that replace single values; the value is read as TOML, or
            as a plain string where it is not TOML.

    Raises:
        ConfembError: a file that is missing or not TOML, an unknown key (the nearest known one is
            named), or a value of the wrong type or out of range.
    """
    return load_settings(Experiment, name_or_path, overrides)
