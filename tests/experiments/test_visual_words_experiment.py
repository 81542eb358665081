"""The experiment on visual word vectors, on thirty classes of plain colours."""

import csv

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from confemb.records.imagenet import imagenet_classes
from confemb.records.word_vectors import WordVectors
from confemb.spaces.words.judgements import Judgements

CLASSES = 30


class MeanColour:
    name = "colour/mean/1"

    def cut(self, pixels):
        return np.asarray(Image.fromarray(pixels).resize((2, 2)))

    def vectors(self, batch):
        return batch.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def visual_words(load_script):
    return load_script("visual_words")


def test_lexicons_average_the_classes_a_word_names(visual_words):
    lemmas = [["tabby", "tabby cat"], ["crane"], ["crane", "Grus"], ["T-shirt"]]
    found = visual_words.judging.lemma_lexicon(lemmas)
    assert dict(found.rows) == {"tabby": [0], "crane": [1, 2], "grus": [2]}
    vectors = np.array([[2, 0], [0, 3], [1, 0], [1, 1]], np.float32)
    # crane is halfway between [0, 1] and [1, 0].
    np.testing.assert_allclose(found.cosines(vectors, [("tabby", "crane"), ("grus", "tabby")]), [np.sqrt(0.5), 1])
    runs = np.stack([vectors, vectors[:, ::-1]])
    np.testing.assert_allclose(found.cosines(runs, [("tabby", "crane")]), [np.sqrt(0.5)])


class Synset:
    def __init__(self, name, above=None):
        self.called, self.above = name, above

    def hypernym_paths(self):
        path = [self]
        while path[0].above is not None:
            path.insert(0, path[0].above)
        return [path]

    def lemmas(self):
        return [self]

    def key(self):
        return self.called


class WordNet:
    def __init__(self, classes):
        self.thing = Synset("thing")
        self.animal = Synset("animal", self.thing)
        self.nouns = {c.sense_key.partition("%")[0]: Synset(c.sense_key, self.animal) for c in classes[:2]}

    def synsets(self, word, pos="n"):
        assert pos == "n"
        known = {**self.nouns, "animal": self.animal, "thing": self.thing}
        return [known[word]] if word in known else []


def test_words_above_classes(visual_words, monkeypatch):
    wordnet = WordNet(imagenet_classes())
    found = visual_words.judging.above_lexicon(wordnet, {"animal", "tench", "stone", "thing"})
    assert dict(found.rows) == {"animal": [0, 1], "tench": [0], "thing": [0, 1]}
    monkeypatch.setattr(visual_words.judging, "MOST_CLASSES", 1)
    assert dict(visual_words.judging.above_lexicon(wordnet, {"animal", "tench"}).rows) == {"tench": [0]}


def test_translation_counts_and_what_is_said_instead(visual_words, monkeypatch):
    monkeypatch.setattr(visual_words.translating, "FOR_VECTORS", 5)
    monkeypatch.setattr(visual_words.translating, "PICTURES_A_NOUN", (1, 5))
    nouns = WordVectors(("a", "b", "c"), np.eye(3))
    # Of a's pictures every second is nearer to c; b's are all right.
    good, bad = [1, 0, 0.5], [0.5, 0, 1]
    pictures = {"a": np.array([good, bad] * 10, float)[:15], "b": np.array([[0, 1, 0]] * 15, float)}
    whole, each = visual_words.translating.translation(nouns, pictures)
    assert whole["nouns"].tolist() == [3, 2, 2, 2]
    assert whole["top-1"].tolist() == [0.75, 1, 1, 1]
    assert whole["top-5"].tolist() == [1] * 4
    assert (whole["top-1 low"][0], whole["top-1 high"][0]) == (pytest.approx(0.5, abs=0.2), 1)
    assert each.to_dict("records")[0] == {
        "pictures of": "a",
        "top-1": 0.5,
        "top-5": 1.0,
        "most often instead": "c (5)",
    }


def test_judging_is_on_the_pairs_all_know(visual_words):
    generator = np.random.default_rng(0)
    angles = np.cumsum([0, 0.101, 0.23, 0.17, 0.31, 0.127, 0.2, 0.26])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    words = tuple("abcdefgh")
    lexicon = visual_words.judging.Lexicon("letters", {word: [row] for row, word in enumerate(words)})
    pairs = tuple((one, other) for i, one in enumerate(words) for other in words[i + 1 :])
    scores = np.array([-abs(angles[words.index(one)] - angles[words.index(other)]) for one, other in pairs])
    judgements = [Judgements("x", (*pairs, ("a", "unknown")), np.append(scores, 9))]
    glove = WordVectors(words, generator.normal(size=(8, 3)))
    rows = visual_words.judging.judge(lexicon, {"visual": vectors}, glove, judgements)
    assert [(row["vectors"], row["pairs"]) for row in rows] == [("visual", 28), ("GloVe", 28)]
    assert rows[0]["Spearman"] == pytest.approx(1)
    assert rows[1]["minus visual"] == pytest.approx(rows[1]["Spearman"] - 1)


def test_classes_agree_with_themselves_and_not_with_chance(visual_words):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(40, 5))
    same = visual_words.judging.classes_agree(vectors, np.stack([vectors, 2 * vectors]), draws=20)
    assert same["Spearman"] == pytest.approx(1)
    assert (same["nearest the same"], same["nearest among five"]) == (1, 1)
    other = visual_words.judging.classes_agree(vectors, generator.normal(size=(1, 40, 5)), draws=100)
    assert other["low"] < 0 < other["high"]
    assert other["by chance"] == pytest.approx(1 / 39)


@pytest.fixture
def data(tmp_path):
    """Write a small copy of everything: each class has a colour, its neighbour in order a near one."""
    classes = imagenet_classes()[:CLASSES]
    generator = np.random.default_rng(3)
    colours = generator.integers(20, 255, (CLASSES, 3))

    def paint(path, colour):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), tuple(int(value) for value in colour)).save(path)

    for c, colour in zip(classes, colours, strict=True):
        paint(tmp_path / "imagenet_samples" / f"{c.wnid}_x.png", colour)
    for c, colour in zip(classes[:8], colours, strict=False):
        for number in range(9):
            paint(tmp_path / "imagenet_val_20classes" / c.wnid / f"{number}.png", colour + number)
    drawn = {"car": (250, 20, 20), "truck": (250, 60, 20), "dog": (20, 20, 250), "goldfish": (250, 200, 20)}
    for word, colour in drawn.items():
        paint(tmp_path / "snodgrass_colour" / f"{word}.png", colour)
    with open(tmp_path / "imagenet_classes.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["wnid", "synset"])
        writer.writerows([c.wnid, f"{c.name};other name"] for c in classes)
    words = [c.name for c in classes if c.name.isalpha()]
    (tmp_path / "word_similarity").mkdir()
    for name in ("EN-SIMLEX-999", "EN-WS-353-ALL", "EN-WS-353-SIM", "EN-MEN-TR-3k", "EN-RG-65"):
        pairs = [(one, other) for one in [*words[:5], *drawn] for other in [*words[5:8], "car"] if one != other]
        lines = [f"{one}\t{other}\t{generator.integers(10)}\n" for one, other in pairs]
        (tmp_path / "word_similarity" / f"{name}.txt").write_text("".join(lines))
    known = sorted({*words, *drawn})
    WordVectors(tuple(known), generator.normal(size=(len(known), 4))).save(tmp_path / "glove.txt")
    (tmp_path / "glove.txt").rename(tmp_path / "glove_100d_40k.txt.gz")
    import gzip

    path = tmp_path / "glove_100d_40k.txt.gz"
    path.write_bytes(gzip.compress(path.read_bytes()))
    labels = np.arange(20 * CLASSES) % CLASSES
    top = (labels[:, None] + generator.integers(0, 4, (len(labels), 1)) + np.arange(5)) % CLASSES
    np.savez(
        tmp_path / "imagenet_val_top5.npz",
        labels=labels.astype(np.int32),
        wnids=np.array([c.wnid for c in classes]),
        resnet50=top.astype(np.int32),
    )
    return tmp_path


def test_all_of_it_on_thirty_classes(visual_words, data, tmp_path, monkeypatch):
    classes = imagenet_classes()[:CLASSES]
    for module in (visual_words, visual_words.judging):
        monkeypatch.setattr(module, "imagenet_classes", lambda: classes)
    monkeypatch.setattr(visual_words.judging, "DIM", 5)
    monkeypatch.setattr(visual_words.judging, "SEEDS", 2)
    monkeypatch.setattr(visual_words.translating, "DRAWS", 20)
    monkeypatch.setattr(visual_words.translating, "FOR_VECTORS", 5)
    monkeypatch.setattr(visual_words.translating, "PICTURES_A_NOUN", (1, 3))
    work = tmp_path / "work"
    work.mkdir()
    parts, facts, words = visual_words.measure(data, work, None, "w", "l", activations=MeanColour())
    assert (facts["nouns"], facts["drawings"], facts["classes"], facts["translated"]) == (30, 4, 8, 32)
    assert facts["activations"] == "colour/mean/1"
    # The same colour, a little lighter: the right noun.
    assert parts["translation"]["top-1"].tolist()[1:] == [1, 1, 1]
    car = dict(zip(parts["post"]["words"], parts["post"]["cosine"], strict=True))
    assert car["car ~ truck"] > car["car ~ dog"]
    assert "goldfish" in words
    assert "car" in words
    judged = parts["judgements"]
    assert set(judged["vectors"]) == {"visual", "confusion", "GloVe"}
    assert judged["Spearman"].between(-1, 1).all()
    assert parts["classes"]["classes"].tolist() == [30, 8, 8]
    page = visual_words.page(parts, facts)
    assert "30 nouns of one photograph" in page
    assert "nan" not in page
    assert visual_words.draw(judged, parts["translation"]).axes[1].get_xlim()[0] == 0
    # A second run reads the vectors and needs no classifier.
    again, _, _ = visual_words.measure(data, work, None, "w", "l")
    for name, frame in parts.items():
        pd.testing.assert_frame_equal(frame, again[name])
