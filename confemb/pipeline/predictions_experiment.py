"""An experiment on predictions that were made elsewhere: its configuration."""

from typing import Annotated

from pydantic import Field

from confemb.analysis.options import ReportOptions
from confemb.embedders.options import EmbedderOptions
from confemb.pipeline.experiment import Experiment
from confemb.records.options import PairOptions
from confemb.stats.options import UncertaintyOptions
from confemb.support.errors import ConfembError
from confemb.support.settings import Name, Section, check_settings, read_settings


class PredictionsSection(Section):
    """Predictions that were made elsewhere, in place of a dataset and a classifier.

    `path` is one or several of: a file of predictions (see `confemb.load_predictions`), a result folder, an NPZ file
    of many classifiers (see `result.model_files.load_many`). `classes` are the class names in index order, where the
    files do not say them: as for `confemb embed --classes`. `classifiers` picks some of those in the files.
    """

    path: str | Annotated[list[str], Field(min_length=1)]
    classes: str | None = None
    classifiers: Annotated[list[str], Field(min_length=1)] | None = None

    @property
    def paths(self) -> list[str]:
        """The files and folders."""
        return [self.path] if isinstance(self.path, str) else list(self.path)


class PredictionsExperiment(Section):
    """An experiment on predictions that were made elsewhere, of one classifier or of many, in `families` or not."""

    name: Name
    title: str
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    predictions: PredictionsSection
    families: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default={})
    pairs: PairOptions = PairOptions()
    embedding: EmbedderOptions = EmbedderOptions()
    uncertainty: UncertaintyOptions = UncertaintyOptions()
    report: ReportOptions = ReportOptions()


def load_runnable(name_or_path: str, overrides: list[str] | None = None) -> Experiment | PredictionsExperiment:
    """Read an experiment that `confemb run` runs, of either kind; raises ConfembError as `confemb.load_experiment`."""
    table, where = read_settings(name_or_path, overrides)
    if "predictions" in table and "dataset" in table:
        raise ConfembError(f"{where} has both sections [dataset] and [predictions]; leave one of them out.")
    if "predictions" in table:
        return check_settings(PredictionsExperiment, table, where)
    return check_settings(Experiment, table, where)
