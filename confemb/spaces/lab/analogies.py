"""Sets of analogy questions: man is to king as woman is to ...? Read, asked and scored."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from confemb.records.word_vectors import WordVectors
from confemb.support.errors import ConfembError
from confemb.support.files import read_lines

RESAMPLES, LEVEL = 1_000, 0.95
# Questions answered at a time.
BLOCK = 256
ALL = "all"


# The largest published sets have some 100,000.
MOST_QUESTIONS = 2_000_000


@dataclass(frozen=True)
class Question:
    """`one` is to `other` as `third` is to `answer`."""

    one: str
    other: str
    third: str
    answer: str


@dataclass(frozen=True)
class AnalogySet:
    """Questions in sections.

    Attributes:
        name: what the set is called.
        sections: section name -> its questions, in the file's order.
    """

    name: str
    sections: dict[str, tuple[Question, ...]]


def load_analogies(path: str | os.PathLike[str]) -> AnalogySet:
    """Read analogy questions: sections that begin with a line ": name", then a question of four words on each line.

    This is the format of word2vec's questions-words.txt (Mikolov et al. 2013). A line of two words is a pair, and
    every two pairs of a section make two questions (as in the sets of Gladkova et al. 2016). Words are taken in small
    letters, as the vocabularies of most published vectors are; questions asked twice count once.

    Raises:
        ConfembError: a file that cannot be read, a line before the first section or of another number of words, or a
            section without a question.
    """
    questions: dict[str, list[Question]] = {}
    pairs: dict[str, list[tuple[str, str]]] = {}
    section = None
    for number, line in enumerate(read_lines(path), start=1):
        words = line.lower().split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            section = " ".join(line.split()).removeprefix(":").strip()
            if not section or section in questions:
                raise ConfembError(f"{path}, line {number}: a section needs a name of its own, as ': capitals'.")
            questions[section], pairs[section] = [], []
        elif section is None:
            raise ConfembError(f"{path}, line {number}: before the first question a section is missing: ': name'.")
        elif len(words) == 4:
            questions[section].append(Question(*words))
        elif len(words) == 2:
            pairs[section].append((words[0], words[1]))
        else:
            raise ConfembError(f"{path}, line {number}: expected a question of four words, or a pair of two.")
    asked = sum(len(of_section) * (len(of_section) - 1) for of_section in pairs.values())
    if asked > MOST_QUESTIONS:
        raise ConfembError(
            f"{path}: every two pairs of a section make two questions, {asked:,} in all, more than {MOST_QUESTIONS:,}: "
            "divide the sections."
        )
    for name, of_section in pairs.items():
        questions[name] += [Question(*one, *other) for one, other in permutations(dict.fromkeys(of_section), 2)]
    if empty := [name for name, asked in questions.items() if not asked]:
        raise ConfembError(f"{path}: the section {empty[0]!r} has no questions: give four words a line, or two pairs.")
    if not questions:
        raise ConfembError(f"{path} holds no questions: write ': name', then four words on each line.")
    name = os.path.basename(os.fspath(path))  # noqa: PTH119
    return AnalogySet(name, {section: tuple(dict.fromkeys(asked)) for section, asked in questions.items()})


@dataclass(frozen=True)
class Accuracy:
    """A share of questions answered right, from 0 to 1, with the bounds of its interval; NaN where none was asked."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SectionScore:
    """How well vectors answer a section's questions.

    Attributes:
        section: its name; "all" for all sections together.
        questions: how many could be asked.
        unknown: how many could not, since a word has no vector.
        top_1: the share whose answer is the nearest word.
        top_5: the share whose answer is among the five nearest.
        without_offset: the share whose answer is the word nearest to the third one alone: what the first two add is
            the difference to `top_1` (Linzen 2016).
    """

    section: str
    questions: int
    unknown: int
    top_1: Accuracy
    top_5: Accuracy
    without_offset: Accuracy


@dataclass(frozen=True)
class AnalogyScores:
    """How well vectors answer a set of questions.

    Attributes:
        sections: a score for each section, and "all" at the end.
        unknown: the words without a vector, in the order in which they come up.
    """

    sections: tuple[SectionScore, ...]
    unknown: tuple[str, ...]


def score_analogies(
    vectors: WordVectors, asked: AnalogySet, *, seed: int = 0, resamples: int = RESAMPLES
) -> AnalogyScores:
    """Answer every question by 3CosAdd, the three given words left out, and count what is right.

    Questions share pairs of words and are not independent of one another. For the intervals it is pairs that are
    drawn anew, within each section; a question counts as often as its two pairs together (percentile bootstrap).

    Args:
        vectors: the words to answer from, all of them.
        asked: the questions.
        seed: of the draws.
        resamples: how many draws.

    Raises:
        ConfembError: no question whose four words are all known.
    """
    unknown: dict[str, None] = {}
    known: dict[str, list[Question]] = {}
    for section, questions in asked.sections.items():
        known[section] = []
        for question in questions:
            missing = [word for word in _words(question) if word not in vectors]
            unknown.update(dict.fromkeys(missing))
            if not missing:
                known[section].append(question)
    if not any(known.values()):
        raise ConfembError(
            f"the vectors have not all four words of any question in {asked.name}; are they another language's?"
        )
    generator = np.random.default_rng(seed)
    right = {section: _answers(vectors, questions) for section, questions in known.items()}
    weights = {section: _weights(questions, generator, resamples) for section, questions in known.items()}
    scores = [
        _score(section, len(asked.sections[section]) - len(known[section]), right[section], weights[section])
        for section in known
    ]
    together = np.concatenate(list(right.values())), np.concatenate(list(weights.values()), axis=1)
    scores.append(_score(ALL, sum(score.unknown for score in scores), *together))
    return AnalogyScores(tuple(scores), tuple(unknown))


def _words(question: Question) -> tuple[str, str, str, str]:
    return question.one, question.other, question.third, question.answer


def _answers(vectors: WordVectors, questions: Sequence[Question]) -> np.ndarray:
    """Return (Q, 3) of 0 and 1: right at first, among five, and by the third word alone."""
    found = np.zeros((len(questions), 3))
    units = vectors.units
    for start in range(0, len(questions), BLOCK):
        rows = np.array([[vectors.index(word) for word in _words(q)] for q in questions[start : start + BLOCK]])
        given, answer = rows[:, :3], rows[:, 3]
        place = np.arange(len(rows))
        for column, targets in ((0, units[rows[:, 1]] - units[rows[:, 0]] + units[rows[:, 2]]), (2, units[rows[:, 2]])):
            scores = targets @ units.T
            scores[place[:, None], given] = -np.inf
            # An answer that is one of the words given, as with "deer deer", cannot be right: it is left out.
            before = (scores > scores[place, answer][:, None]).sum(axis=1)
            allowed = np.isfinite(scores[place, answer])
            found[start + place, column] = allowed & (before < 1)
            if column == 0:
                found[start + place, 1] = allowed & (before < 5)
    return found


def _weights(questions: Sequence[Question], generator: np.random.Generator, resamples: int) -> np.ndarray:
    """Return (R, Q) how often each question counts when the pairs of words are drawn anew."""
    index: dict[tuple[str, str], int] = {}
    ends = [[index.setdefault(pair, len(index)) for pair in ((q.one, q.other), (q.third, q.answer))] for q in questions]
    if not ends:
        return np.zeros((resamples, 0))
    drawn = generator.multinomial(len(index), np.full(len(index), 1 / len(index)), size=resamples)
    first, second = np.array(ends).T
    return drawn[:, first] * drawn[:, second]


def _score(section: str, unknown: int, right: np.ndarray, weights: np.ndarray) -> SectionScore:
    if not len(right):
        nothing = Accuracy(float("nan"), float("nan"), float("nan"))
        return SectionScore(section, 0, unknown, nothing, nothing, nothing)
    total = weights.sum(axis=1, keepdims=True)
    drawn = (weights @ right)[total[:, 0] > 0] / total[total[:, 0] > 0]
    bounds = (
        np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0) if len(drawn) else np.full((2, 3), np.nan)
    )
    each = [
        Accuracy(float(value), float(low), float(high))
        for value, low, high in zip(right.mean(axis=0), *bounds, strict=True)
    ]
    return SectionScore(section, len(right), unknown, *each)
