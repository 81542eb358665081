"""Analogies: a space made so that the answers are known, and gensim's own count."""

import numpy as np
import pytest

from confemb.records.word_vectors import WordVectors
from confemb.spaces.lab.analogies import AnalogySet, Question, load_analogies, score_analogies
from confemb.support.errors import ConfembError

# Gender, royalty and youth are directions; Rome is not where Paris says that a capital is.
SPACE = {
    "man": [3, 0, 0, 0],
    "woman": [3, 1, 0, 0],
    "king": [3, 0, 2, 0],
    "queen": [3, 1, 2, 0],
    "boy": [3, 0, 0, 2],
    "girl": [3, 1, 0, 2],
    "france": [-3, 0.6, 0, 3],
    "paris": [-3, 0.3, 0, -3],
    "italy": [-3, 0, 1.2, 3],
    "rome": [0.9, -3, 0.9, 3],
}
VECTORS = WordVectors(tuple(SPACE), np.array(list(SPACE.values())))
GENDER = ("man woman", "king queen", "boy girl")


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_four_words_a_line_and_pairs_are_the_same_questions(tmp_path):
    pairs = load_analogies(written(tmp_path / "pairs.txt", "# ours", ": gender", *GENDER))
    both = [f"{one} {other}" for one in GENDER for other in GENDER if one != other]
    lines = load_analogies(written(tmp_path / "lines.txt", ": gender", *[line.title() for line in both]))
    assert pairs.sections == lines.sections
    assert len(pairs.sections["gender"]) == 6
    assert pairs.sections["gender"][0] == Question("man", "woman", "king", "queen")
    assert (pairs.name, lines.name) == ("pairs.txt", "lines.txt")


def test_known_answers():
    asked = AnalogySet(
        "set",
        {
            "gender": tuple(Question(*p.split(), *q.split()) for p in GENDER for q in GENDER if p != q),
            "capitals": (Question("france", "paris", "italy", "rome"), Question("italy", "rome", "yemen", "sanaa")),
            "unknown": (Question("a", "b", "c", "d"),),
        },
    )
    scores = score_analogies(VECTORS, asked)
    gender, capitals, unknown, whole = scores.sections
    assert [each.section for each in scores.sections] == ["gender", "capitals", "unknown", "all"]
    assert (gender.questions, gender.unknown, gender.top_1.value) == (6, 0, 1)
    assert (gender.top_1.low, gender.top_1.high) == (1, 1)
    assert (capitals.questions, capitals.unknown, capitals.top_1.value) == (1, 1, 0)
    assert (unknown.questions, unknown.unknown) == (0, 1)
    assert np.isnan(unknown.top_1.value)
    assert (whole.questions, whole.unknown) == (7, 2)
    assert whole.top_1.value == pytest.approx(6 / 7)
    assert scores.unknown == ("yemen", "sanaa", "a", "b", "c", "d")
    # By brute force: the nearest to the third word, all three given left out.
    right = 0
    for one in asked.sections["gender"]:
        left = [w for w in SPACE if w not in (one.one, one.other, one.third)]
        right += max(left, key=lambda w, q=one: VECTORS.similarity(q.third, w)) == one.answer
    assert gender.without_offset.value == pytest.approx(right / 6)


def test_among_five_is_what_the_analogy_lists(tmp_path):
    words = [f"w{i}" for i in range(40)]
    vectors = WordVectors(tuple(words), np.random.default_rng(0).normal(size=(40, 4)))
    pairs = list(zip(words[::2], words[1::2], strict=True))[:8]
    asked = load_analogies(written(tmp_path / "p.txt", ": random", *[" ".join(pair) for pair in pairs]))
    found = score_analogies(vectors, asked).sections[0]
    tops = [vectors.analogy([q.other, q.third], [q.one], top=5) for q in asked.sections["random"]]
    answers = [q.answer for q in asked.sections["random"]]
    assert found.top_1.value == pytest.approx(np.mean([t[0][0] == a for t, a in zip(tops, answers, strict=True)]))
    among = np.mean([a in dict(t) for t, a in zip(tops, answers, strict=True)])
    assert found.top_5.value == pytest.approx(among)
    assert 0 < among < 1
    assert found.top_5.low < found.top_5.value < found.top_5.high
    assert score_analogies(vectors, asked, seed=3).sections[0] == score_analogies(vectors, asked, seed=3).sections[0]


def test_the_count_is_gensims(tmp_path):
    generator = np.random.default_rng(2)
    base, shift = generator.normal(size=(30, 10)), generator.normal(size=10)
    words = [f"{kind}{i}" for i in range(30) for kind in "ab"]
    vectors = np.stack([base[i // 2] + (i % 2) * shift + 0.6 * generator.normal(size=10) for i in range(60)])
    space = WordVectors(tuple(words), vectors)
    lines = [f"a{i} b{i} a{j} b{j}" for i in range(12) for j in range(12) if i != j]
    path = written(tmp_path / "q.txt", ": one", *lines[:60], ": two", *lines[60:], "a1 b1 a2 nothing")
    score, sections = space.keyed_vectors().evaluate_word_analogies(str(path))
    found = score_analogies(space, load_analogies(path)).sections
    assert 0.1 < score < 0.95
    assert found[-1].top_1.value == pytest.approx(score)
    for ours, theirs in zip(found[:2], sections, strict=False):
        assert ours.questions == len(theirs["correct"]) + len(theirs["incorrect"])
        assert ours.top_1.value * ours.questions == pytest.approx(len(theirs["correct"]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a b c d"], "line 1: before the first question a section is missing"),
        ([": s", "a b c"], "line 2: expected a question of four words, or a pair of two"),
        ([": s", "a b"], "the section 's' has no questions"),
        ([": s", "a b c d", ":"], "line 3: a section needs a name"),
        ([": s", "a b c d", ": s", "a b c d"], "line 3: a section needs a name of its own"),
        (["# nothing"], "holds no questions"),
    ],
)
def test_files_that_are_wrong(tmp_path, lines, said):
    with pytest.raises(ConfembError, match=said):
        load_analogies(written(tmp_path / "q.txt", *lines))


def test_vectors_of_none_of_the_words():
    with pytest.raises(ConfembError, match="not all four words of any question in set"):
        score_analogies(VECTORS, AnalogySet("set", {"s": (Question("un", "deux", "trois", "quatre"),)}))
