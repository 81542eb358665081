"""How an analysis is made, and what its report shows (the section [report] of an experiment)."""

import os
from typing import Annotated

from pydantic import Field, ValidationError

from confemb.embedders.options import EmbedderOptions
from confemb.records.options import PairOptions
from confemb.stats.options import UncertaintyOptions
from confemb.support.files import read_bytes
from confemb.support.settings import Section, explain, parse_toml


class ReportOptions(Section):
    """What the report shows: declared groups of classes, references, how many example pictures.

    `reference` is one or several of `confemb list references`, with their arguments ("paper", "wordnet:wup",
    "glove:FILE"), or paths of other results; the first one stands in the tables of similarities.
    `item` is what it calls one of what was classified: "picture", "text"; the plural is made with an s.
    """

    groups: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default={})
    reference: str | list[str] | None = None
    examples: Annotated[int, Field(ge=0, le=64)] = 8
    item: Annotated[str, Field(min_length=1, max_length=40)] = "picture"

    @property
    def references(self) -> list[str]:
        """The references' names."""
        return reference_names(self.reference)


def reference_names(reference: str | list[str] | None) -> list[str]:
    """Return the names that `reference`, one or several or none, stands for."""
    return [reference] if isinstance(reference, str) else list(reference or [])


class AnalysisOptions(Section):
    """How pair counts become an analysis: everything but the counts themselves.

    `seed` is the first embedding seed; it also seeds the bootstrap. `title` and `description` head the report.
    """

    title: str = ""
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    pairs: PairOptions = PairOptions()
    embedding: EmbedderOptions = EmbedderOptions()
    uncertainty: UncertaintyOptions = UncertaintyOptions()
    report: ReportOptions = ReportOptions()


def load_groups(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Read groups of classes from a TOML file: a key for each group, `group = ["class", "class"]`.

    Raises:
        ConfembError: a file that is missing or not TOML, or a group that is no list of class names.
    """
    try:
        return ReportOptions.model_validate({"groups": parse_toml(read_bytes(path), str(path))}).groups
    except ValidationError as error:
        raise explain(error, str(path), ReportOptions) from None
