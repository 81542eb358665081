"""Human confusions: CIFAR-10H, some 51 people's choices for each of the 10,000 test pictures of CIFAR-10.

Source: J. C. Peterson, R. M. Battleday, T. L. Griffiths and O. Russakovsky, "Human uncertainty makes classification
more robust" (ICCV 2019). The counts are under CC BY-NC-SA 4.0; they are fetched from their authors' repository.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from confemb.datasets.cache import cache_root
from confemb.datasets.cifar10 import CLASS_NAMES
from confemb.records.indices import pair_indices
from confemb.records.similarity import SimilarityMatrix
from confemb.references import NoiseCeiling, known_classes
from confemb.support.errors import ConfembError, one_of
from confemb.support.files import make_folder, read_bytes
from confemb.support.progress import Progress

FILE = "cifar10h-counts.npy"
URL = f"https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data/{FILE}"
SHA256 = "9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff"
SPLITS = 100

Split = Literal["pictures", "votes"]


@dataclass(frozen=True, eq=False)
class HumanConfusions:
    """Similarity of two classes by how often people take pictures of the one for the other.

    The votes are summed by the pictures' true class, each row is divided by its sum, giving the share p(j|i) of the
    votes for j among those on pictures of class i; the similarity of i and j is (p(j|i) + p(i|j)) / 2, from 0 to 1.

    Attributes:
        votes: (N, K) int64, how many people chose each class for each picture.
        labels: (N,) the pictures' true classes.
        names: the K class names.
    """

    votes: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...] = CLASS_NAMES
    name: str = "cifar10h"
    title: str = "people (CIFAR-10H)"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten classes of CIFAR-10."""
        return self.names

    def similarity(self, class_names: Sequence[str]) -> SimilarityMatrix:
        """Return the similarities of those of the classes that people were asked about; the diagonal is 1."""
        return self._matrix.restricted_to(known_classes(self.name, class_names, set(self.names)))

    @cached_property
    def _matrix(self) -> SimilarityMatrix:
        values = vote_shares(self.votes, self.labels)
        np.fill_diagonal(values, 1.0)
        return SimilarityMatrix(values, self.names)

    def noise_ceiling(
        self, class_names: Sequence[str], *, split: Split = "pictures", splits: int = SPLITS, seed: int = 0
    ) -> NoiseCeiling | None:
        """Return how well two halves of the votes agree over the classes asked for; None for fewer than 3 of them.

        Args:
            class_names: the classes; those that are not known are left out.
            split: "pictures" halves each class's pictures, so that other pictures and other people stand behind the
                halves; "votes" halves the votes on each picture, as if other people had seen the same pictures.
            splits: how many random splits to average over.
            seed: draws them.

        Raises:
            ConfembError: another way to split.
        """
        from scipy import stats

        one_of("split", split, *get_args(Split))
        rows = [self.names.index(name) for name in class_names if name in self.names]
        if len(rows) < 3:
            return None
        upper = tuple(np.array(rows)[side] for side in pair_indices(len(rows)))
        generator = np.random.default_rng(seed)
        found = []
        for _ in range(splits):
            halves = self._picture_halves(generator) if split == "pictures" else self._vote_halves(generator)
            ours, theirs = (vote_shares(votes, labels)[upper] for votes, labels in halves)
            found.append(float(stats.spearmanr(ours, theirs).statistic))
        halves_agree = np.array(found)
        return NoiseCeiling(
            float(halves_agree.mean()), float((2 * halves_agree / (1 + halves_agree)).mean()), split, splits
        )

    def _picture_halves(self, generator: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        # Within a class the first half of a random order.
        order = np.lexsort((generator.random(len(self.labels)), self.labels))
        place = np.empty(len(order), np.intp)
        starts = np.searchsorted(self.labels[order], self.labels[order])
        place[order] = np.arange(len(order)) - starts
        first = place < (np.bincount(self.labels)[self.labels] + 1) // 2
        return [(self.votes[half], self.labels[half]) for half in (first, ~first)]

    def _vote_halves(self, generator: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        # Drawn without replacement, class after class: a multivariate hypergeometric draw for each picture.
        left = self.votes.sum(axis=1)
        wanted = left // 2
        first = np.empty_like(self.votes)
        for k in range(self.votes.shape[1]):
            left = left - self.votes[:, k]
            first[:, k] = generator.hypergeometric(self.votes[:, k], left, wanted)
            wanted = wanted - first[:, k]
        return [(first, self.labels), (self.votes - first, self.labels)]


def vote_shares(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (K, K) float64, (p(j|i) + p(i|j)) / 2, from 0 to 1, of (N, K) votes and (N,) true classes."""
    sums = np.zeros((votes.shape[1], votes.shape[1]))
    np.add.at(sums, labels, votes)
    shares = sums / sums.sum(axis=1, keepdims=True)
    return (shares + shares.T) / 2


def cifar10h_reference(argument: str | None = None) -> HumanConfusions:
    """Return CIFAR-10H from the file given, else from the cache.

    Raises:
        ConfembError: no such file, none in the cache, or another content than the published one's.
    """
    cached = cached_file()
    if argument is None and not cached.is_file():
        raise ConfembError(
            f"the reference 'cifar10h' needs the file {FILE}, which is not in {cached.parent}: "
            f"run `confemb fetch cifar10h`, or give the file as cifar10h:PATH/{FILE}."
        )
    path = cached if argument is None else Path(argument).expanduser()
    return HumanConfusions(load_votes(path / FILE if path.is_dir() else path), canonical_labels())


def load_votes(path: Path) -> np.ndarray:
    """Read the published counts, (10000, 10) int64; raises ConfembError for a file of any other content."""
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ConfembError(f"{path} is not the published {FILE} of CIFAR-10H (its SHA-256 differs): get it again.")
    return np.load(io.BytesIO(data), allow_pickle=False).astype(np.int64)


def canonical_labels() -> np.ndarray:
    """Return (10000,) int64 the true classes of CIFAR-10's test pictures, in their canonical order."""
    digits = Path(__file__).with_name("cifar10_test_labels.txt").read_text(encoding="ascii")
    return np.array([int(digit) for digit in "".join(digits.split())], dtype=np.int64)


def cached_file() -> Path:
    """Return where the counts lie in the cache, whether or not they do."""
    return cache_root() / "references" / FILE


def fetch_cifar10h(progress: Progress | None = None) -> Path:
    """Get the counts from their authors' repository into the cache, unless they are there.

    Raises:
        ConfembError: the repository cannot be reached, gives something else, or the cache cannot be written to.
    """
    import pooch
    import requests

    target = cached_file()
    make_folder(target.parent)
    if progress is not None:
        progress(f"downloading {FILE}", 0, 1)
    # Progress is shown here, not logged.
    pooch.get_logger().setLevel("ERROR")
    by_hand = f"download {FILE} by hand from github.com/jcpeterson/cifar-10h and give it as cifar10h:PATH/{FILE}"
    try:
        pooch.retrieve(
            url=URL,
            known_hash=f"sha256:{SHA256}",
            fname=FILE,
            path=target.parent,
            downloader=pooch.HTTPDownloader(timeout=30),
        )
    except requests.RequestException as error:
        raise ConfembError(
            f"CIFAR-10H cannot be reached at {URL} ({type(error).__name__}): check the connection, or {by_hand}."
        ) from error
    except ValueError as error:
        raise ConfembError(f"{URL} gives another file than the published one: {by_hand}.") from error
    except OSError as error:
        raise ConfembError(
            f"cannot write {target}: {error.strerror or error}; free some space there, or set CONFEMB_CACHE to "
            "another folder."
        ) from error
    return target
