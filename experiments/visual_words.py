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
pictures a noun. car~truck .56, car~dog .48. With people's judgements (MEN, 185 pairs of classes and words above them)
visual vectors agree at .53, GloVe at .66, the confusion embedding at .77; on the 23 pairs of class names alone at .58,
.87 and .74.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import confemb
from confemb.records.word_vectors import WordVectors
from confemb.reporting import style
from confemb.spaces.words.activations import Activations
from confemb.spaces.words.judgements import load_judgements
from confemb.spaces.words.sources import FolderPictures, PictureSource
from confemb.spaces.words.visual import summary, visual_vectors
from confemb.support.files import make_folder, sha256_file, write_json, write_text
from confemb.support.manifest import versions
from confemb.support.part_files import ABOUT
from confemb.support.progress import Display

sys.path.insert(0, str(Path(__file__).parent))
import visual_words_judgements as judging
import visual_words_translation as translating
from visual_words_report import draw, page

from confemb.networks.pretrained.models import load_pretrained
from confemb.records.imagenet import imagenet_classes

SETS = ("EN-SIMLEX-999", "EN-WS-353-ALL", "EN-WS-353-SIM", "EN-MEN-TR-3k", "EN-RG-65")


def cached_vectors(source: PictureSource, activations: Activations | None, path: Path) -> WordVectors:
    """Return a source's vectors, computed once."""
    if path.exists():
        return WordVectors.load(path)
    assert activations is not None
    with Display().bar() as update:
        found = visual_vectors(source, activations, path, progress=update)
    print(summary(found, path))
    return found.vectors


def all_words(lexicon: judging.Lexicon, photos: np.ndarray, drawings: WordVectors) -> WordVectors:
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
        "held_apart": translating.held_apart(data / "imagenet_val_20classes"),
    }
    if activations is None and not all((work / f"{name}.bin").exists() for name in sources):
        from confemb.spaces.words.activations import NetworkActivations

        activations = NetworkActivations(load_pretrained(weights), layer=layer)
    photos, drawings, pictures = (
        cached_vectors(source, activations, work / f"{name}.bin") for name, source in sources.items()
    )
    classes = ["_".join(c.name.split()) for c in imagenet_classes()]
    of_class = photos.restricted_to(classes).vectors
    single = translating.by_class(pictures)
    translated, each = translating.translation(photos, single)
    lemmas = judging.class_lemmas(data / "imagenet_classes.csv")
    names = judging.lemma_lexicon(lemmas)
    words = all_words(names, of_class, drawings)
    glove = WordVectors.load(data / "glove_100d_40k.txt.gz")
    judgements = [load_judgements(data / "word_similarity" / f"{name}.txt") for name in SETS]
    confused = judging.confusion_vectors(data / "imagenet_val_top5.npz", judging.CONFUSED)
    kinds = {"visual": of_class, "confusion": confused}
    judged = judging.judge(names, kinds, glove, judgements)
    version = None
    if wordnet is not None:
        from confemb.references.wordnet_database import open_wordnet

        opened = open_wordnet(wordnet)
        version = opened.get_version()
        asked = {word for collection in judgements for pair in collection.pairs for word in pair}
        judged += judging.judge(judging.above_lexicon(opened, asked), kinds, glove, judgements)
    own = judging.Lexicon("drawings", {word: [row] for row, word in enumerate(drawings.words)})
    judged += judging.judge(own, {"visual": drawings.vectors}, glove, judgements)
    both = judging.Lexicon("photographs and drawings", {word: [row] for row, word in enumerate(words.words)})
    judged += judging.judge(both, {"visual": words.vectors}, glove, judgements)
    agree = [{"pictures a class": 1, **judging.classes_agree(of_class, confused)}]
    rows = [classes.index(name) for name in single]
    agree.append(
        {"pictures a class": 1, **judging.classes_agree(of_class[rows], confused[:, rows], draws=translating.DRAWS)}
    )
    for count in translating.PICTURES_A_NOUN[1:]:
        means = np.stack([single[name][:count].mean(axis=0) for name in single])
        agree.append(
            {"pictures a class": count, **judging.classes_agree(means, confused[:, rows], draws=translating.DRAWS)}
        )
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
        "activations": json.loads((work / f"photos.bin{ABOUT}").read_text(encoding="utf-8"))["activations"],
        "nouns": len(photos),
        "drawings": len(drawings),
        "words": len(words),
        "classes": len(single),
        "translated": sum(len(rows) - translating.FOR_VECTORS for rows in single.values()),
        "confused": judging.CONFUSED,
        "wordnet": version,
    }
    return parts, facts, words


if __name__ == "__main__":
    main()
