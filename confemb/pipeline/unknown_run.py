"""Running an experiment that holds classes out: train without them, and judge how well their pictures are told."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.datasets.hold_out import BELOW
from confemb.embedders import embed_runs, make_pair_embedder
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import Run
from confemb.records.pairs import count_pairs
from confemb.records.predictions import predictions_from_scores
from confemb.studies.unknown import SCORES, Judged, auroc, discover_class, fit_profile, score_pictures
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, whole_file
from confemb.support.locks import alone_in
from confemb.support.manifest import stage_key
from confemb.support.npz import read_record
from confemb.support.progress import Display

LOGITS = "logits.npz"
NEW_CLASS = "(new class)"
# By which pictures are rejected: of the baselines the one that needs no setting.
REJECT_BY = "max_logit"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a classifier says of known pictures it has learned from, and of known and unknown ones it has not.

    Attributes:
        known: the K class names it knows.
        held_out: the names of the other classes.
        learned_logits, learned_labels: (M, K) and (M,) of the known pictures it was trained on.
        logits: (N, K) of the pictures of the test split.
        labels: (N,) their classes, indices into `known`; -1 for a class that is held out.
    """

    known: tuple[str, ...]
    held_out: tuple[str, ...]
    learned_logits: np.ndarray
    learned_labels: np.ndarray
    logits: np.ndarray
    labels: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the known test pictures that are classified right."""
        known = self.labels >= 0
        return float((self.logits[known].argmax(axis=1) == self.labels[known]).mean())

    @property
    def name(self) -> str:
        """What is held out."""
        return ", ".join(self.held_out)


def held_out_logits(experiment: Experiment, folder: Path, *, display: Display | None = None) -> HeldOut:
    """Train the experiment's classifier without `dataset.hold_out`, and score all pictures; reuse what is done.

    The logits are kept in `folder`. A classifier that gives probabilities gets their logs.

    Raises:
        ConfembError: an experiment that holds nothing out, or has no test split; as `run_experiment`.
    """
    section = experiment.dataset
    if not section.hold_out or section.test is None:
        raise ConfembError(
            f"the experiment {experiment.name!r} holds no class out, or has no test split; say which class, for "
            "example --set 'dataset.hold_out=[\"cat\"]'."
        )
    display = display or Display()
    with alone_in(folder):
        run = Run(experiment, folder, display)
        if run.source.needs_training:
            run.up_to("train")
        learned, test = run.learned[section.train], run.datasets.get(section.test)
        if test is None:
            raise ConfembError(f"the split {section.test!r} is not among dataset.predict; add it.")
        trained = run.draft.stages.get("train", {}).get("key", run.source.identity())
        key = stage_key("logits", trained, learned.fingerprint, test.fingerprint)
        if run.draft.stages.get("logits", {}).get("key") != key and not run.draft.reuse("logits", key):
            classifier = run.classifier(run.weights())
            arrays = {}
            for name, dataset in (("learned_logits", learned), ("logits", test)):
                display.stage(f"score: {len(dataset):,} pictures")
                parts = []
                with display.bar() as update:
                    for start in range(0, len(dataset), run.source.batch_size):
                        scores = np.asarray(classifier.scores(dataset.images[start : start + run.source.batch_size]))
                        parts.append(scores if classifier.logits else np.log(np.maximum(scores, 1e-12)))
                        update("scoring", min(start + run.source.batch_size, len(dataset)), len(dataset))
                arrays[name] = np.concatenate(parts).astype(np.float32)
            with whole_file(run.draft.new(LOGITS)) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # the stub takes them for its own option
            run.draft.record("logits", key, [LOGITS])
            run.draft.publish()
        arrays = read_record(read_bytes(run.draft.path(LOGITS)), {"learned_logits": ("f", 2), "logits": ("f", 2)})
    known = learned.class_names
    places = np.array([known.index(name) if name in known else -1 for name in test.class_names])
    return HeldOut(
        known,
        tuple(name for name in test.class_names if name not in known),
        arrays["learned_logits"],
        learned.labels,
        arrays["logits"],
        places[test.labels],
    )


def judge(held: HeldOut, experiment: Experiment, *, reject: float = 0.1) -> Judged:
    """Score the test pictures, measure how well each score tells the unknown ones, and make a new class of some.

    Profile, threshold and embedding are learned on the pictures the classifier was trained on; the test pictures
    only judge.

    Args:
        held: the classifier's answers.
        experiment: says which pairs are embedded by which embedder.
        reject: the share of known pictures that may be rejected.
    """
    labels = held.learned_labels
    cosines = _embedded(held.learned_logits, labels, held.known, experiment)
    profile = fit_profile(held.learned_logits, labels, cosines)
    learned, scores = score_pictures(held.learned_logits, profile), score_pictures(held.logits, profile)
    unknown = held.labels < 0
    found = discover_class(
        held.logits,
        scores[REJECT_BY],
        held.learned_logits,
        learned[REJECT_BY],
        reject=reject,
        seed=experiment.seed,
    )
    return Judged(
        held_out=held.name,
        accuracy=held.accuracy,
        known=int((~unknown).sum()),
        unknown=int(unknown.sum()),
        aurocs={name: auroc(scores[name][~unknown], scores[name][unknown]) for name in SCORES},
        rejected=int(found.rejected.sum()),
        rejected_unknown=int((found.rejected & unknown).sum()),
        members=int(found.members.sum()),
        members_unknown=int((found.members & unknown).sum()),
        excess=max(found.excess, default=float("nan")),
        nearest=_landing(held, found.members, experiment),
        truly_nearest=_landing(held, unknown, experiment),
    )


def _landing(held: HeldOut, members: np.ndarray, experiment: Experiment) -> tuple[tuple[str, float], ...]:
    """Return the known classes by their cosine with a class made of some test pictures, the nearest first."""
    if not members.any():
        return ()
    size = len(held.known)
    logits = np.concatenate([held.learned_logits, held.logits[members]])
    # No picture is predicted to be of the new class.
    wide = np.concatenate([logits, logits.min(axis=1, keepdims=True) - BELOW], axis=1)
    labels = np.concatenate([held.learned_labels, np.full(int(members.sum()), size)])
    # As many as of a known class: counts of few pictures would leave the new class where it began.
    repeats = np.ones(len(labels), np.int64)
    repeats[len(held.learned_labels) :] = max(1, round(len(held.learned_labels) / size / int(members.sum())))
    row = _embedded(wide, labels, (*held.known, NEW_CLASS), experiment, repeats=repeats)[size, :size]
    return tuple((held.known[i], float(row[i])) for i in np.argsort(-row, kind="stable"))


def _embedded(
    logits: np.ndarray,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    experiment: Experiment,
    *,
    repeats: np.ndarray | None = None,
) -> np.ndarray:
    """Return the (K, K) mean cosines over the seeds of the experiment's embedding of these answers."""
    pairs = experiment.pairs
    predictions = predictions_from_scores(logits, labels, class_names, k=pairs.k, logits=True)
    counts = count_pairs(
        predictions,
        k=pairs.k,
        self_pairs=pairs.self_pairs,
        weighting=pairs.weighting,
        temperature=pairs.temperature,
        repeats=repeats,
    )
    embedder = make_pair_embedder(experiment.embedding.name, experiment.embedding.options)
    seeds = range(experiment.seed, experiment.seed + experiment.embedding.seeds)
    return embed_runs(embedder, counts, seeds).cosines().astype(np.float64).mean(axis=0)
