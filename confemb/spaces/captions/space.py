"""`JointSpace`: a trained space with the places of all its pictures and captions, its files, and what it is asked."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from flax import nnx
from pydantic import ValidationError

from confemb.networks.pretrained.checkpoint_readers import read_checkpoint
from confemb.networks.pretrained.weights import load_weights, save_weights
from confemb.spaces.captions.model import JointModel, place_all
from confemb.spaces.captions.settings import CaptionsExperiment
from confemb.spaces.captions.sources import PARTS, Captions
from confemb.spaces.captions.text import Vocabulary, tokenise
from confemb.support.cells import neutral_cell, plain_cell
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import make_folder, read_bytes, read_lines, whole_file, write_text
from confemb.support.manifest import MANIFEST, Manifest

WEIGHTS, VOCABULARY, PLACES, CAPTIONS, EXPERIMENT = (
    "weights.safetensors",
    "vocabulary.json",
    "places.safetensors",
    "captions.tsv",
    "experiment.json",
)
FILES = (WEIGHTS, VOCABULARY, PLACES, CAPTIONS, EXPERIMENT)
_COLUMNS = "picture\tpart\tcaption"
# Moving a space into its folder takes milliseconds; a reader that meets it looks again.
READ_ATTEMPTS, SECONDS_BETWEEN = 20, 0.1
Among = Literal["all", "train", "validation", "test"]


@dataclass(frozen=True)
class Found:
    """One answer: its row among the space's captions or pictures, its text or the picture's name, and its score."""

    row: int
    name: str
    score: float


@dataclass(frozen=True, eq=False)
class JointSpace:
    """A trained space.

    Attributes:
        experiment: the settings it was trained with.
        model: takes features and word ids to the space.
        vocabulary: the words it knows.
        captions: the P pictures and M captions it holds.
        parts: (P,) str, the part each picture belongs to: train, validation or test.
        picture_places: (P, dim) float32.
        caption_places: (M, dim) float32.
        features: how many numbers a picture's features have.
    """

    experiment: CaptionsExperiment
    model: JointModel
    vocabulary: Vocabulary
    captions: Captions
    parts: np.ndarray
    picture_places: np.ndarray = field(repr=False)
    caption_places: np.ndarray = field(repr=False)

    @property
    def features(self) -> int:
        """How many numbers a picture's features have."""
        return int(self.model.pictures.kernel.shape[0])

    def place_pictures(self, features: np.ndarray) -> np.ndarray:
        """Return (n, dim) places of (n, d) features; raises ConfembError for another d."""
        features = np.asarray(features, np.float32)
        if features.ndim != 2 or features.shape[1] != self.features:
            raise ConfembError(
                f"the features have shape {features.shape}, but the space takes (pictures, {self.features}): use the "
                f"classifier and layer it was made with ({self.experiment.captions.classifier}, "
                f"{self.experiment.captions.layer})."
            )
        return place_all(self.model, features, "pictures")

    def place_captions(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, dim) places of sentences; unknown words are read as padding.

        Raises:
            ConfembError: a sentence none of whose words is known, of those that are read (the last `max_length`); the
                message names them.
        """
        length = self.experiment.captions.max_length
        ids = self.vocabulary.encode(texts, length=length)
        for text in (text for text, row in zip(texts, ids, strict=True) if not row.any()):
            words = tokenise(text)
            if not words:
                raise ConfembError(f"the sentence {text!r} has no words.")
            # Without a known word a sentence would be padding alone, which has a place like any other.
            what = "no word" if len(words) <= length else f"none of the last {length} words, which alone are read,"
            unknown = quoted_list(dict.fromkeys(words[-length:]))
            raise ConfembError(f"{what} of {text!r} is known ({unknown}): use other words.")
        return place_all(self.model, ids, "captions")

    def captions_for(self, place: np.ndarray, *, top: int = 10, among: Among = "all") -> list[Found]:
        """Return the captions that score highest with a (dim,) place of a picture, best first.

        A sentence that stands under several pictures is given once.

        Args:
            place: from `place_pictures`, or a row of `picture_places`.
            top: how many.
            among: only the captions of pictures of this part.

        Raises:
            ConfembError: no captions in that part.
        """
        return self._best(self.caption_places, place, top, self.rows(among)[1], self.captions.texts)

    def pictures_for(self, place: np.ndarray, *, top: int = 10, among: Among = "all") -> list[Found]:
        """Return the pictures that score highest with a (dim,) place of a sentence, best first; as `captions_for`."""
        return self._best(self.picture_places, place, top, self.rows(among)[0], self.captions.pictures)

    def captions_like(self, place: np.ndarray, *, top: int = 10, among: Among = "all") -> list[Found]:
        """Return the captions nearest to a (d,) place of a caption, by cosine; the score is the cosine."""
        return self._best(
            _units(self.caption_places), _units(place[None])[0], top, self.rows(among)[1], self.captions.texts
        )

    def pictures_like(self, place: np.ndarray, *, top: int = 10, among: Among = "all") -> list[Found]:
        """Return the pictures nearest to a (d,) place of a picture, by cosine; the score is the cosine."""
        return self._best(
            _units(self.picture_places), _units(place[None])[0], top, self.rows(among)[0], self.captions.pictures
        )

    def rows(self, among: Among = "all") -> tuple[np.ndarray, np.ndarray]:
        """Return (n,) rows of a part's pictures and (m,) of their captions; raises ConfembError for none."""
        if among == "all":
            return np.arange(len(self.captions.pictures)), np.arange(len(self.captions.texts))
        pictures = np.flatnonzero(self.parts == among)
        if not len(pictures):
            raise ConfembError(f"the space holds no pictures of the part {among!r}.")
        return pictures, self.captions.of_pictures(pictures)

    def _best(
        self, places: np.ndarray, place: np.ndarray, top: int, rows: np.ndarray, names: Sequence[str]
    ) -> list[Found]:
        scores = places[rows] @ np.asarray(place, np.float32)
        found: dict[str, Found] = {}
        # Only the highest are put in order; more of them where the same sentence stands several times.
        wanted = min(4 * top + 32, len(rows))
        while True:
            high = np.argpartition(-scores, wanted - 1)[:wanted]
            for i in high[np.lexsort((rows[high], -scores[high]))]:
                name = names[rows[i]]
                found.setdefault(name, Found(int(rows[i]), name, float(scores[i])))
            if len(found) >= top or wanted == len(rows):
                return list(found.values())[:top]
            found.clear()
            wanted = min(2 * wanted, len(rows))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the space into a folder: weights, words, places, captions and settings, each file whole."""
        from safetensors.numpy import save

        folder = make_folder(folder)
        save_weights(self.model, folder / WEIGHTS)
        self.vocabulary.save(folder / VOCABULARY)
        with whole_file(folder / PLACES) as temporary:
            temporary.write_bytes(save({"captions": self.caption_places, "pictures": self.picture_places}))
        rows = zip(self.captions.picture_of.tolist(), self.captions.texts, strict=True)
        # Names of files stand as they are but for the apostrophe, even where they hold two blanks.
        names = [neutral_cell(name) for name in self.captions.pictures]
        lines = [f"{names[p]}\t{self.parts[p]}\t{neutral_cell(' '.join(text.split()))}" for p, text in rows]
        write_text(folder / CAPTIONS, "\n".join([_COLUMNS, *lines]) + "\n")
        write_text(folder / EXPERIMENT, self.experiment.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "JointSpace":
        """Read what `save` wrote; where the folder has a manifest, the files must be those that it lists.

        Raises:
            ConfembError: a folder that holds no space, whose files do not fit each other, or are not those of its
                manifest.
        """
        folder = Path(folder)
        for _ in range(READ_ATTEMPTS):
            space: JointSpace | None = None
            problem: ConfembError | None = None
            try:
                space = cls._read(folder)
            except ConfembError as error:
                problem = error
            # Looked at afterwards: while another training is moved into the folder, its manifest comes last.
            if Manifest(folder).is_whole("train"):
                if space is None:
                    assert problem is not None
                    raise problem
                return space
            time.sleep(SECONDS_BETWEEN)
        raise ConfembError(
            f"the files in {folder} are not those that its {MANIFEST} records; another confemb may be at work "
            "there, or they were changed: train again."
        )

    @classmethod
    def _read(cls, folder: Path) -> "JointSpace":
        """Read what `save` wrote, whatever the manifest says."""
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise ConfembError(
                f"{folder} holds no space of pictures and captions ({missing[0]} is missing): make one by "
                "`confemb captions train`."
            )
        try:
            experiment = CaptionsExperiment.model_validate_json(read_bytes(folder / EXPERIMENT))
        except ValidationError as error:
            raise ConfembError(f"{folder / EXPERIMENT} is broken ({error.errors()[0]['msg']}): train anew.") from error
        captions, parts = _read_captions(folder / CAPTIONS)
        vocabulary = Vocabulary.load(folder / VOCABULARY)
        places = read_checkpoint(folder / PLACES).arrays
        weights = read_checkpoint(folder / WEIGHTS).arrays
        dim = experiment.space.dim
        for name, rows in (("pictures", len(captions.pictures)), ("captions", len(captions.texts))):
            if name not in places or places[name].shape != (rows, dim):
                raise ConfembError(f"{folder / PLACES} holds no places of {rows} {name}: train anew.")
        # What has another form is refused with the other weights.
        kernel = weights.get("pictures.kernel")
        features = len(kernel) if kernel is not None and kernel.ndim else 1
        model = nnx.eval_shape(
            lambda: JointModel(experiment.space, features=features, words=len(vocabulary), rngs=nnx.Rngs(0))
        )
        load_weights(model, folder / WEIGHTS)
        return cls(experiment, model, vocabulary, captions, parts, places["pictures"], places["captions"])


def part_named(name: str) -> Among:
    """Return a part by its name, or "all"; raises ConfembError for another name."""
    if name == "all":
        return "all"
    for part in PARTS:
        if name == part:
            return part
    raise unknown_name("part", name, ["all", *PARTS])


def _units(places: np.ndarray) -> np.ndarray:
    return places / np.maximum(np.linalg.norm(places, axis=-1, keepdims=True), 1e-12)


def _read_captions(path: Path) -> tuple[Captions, np.ndarray]:
    lines = read_lines(path)
    rows = [line.split("\t") for line in lines[1:]]
    if lines[:1] != [_COLUMNS] or any(len(row) != 3 or row[1] not in PARTS for row in rows):
        raise ConfembError(f"{path} is no table of pictures, parts and captions as confemb writes it: train anew.")
    part_of = {plain_cell(picture): part for picture, part, _ in rows}
    captions = Captions.of_rows(path.name, ((plain_cell(picture), plain_cell(text)) for picture, _, text in rows))
    return captions, np.array([part_of[picture] for picture in captions.pictures])
