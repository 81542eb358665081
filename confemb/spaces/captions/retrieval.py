"""How well pictures find their captions and captions their pictures: ranks, recall, pairwise accuracy."""

from dataclasses import dataclass

import numpy as np

RECALLS = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of what was sought, 1 the best.

    Attributes:
        captions: (P,) for each picture the best rank of one of its captions, among all captions.
        pictures: (M,) for each caption the rank of its picture, among all pictures.
        picture_of: (M,) the picture of each caption.
        pairwise: (P,) for each picture, how often one of its captions scores higher than one of another picture.
    """

    captions: np.ndarray
    pictures: np.ndarray
    picture_of: np.ndarray
    pairwise: np.ndarray

    def measures(self, drawn: np.ndarray | None = None) -> dict[str, float]:
        """Return pairwise accuracy, recall at 1, 5 and 10 (shares from 0 to 1) and median rank, both ways.

        Args:
            drawn: (n,) pictures to measure on, some of them several times, as a bootstrap draws them; all by default.
                What they are sought among stays the same.
        """
        captions, pairwise = self.captions, self.pairwise
        of_picture = self._by_picture
        if drawn is not None:
            captions, pairwise = captions[drawn], pairwise[drawn]
            of_picture = [of_picture[picture] for picture in drawn]
        pictures = np.concatenate(of_picture)
        found = {"pairwise_accuracy": float(pairwise.mean())}
        for way, ranks in (("caption", captions), ("picture", pictures)):
            found |= {f"{way}_recall_{k}": float((ranks <= k).mean()) for k in RECALLS}
            found[f"{way}_median_rank"] = float(np.median(ranks))
        return found

    @property
    def _by_picture(self) -> list[np.ndarray]:
        starts = np.searchsorted(self.picture_of, np.arange(1, len(self.captions)))
        return np.split(self.pictures, starts)


def rank_all(pictures: np.ndarray, captions: np.ndarray, picture_of: np.ndarray) -> Ranks:
    """Rank all captions for each picture and all pictures for each caption, by dot product.

    This is the usual protocol on Flickr8k (Hodosh et al. 2013; Karpathy et al. 2014): a picture has found its captions
    when it has found one of them. Where scores are equal the sought one comes last, so that a space in which
    everything is in one place finds nothing.

    Args:
        pictures: (P, d) their places.
        captions: (M, d) theirs.
        picture_of: (M,) the picture of each caption, rising; every picture has one.

    Returns:
        The ranks.
    """
    scores = pictures @ captions.T
    own = picture_of == np.arange(len(pictures))[:, None]
    positive = scores[picture_of, np.arange(len(captions))]
    among_pictures = (scores >= positive[None, :]).sum(axis=0)
    best, pairwise = np.empty(len(pictures), np.int64), np.empty(len(pictures))
    for picture, (row, mine) in enumerate(zip(scores, own, strict=True)):
        of_others = np.sort(row[~mine])
        # Captions of others that score at least as high, and lower, for each own one.
        lower = np.searchsorted(of_others, row[mine], side="left")
        best[picture] = 1 + len(of_others) - lower.max()
        pairwise[picture] = lower.mean() / max(len(of_others), 1)
    return Ranks(best, among_pictures, picture_of, pairwise)


def bootstrap_measures(ranks: Ranks, *, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Return each measure on `draws` bootstrap replicates of the pictures, their captions with them; (draws,) each."""
    generator = np.random.default_rng(seed)
    count = len(ranks.captions)
    replicates = [ranks.measures(generator.integers(0, count, count)) for _ in range(draws)]
    return {name: np.array([replicate[name] for replicate in replicates]) for name in replicates[0]}
