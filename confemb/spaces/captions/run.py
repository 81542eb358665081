"""From captioned pictures to a trained space in a folder: read, split, compute features, train, place everything."""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from flax import nnx

from confemb.records.word_vectors import WordVectors
from confemb.spaces.captions.features import load_features, picture_features
from confemb.spaces.captions.model import JointModel, place_all, start_from_vectors
from confemb.spaces.captions.retrieval import Ranks, rank_all
from confemb.spaces.captions.settings import CaptionsExperiment, CaptionsSection
from confemb.spaces.captions.sources import PARTS, Captions, Part, load_captions, picture_files, split_pictures
from confemb.spaces.captions.space import FILES, JointSpace
from confemb.spaces.captions.text import Vocabulary
from confemb.spaces.captions.training import Pairs, train_space
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import is_there, read_text, write_text
from confemb.support.locks import alone_in
from confemb.support.manifest import stage_key, versions
from confemb.support.progress import Progress

HISTORY, CHECKPOINTS = "history.csv", "checkpoints"


@dataclass(frozen=True, eq=False)
class CaptionData:
    """Everything that is learned from, measured on and shown.

    Attributes:
        captions: the pictures' names and their captions.
        parts: (P,) str, the part of each picture.
        features: (P, d) float32.
        vectors: word vectors that words start from, or None.
    """

    captions: Captions
    parts: np.ndarray
    features: np.ndarray
    vectors: WordVectors | None

    def rows(self, part: str, per_picture: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a part's pictures and of their captions, at most `per_picture` of each picture."""
        pictures = np.flatnonzero(self.parts == part)
        captions = self.captions.of_pictures(pictures)
        if per_picture is not None:
            captions = np.intersect1d(captions, self.captions.first_of_each(per_picture))
        return pictures, captions

    @cached_property
    def digest(self) -> str:
        """A hash of all of it."""
        arrays = [self.features, self.captions.picture_of]
        if self.vectors is not None:
            arrays.append(self.vectors.vectors)
        words = [] if self.vectors is None else list(self.vectors.words)
        texts = [list(self.captions.pictures), list(self.captions.texts), self.parts.tolist(), words]
        return stage_key(texts, [hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in arrays])


def load_caption_data(settings: CaptionsSection, *, progress: Progress | None = None) -> CaptionData:
    """Read captions and word vectors, split the pictures, and get their features, computing those that are not kept.

    Raises:
        ConfembError: no file of captions is named, neither pictures nor features are, or one of them cannot be used.
    """
    if settings.file is None:
        raise ConfembError(
            "no captions are given: name their file by --captions, or in the experiment by captions.file."
        )
    if settings.features is None and settings.pictures is None:
        raise ConfembError(
            "no pictures are given: name their folder by --pictures, or a .npy of their features by --features."
        )
    captions = load_captions(settings.file)
    parts = split_pictures(captions, validation=settings.validation, test=settings.test, seed=settings.split_seed)
    vectors = None if settings.vectors is None else WordVectors.load(settings.vectors)
    if settings.features is not None:
        features = load_features(Path(settings.features), len(captions.pictures))
    else:
        assert settings.pictures is not None
        from confemb.networks.pretrained.models import load_pretrained
        from confemb.spaces.words.activations import NetworkActivations

        files = picture_files(captions, settings.pictures)
        activations = NetworkActivations(load_pretrained(settings.classifier, progress=progress), layer=settings.layer)
        features = picture_features(files, activations, progress=progress)
    return CaptionData(captions, parts, features, vectors)


def fit_space(
    experiment: CaptionsExperiment,
    data: CaptionData,
    *,
    checkpoint_folder: Path,
    progress: Progress | None = None,
) -> tuple[JointSpace, pd.DataFrame]:
    """Train a space, and place all pictures and captions in it.

    The vocabulary is that of the captions that are learned from; no other part's captions are read for it.

    Args:
        experiment: the settings; its `seed` draws weights, order and negatives.
        data: from `load_caption_data`, split as the settings say.
        checkpoint_folder: holds the state after every epoch; removed in the end.
        progress: called with how far it is.

    Returns:
        The space and the history of `train_space`.

    Raises:
        ConfembError: word vectors of another length than `space.word_dim`, or as `train_space`.
    """
    settings = experiment.captions
    pictures, learned = data.rows("train", settings.captions_per_picture)
    vocabulary = Vocabulary.of((data.captions.texts[row] for row in learned), min_count=settings.min_count)
    ids = vocabulary.encode(data.captions.texts, length=settings.max_length)
    model = JointModel(
        experiment.space, features=data.features.shape[1], words=len(vocabulary), rngs=nnx.Rngs(experiment.seed)
    )
    if data.vectors is not None:
        length = data.vectors.vectors.shape[1]
        if length != experiment.space.word_dim:
            raise ConfembError(
                f"the word vectors have {length} numbers, but space.word_dim is {experiment.space.word_dim}: set it to "
                f"{length}, or give others."
            )
        start_from_vectors(model, vocabulary, data.vectors)
    everything = Pairs(data.features, ids, data.captions.picture_of)
    measured = data.rows("validation")
    history = train_space(
        model,
        everything.of(pictures, learned),
        everything.of(*measured),
        experiment.training,
        seed=experiment.seed,
        checkpoint_folder=checkpoint_folder,
        progress=progress,
    )
    shutil.rmtree(checkpoint_folder, ignore_errors=True)
    space = JointSpace(
        experiment,
        model,
        vocabulary,
        data.captions,
        data.parts,
        place_all(model, data.features, "pictures"),
        place_all(model, ids, "captions"),
    )
    return space, history


def measure(space: JointSpace, part: Part) -> Ranks:
    """Return the ranks of a part's pictures and captions among each other; raises ConfembError for another part."""
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    pictures, captions = space.rows(part)
    numbers = np.searchsorted(pictures, space.captions.picture_of[captions])
    return rank_all(space.picture_places[pictures], space.caption_places[captions], numbers)


def train_captions(
    experiment: CaptionsExperiment,
    out: str | Path,
    *,
    data: CaptionData | None = None,
    progress: Progress | None = None,
) -> JointSpace:
    """Run an experiment on captioned pictures into a folder; what is done is not done again, a stopped run goes on.

    The folder then holds the space (see `JointSpace.save`), history.csv and manifest.json.

    Args:
        experiment: the settings.
        out: the folder.
        data: what `load_caption_data` returns for them, where it is at hand.
        progress: called with how far it is.

    Raises:
        ConfembError: as `load_caption_data` and `fit_space`, or a folder that cannot be written to.
    """
    out = Path(out)
    with alone_in(out):
        return _train_captions(experiment, Draft(out), data, progress)


def _train_captions(
    experiment: CaptionsExperiment, draft: Draft, data: CaptionData | None, progress: Progress | None
) -> JointSpace:
    data = data if data is not None else load_caption_data(experiment.captions, progress=progress)
    # Where files lie says nothing about what is in them.
    places = {"file": None, "pictures": None, "features": None, "vectors": None}
    plain = experiment.model_copy(update={"captions": experiment.captions.model_copy(update=places)})
    key = stage_key(plain.model_dump(exclude={"name", "title", "description"}), data.digest)
    if draft.published.is_done("train", key):
        return JointSpace.load(draft.folder)
    checkpoints = draft.work / CHECKPOINTS
    # Those of other settings or pictures are of no use.
    if is_there(checkpoints / "key") and read_text(checkpoints / "key") != key:
        shutil.rmtree(checkpoints)
    write_text(checkpoints / "key", key)
    space, history = fit_space(experiment, data, checkpoint_folder=checkpoints / "epochs", progress=progress)
    space.save(draft.work)
    write_text(draft.new(HISTORY), history.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    counts = {part: int((data.parts == part).sum()) for part in PARTS}
    # The test pictures wait: settings are chosen on the validation's.
    measures = {"validation": measure(space, "validation").measures()}
    draft.values = {
        "experiment": plain.model_dump(),
        "data": {
            "captions": data.captions.name,
            "pictures": counts,
            "texts": len(data.captions.texts),
            "words": len(space.vocabulary),
            "fingerprint": data.digest,
        },
        "versions": versions(),
    }
    draft.record("train", key, [*FILES, HISTORY], seconds=float(history["seconds"].sum()), measures=measures)
    draft.publish()
    draft.discard()
    return space
