"""Embedders turn pair counts, or a look into the classifier itself, into class vectors.

`confusion_rate` is the default; `skipgram` is the paper's; `directed`, `balanced` and `ppmi` are relatives of it,
`counts` is the plain baseline, `diffusion` follows the confusions over several steps, `weights` and `features` look
into the classifier. `embed_runs` embeds once for each seed, and once where an embedder knows no chance.

May import: support, records, datasets.
Start reading at: `Embedder` and `embed_runs` here, then `skipgram`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np

from confemb.records.embedding import ClassEmbedding, EmbeddingRuns
from confemb.records.pairs import PairCounts
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.progress import Steps
from confemb.support.ranges import check_seed
from confemb.support.registry import Registry
from confemb.support.threads import usable_cores

if TYPE_CHECKING:
    from confemb.datasets import Dataset
    from confemb.records.classifier import Classifier

EMBEDDERS = Registry(
    "embedder",
    "confemb.embedders",
    {
        "balanced": "confemb.embedders.balanced:Balanced",
        "confusion_rate": "confemb.embedders.confusion_rate:ConfusionRate",
        "counts": "confemb.embedders.counts:Counts",
        "diffusion": "confemb.embedders.diffusion:Diffusion",
        "directed": "confemb.embedders.directed:Directed",
        "features": "confemb.embedders.features:ClassifierFeatures",
        "ppmi": "confemb.embedders.ppmi:Ppmi",
        "skipgram": "confemb.embedders.skipgram:SkipGram",
        "weights": "confemb.embedders.weights:ClassifierWeights",
    },
)


# A part of gensim's work holds Python's lock: more threads than this would wait for one another.
_MOST_THREADS = 4


class Embedder(Protocol):
    """Anything that turns pair counts into one vector for each class.

    The same counts and seed must give the same bytes.

    Attributes:
        deterministic: whether the seed changes nothing, so that one run says all.

    An embedder may also have

    * `runs_in_threads`: true where several runs may go on at once, each in its thread;
    * `cosine_table(counts)`: the (K, K) cosines of its vectors, where they take less time than the vectors;
    * `fit(counts)`: an embedder fitted to all pictures, whose `cosine_table` gives the cosines of a bootstrap replicate
      in less time, and whose `interval(level)` gives (K, K) bounds of all similarities, of pairs never seen as well.
    """

    deterministic: ClassVar[bool]

    def embed(self, counts: PairCounts, *, seed: int) -> ClassEmbedding:
        """Return a (K, d) embedding of the counts' classes, in their order."""
        ...


@runtime_checkable
class ClassifierEmbedder(Protocol):
    """Anything that takes one vector for each class from the classifier itself rather than from its predictions.

    The same classifier and pictures must give the same bytes.
    """

    def embed_classifier(
        self,
        classifier: "Classifier",
        datasets: "Sequence[Dataset]",
        class_names: Sequence[str],
        *,
        batch_size: int,
        progress: Steps | None = None,
    ) -> ClassEmbedding:
        """Return an embedding of the classifier's classes, in its order; of those with pictures, where it needs them.

        Args:
            classifier: one that can be looked into, see `confemb.classifiers.classification.open_classifier`.
            datasets: the pictures that were predicted.
            class_names: what the classifier calls the datasets' classes, in their order.
            batch_size: pictures at a time.
            progress: called with (pictures done, pictures in all).
        """
        ...


def make_embedder(name: str, options: dict[str, Any]) -> Embedder | ClassifierEmbedder:
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
        return cast(Embedder | ClassifierEmbedder, TypeAdapter(embedder).validate_python(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfembError(f"embedding.{key} = {first['input']!r} is not allowed: {first['msg']}.") from None


def make_pair_embedder(name: str, options: dict[str, Any]) -> Embedder:
    """Make the embedder called `name` where there are predictions only.

    Raises:
        ConfembError: as `make_embedder`, and for an embedder that looks into the classifier.
    """
    embedder = make_embedder(name, options)
    if isinstance(embedder, ClassifierEmbedder):
        raise ConfembError(
            f"the embedder {name!r} looks into the classifier, which predictions do not hold; set "
            f'embedding.name = "{name}" in an experiment and run it, or choose an embedder of predictions.'
        )
    return embedder


def is_deterministic(embedder: Embedder | ClassifierEmbedder) -> bool:
    """Tell whether an embedder gives the same vectors whatever the seed."""
    # A plug-in that does not say is taken to depend on its seed.
    return isinstance(embedder, ClassifierEmbedder) or getattr(embedder, "deterministic", False)


def embed_runs(
    embedder: Embedder, counts: PairCounts, seeds: Sequence[int], *, progress: Steps | None = None
) -> EmbeddingRuns:
    """Embed the same counts once for each seed; `progress` is called with (runs done, runs in all).

    A deterministic embedder runs once, whatever the number of seeds.
    """
    if is_deterministic(embedder):
        seeds = seeds[:1]
    vectors = []
    for embedding in embed_seeds(embedder, counts, seeds):
        vectors.append(embedding.vectors)
        if progress is not None:
            progress(len(vectors), len(seeds))
    return EmbeddingRuns(np.stack(vectors), tuple(seeds), counts.class_names)


def embed_seeds(embedder: Embedder, counts: PairCounts, seeds: Sequence[int]) -> Iterator[ClassEmbedding]:
    """Embed the same counts with each seed, in their order; on all cores, where the embedder runs in threads."""
    for seed in seeds:
        check_seed(seed)
    threads = min(usable_cores(), len(seeds), _MOST_THREADS) if getattr(embedder, "runs_in_threads", False) else 1
    if threads == 1:
        for seed in seeds:
            yield embedder.embed(counts, seed=seed)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(lambda seed: embedder.embed(counts, seed=seed), seeds)
        finally:
            # Where one failed or the user stopped, those that have not begun need not.
            pool.shutdown(cancel_futures=True)
