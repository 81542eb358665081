"""The training of an experiment's network: its weights and its history, in the draft of a result."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from confemb.datasets import Dataset
from confemb.networks import Network
from confemb.networks.training.distributed import Team
from confemb.networks.training.options import TrainingOptions
from confemb.pipeline.classifier_sources import TrainedHere
from confemb.pipeline.experiment import Experiment
from confemb.result.folder import HISTORY, load_history, save_history
from confemb.support.draft import Draft
from confemb.support.files import whole_file
from confemb.support.manifest import stage_key, versions
from confemb.support.progress import Display

WEIGHTS = "weights.safetensors"
EPOCH_WEIGHTS = "weights_epoch_{:03}.safetensors"
_TESTED = ["test_loss", "test_accuracy"]


def shared_weights(draft: Draft, team: Team) -> Path:
    """Return the file of the weights in the draft, which every process of the team then has."""
    path = draft.path(WEIGHTS) if team.lead else draft.new(WEIGHTS)
    team.share_file(path)
    return path


@dataclass(frozen=True, eq=False)
class TrainingStage:
    """What the training of a network needs.

    Attributes:
        experiment: says how.
        source: makes the network.
        learned: split -> pictures, of those that are learned from and measured on.
        draft: where weights and history go.
        display: where progress shows.
        team: the processes that train together.
    """

    experiment: Experiment
    source: TrainedHere
    learned: Mapping[str, Dataset]
    draft: Draft
    display: Display
    team: Team

    @property
    def training(self) -> Dataset:
        """The pictures to learn from."""
        return self.learned[self.experiment.dataset.train]

    @property
    def test(self) -> Dataset | None:
        """The pictures that are measured on while training."""
        split = self.experiment.dataset.test
        return None if split is None else self.learned[split]

    @property
    def settings(self) -> TrainingOptions:
        """How the network is trained."""
        assert self.experiment.training is not None
        return self.experiment.training

    def train(self, key: str) -> None:
        """Train, going on at the last checkpoint of a stopped run, and record the stage "train"."""
        from confemb.networks.pretrained.weights import save_weights
        from confemb.networks.training.loop import StepReport, Watch, train

        settings = self.settings
        network = self.source.network(self.training)
        # The history in a checkpoint tells of the test pictures as well.
        checkpoints = self.draft.work / "checkpoints" / stage_key(key, self._tested)
        # Beside the checkpoints of this very training, until it is done: another one's may lie there.
        kept = checkpoints.with_name(f"{checkpoints.name}-kept")
        self.display.stage(f"train: {self.experiment.classifier.name}, {settings.epochs} epochs")
        started = time.monotonic()
        with self.display.bar() as update:

            def show(report: StepReport) -> None:
                tested = "" if report.test_accuracy is None else f", test {report.test_accuracy:.1%}"
                update(
                    f"epoch {report.epoch}/{settings.epochs}  loss {report.loss:.3f}, "
                    f"accuracy {report.accuracy:.1%}{tested}",
                    report.step,
                    report.steps,
                )

            history = train(
                network,
                self.training,
                self.test,
                settings,
                seed=self.experiment.seed,
                checkpoint_folder=checkpoints,
                watch=Watch(
                    report=show if self.display.enabled else None,
                    keep=lambda epoch: save_weights(network, kept / EPOCH_WEIGHTS.format(epoch)),
                ),
                team=self.team,
            )
        epochs = [EPOCH_WEIGHTS.format(epoch) for epoch in settings.keep_epochs or ()]
        for name in epochs:
            self._copy(kept / name)
        self.keep(key, network, history, files=epochs, seconds=time.monotonic() - started)
        shutil.rmtree(checkpoints.parent, ignore_errors=True)

    def keep(
        self,
        key: str,
        network: Network,
        history: pd.DataFrame,
        *,
        seconds: float,
        files: Sequence[str] = (),
        together: int | None = None,
    ) -> None:
        """Save a trained network and its history, and record the stage "train".

        Args:
            key: the stage's.
            network: trained.
            history: see `confemb.networks.training.loop.train`.
            seconds: what it took.
            files: names of further files of the stage.
            together: how many networks were trained at once.
        """
        import jax

        from confemb.networks.pretrained.weights import save_weights

        save_weights(network, self.draft.new(WEIGHTS))
        facts: dict[str, object] = {} if together is None else {"trained_together": together}
        self._record(
            key,
            history,
            [WEIGHTS, *files],
            seconds=round(seconds, 1),
            training_seconds=round(float(history["seconds"].sum()), 1),
            devices=f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            **facts,
            versions=versions(),
        )

    def test_again_where_needed(self, key: str) -> None:
        """Where the draft's training was measured on other pictures, let its history tell of these.

        The weights do not depend on them. Only those after the last epoch are there to be measured again.
        """
        from confemb.networks.inference import evaluate
        from confemb.networks.pretrained.weights import load_weights

        record = self.draft.stages.get("train", {})
        if not self.team.agree(record.get("tested") != self._tested):
            return
        measured = (float("nan"), float("nan"))
        if self.test is not None:
            self.display.stage("test: other pictures, the same weights")
            network = self.source.network(self.training)
            load_weights(network, shared_weights(self.draft, self.team))
            measured = evaluate(network, self.test)
        if not self.team.lead:
            return
        history = load_history(self.draft.path(HISTORY)).astype({"epoch": int})
        columns = [name for name in history.columns if name not in _TESTED]
        # Before the seconds, as they are written while training.
        history = history.reindex(columns=[*columns[:-1], *_TESTED, columns[-1]])
        history[_TESTED] = np.nan
        history.loc[history.index[-1], _TESTED] = measured
        files = [name for name in record["files"] if name != HISTORY]
        for name in files:
            self._copy(self.draft.path(name))
        facts = {name: value for name, value in record.items() if name not in ("key", "files", "tested")}
        self._record(key, history, files, **facts)

    @property
    def _tested(self) -> str | None:
        return None if self.test is None else self.test.fingerprint

    def _copy(self, path: Path) -> None:
        if path != (new := self.draft.new(path.name)):
            with whole_file(new) as temporary:
                shutil.copyfile(path, temporary)

    def _record(self, key: str, history: pd.DataFrame, files: list[str], **facts: object) -> None:
        save_history(history, self.draft.new(HISTORY))
        self.draft.record("train", key, [*files, HISTORY], **facts, tested=self._tested)
