from pathlib import Path

import numpy as np
import pytest

from confemb.datasets.cifar10 import CLASS_NAMES
from confemb.references import cifar10h, open_reference
from confemb.references.cifar10h import HumanConfusions, canonical_labels, fetch_cifar10h, vote_shares
from confemb.support.errors import ConfembError

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
FILE = SHARED / "cifar10h" / "cifar10h-counts.npy"
real = pytest.mark.skipif(not FILE.is_file(), reason="the counts are not at hand")


def some_votes(*, pictures=300, people=50, seed=0) -> HumanConfusions:
    """Votes on pictures of four classes by people who confuse a with b and c with d."""
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % 4
    shares = np.array([[90, 7, 2, 1], [8, 88, 3, 1], [1, 2, 92, 5], [0, 1, 6, 93]]) / 100
    votes = np.array([generator.multinomial(people, shares[label]) for label in labels])
    return HumanConfusions(votes, labels, tuple("abcd"))


def test_similarity_is_the_mean_share_of_votes_for_the_other():
    votes = np.array([[8, 2, 0], [10, 0, 0], [1, 9, 0], [0, 5, 5]])
    found = HumanConfusions(votes, np.array([0, 0, 1, 2]), ("a", "b", "c")).similarity(["c", "b", "a", "unicorn"])
    assert found.class_names == ("c", "b", "a")
    # a: 18, 2, 0 of 20; b: 1, 9, 0 of 10; c: 0, 5, 5 of 10.
    assert found.between("a", "b") == pytest.approx((0.1 + 0.1) / 2)
    assert found.between("b", "c") == pytest.approx((0 + 0.5) / 2)
    assert found.between("a", "c") == 0
    assert (np.diag(found.values) == 1).all()


@pytest.mark.parametrize("split", ["pictures", "votes"])
def test_halves_are_halves(split):
    people = some_votes()
    halves = getattr(people, f"_{split[:-1]}_halves")(np.random.default_rng(1))
    (first, labels), (second, others) = halves
    if split == "pictures":
        assert np.bincount(labels).tolist() == [38, 38, 38, 38]
        assert np.bincount(others).tolist() == [37, 37, 37, 37]
        together = np.concatenate([first, second])
        assert sorted(map(tuple, together)) == sorted(map(tuple, people.votes))
    else:
        np.testing.assert_array_equal(first + second, people.votes)
        assert (first.sum(axis=1) == 25).all()
        assert (first >= 0).all()
        assert (second >= 0).all()


def test_votes_are_halved_without_favour():
    people = HumanConfusions(np.tile([6, 3, 1], (4000, 1)), np.zeros(4000, int), ("a", "b", "c"))
    first = people._vote_halves(np.random.default_rng(0))[0][0]
    np.testing.assert_allclose(first.mean(axis=0), [3, 1.5, 0.5], atol=0.05)


def test_the_ceiling_is_that_of_spearman_and_brown():
    people = some_votes(pictures=60, people=20)
    found = people.noise_ceiling("abcd", splits=1)
    assert found.whole == pytest.approx(2 * found.halves / (1 + found.halves))
    many = people.noise_ceiling("abcd", splits=30)
    assert many == people.noise_ceiling("abcd", splits=30)
    assert many != people.noise_ceiling("abcd", splits=30, seed=1)
    assert -1 < many.halves < many.whole < 1
    # More votes leave less to chance.
    assert some_votes(pictures=3000).noise_ceiling("abcd", splits=30).halves > many.halves
    assert people.noise_ceiling(["a", "b", "unicorn"]) is None


def test_the_labels_are_cifar10s():
    labels = canonical_labels()
    assert labels[:5].tolist() == [3, 8, 8, 0, 6]
    assert np.bincount(labels).tolist() == [1000] * 10


@real
def test_people_agree_with_themselves_as_measured():
    people = open_reference(f"cifar10h:{FILE}")
    assert people.class_names == CLASS_NAMES
    np.testing.assert_array_equal(people.labels, np.load(SHARED / "cifar10_test_top1.npz")["labels"])
    similarity = people.similarity(CLASS_NAMES)
    assert similarity.ranked("cat")[0][0] == "dog"
    assert similarity.ranked("deer")[0][0] == "horse"
    found = people.noise_ceiling(CLASS_NAMES)
    assert (found.halves, found.whole) == (pytest.approx(0.966, abs=0.003), pytest.approx(0.983, abs=0.003))
    same_pictures = people.noise_ceiling(CLASS_NAMES, split="votes", splits=20)
    assert same_pictures.halves == pytest.approx(0.988, abs=0.004)
    np.testing.assert_allclose(vote_shares(people.votes, people.labels).sum(axis=1).mean(), 1.0)


def test_a_file_that_is_missing_or_another(tmp_path, monkeypatch):
    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path))
    with pytest.raises(ConfembError, match="run `confemb fetch cifar10h`, or give the file"):
        open_reference("cifar10h")
    with pytest.raises(ConfembError, match="does not exist"):
        open_reference(f"cifar10h:{tmp_path / 'none.npy'}")
    np.save(tmp_path / "cifar10h-counts.npy", np.zeros((10000, 10)))
    with pytest.raises(ConfembError, match="SHA-256 differs"):
        open_reference(f"cifar10h:{tmp_path}")


def test_fetch_says_what_went_wrong(tmp_path, monkeypatch):
    import requests

    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path))
    for error, message in [
        (requests.ConnectionError("no route"), "cannot be reached at .* download cifar10h-counts.npy by hand"),
        (ValueError("SHA256 hash of downloaded file does not match"), "gives another file than the published one"),
        (OSError(28, "No space left on device"), "cannot write .* No space left on device; free some space"),
    ]:
        monkeypatch.setattr("pooch.retrieve", raiser(error))
        with pytest.raises(ConfembError, match=message):
            fetch_cifar10h()


@real
def test_what_was_fetched_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path))

    def retrieve(*, url, known_hash, fname, path, downloader):
        assert (url, known_hash) == (cifar10h.URL, f"sha256:{cifar10h.SHA256}")
        (path / fname).write_bytes(FILE.read_bytes())

    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert fetch_cifar10h(lambda *_: None) == tmp_path / "references" / "cifar10h-counts.npy"
    assert open_reference("cifar10h").similarity(["cat", "dog"]).between("cat", "dog") > 0


def raiser(error):
    def fail(**_):
        raise error

    return fail
