"""Word vectors from pictures, for real: translation by picture, and what people and confusions say of the same words.

After the blog post "Word Embeddings using Deep Neural Network Image Classifier" (2018): a noun's vector is what a
ResNet-50 computes from its picture before the softmax. Asked here:

* translation: pictures that no noun's vector is from, shown to 1,000 nouns of one picture each; and how it grows with
  the pictures a noun has;
* the post's own example: is a car more like a truck than like a dog?
* human judgements (SimLex-999, WordSim-353, MEN, RG-65) beside GloVe and beside the confusion embedding of an ImageNet
  classifier, on the pairs that all know;
* do visual vectors order the pairs of ImageNet's classes as the confusion embedding does?

    python experiments/visual_words.py --data DATA --work DIR [--wordnet FOLDER]

DATA holds imagenet_samples/ (one picture a class), snodgrass_colour/ (one drawing a noun), imagenet_val_20classes/
(folders of held-apart pictures), word_similarity/, imagenet_val_top5.npz, imagenet_classes.csv (column `synset`: a
class's lemmas) and glove_100d_40k.txt.gz. DIR keeps the vectors; a stopped run goes on from there, and
DIR/visual_words.bin, all words with a picture, is what experiments/newsgroups_embeddings.py takes. With WordNet, words
above the classes ("dog", "vehicle") are pictured by the classes under their first sense.

Found (reports/visual_words): of 300 held-apart pictures of 20 classes the right one of 1,000 nouns, each known from
one picture, is the nearest for 25 % and among the five nearest for 54 %; of 20 nouns, for 72 %, and for 93 % with five
pictures a noun. car~truck .56, car~dog .48. With people's judgements (MEN, 188 pairs of classes and words above them)
visual vectors agree at .53, GloVe at .66, the confusion embedding at .76.
"""

import argparse
import csv
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import confemb
from confemb.embedders import embed_runs
from confemb.files import make_folder, sha256_file, write_json, write_text
from confemb.progress import Display
from confemb.provenance import versions
from confemb.reporting import style
from confemb.reporting.tables import frame_to_markdown
from confemb.words.activations import Activations
from confemb.words.judgements import Judgements, load_judgements, rank_agreement
from confemb.words.sources import FolderPictures, NamedPictures, PictureSource
from confemb.words.translation import ranks_of
from confemb.words.vectors import WordVectors
from confemb.words.visual import MANIFEST, summary, visual_vectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of each held-apart class: the first pictures make vectors of more than one picture, the next are translated.
FOR_VECTORS, TRANSLATED = 10, 50
PICTURES_A_NOUN = (1, 5, 10)
TOP = (1, 5)
CONFUSED, DIM, SEEDS = "resnet50", 50, 3
# A word above more classes than these ("object", "animal") is nothing one could picture.
MOST_CLASSES = 200
SETS = ("EN-SIMLEX-999", "EN-WS-353-ALL", "EN-WS-353-SIM", "EN-MEN-TR-3k", "EN-RG-65")
DRAWS = 1_000
# A correlation of fewer pairs tells nothing.
FEWEST_PAIRS = 10


def cached_vectors(source: PictureSource, activations: Activations | None, path: Path) -> WordVectors:
    """Return a source's vectors, computed once."""
    if path.exists():
        return WordVectors.load(path)
    assert activations is not None
    with Display().bar() as update:
        found = visual_vectors(source, activations, path, progress=update)
    print(summary(found, path))
    return found.vectors


def held_apart(folder: Path) -> NamedPictures:
    """Return each single picture of a folder of class folders as a word of its own, "class/number"."""
    source = FolderPictures(folder)
    pictures = {
        f"{word}/{number:03}": [picture]
        for word in source.words
        for number, picture in enumerate(list(source.pictures(word))[: FOR_VECTORS + TRANSLATED])
    }
    return NamedPictures(pictures, name=folder.name)


def by_class(vectors: WordVectors) -> dict[str, np.ndarray]:
    """Return (n, d) vectors of the single pictures of each class."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for name, vector in zip(vectors.words, vectors.vectors, strict=True):
        found[name.rpartition("/")[0]].append(vector)
    return {name: np.stack(rows) for name, rows in found.items()}


def shares(ranks: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, float]:
    """Return top-1 and top-5 shares with intervals, classes and then pictures within them drawn anew."""
    generator = np.random.default_rng(seed)
    rows = list(ranks.values())
    found = {}
    for top in TOP:
        right = [each <= top for each in rows]
        drawn = []
        for _ in range(DRAWS):
            chosen = generator.integers(0, len(right), len(right))
            drawn.append(
                np.mean([right[i][generator.integers(0, len(right[i]), len(right[i]))].mean() for i in chosen])
            )
        low, high = np.percentile(drawn, [2.5, 97.5])
        mean = float(np.mean([each.mean() for each in right]))
        found |= {f"top-{top}": mean, f"top-{top} low": float(low), f"top-{top} high": float(high)}
    return found


def translation(nouns: WordVectors, pictures: Mapping[str, np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how often held-apart pictures are translated right, and a row for each of their classes."""
    asked = {name: rows[FOR_VECTORS:] for name, rows in pictures.items()}
    classes = list(asked)
    rows: list[dict[str, Any]] = []

    def add(what: str, count: str, vectors: WordVectors) -> dict[str, np.ndarray]:
        ranks = {name: ranks_of(vectors, asked[name], [name] * len(asked[name])) for name in classes}
        rows.append({"nouns": len(vectors), "a noun's vector": what, "pictures a noun": count, **shares(ranks)})
        return ranks

    ranks = add("one picture from elsewhere", "1", nouns)
    add("one picture from elsewhere", "1", nouns.restricted_to(classes))
    for count in PICTURES_A_NOUN:
        means = np.stack([pictures[name][:count].mean(axis=0) for name in classes])
        add("pictures of the same collection", str(count), WordVectors(tuple(classes), means))
    each = []
    for name in classes:
        first = [nouns.nearest_to(vector, top=1)[0][0] for vector in asked[name]]
        wrong = Counter(word for word in first if word != name).most_common(2)
        each.append(
            {
                "pictures of": name,
                "top-1": float((ranks[name] <= 1).mean()),
                "top-5": float((ranks[name] <= 5).mean()),
                "most often instead": ", ".join(f"{word} ({count})" for word, count in wrong),
            }
        )
    return pd.DataFrame(rows), pd.DataFrame(each)


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words by what stands for them.

    Attributes:
        name: of these words.
        rows: for each word the rows of vectors that are averaged, after scaling them to length 1.
    """

    name: str
    rows: Mapping[str, Sequence[int]]

    def __contains__(self, word: object) -> bool:
        return word in self.rows

    def cosines(self, vectors: np.ndarray, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return (P,) cosines of pairs of words by (K, d) vectors, or by (S, K, d) the mean over S runs."""
        if vectors.ndim == 3:
            return np.mean([self.cosines(run, pairs) for run in vectors], axis=0)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        means = {word: units[list(self.rows[word])].mean(axis=0) for word in {w for pair in pairs for w in pair}}
        means = {word: mean / np.linalg.norm(mean) for word, mean in means.items()}
        return np.array([means[one] @ means[other] for one, other in pairs])


def class_lemmas(path: Path) -> list[list[str]]:
    """Return the lemmas of ImageNet's 1,000 classes, in index order.

    Raises:
        ConfembError: a file without them.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            found = {row["wnid"]: row["synset"].split(";") for row in csv.DictReader(file)}
        return [found[c.wnid] for c in confemb.imagenet_classes()]
    except (OSError, KeyError) as error:
        raise confemb.ConfembError(f"{path} does not hold the lemmas of ImageNet's 1,000 classes: {error}.") from error


def lemma_lexicon(lemmas: Sequence[Sequence[str]]) -> Lexicon:
    """Return the single words among the classes' lemmas, each with the classes it names."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(lemmas):
        for name in names:
            if name.isalpha():
                rows[name.lower()].append(row)
    return Lexicon("names of classes", {word: sorted(set(found)) for word, found in rows.items()})


def above_lexicon(wordnet: Any, words: set[str]) -> Lexicon:
    """Return words whose first sense is a class or stands above at most `MOST_CLASSES`, with those classes."""
    from confemb.wordnet import noun_of_sense

    under: dict[Any, set[int]] = defaultdict(set)
    for row, each in enumerate(confemb.imagenet_classes()):
        noun = noun_of_sense(wordnet, each.sense_key)
        for synset in set() if noun is None else {above for path in noun.hypernym_paths() for above in path}:
            under[synset].add(row)
    rows = {}
    for word in sorted(words):
        senses = wordnet.synsets(word, "n")
        if senses and 0 < len(under.get(senses[0], ())) <= MOST_CLASSES:
            rows[word] = sorted(under[senses[0]])
    return Lexicon("classes and words above them", rows)


def judge(
    lexicon: Lexicon, kinds: Mapping[str, np.ndarray], glove: WordVectors, judgements: Sequence[Judgements]
) -> list[dict[str, Any]]:
    """Return a row for each collection of judgements and kind of vectors; differences are to the first kind."""
    rows = []
    for collection in judgements:
        known = collection.known_to(lexicon, glove)
        if len(known.pairs) < FEWEST_PAIRS:
            continue
        cosines = [lexicon.cosines(vectors, known.pairs) for vectors in kinds.values()]
        cosines.append(np.array([glove.similarity(*pair) for pair in known.pairs]))
        found, differences = rank_agreement(known.scores, cosines)
        for place, (kind, value) in enumerate(zip([*kinds, "GloVe"], found, strict=True)):
            row = {"words": lexicon.name, "judgements": collection.name, "pairs": len(known.pairs), "vectors": kind}
            row |= {"Spearman": value.value, "low": value.low, "high": value.high}
            if place:
                less = differences[place - 1]
                row |= {"less visual": less.value, "less low": less.low, "less high": less.high}
            rows.append(row)
    return rows


def classes_agree(visual: np.ndarray, confused: np.ndarray, *, seed: int = 0, draws: int = 50) -> dict[str, float]:
    """Return how alike (K, d) visual and (S, K, d) confusion vectors order the pairs of classes.

    The interval is from classes drawn anew, pairs of a class with its own copy left out.
    """
    from confemb.embedding import cosines

    ours, theirs = cosines(visual), np.mean([cosines(run) for run in confused], axis=0)
    size = len(ours)
    generator = np.random.default_rng(seed)

    def spearman(rows: np.ndarray) -> float:
        one, other = np.triu_indices(len(rows), k=1)
        apart = rows[one] != rows[other]
        one, other = rows[one[apart]], rows[other[apart]]
        if len(one) < 3:
            return float("nan")
        return float(confemb.rank_correlations(np.stack([ours[one, other], theirs[one, other]]))[0, 1])

    drawn = [spearman(generator.integers(0, size, size)) for _ in range(draws)]
    found = spearman(np.arange(size))
    nearest = []
    for square in (ours, theirs):
        blind = np.where(np.eye(size, dtype=bool), -np.inf, square)
        nearest.append(np.argsort(-blind, axis=1, kind="stable")[:, :5])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    same = float((nearest[0][:, 0] == nearest[1][:, 0]).mean())
    among = float(np.mean([first in five for first, five in zip(nearest[1][:, 0], nearest[0], strict=True)]))
    return {
        "classes": size,
        "Spearman": found,
        "low": float(low),
        "high": float(high),
        "nearest the same": same,
        "nearest among five": among,
        "by chance": 1 / (size - 1),
    }


def confusion_vectors(path: Path, classifier: str) -> np.ndarray:
    """Return (S, 1000, d) vectors of a classifier's confusions, see experiments/imagenet_zoo.toml."""
    try:
        with np.load(path, allow_pickle=False) as file:
            labels, wnids, top = file["labels"], file["wnids"], file[classifier]
    except (OSError, ValueError, KeyError) as error:
        raise confemb.ConfembError(f"{path} holds no predictions of {classifier}: {error}.") from error
    classes = confemb.imagenet_classes()
    if wnids.tolist() != [c.wnid for c in classes]:
        raise confemb.ConfembError(f"{path}: its wnids must be those of ImageNet's 1,000 classes in index order.")
    counts = confemb.count_pairs(confemb.Predictions(labels, top, None, tuple(c.name for c in classes)), k=top.shape[1])
    return embed_runs(confemb.SkipGram(dim=DIM), counts, range(SEEDS)).vectors


def all_words(lexicon: Lexicon, photos: np.ndarray, drawings: WordVectors) -> WordVectors:
    """Return one vector for each word with a picture: the mean of its photographs' and its drawing's activations."""
    rows: dict[str, list[np.ndarray]] = defaultdict(list)
    for word, of_word in lexicon.rows.items():
        rows[word].extend(photos[list(of_word)])
    for word, vector in zip(drawings.words, drawings.vectors, strict=True):
        rows[word].append(vector)
    words = tuple(sorted(rows))
    return WordVectors(words, np.stack([np.mean(rows[word], axis=0) for word in words]))


def post_example(vectors: WordVectors) -> pd.DataFrame:
    """Return the post's similarities beside ours, and the nearest words."""
    said = {("car", "truck"): 0.419, ("car", "dog"): 0.270}
    rows = [
        {"words": f"{one} ~ {other}", "cosine": vectors.similarity(one, other), "the post": value}
        for (one, other), value in said.items()
    ]
    return pd.DataFrame(rows)


def nearest_words(vectors: WordVectors, words: Sequence[str]) -> pd.DataFrame:
    """Return the five nearest words of some."""
    there = [word for word in words if word in vectors]
    return pd.DataFrame(
        [{"word": w, "nearest": ", ".join(f"{n} {c:.2f}" for n, c in vectors.nearest(w, top=5))} for w in there]
    )


def draw(judged: pd.DataFrame, translated: pd.DataFrame) -> "Figure":
    """Return the figure: agreement with people on the left, translation on the right."""
    colours = {"visual": style.GROUPS[0], "confusion": style.GROUPS[1], "GloVe": style.GROUPS[2]}
    with style.figure_style():
        places = list(judged.groupby(["words", "judgements"], sort=False).groups)
        figure = style.new_figure(11.5, 1.5 + 0.28 * max(8, len(places)))
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
        for place, (words, name) in enumerate(places):
            here = judged[(judged["words"] == words) & (judged["judgements"] == name)]
            for shift, row in enumerate(here.to_dict("records")):
                y = len(places) - place + 0.25 - 0.25 * shift
                colour = colours[row["vectors"]]
                left.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.5)
                left.plot(row["Spearman"], y, "o", color=colour, markersize=5)
        counts = judged.groupby(["words", "judgements"], sort=False)["pairs"].first()
        labels = [f"{words}: {name.removeprefix('EN-')} ({counts[words, name]})" for words, name in places]
        left.set_yticks(range(len(places), 0, -1), labels)
        left.axvline(0, color=style.FAINT, zorder=0)
        left.set_xlabel("Spearman with human judgements, 95 % (pairs in brackets)")
        left.set_title("Agreement with people")
        for kind, colour in colours.items():
            left.plot([], [], "o-", color=colour, markersize=5, label=kind)
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8)
        labels = [
            f"{row['nouns']:,} nouns, {row['pictures a noun']} picture{'s' * (row['pictures a noun'] != '1')} each"
            + ", same source" * row["a noun's vector"].startswith("pictures")
            for row in translated.to_dict("records")
        ]
        for shift, top in enumerate(TOP):
            y = np.arange(len(translated), 0, -1) + 0.12 - 0.24 * shift
            bars = translated[[f"top-{top} low", f"top-{top} high"]].to_numpy().T
            values = translated[f"top-{top}"].to_numpy()
            errors = np.abs(bars - values)
            right.errorbar(
                values, y, xerr=errors, fmt="o", color=style.GROUPS[3 + shift], label=f"top-{top}", markersize=5
            )
        right.set_yticks(range(len(translated), 0, -1), labels)
        right.set_xlim(0, 1.02)
        right.set_xlabel("held-apart pictures translated right")
        right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        right.set_title("Translation by picture")
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8)
    return figure


def _percent(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    frame = frame.copy()
    for column in columns:
        frame[column] = [f"{value:.1%}" for value in frame[column]]
    return frame


def page(parts: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> str:
    """Return tables.md."""
    whole = parts["classes"].iloc[0]
    translated = _percent(
        parts["translation"], [column for column in parts["translation"] if column.startswith("top-")]
    )
    judged = parts["judgements"].copy()
    for column in ("Spearman", "low", "high", "less visual", "less low", "less high"):
        judged[column] = ["" if pd.isna(value) else f"{value:+.2f}" for value in judged[column]]
    return f"""# Word vectors from pictures

A word's vector is the mean of `{facts["activations"]}` over its pictures. {facts["nouns"]:,} nouns of one photograph, \
{facts["drawings"]:,} of one drawing.

## Translation by picture

{facts["translated"]:,} pictures of {facts["classes"]} classes, none of which made a noun's vector. The right noun is \
the nearest (top-1) or among the five nearest (top-5) by cosine; for the intervals classes, and pictures within them, \
are drawn anew.

{frame_to_markdown(translated)}
The {facts["nouns"]:,} nouns, by class:

{frame_to_markdown(_percent(parts["translation_classes"], ["top-1", "top-5"]))}
## The post's example

{frame_to_markdown(parts["post"].round(3))}
{frame_to_markdown(parts["nearest"])}
## Human judgements

Spearman's correlation with people's scores over the pairs that all vectors of a group know, where there are at least \
{FEWEST_PAIRS}; intervals from 2,000 \
draws of the pairs, "less visual" is the difference to the visual vectors on the same draws. "confusion" is the \
skip-gram embedding of {facts["confused"]}'s five most probable classes (50,000 pictures, {DIM} dimensions, {SEEDS} \
seeds).

{frame_to_markdown(judged)}
## The classes of ImageNet

Visual vectors of one picture a class and the confusion embedding order the pairs of {whole["classes"]:,.0f} classes \
alike at Spearman {whole["Spearman"]:.2f} ({whole["low"]:.2f} to {whole["high"]:.2f}, classes drawn anew); the nearest \
class is the same for {whole["nearest the same"]:.0%}, by chance for {whole["by chance"]:.1%}. With more pictures:

{frame_to_markdown(parts["classes"].round(3))}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--wordnet", type=Path, help="a folder with WordNet's files")
    parser.add_argument("--weights", default="resnet50:keras")
    parser.add_argument("--layer", default="avg_pool")
    parser.add_argument("--out", type=Path, default=Path("reports/visual_words"))
    given = parser.parse_args()
    try:
        parts, facts, words = measure(given.data, make_folder(given.work), given.wordnet, given.weights, given.layer)
        words.save(given.work / "visual_words.bin")
        out = make_folder(given.out)
        for name, frame in parts.items():
            write_text(out / f"{name}.csv", frame.round(4).to_csv(index=False))
        figure = draw(parts["judgements"], parts["translation"])
        for kind in ("png", "svg"):
            style.save_bytes(out / f"visual_words.{kind}", style.figure_bytes(figure, kind, dpi=150))
        write_text(out / "tables.md", page(parts, facts))
        files = ("imagenet_val_top5.npz", "imagenet_classes.csv", "glove_100d_40k.txt.gz")
        sources = {name: sha256_file(given.data / name) for name in files}
        vectors = {name.name: sha256_file(name) for name in sorted(given.work.glob("*.bin"))}
        write_json(out / "manifest.json", {**facts, "sha256": sources, "vectors": vectors, "versions": versions()})
    except confemb.ConfembError as error:
        raise SystemExit(f"visual_words: {error}") from error
    print((out / "tables.md").read_text(encoding="utf-8"))


def measure(
    data: Path, work: Path, wordnet: Path | None, weights: str, layer: str, activations: Activations | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, Any], WordVectors]:
    """Return every table, the facts of the run, and the vectors of all words with a picture."""
    sources: dict[str, PictureSource] = {
        "photos": FolderPictures(data / "imagenet_samples"),
        "drawings": FolderPictures(data / "snodgrass_colour"),
        "held_apart": held_apart(data / "imagenet_val_20classes"),
    }
    if activations is None and not all((work / f"{name}.bin").exists() for name in sources):
        from confemb.words.activations import NetworkActivations

        activations = NetworkActivations(confemb.load_pretrained(weights), layer=layer)
    photos, drawings, pictures = (
        cached_vectors(source, activations, work / f"{name}.bin") for name, source in sources.items()
    )
    classes = ["_".join(c.name.split()) for c in confemb.imagenet_classes()]
    of_class = photos.restricted_to(classes).vectors
    single = by_class(pictures)
    translated, each = translation(photos, single)
    lemmas = class_lemmas(data / "imagenet_classes.csv")
    names = lemma_lexicon(lemmas)
    words = all_words(names, of_class, drawings)
    glove = WordVectors.load(data / "glove_100d_40k.txt.gz")
    judgements = [load_judgements(data / "word_similarity" / f"{name}.txt") for name in SETS]
    confused = confusion_vectors(data / "imagenet_val_top5.npz", CONFUSED)
    kinds = {"visual": of_class, "confusion": confused}
    judged = judge(names, kinds, glove, judgements)
    if wordnet is not None:
        from confemb.wordnet import open_wordnet

        asked = {word for collection in judgements for pair in collection.pairs for word in pair}
        judged += judge(above_lexicon(open_wordnet(wordnet), asked), kinds, glove, judgements)
    own = Lexicon("drawings", {word: [row] for row, word in enumerate(drawings.words)})
    judged += judge(own, {"visual": drawings.vectors}, glove, judgements)
    both = Lexicon("photographs and drawings", {word: [row] for row, word in enumerate(words.words)})
    judged += judge(both, {"visual": words.vectors}, glove, judgements)
    agree = [{"pictures a class": 1, **classes_agree(of_class, confused)}]
    rows = [classes.index(name) for name in single]
    agree.append({"pictures a class": 1, **classes_agree(of_class[rows], confused[:, rows], draws=DRAWS)})
    for count in PICTURES_A_NOUN[1:]:
        means = np.stack([single[name][:count].mean(axis=0) for name in single])
        agree.append({"pictures a class": count, **classes_agree(means, confused[:, rows], draws=DRAWS)})
    shown = ("car", "dog", "apple", "guitar", "chair", "eagle", "church", "spider")
    parts = {
        "translation": translated,
        "translation_classes": each,
        "post": post_example(drawings),
        "nearest": nearest_words(drawings, shown),
        "judgements": pd.DataFrame(judged),
        "classes": pd.DataFrame(agree),
    }
    facts = {
        "activations": json.loads((work / f"photos.bin{MANIFEST}").read_text(encoding="utf-8"))["activations"],
        "nouns": len(photos),
        "drawings": len(drawings),
        "words": len(words),
        "classes": len(single),
        "translated": sum(len(rows) - FOR_VECTORS for rows in single.values()),
        "confused": CONFUSED,
        "wordnet": wordnet is not None,
    }
    return parts, facts, words


if __name__ == "__main__":
    main()
