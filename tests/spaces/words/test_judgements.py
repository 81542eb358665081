"""Human judgements and the list of nouns: known answers."""

import numpy as np
import pytest
from scipy import stats

from confemb.spaces.words.judgements import Judgements, load_judgements, rank_agreement
from confemb.spaces.words.nouns import wordnet_nouns
from confemb.support.errors import ConfembError


def test_judgements_are_read_and_kept_where_words_are_known(tmp_path):
    (tmp_path / "mini.txt").write_text("car\ttruck\t8.5\n\ncar car 10\ncar\tdog\t1\n")
    found = load_judgements(tmp_path / "mini.txt")
    assert (found.name, found.pairs) == ("mini", (("car", "truck"), ("car", "car"), ("car", "dog")))
    # A word with itself tells nothing.
    known = found.known_to({"car", "truck", "dog"}, {"car", "truck"})
    assert (known.pairs, known.scores.tolist()) == ((("car", "truck"),), [8.5])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b 1\na b\n", "line 2: expected two words and a number"),
        ("", "is empty"),
        ("\n", "holds no pairs"),
        ("a b 1\n\na b nan\n", "line 3: the score .nan. is not finite"),
    ],
)
def test_other_files_are_refused(tmp_path, text, said):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(ConfembError, match=said):
        load_judgements(tmp_path / "x.txt")


def test_spearman_is_scipys_and_its_interval_covers():
    generator = np.random.default_rng(0)
    people = generator.normal(size=200).round(1)
    good, bad = people + generator.normal(size=200), generator.normal(size=200)
    found, differences = rank_agreement(people, [good, bad], seed=1)
    for value, cosines in zip(found, (good, bad), strict=True):
        assert value.value == pytest.approx(stats.spearmanr(people, cosines).statistic)
        assert value.low < value.value < value.high
    assert found[1].low < 0 < found[1].high
    # About the usual width: 1.96 (1 - r^2) / sqrt(n).
    assert found[1].high - found[1].low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)
    assert differences[0].value == pytest.approx(found[1].value - found[0].value)
    assert differences[0].high < 0
    assert rank_agreement(people, [good, bad], seed=1) == (found, differences)


def test_the_same_cosines_differ_by_nothing():
    people = np.arange(10.0)
    found, differences = rank_agreement(people, [people, 2 * people])
    assert found[0].value == found[0].low == found[0].high == pytest.approx(1)
    assert (differences[0].low, differences[0].high) == pytest.approx((0, 0))


def test_three_pairs_tell_nothing():
    found, differences = rank_agreement(np.arange(3.0), [np.arange(3.0)] * 2)
    assert np.isnan([found[0].value, differences[0].value]).all()
    assert np.isnan(rank_agreement(np.array([]), [np.array([])])[0][0].value)
    assert Judgements("x", (), np.array([])).known_to({}).pairs == ()


class Synset:
    def __init__(self, *lemmas):
        self._lemmas = lemmas

    def name(self):
        return f"{self._lemmas[0].lower()}.n.01"

    def lemma_names(self):
        return list(self._lemmas)


class WordNet:
    def all_synsets(self, pos):
        assert pos == "n"
        lemmas = ["truck", "Paris", "NASA", "XII", "mix", "ox", "ice_cream", "car", "car", "twenty-one", "AIDS", "aids"]
        return iter([Synset(lemma, "other") for lemma in lemmas])


def test_nouns_as_the_post_takes_them():
    assert wordnet_nouns(WordNet(), clean=False) == ("aids", "car", "mix", "nasa", "paris", "truck", "xii")
    assert wordnet_nouns(WordNet()) == ("aids", "car", "mix", "paris", "truck")
    assert wordnet_nouns(WordNet(), names=False) == ("aids", "car", "mix", "truck")
