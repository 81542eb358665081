"""Embedders turn pair counts into class vectors."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from confemb.embedding import ClassEmbedding, EmbeddingRuns
from confemb.errors import ConfembError, unknown_name
from confemb.pairs import PairCounts
from confemb.registry import Registry

EMBEDDERS = Registry("embedder", "confemb.embedders", {"skipgram": "confemb.embedders.skipgram:SkipGram"})


class Embedder(Protocol):
    """Anything that turns pair counts into one vector for each class.

    The same counts and seed must give the same bytes.

    Attributes:
        deterministic: whether the seed changes nothing, so that one run says all.
    """

    deterministic: ClassVar[bool]

    def embed(self, counts: PairCounts, *, seed: int) -> ClassEmbedding:
        """Return a (K, d) embedding of the counts' classes, in their order."""
        ...


def make_embedder(name: str, options: dict[str, Any]) -> Embedder:
    """Make the embedder called `name`, a dataclass, from its options.

    Raises:
        ConfembError: an unknown embedder or option, or a value of the wrong type or out of range.
    """
    from pydantic import TypeAdapter, ValidationError

    embedder = EMBEDDERS.get(name)
    known = [field.name for field in dataclasses.fields(embedder)]
    for option in options:
        if option not in known:
            raise unknown_name("option", option, known, where=f"the section [embedding] for {name!r}")
    try:
        return cast(Embedder, TypeAdapter(embedder).validate_python(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfembError(f"embedding.{key} = {first['input']!r} is not allowed: {first['msg']}.") from None


def embed_runs(
    embedder: Embedder, counts: PairCounts, seeds: Sequence[int], *, progress: Callable[[int, int], None] | None = None
) -> EmbeddingRuns:
    """Embed the same counts once for each seed; `progress` is called with (runs done, runs in all).

    A deterministic embedder runs once, whatever the number of seeds.
    """
    # A plug-in that does not say is taken to depend on its seed.
    if getattr(embedder, "deterministic", False):
        seeds = seeds[:1]
    vectors = []
    for done, seed in enumerate(seeds, start=1):
        vectors.append(embedder.embed(counts, seed=seed).vectors)
        if progress is not None:
            progress(done, len(seeds))
    return EmbeddingRuns(np.stack(vectors), tuple(seeds), counts.class_names)
