"""A classifier's activations of many pictures: decoded by other threads while the network computes."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from confemb.datasets.pictures import decode_picture, resize_and_crop, say_taken_as_it_is
from confemb.records.classifier import Classifier, open_classifier
from confemb.spaces.words.sources import Picture
from confemb.support.cells import tsv_text
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import write_text

if TYPE_CHECKING:
    from confemb.networks.pretrained.models import Pretrained
    from confemb.support.progress import Progress

BATCH_SIZE = 16
# Added to the name of a file of vectors: the list of the pictures that gave none.
SKIPPED = ".skipped.tsv"
DECODING_THREADS = 2
# Batches that are decoded ahead.
AHEAD = 3


class Activations(Protocol):
    """What turns pictures into vectors: a layer of a network, or anything of one's own.

    Attributes:
        name: which classifier, with which weights, and which layer; results are kept by it.
    """

    name: str

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return one picture, (H, W, 3) uint8, as (S, S, 3) uint8: the part that is looked at, in the size wanted."""
        ...

    def vectors(self, batch: np.ndarray) -> np.ndarray:
        """Return (n, d) float32 activations of (n, S, S, 3) uint8 pictures."""
        ...


class NetworkActivations:
    """A named layer of a network with weights; activations over a grid of places are averaged over the places.

    Args:
        pretrained: the network, from `load_pretrained`.
        layer: one of `pretrained.network.layers`, such as a ResNet's "avg_pool" (2,048 numbers of a ResNet-50) or a
            VGG's "fc2".
        batch_size: the most pictures at a time; smaller batches are filled up to it, so that one program serves all.

    Raises:
        ConfembError: a network without that layer.
    """

    def __init__(self, pretrained: "Pretrained", *, layer: str = "avg_pool", batch_size: int = BATCH_SIZE) -> None:
        network = pretrained.network
        if layer not in network.layers:
            raise unknown_name("layer", layer, network.layers, where=pretrained.classifier)
        from confemb.networks.inference import compiled_logits

        self.name = f"{pretrained.weights}/{layer}/{pretrained.sha256[:12]}"
        self._cut = network.preprocessing.cut
        self._sizes = network.preprocessing.resize, network.preprocessing.crop
        self._layer, self._batch_size = layer, batch_size
        self._outputs = compiled_logits(network)

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return the part of a picture that the weights want to see."""
        from PIL import Image

        return np.asarray(self._cut(Image.fromarray(pixels)))

    def say_uncut(self, pixels: np.ndarray) -> None:
        """Say once of a picture from a file that it has the size to which others are cut."""
        resize, crop = self._sizes
        if pixels.shape[:2] == (crop, crop) and resize > crop:
            say_taken_as_it_is(resize, crop)

    def vectors(self, batch: np.ndarray) -> np.ndarray:
        """Return (n, d) float32 activations of a batch of at most the batch size."""
        found = self._outputs(batch, self._batch_size, layer=self._layer)
        return found.mean(axis=tuple(range(1, found.ndim - 1))) if found.ndim > 2 else found


class ClassifierActivations:
    """What goes into the last layer of any classifier that shows it, such as a `FlaxClassifier`.

    Args:
        classifier: its `features` are the vectors; see `confemb.classifiers.classification.OpenClassifier`.
        resize, crop: pictures are resized to `resize` pixels on their shorter side, then their centre of `crop` pixels
            a side is cut out, as the classifier expects.

    Raises:
        ConfembError: a classifier that shows only its scores.
    """

    def __init__(self, classifier: Classifier, *, resize: int, crop: int | None = None) -> None:
        self._features = open_classifier(classifier).features
        self._resize, self._crop = resize, crop or resize
        self.name = f"{classifier.name}/features/{resize}"

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return a picture's centre."""
        from PIL import Image

        return np.asarray(resize_and_crop(Image.fromarray(pixels), self._resize, self._crop))

    def vectors(self, batch: np.ndarray) -> np.ndarray:
        """Return (n, d) float32 features."""
        return np.asarray(self._features(batch), np.float32)


@dataclass(frozen=True)
class Broken:
    """A picture that gave no vector, and why."""

    reason: str


@dataclass
class Clock:
    """Where the time went, in seconds: in the network, and waiting for pictures that were not decoded yet."""

    computing: float = 0.0
    waiting: float = 0.0
    pictures: int = 0

    @property
    def share_waiting(self) -> float:
        """The share of the time that was lost to loading and decoding, from 0 to 1."""
        total = self.computing + self.waiting
        return self.waiting / total if total else 0.0

    def summary(self) -> str:
        """Say how many pictures took how long."""
        seconds = self.computing + self.waiting
        return (
            f"{self.pictures:,} pictures in {seconds:.0f} s, {self.pictures / max(seconds, 1e-9):.1f} a second; "
            f"{self.share_waiting:.1%} of the time waiting for pictures to be decoded"
        )


def stream_vectors(
    activations: Activations,
    pictures: Iterable[tuple[str, Picture]],
    *,
    batch_size: int = BATCH_SIZE,
    clock: Clock | None = None,
    threads: int = DECODING_THREADS,
) -> Iterator[np.ndarray | Broken]:
    """Yield the (d,) vector of each picture in order, or why there is none; N in, N out.

    Only some batches of pictures are held at a time. A broken picture takes no place in a batch.

    Args:
        activations: what turns pictures into vectors.
        pictures: (what it is called in messages, the picture) pairs; asked for a few batches ahead.
        batch_size: pictures in one batch.
        clock: told where the time goes.
        threads: how many pictures are decoded at once.
    """
    clock = clock if clock is not None else Clock()
    coming = iter(pictures)
    with ThreadPoolExecutor(threads) as pool:
        queue: deque[Future[np.ndarray | Broken]] = deque()

        def fill() -> None:
            while len(queue) < AHEAD * batch_size:
                item = next(coming, None)
                if item is None:
                    return
                queue.append(pool.submit(_decoded, activations, *item))

        try:
            fill()
            while queue:
                before = time.perf_counter()
                decoded = [queue.popleft().result() for _ in range(min(batch_size, len(queue)))]
                clock.waiting += time.perf_counter() - before
                fill()
                before = time.perf_counter()
                found = iter(_vectors(activations, [d for d in decoded if not isinstance(d, Broken)]))
                clock.computing += time.perf_counter() - before
                clock.pictures += len(decoded)
                for each in decoded:
                    yield each if isinstance(each, Broken) else next(found)
        finally:
            for future in queue:
                future.cancel()


def picture_vectors(
    activations: Activations, files: Iterable[Path], *, progress: "Progress | None" = None, clock: Clock | None = None
) -> tuple[np.ndarray, list[Path], list[tuple[Path, str]]]:
    """Return the vectors of picture files, held in memory.

    Returns:
        (n, d) float32 vectors, the n files they are of, and the other files with the reason.

    Raises:
        ConfembError: none of the files is a sound picture.
    """
    files = list(files)
    vectors, sound, broken = [], [], []
    found = stream_vectors(activations, ((str(file), file) for file in files), clock=clock)
    for done, (file, vector) in enumerate(zip(files, found, strict=True), start=1):
        if isinstance(vector, Broken):
            broken.append((file, vector.reason))
        else:
            vectors.append(vector)
            sound.append(file)
        if progress is not None:
            progress("activations", done, len(files))
    if not vectors:
        raise ConfembError(broken[0][1] if broken else "there are no pictures: give at least one.")
    return np.stack(vectors), sound, broken


def _decoded(activations: Activations, where: str, picture: Picture) -> np.ndarray | Broken:
    try:
        if isinstance(picture, np.ndarray):
            if picture.ndim != 3 or picture.dtype != np.uint8 or picture.shape[2] not in (1, 3):
                return Broken(f"{where} has shape {picture.shape} and type {picture.dtype}, no uint8 pixels.")
            pixels = np.broadcast_to(picture, (*picture.shape[:2], 3))
        else:
            pixels = decode_picture(picture, mode="RGB", image_size=None, where=where)
            if isinstance(activations, NetworkActivations):
                activations.say_uncut(pixels)
        return activations.cut(np.ascontiguousarray(pixels))
    except ConfembError as error:
        return Broken(str(error))


def _vectors(activations: Activations, pictures: list[np.ndarray]) -> np.ndarray:
    if not pictures:
        return np.empty((0, 0), np.float32)
    vectors = np.asarray(activations.vectors(np.stack(pictures)), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(pictures):
        raise ConfembError(
            f"{activations.name} gave activations of shape {vectors.shape} for {len(pictures)} pictures; "
            "they must be (pictures, numbers)."
        )
    return vectors


def list_skipped(out: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write the pictures that gave no vector beside the vectors `out`, tab-separated; without any, remove the list."""
    listed = out.with_name(out.name + SKIPPED)
    if rows:
        write_text(listed, tsv_text([header, *rows]))
    else:
        listed.unlink(missing_ok=True)
