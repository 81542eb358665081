"""Pictures to search: those of a space, or those of any folder, placed in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.datasets.picture_files import SUFFIXES, pictures_in
from confemb.spaces.captions.features import picture_features
from confemb.spaces.captions.space import Among, Found, JointSpace
from confemb.support.errors import ConfembError
from confemb.support.progress import Progress


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures that a sentence may find.

    Attributes:
        names: (n,) what they are called.
        places: (n, dim) float32.
        files: a picture's file by its name, for those that are there.
    """

    names: Sequence[str]
    places: np.ndarray
    files: Mapping[str, Path]

    def best(self, place: np.ndarray, *, top: int) -> list[Found]:
        """Return the pictures that score highest with a (dim,) place, best first."""
        scores = self.places @ np.asarray(place, np.float32)
        order = np.argsort(-scores, kind="stable")[:top]
        return [Found(int(row), self.names[row], float(scores[row])) for row in order]


def open_gallery(
    space: JointSpace,
    *,
    among: Among = "all",
    pictures: Path | None = None,
    within: Path | None = None,
    progress: Progress | None = None,
) -> Gallery:
    """Return the pictures to search.

    Args:
        space: a trained space.
        among: which of its pictures.
        pictures: where their files are; by default where they were when it was trained.
        within: the pictures of this folder instead of the space's own; their features are computed once and kept.
        progress: called while features are computed.

    Raises:
        ConfembError: a folder that is not there or holds no pictures, or no pictures in the part.
    """
    if within is not None:
        if not within.is_dir():
            raise ConfembError(f"there is no folder {within}: give one of pictures.")
        files = pictures_in(within)
        if not files:
            raise ConfembError(f"{within} holds no pictures; known suffixes: {', '.join(sorted(SUFFIXES))}.")
        places = space.place_pictures(features_of(space, files, progress=progress))
        return Gallery([file.name for file in files], places, {file.name: file for file in files})
    if pictures is not None and not pictures.is_dir():
        raise ConfembError(f"there is no folder of pictures {pictures}: check the path.")
    said = space.experiment.captions.pictures
    folder = pictures if pictures is not None else Path(said).expanduser() if said is not None else None
    rows = space.rows(among)[0]
    names = [space.captions.pictures[row] for row in rows]
    found = {} if folder is None else {name: folder / name for name in names if (folder / name).is_file()}
    return Gallery(names, space.picture_places[rows], found)


def features_of(
    space: JointSpace, files: Sequence[Path], *, one: bool = False, progress: Progress | None = None
) -> np.ndarray:
    """Return (n, d) features of picture files, by the classifier the space was made with.

    Args:
        space: a trained space.
        files: pictures.
        one: the classifier is compiled for a single picture, and nothing is kept.
        progress: called with pictures done and in all.
    """
    from confemb.networks.pretrained.models import load_pretrained
    from confemb.spaces.words.activations import NetworkActivations, picture_vectors

    settings = space.experiment.captions
    pretrained = load_pretrained(settings.classifier, progress=progress)
    if one:
        return picture_vectors(NetworkActivations(pretrained, layer=settings.layer, batch_size=1), files)[0]
    return picture_features(files, NetworkActivations(pretrained, layer=settings.layer), progress=progress)
