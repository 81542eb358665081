"""Adding up pair counts in an Apache Beam pipeline, on whatever engine runs it (the extra `beam`).

    with beam.Pipeline() as pipeline:
        (
            pipeline
            | beam.Create(paths)
            | beam.Map(lambda path: confemb.count_shards([path], k=3))
            | beam.CombineGlobally(confemb.beam_sum())
            | beam.Map(lambda counts: counts.save("counts.npz"))
        )

The bytes are those of `confemb count`, however the engine shares the work.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from confemb.records.pairs import PairCounts, PairSum
from confemb.support.extras import import_extra

if TYPE_CHECKING:
    import apache_beam


def beam_sum() -> "apache_beam.CombineFn":
    """Return a `CombineFn` that adds `PairCounts` up to one, see `PairSum`.

    Raises:
        ConfembError: Apache Beam is not installed; when the pipeline runs, counts that do not fit or a shard twice.
    """
    beam = import_extra("apache_beam", "beam", what="pipelines")

    class Sum(beam.CombineFn):  # type: ignore[misc, name-defined]
        def create_accumulator(self) -> PairSum:
            return PairSum()

        def add_input(self, total: PairSum, counts: PairCounts) -> PairSum:
            total.add(counts)
            return total

        def merge_accumulators(self, totals: Iterable[PairSum]) -> PairSum:
            merged = PairSum()
            for total in totals:
                if not total.empty:
                    merged.add(total.counts())
            return merged

        def extract_output(self, total: PairSum) -> PairCounts:
            return total.counts()

    return Sum()
