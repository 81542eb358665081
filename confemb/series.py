"""An experiment run more than once: several networks from other seeds, the several epochs of one training."""

from collections.abc import Sequence
from pathlib import Path

from confemb.errors import ConfembError
from confemb.experiment import Experiment, UncertaintySection
from confemb.files import make_folder
from confemb.locks import alone_in
from confemb.pipeline import Run, run_experiment
from confemb.predictions import Predictions
from confemb.progress import Display
from confemb.provenance import Manifest

NETWORK = "network_{:02}"


def train_networks(
    experiment: Experiment,
    networks: int,
    folder: Path,
    *,
    references: Sequence[str] = (),
    display: Display | None = None,
) -> list[Path]:
    """Run the experiment with the seeds `seed`, `seed` + 1, ..., each into a folder of its own; reuse what is done.

    Both training and embedding of network i begin with `seed` + i. That the classes are those of the `references`
    is checked first of all.

    Returns:
        The result folders: `folder`/network_00 and so on.

    Raises:
        ConfembError: fewer than two networks; a folder that holds a single result; as `run_experiment`.
    """
    if networks < 2:
        raise ConfembError(f"{networks} network cannot show how far networks differ; train at least 2 (--networks 5).")
    if Manifest(make_folder(folder)).stages:
        raise ConfembError(f"{folder} holds a single result; choose another folder with --out.")
    display = display or Display()
    folders = [folder / NETWORK.format(i) for i in range(networks)]
    with alone_in(folders[0]):
        _check_references(experiment, references, folders[0], display)
    # The study is about the training's chance; the pictures' is measured by the experiment run for itself.
    unmeasured = UncertaintySection(pictures=0, split_halves=0, dimension_splits=0)
    for i, one in enumerate(folders):
        display.stage(f"network {i + 1} of {networks}")
        update = {"seed": experiment.seed + i, "uncertainty": unmeasured}
        run_experiment(experiment.model_copy(update=update), one, display=display)
    return folders


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
            "--set training.keep_epochs=[1,2,4]."
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
