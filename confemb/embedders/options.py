"""Which embedder, with its options: the section [embedding] of an experiment."""

from typing import Annotated, Any

from pydantic import Field

from confemb.support.errors import ConfembError
from confemb.support.ranges import MOST_SEEDS
from confemb.support.settings import PluginSection, key_and_value

# What `confemb embed` and `confemb.analyze` use; experiments say theirs. It reads probabilities where there are any.
DEFAULT_EMBEDDER = "confusion_rate"


class EmbedderOptions(PluginSection):
    """Which embedder, over how many seeds (`seed`, `seed` + 1, ...), and its own options (`dim`, `order`, ...)."""

    name: str = "skipgram"
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = 20


def embedder_options(name: str, seeds: int, options: list[str], *, dim: int | None = None) -> EmbedderOptions:
    """Return the section [embedding] of a command line.

    Args:
        name: the embedder.
        seeds: how many seeds.
        options: "key=value" texts, the embedder's own options; values as in `load_experiment`.
        dim: the option `dim`; None: not given.

    Raises:
        ConfembError: a text that is not KEY=VALUE, or an option given twice or by another name on the command line.
    """
    given: dict[str, Any] = {} if dim is None else {"dim": dim}
    for text in options:
        key, value = key_and_value(text, "--option", example="negative=10")
        if key in EmbedderOptions.model_fields:
            raise ConfembError(f"--option {text!r}: give it as {'--embedder' if key == 'name' else '--seeds'}.")
        if key in given:
            raise ConfembError(f"--option {text!r}: {key} is given twice; give it once.")
        given[key] = value
    return EmbedderOptions(name=name, seeds=seeds, **given)
