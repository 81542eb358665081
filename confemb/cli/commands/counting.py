"""The command `count`: many predictions into one file of pair counts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from confemb.cli.commands.options import ClassNames, PairedClasses, given_paths
from confemb.cli.commands.printing import note, say
from confemb.cli.commands.reading import reads, with_classes
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.support.output_folder import refuse_input
from confemb.support.ranges import MOST_REPLICATES, MOST_SEED


@reads()
def count(
    shards: Annotated[
        list[str],
        typer.Argument(metavar="SHARDS...", help="Files of predictions (Parquet, CSV, NPZ), or of counts to be added."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file of counts to write, an NPZ; confemb embed reads it.")],
    classes: ClassNames = None,
    k: PairedClasses = None,
    weighting: Annotated[str, typer.Option(help="Weigh pairs by count or by probability.")] = "count",
    temperature: Annotated[float, typer.Option(help="Soften the probabilities: above 1 is softer.")] = 1.0,
    bootstraps: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_REPLICATES,
            help="Count so many replicates of the pictures too, from which confemb embed makes intervals. Default: "
            "as many as every shard holds already.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Draws them.")] = 0,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Count the pairs of many predictions, shard by shard in bounded memory, or add up counts."""
    import numpy as np

    from confemb.stats.counting import common_replicates, count_replicates, count_shards, held_replicates
    from confemb.support.errors import ConfembError, one_of
    from confemb.support.progress import Display

    counting = one_of("--weighting", weighting, "count", "probability")
    if out.suffix != ".npz":
        raise ConfembError(f"--out is {out}: give a file with the suffix .npz.")
    refuse_input(out, [*shards, *given_paths(classes)])
    names, reading = with_classes(classes, reading)
    if bootstraps is None:
        held = held_replicates(shards)
        bootstraps, seed = common_replicates(held)
        if not bootstraps and any(number for number, _ in held):
            note(
                "some shards hold replicates, and others none or those of another seed: they are left "
                "out; count the predictions of all with the same --bootstraps and --seed."
            )
    options: Any = {"k": k, "class_names": names, "weighting": counting, "temperature": temperature}
    options |= {"options": reading}
    with Display().bar() as update:
        if bootstraps:
            found = count_replicates(shards, replicates=bootstraps, seed=seed, **options, progress=update)
            counts = found.counts
            found.save(out)
        else:
            counts = count_shards(shards, **options, progress=update)
            counts.save(out)
    seen = len(np.unique(counts.true))
    missing = len(counts.class_names) - seen
    say(
        f"{out}: {counts.total:,} pairs of {len(counts.class_names):,} classes in {len(counts.counts):,} cells, from "
        f"{len(counts.shards):,} {'shard' if len(counts.shards) == 1 else 'shards'}"
        + (f"; {bootstraps:,} replicates" if bootstraps else "")
        + (f"; {missing:,} classes have no picture" if missing else "")
    )
