"""Runs the stages of an experiment: train, predict, embed, report; reuses the ones that are done.

Each stage leaves files in the result folder and a record in its manifest, keyed by all it depends on. A
run that was stopped goes on at the first stage that is not done, training at its last checkpoint.
"""

import shutil
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from confemb.datasets import Dataset, open_dataset
from confemb.embedders import Embedder, embed_runs, make_embedder
from confemb.embedding import EmbeddingRuns
from confemb.errors import ConfembError, quoted_list, unknown_name
from confemb.experiment import EmbeddingSection, Experiment
from confemb.files import make_folder, write_text
from confemb.pairs import PairCounts, count_pairs
from confemb.prediction_files import load_predictions, save_predictions
from confemb.predictions import Predictions, check_k
from confemb.progress import Display
from confemb.provenance import Manifest, stage_key, versions
from confemb.references import REFERENCES
from confemb.similarity import SimilarityMatrix

Stage = Literal["train", "predict", "embed", "report"]
STAGES: tuple[Stage, ...] = ("train", "predict", "embed", "report")

WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
PREDICTIONS = "predictions.parquet"
EXAMPLES = "examples.npz"
PAIRS = "pairs.npz"
RUNS = "embedding_runs.npz"


def run_experiment(
    experiment: Experiment, folder: Path, *, until: Stage = "report", display: Display | None = None
) -> str:
    """Run the stages up to `until`, skipping those whose outcome is in `folder` already.

    Returns:
        What to print: the report in short, or where the last stage's file is.

    Raises:
        ConfembError: anything the user can mend: data that cannot be had, options that do not fit.
    """
    return _Run(experiment, folder, display or Display()).up_to(until)


class _Run:
    """One call of `run_experiment`: what its stages share."""

    def __init__(self, experiment: Experiment, folder: Path, display: Display) -> None:
        self.experiment = experiment
        self.folder = make_folder(folder)
        self.display = display
        self.manifest = Manifest(folder)
        if "source" in self.manifest.values:
            raise ConfembError(f"{folder} holds the result of `confemb embed`; choose another folder with --out.")
        # Made first of all: a misspelt option must not come out after an hour of training.
        self.embedder = make_embedder(experiment.embedding.name, experiment.embedding.options)
        self.datasets = self._load_datasets()
        self._check()

    def up_to(self, until: Stage) -> str:
        """Run every stage up to `until` that is not done, and return what to print."""
        experiment = self.experiment
        # Without what is not set, so that an option added to confemb leaves earlier results valid.
        dumped = experiment.model_dump(mode="json", exclude_none=True)
        prints = {split: dataset.fingerprint for split, dataset in self.datasets.items()}
        train_key = stage_key(
            "train", experiment.seed, prints, dumped["dataset"]["train"], dumped["classifier"], dumped["training"]
        )
        predict_key = stage_key(
            "predict", train_key, dumped["dataset"]["predict"], dumped["prediction"], experiment.report.examples
        )
        embed_key = stage_key("embed", predict_key, experiment.seed, dumped["pairs"], dumped["embedding"])
        values = self.manifest.values
        values.update(
            title=experiment.title,
            description=experiment.description,
            experiment=dumped,
            data={split: {"pictures": len(d), "sha256": d.fingerprint} for split, d in self.datasets.items()},
        )
        stages = {"train": (train_key, self._train), "predict": (predict_key, self._predict)}
        stages["embed"] = (embed_key, self._embed)
        for stage in STAGES[: STAGES.index(until) + 1]:
            if stage == "report":
                # What only the report depends on (title, groups, reference) may have changed with nothing run anew.
                self.manifest.save()
                return write_result_report(self.folder, display=self.display)
            key, work = stages[stage]
            if self.manifest.is_done(stage, key):
                self.display.stage(f"{stage}: done before, reused")
                continue
            self.manifest.forget_after(stage, STAGES)
            work(key)
        return "\n".join(f"{until}: {self.folder / name}" for name in self.manifest.stages[until]["files"])

    def _load_datasets(self) -> dict[str, Dataset]:
        section = self.experiment.dataset
        source = open_dataset(section.name, path=section.path, image_size=section.image_size)
        wanted = dict.fromkeys([section.train, *([section.test] if section.test else []), *section.predict])
        self.display.stage(f"dataset: {section.name}")
        with self.display.bar() as update:
            source.fetch(update)
            return {split: source.load(split) for split in wanted}

    def _check(self) -> None:
        """Raise for what would only come out after the training."""
        experiment = self.experiment
        names = self.datasets[experiment.dataset.train].class_names
        check_k(experiment.prediction.k, len(names))
        check_k(experiment.pairs.k, experiment.prediction.k, what="classes kept for each picture (prediction.k)")
        for group, members in experiment.report.groups.items():
            for name in members:
                if name not in names:
                    raise unknown_name("class", name, names, where=f"report.groups.{group}")
        if experiment.report.reference is not None:
            reference = load_reference(experiment.report.reference)
            if len(set(names) & set(reference.class_names)) < 2:
                raise ConfembError(
                    f"the reference {experiment.report.reference!r} knows fewer than 2 of the classes of "
                    f"{experiment.dataset.name}; leave report.reference out, or give another."
                )
        pictured = np.unique(np.concatenate([self.datasets[s].labels for s in experiment.dataset.predict]))
        missing = [name for index, name in enumerate(names) if index not in pictured]
        if missing and experiment.pairs.missing_classes == "error":
            raise ConfembError(
                f"{len(missing)} of {len(names)} classes of {experiment.dataset.name} have no picture: "
                f'{quoted_list(missing)}; add some, or set pairs.missing_classes = "drop".'
            )

    def _network(self) -> Any:
        from confemb.classifiers import make_network

        training = self.datasets[self.experiment.dataset.train]
        section = self.experiment.classifier
        return make_network(
            section.name,
            training.images.shape[1:],
            len(training.class_names),
            seed=self.experiment.seed,
            options=section.options,
        )

    def _train(self, key: str) -> None:
        import jax

        from confemb.training import StepReport, train
        from confemb.weights import save_weights

        experiment, section = self.experiment, self.experiment.dataset
        network = self._network()
        checkpoints = self.folder / "checkpoints" / key
        self.display.stage(f"train: {experiment.classifier.name}, {experiment.training.epochs} epochs")
        started = time.monotonic()
        with self.display.bar() as update:

            def show(report: StepReport) -> None:
                tested = "" if report.test_accuracy is None else f", test {report.test_accuracy:.1%}"
                update(
                    f"epoch {report.epoch}/{experiment.training.epochs}  loss {report.loss:.3f}, "
                    f"accuracy {report.accuracy:.1%}{tested}",
                    report.step,
                    report.steps,
                )

            history = train(
                network,
                self.datasets[section.train],
                self.datasets[section.test] if section.test else None,
                experiment.training,
                seed=experiment.seed,
                checkpoint_folder=checkpoints,
                report=show if self.display.enabled else None,
            )
        save_weights(network, self.folder / WEIGHTS)
        write_text(self.folder / HISTORY, history.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
        device = jax.devices()[0]
        self.manifest.record(
            "train",
            key,
            [WEIGHTS, HISTORY],
            seconds=round(time.monotonic() - started, 1),
            training_seconds=round(float(history["seconds"].sum()), 1),
            devices=f"{jax.device_count()} x {device.device_kind}",
            versions=versions(),
        )
        shutil.rmtree(self.folder / "checkpoints")

    def _predict(self, key: str) -> None:
        from confemb.inference import predict
        from confemb.reporting.examples import choose_examples, save_examples
        from confemb.reporting.result import Examples
        from confemb.weights import load_weights

        experiment = self.experiment
        # Read back even after a training just now, so that a run that goes on here gives the same bytes.
        network = self._network()
        load_weights(network, self.folder / WEIGHTS)
        splits = [self.datasets[split] for split in experiment.dataset.predict]
        self.display.stage(f"predict: {sum(len(split) for split in splits):,} pictures")
        started = time.monotonic()
        with self.display.bar() as update:
            predictions = predict(
                network,
                splits,
                k=experiment.prediction.k,
                mirror=experiment.prediction.mirror,
                classifier=experiment.classifier.name,
                progress=lambda done, total: update("predicting", done, total),
            )
        save_predictions(predictions, self.folder / PREDICTIONS)
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
            save_examples(examples, self.folder / EXAMPLES)
            files.append(EXAMPLES)
        accuracy = {split: round(part.accuracy, 6) for split, part in by_split.items()}
        self.manifest.record(
            "predict", key, files, seconds=round(time.monotonic() - started, 1), accuracy=accuracy, versions=versions()
        )

    def _embed(self, key: str) -> None:
        experiment = self.experiment
        predictions = load_predictions(self.folder / PREDICTIONS)
        section = experiment.pairs
        counts = count_pairs(
            predictions, k=section.k, self_pairs=section.self_pairs, missing_classes=section.missing_classes
        )
        _embed_counts(
            counts, self.embedder, experiment.embedding, experiment.seed, key, self.manifest, self.display, files=[]
        )


def _parts(predictions: Predictions, splits: list[Dataset]) -> list[Predictions]:
    """Return the predictions of each split, which stand one after the other."""
    ends = np.cumsum([len(split) for split in splits])
    return [predictions.where(np.arange(end - len(split), end)) for split, end in zip(splits, ends, strict=True)]


def embed_predictions(
    counts: PairCounts,
    predictions: Predictions | None,
    section: EmbeddingSection,
    folder: Path,
    *,
    seed: int,
    title: str,
    description: str = "",
    reference: str | None = None,
    source: dict[str, Any],
    display: Display | None = None,
) -> str:
    """Embed pair counts of any classifier and write the result folder with its report.

    Args:
        counts: the pairs to embed.
        predictions: what they were counted from, saved beside the result; None for a confusion matrix.
        section: embedder, its options, how many seeds.
        folder: where the result goes.
        seed: the first embedding seed.
        title: the report's heading.
        description: a sentence under it.
        reference: a registered reference to compare with.
        source: facts about where the counts come from, recorded.
        display: where progress shows.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: unknown embedder, option or reference; a class that can get no vector; a folder that
            holds another kind of result or cannot be written to.
    """
    display = display or Display()
    embedder = make_embedder(section.name, section.options)
    if reference is not None:
        REFERENCES.get(reference)
    manifest = Manifest(make_folder(folder))
    if "experiment" in manifest.values:
        raise ConfembError(f"{folder} holds the result of an experiment; choose another folder with --out.")
    manifest.forget_after("train", STAGES)
    manifest.values.update(title=title, description=description, source=source)
    manifest.values["report"] = {"groups": {}, "reference": reference}
    files = []
    if predictions is not None:
        save_predictions(predictions, folder / PREDICTIONS)
        files.append(PREDICTIONS)
    key = stage_key("embed", source, seed, section.model_dump(mode="json"))
    _embed_counts(counts, embedder, section, seed, key, manifest, display, files=files)
    return write_result_report(folder, display=display)


def _embed_counts(
    counts: PairCounts,
    embedder: Embedder,
    section: EmbeddingSection,
    seed: int,
    key: str,
    manifest: Manifest,
    display: Display,
    *,
    files: list[str],
) -> None:
    display.stage(f"embed: {counts.total:,} pairs of {len(counts.class_names)} classes, {section.seeds} seeds")
    started = time.monotonic()
    seeds = range(seed, seed + section.seeds)
    with display.bar() as update:
        runs = embed_runs(embedder, counts, seeds, progress=lambda done, total: update("embedding", done, total))
    counts.save(manifest.folder / PAIRS)
    runs.save(manifest.folder / RUNS)
    manifest.record(
        "embed",
        key,
        [*files, PAIRS, RUNS],
        seconds=round(time.monotonic() - started, 1),
        embedder=repr(embedder),
        seeds=list(seeds),
        pairs={"total": counts.total, "k": counts.k, "self_pairs": counts.self_pairs},
        versions=versions(),
    )


def write_result_report(folder: Path, *, display: Display | None = None) -> str:
    """Write tables, figures and report.html of a result folder, from what its manifest records.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: a folder that holds no result.
    """
    from confemb.reporting import Result, write_report
    from confemb.reporting.examples import load_examples

    manifest = open_result(folder)
    values = manifest.values
    (display or Display()).stage("report: tables, figures, report.html")
    shown = values["experiment"]["report"] if "experiment" in values else values["report"]
    predictions, history, examples = (manifest.file(name) for name in (PREDICTIONS, HISTORY, EXAMPLES))
    summary = write_report(
        Result(
            title=values["title"],
            description=values["description"],
            counts=PairCounts.load(folder / PAIRS),
            runs=EmbeddingRuns.load(folder / RUNS),
            manifest=values,
            predictions=None if predictions is None else load_predictions(predictions),
            history=None if history is None else pd.read_csv(history),
            examples=None if examples is None else load_examples(examples),
            groups=shown["groups"],
            reference=None if shown.get("reference") is None else load_reference(shown["reference"]),
            reference_name=f"the {shown.get('reference')}",
        ),
        folder,
    )
    return f"{summary}\n\nreport: {folder / 'report.html'}"


def open_result(folder: Path) -> Manifest:
    """Return the manifest of a folder that holds an embedding; raises ConfembError where it holds none."""
    if not folder.is_dir():
        raise ConfembError(f"there is no folder {folder}; give the folder of a result.")
    manifest = Manifest(folder)
    for name in (PAIRS, RUNS):
        if manifest.file(name) is None or not (folder / name).is_file():
            raise ConfembError(f"{folder} holds no finished result ({name} is missing); run the experiment first.")
    return manifest


def load_reference(name: str) -> SimilarityMatrix:
    """Return the registered reference `name`; raises ConfembError for an unknown one."""
    return REFERENCES.get(name)()
