"""Runs the stages of an experiment: train, predict, embed, report; reuses the ones that are done.

Each stage leaves files in the result folder and a record in its manifest, keyed by all it depends on. A
run that was stopped goes on at the first stage that is not done, training at its last checkpoint.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from confemb.analysis.compute import UNCERTAINTY, Facts, embed, embedding_facts, measure
from confemb.analysis.examples import choose_examples, load_examples, save_examples
from confemb.analysis.options import AnalysisOptions
from confemb.analysis.record import AnalysisRecord, Examples, KnownReference
from confemb.classifiers.classification import classify_datasets
from confemb.datasets import Dataset, open_dataset
from confemb.datasets.hold_out import NeverPredicting, without_classes
from confemb.embedders import ClassifierEmbedder, is_deterministic, make_embedder
from confemb.networks.training.distributed import ALONE, Team
from confemb.pipeline.classifier_sources import TrainedHere, WithWeights, classifier_source
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.training_stage import EPOCH_WEIGHTS, WEIGHTS, TrainingStage, shared_weights
from confemb.records.classifier import Classifier
from confemb.records.embedding import EmbeddingRuns
from confemb.records.pairs import PairCounts, count_pairs
from confemb.records.prediction_files import load_predictions, save_predictions
from confemb.records.predictions import Predictions, check_k
from confemb.records.ranks import informative_ranks
from confemb.references import open_reference
from confemb.result.folder import (
    EXAMPLES,
    HISTORY,
    PAIRS,
    PREDICTIONS,
    RUNS,
    check_kind,
    load_history,
    provenance_of,
    publish_report,
    read_uncertainty,
)
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import make_folder
from confemb.support.locks import alone_in
from confemb.support.manifest import stage_key, versions
from confemb.support.progress import Display

Stage = Literal["train", "predict", "embed", "uncertainty", "report"]
STAGES: tuple[Stage, ...] = ("train", "predict", "embed", "uncertainty", "report")

T = TypeVar("T")

EPOCH_PREDICTIONS = "predictions_epoch_{:03}.parquet"


def run_experiment(
    experiment: Experiment, folder: Path, *, until: Stage = "report", display: Display | None = None
) -> str:
    """Run the stages up to `until`, skipping those whose outcome is in `folder` already.

    Returns:
        What to print: the report in short, or where the last stage's file is.

    Raises:
        ConfembError: anything the user can mend: data that cannot be had, options that do not fit.
    """
    with alone_in(folder):
        return Run(experiment, folder, display or Display()).up_to(until)


def run_together(experiment: Experiment, folder: Path, team: Team, *, until: Literal["train", "predict"]) -> str:
    """Train and predict with several processes, each of which calls this.

    Only the lead reads and writes `folder`; the others keep what they need in a folder that goes away.

    Returns:
        What to print: where the last stage's file is; nothing but in the lead.

    Raises:
        ConfembError: as `run_experiment`; or processes that would not do the same.
    """
    if team.lead:
        with alone_in(folder):
            return Run(experiment, folder, Display(), team).up_to(until)
    with tempfile.TemporaryDirectory() as own:
        Run(experiment, Path(own), Display(enabled=False), team).up_to(until)
    return ""


class Run:
    """One call of `run_experiment`: what its stages share. Whoever makes one holds the folder's lock."""

    def __init__(self, experiment: Experiment, folder: Path, display: Display, team: Team = ALONE) -> None:
        self.experiment = experiment
        self.team = team
        self.folder = folder
        self.display = display
        self.draft = Draft(folder)
        check_kind(self.draft, experiment=True)
        # Made first of all: a misspelt option must not come out after an hour of training.
        self.embedder = make_embedder(experiment.embedding.name, experiment.embedding.options)
        with display.bar() as update:
            self.source = classifier_source(experiment, progress=update)
        self.datasets = self._load_datasets()
        held_out = experiment.dataset.hold_out
        if held_out and isinstance(self.source, WithWeights):
            raise ConfembError(
                "dataset.hold_out leaves classes out of a training, and this classifier is not trained here; leave "
                "dataset.hold_out or classifier.weights out."
            )
        # What is learned from: the same pictures, unless classes are held out.
        self.learned = {split: self.datasets[split] for split in self.source.learns_from(experiment.dataset)}
        if held_out:
            self.learned = {split: without_classes(dataset, held_out) for split, dataset in self.learned.items()}
        self._check()
        # By file: what this run's stages made, handed on from stage to stage.
        self._known: dict[str, Any] = {}

    def up_to(self, until: Stage) -> str:
        """Run every stage up to `until` that is not done, and return what to print."""
        experiment, draft = self.experiment, self.draft
        dumped = self._dumped()
        draft.values = {
            "title": experiment.title,
            "description": experiment.description,
            "experiment": dumped,
            "data": {split: {"pictures": len(d), "sha256": d.fingerprint} for split, d in self.datasets.items()},
        }
        keys = self._keys(dumped)
        self.team.check_same({stage: keys[stage] for stage in ("train", "predict")})
        work = {"train": self._train, "predict": self._predict, "embed": self._embed, "uncertainty": self._uncertainty}
        for stage in STAGES[: STAGES.index(until) + 1]:
            if stage == "report":
                draft.keep_rest(but=STAGES)
                summary = publish_report(self._result(), draft, display=self.display)
                draft.discard()
                return summary
            if stage == "train" and not self.source.needs_training:
                continue
            if self.team.agree(draft.reuse(stage, keys[stage])):
                self.display.stage(f"{stage}: done before, reused")
                if stage == "train":
                    self._training().test_again_where_needed(keys[stage])
            else:
                work[stage](keys[stage])
        if not self.team.lead:
            return ""
        if until not in draft.stages:
            raise ConfembError(f"the classifier {experiment.classifier.name!r} is not trained here; predict with it.")
        # What the folder holds beyond is kept where it is this experiment's.
        for stage in STAGES[STAGES.index(until) + 1 : -1]:
            draft.reuse(stage, keys[stage])
        draft.keep_rest(but=STAGES)
        draft.publish()
        draft.discard()
        return "\n".join(f"{until}: {self.folder / name}" for name in draft.stages[until]["files"])

    def untrained(self) -> tuple[TrainingStage, str] | None:
        """Return the training and its key where it is still to be done; None where it is not, or there is none."""
        if not isinstance(self.source, TrainedHere):
            return None
        key = self._keys(self._dumped())["train"]
        return None if self.draft.reuse("train", key) else (self._training(), key)

    @property
    def options(self) -> AnalysisOptions:
        """How the predictions become an analysis."""
        one = self.experiment
        return AnalysisOptions(
            title=one.title,
            description=one.description,
            seed=one.seed,
            pairs=one.pairs,
            embedding=one.embedding,
            uncertainty=one.uncertainty,
            report=one.report,
        )

    def _dumped(self) -> dict[str, Any]:
        """Return the experiment without what is not set, so that an option added to confemb leaves results valid."""
        return self.experiment.model_dump(mode="json", exclude_none=True)

    def _keys(self, dumped: dict[str, Any]) -> dict[str, str]:
        """Return a hash for each stage of all that its outcome depends on."""
        section = self.experiment.dataset
        # What is only measured on while training does not change the weights.
        learned = self.learned[section.train].fingerprint if section.train in self.learned else None
        train = stage_key("train", self.experiment.seed, learned, self.source.identity())
        splits = [self.datasets[split] for split in self.predicted]
        predicted = [[d.name, d.split, d.fingerprint, stage_key(*d.ids.tolist())] for d in splits]
        predict = stage_key(
            "predict", train, predicted, section.train, dumped["prediction"], dumped["report"]["examples"]
        )
        embed = stage_key("embed", predict, self.experiment.seed, dumped["pairs"], dumped["embedding"])
        uncertainty = stage_key("uncertainty", embed, dumped["uncertainty"])
        return {"train": train, "predict": predict, "embed": embed, "uncertainty": uncertainty}

    def _load_datasets(self) -> dict[str, Dataset]:
        section = self.experiment.dataset
        image_size, crop = section.image_size, section.crop
        if image_size is None and self.source.picture_size is not None:
            # Cut as the weights want their pictures, so that nothing is resized twice.
            image_size, crop = self.source.picture_size
        source = open_dataset(section.name, path=section.path, image_size=image_size, crop=crop)
        self.display.stage(f"dataset: {section.name}")
        with self.display.bar() as update:
            source.fetch(update)
            self.predicted = list(dict.fromkeys(section.predict or source.splits))
            wanted = dict.fromkeys([*self.source.learns_from(section), *self.predicted])
            return {split: source.load(split) for split in wanted}

    def _check(self) -> None:
        """Raise for what would only come out after the training."""
        experiment = self.experiment
        dataset_names = self.datasets[self.predicted[0]].class_names
        own_names, names = self.source.own_names(dataset_names), self.source.all_names(dataset_names)
        check_k(experiment.prediction.k, len(names) - len(set(experiment.dataset.hold_out or ())))
        check_k(experiment.pairs.k, experiment.prediction.k, what="classes kept for each picture (prediction.k)")
        for group, members in experiment.report.groups.items():
            for name in members:
                if name not in names:
                    raise unknown_name("class", name, names, where=f"report.groups.{group}")
        for reference in experiment.report.references:
            open_reference(reference).similarity(names)
        labels = np.unique(np.concatenate([self.datasets[split].labels for split in self.predicted]))
        pictured = {own_names[label] for label in labels}
        missing = [name for name in names if name not in pictured]
        if missing and experiment.pairs.missing_classes == "error":
            raise ConfembError(
                f"{len(missing)} of {len(names)} classes of {experiment.dataset.name} have no picture: "
                f'{quoted_list(missing)}; add some, or set pairs.missing_classes = "drop".'
            )

    def _training(self) -> TrainingStage:
        assert isinstance(self.source, TrainedHere)
        return TrainingStage(self.experiment, self.source, self.learned, self.draft, self.display, self.team)

    def _train(self, key: str) -> None:
        self._training().train(key)

    def _predict(self, key: str) -> None:
        experiment = self.experiment
        splits = [self.datasets[split] for split in self.predicted]
        self.display.stage(f"predict: {sum(len(split) for split in splits):,} pictures")
        started = time.monotonic()
        # Weights are read back even after a training just now, so that a run that goes on here gives the same bytes.
        weights = shared_weights(self.draft, self.team) if self.source.needs_training else None
        predictions = self._classify(weights)
        save_predictions(predictions, self.draft.new(PREDICTIONS))
        self._known[PREDICTIONS] = predictions
        by_split = {split.split: part for split, part in zip(splits, _parts(predictions, splits), strict=True)}
        # Pictures the classifier did not learn from show best what it makes of new ones.
        shown = next((s for s in splits if s.split != experiment.dataset.train), splits[0])
        rows = choose_examples(by_split[shown.split], experiment.report.examples)
        files = [PREDICTIONS]
        if len(rows):
            picked = by_split[shown.split].where(rows)
            assert picked.top_probs is not None
            examples = Examples(
                shown.images[rows], picked.labels, picked.top_classes, picked.top_probs, shown.ids[rows]
            )
            save_examples(examples, self.draft.new(EXAMPLES))
            self._known[EXAMPLES] = examples
            files.append(EXAMPLES)
        accuracy = {split: round(part.accuracy, 6) for split, part in by_split.items()}
        self.draft.record(
            "predict", key, files, seconds=round(time.monotonic() - started, 1), accuracy=accuracy, versions=versions()
        )

    def weights(self) -> Path | None:
        """Return the file of the weights that were trained here; None for a classifier that was not."""
        return self.draft.path(WEIGHTS) if self.source.needs_training else None

    def classifier(self, weights: Path | None) -> Classifier:
        """Return the classifier with `weights`; it knows no class that is held out."""
        training = self.learned.get(self.experiment.dataset.train, self.datasets[self.predicted[0]])
        return self.source.classifier(training, weights)

    def _classify(self, weights: Path | None) -> Predictions:
        """Return what the classifier with `weights` makes of all pictures to predict."""
        splits = [self.datasets[split] for split in self.predicted]
        classifier = self.classifier(weights)
        if self.experiment.dataset.hold_out:
            classifier = NeverPredicting(classifier, splits[0].class_names)
        with self.display.bar() as update:
            return classify_datasets(
                classifier,
                splits,
                k=self.experiment.prediction.k,
                class_names=self.source.own_names(splits[0].class_names),
                batch_size=self.source.batch_size,
                progress=lambda done, total: update("predicting", done, total),
            )

    def predict_epochs(self, keep: list[int], last: int) -> dict[int, Predictions]:
        """Return the predictions after each epoch of `keep` and the `last`; those done before are read back."""
        draft = self.draft
        key = stage_key("epochs", draft.stages["predict"]["key"])
        names = {epoch: EPOCH_PREDICTIONS.format(epoch) for epoch in keep}
        # What was kept of the folder's stages is this training's, or its key is another one.
        if draft.stages.get("epochs", {}).get("key") != key and not draft.reuse("epochs", key):
            for epoch, name in names.items():
                self.display.stage(f"predict: the weights after epoch {epoch}")
                weights = draft.path(EPOCH_WEIGHTS.format(epoch))
                save_predictions(self._classify(weights), draft.new(name))
            draft.record("epochs", key, names.values(), versions=versions())
            draft.publish()
            draft.discard()
        found = {epoch: load_predictions(draft.path(name)) for epoch, name in names.items()}
        return found | {last: load_predictions(draft.path(PREDICTIONS))}

    def _file(self, name: str, read: Callable[[Path], T]) -> T | None:
        """Return what a file of a stage holds: as this run made it, or read where an earlier one did; None without."""
        if name not in self._known:
            path = self.draft.file(name)
            self._known[name] = None if path is None else read(path)
        known: T | None = self._known[name]
        return known

    @property
    def _predictions(self) -> Predictions:
        predictions = self._file(PREDICTIONS, load_predictions)
        assert predictions is not None
        return predictions

    @property
    def _counts(self) -> PairCounts:
        counts = self._file(PAIRS, PairCounts.load)
        assert counts is not None
        return counts

    @property
    def _runs(self) -> EmbeddingRuns:
        runs = self._file(RUNS, EmbeddingRuns.load)
        assert runs is not None
        return runs

    def _embed(self, key: str) -> None:
        counts, note = informative_ranks(pair_counts(self.experiment, self._predictions))
        if isinstance(self.embedder, ClassifierEmbedder):
            runs, facts = self._embed_classifier(self.embedder, counts)
        else:
            runs, facts = embed(counts, self.embedder, self.options, display=self.display)
        counts.save(self.draft.new(PAIRS))
        runs.save(self.draft.new(RUNS))
        self._known |= {PAIRS: counts, RUNS: runs}
        self.draft.record("embed", key, [PAIRS, RUNS], **facts, **({"note": note} if note else {}))

    def _embed_classifier(self, embedder: ClassifierEmbedder, counts: PairCounts) -> tuple[EmbeddingRuns, Facts]:
        """Embed the classes of the counts by what the classifier is, rather than by what it predicted."""
        splits = [self.datasets[split] for split in self.predicted]
        self.display.stage(f"embed: {self.experiment.embedding.name} of {self.experiment.classifier.name}")
        started = time.monotonic()
        with self.display.bar() as update:
            embedding = embedder.embed_classifier(
                self.classifier(self.weights()),
                splits,
                self.source.own_names(splits[0].class_names),
                batch_size=self.source.batch_size,
                progress=lambda done, total: update("embedding", done, total),
            )
        vectors = np.stack([embedding.vector(name) for name in counts.class_names])
        runs = EmbeddingRuns(vectors[None], (self.experiment.seed,), counts.class_names)
        return runs, embedding_facts(counts, runs, embedder, seconds=time.monotonic() - started)

    def _uncertainty(self, key: str) -> None:
        measured = measure(
            self._counts, self._runs, self._predictions, self.embedder, self.options, display=self.display
        )
        if measured is not None:
            uncertainty, facts = measured
            files = uncertainty.save(make_folder(self.draft.work))
            self.draft.record("uncertainty", key, files, **facts)
            self._known[UNCERTAINTY] = uncertainty

    def _result(self) -> AnalysisRecord:
        """Return the analysis that the stages made, or an earlier run's where it is reused."""
        if UNCERTAINTY not in self._known:
            self._known[UNCERTAINTY] = read_uncertainty(self.draft.file)
        names, report = self._counts.class_names, self.experiment.report
        return AnalysisRecord(
            title=self.experiment.title,
            description=self.experiment.description,
            counts=self._counts,
            runs=self._runs,
            provenance=provenance_of(self.draft.manifest_values),
            predictions=self._predictions,
            history=self._file(HISTORY, load_history),
            examples=self._file(EXAMPLES, load_examples),
            groups=report.groups,
            references=[KnownReference.of(name, names) for name in report.references],
            item=report.item,
            uncertainty=self._known[UNCERTAINTY],
            deterministic=is_deterministic(self.embedder),
            from_classifier=isinstance(self.embedder, ClassifierEmbedder),
        )


def pair_counts(experiment: Experiment, predictions: Predictions) -> PairCounts:
    """Count the pairs of some predictions as the experiment says."""
    return count_pairs(predictions, **experiment.pairs.model_dump())


def _parts(predictions: Predictions, splits: list[Dataset]) -> list[Predictions]:
    """Return the predictions of each split, which stand one after the other."""
    ends = np.cumsum([len(split) for split in splits])
    return [predictions.where(np.arange(end - len(split), end)) for split, end in zip(splits, ends, strict=True)]
