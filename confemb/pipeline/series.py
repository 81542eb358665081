"""An experiment run more than once: several networks from other seeds, the several epochs of one training."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import Run, run_experiment
from confemb.pipeline.training_stage import TrainingStage
from confemb.records.predictions import Predictions
from confemb.stats.options import UncertaintyOptions
from confemb.support.errors import ConfembError
from confemb.support.files import make_folder
from confemb.support.locks import alone_in
from confemb.support.manifest import Manifest
from confemb.support.progress import Display

NETWORK = "network_{:02}"


def train_networks(
    experiment: Experiment,
    networks: int,
    folder: Path,
    *,
    references: Sequence[str] = (),
    together: int = 1,
    display: Display | None = None,
) -> list[Path]:
    """Run the experiment with the seeds `seed`, `seed` + 1, ..., each into a folder of its own; reuse what is done.

    Both training and embedding of network i begin with `seed` + i. That the classes are those of the `references`
    is checked first of all.

    Args:
        experiment: what is run.
        networks: how often, at least 2.
        folder: of the study.
        references: see above.
        together: how many networks are trained at once (`confemb.networks.training.together`): the same as alone up to
            rounding, and without checkpoints.
        display: where progress shows.

    Returns:
        The result folders: `folder`/network_00 and so on.

    Raises:
        ConfembError: fewer than two networks; a folder that holds a single result; an experiment that keeps the weights
            of epochs, with several networks at once; as `run_experiment`.
    """
    if networks < 2:
        raise ConfembError(f"{networks} network cannot show how far networks differ; train at least 2 (--networks 5).")
    if together > 1 and experiment.training is not None and experiment.training.keep_epochs is not None:
        raise ConfembError("networks that are trained together keep no epochs: leave training.keep_epochs out.")
    if Manifest(make_folder(folder)).stages:
        raise ConfembError(f"{folder} holds a single result; choose another folder with --out.")
    display = display or Display()
    folders = [folder / NETWORK.format(i) for i in range(networks)]
    with alone_in(folders[0]):
        _check_references(experiment, references, folders[0], display)
    # The study is about the training's chance; the pictures' is measured by the experiment run for itself.
    unmeasured = UncertaintyOptions(pictures=0, split_halves=0, dimension_splits=0)
    seeded = [
        experiment.model_copy(update={"seed": experiment.seed + i, "uncertainty": unmeasured}) for i in range(networks)
    ]
    for i, (own, one) in enumerate(zip(seeded, folders, strict=True)):
        if together > 1 and i % together == 0:
            _train_together(seeded[i : i + together], folders[i : i + together], display)
        display.stage(f"network {i + 1} of {networks}")
        run_experiment(own, one, display=display)
    return folders


def _train_together(experiments: Sequence[Experiment], folders: Sequence[Path], display: Display) -> None:
    """Train those of the experiments, alike but for their seeds, that are not trained yet, all at once."""
    from confemb.networks.training.together import train_together

    with ExitStack() as locks:
        stages: list[tuple[TrainingStage, str]] = []
        for experiment, folder in zip(experiments, folders, strict=True):
            locks.enter_context(alone_in(folder))
            untrained = Run(experiment, folder, display).untrained()
            if untrained is not None:
                stage, key = untrained
                # The pictures are the same, so they are held once.
                stages.append((replace(stage, learned=stages[0][0].learned) if stages else stage, key))
        if not stages:
            return
        first = stages[0][0]
        display.stage(f"train: {len(stages)} networks together, {first.settings.epochs} epochs")
        networks = [stage.source.network(stage.training) for stage, _ in stages]
        started = time.monotonic()
        with display.bar() as update:
            histories = train_together(
                networks,
                first.training,
                first.test,
                first.settings,
                seeds=[stage.experiment.seed for stage, _ in stages],
                progress=lambda done, total: update("epochs", done, total),
            )
        seconds = (time.monotonic() - started) / len(stages)
        for (stage, key), network, history in zip(stages, networks, histories, strict=True):
            stage.keep(key, network, history, seconds=seconds, together=len(stages))


def predict_epochs(
    experiment: Experiment, folder: Path, *, references: Sequence[str] = (), display: Display | None = None
) -> dict[int, Predictions]:
    """Run every stage, and predict with the weights of each epoch of `training.keep_epochs` and of the last one.

    The predictions are kept in `folder`, and reused. That the classes are those of the `references` is checked first.

    Returns:
        Epoch -> predictions of the pictures that the experiment predicts, in rising order of epochs.

    Raises:
        ConfembError: as `run_experiment`, and for an experiment that keeps no epochs.
    """
    settings = experiment.training
    if settings is None or settings.keep_epochs is None:
        raise ConfembError(
            f"the experiment {experiment.name!r} keeps the weights of no epoch; say which, for example "
            "--set 'training.keep_epochs=[1,2,4]'."
        )
    display = display or Display()
    with alone_in(folder):
        _check_references(experiment, references, folder, display)
        run = Run(experiment, folder, display)
        run.up_to("report")
        return run.predict_epochs(settings.keep_epochs, settings.epochs)


def _check_references(experiment: Experiment, references: Sequence[str], folder: Path, display: Display) -> None:
    """Raise ConfembError for a reference that does not know the experiment's classes, before hours of training."""
    for name in references:
        report = experiment.report.model_copy(update={"reference": name})
        Run(experiment.model_copy(update={"report": report}), folder, display)
