"""The embedding-space lab, for real: scenes, ImageNet pictures, a result's classes and GloVe's words.

After the guided laboratory "Embedding spaces" (Universitat Politècnica de Catalunya): word vectors with their nearest
words and analogies, vectors of pictures from a network's layer, and for any of them t-SNE, k-means with normalised
mutual information, and a linear SVM. Here with intervals, over numbers of classes, and judged by pictures apart.

    python experiments/lab.py --scenes SCENES --pictures PICTURES --glove GLOVE --result reports/newsgroups --work DIR

SCENES holds train/ and test/ with class folders (15-Scene), PICTURES class folders (ImageNet). GLOVE is a file of word
vectors in order of frequency. DIR keeps the pictures' vectors; a stopped run goes on from there. WordNet is taken from
where it usually is (`confemb fetch wordnet`), or from --wordnet FOLDER.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd

import confemb
from confemb.networks.pretrained.models import load_pretrained
from confemb.records.word_vectors import WordVectors
from confemb.references.wordnet_database import open_wordnet
from confemb.reporting.study import Section, Study, write_study
from confemb.reporting.tables import frame_table
from confemb.spaces.lab.analogies import load_analogies, score_analogies
from confemb.spaces.lab.examination import Examination, examine
from confemb.spaces.lab.labelled import LabelledVectors, label_words
from confemb.spaces.lab.maps import METHODS
from confemb.spaces.lab.neighbours import nearest_words
from confemb.spaces.lab.pictures import embed_pictures, summary
from confemb.spaces.lab.report import (
    analogy_frame,
    analogy_table,
    examination_data,
    examination_sections,
    findings,
    method_section,
)
from confemb.spaces.lab.sources import open_labelled
from confemb.spaces.words.activations import NetworkActivations
from confemb.support.files import make_folder, sha256_file
from confemb.support.manifest import versions
from confemb.support.progress import Display

ANALOGIES = Path(__file__).with_name("analogies.txt")
# Of each of WordNet's topics so many words, the most frequent; topics with fewer are left out.
WORDS_OF_TOPIC = 60
SHORTEST = 3
EXAMPLES = 500
ASKED = (("king", "man", "woman"), ("paris", "france", "italy"), ("mice", "mouse", "car"))


def picture_vectors(folder: Path, network: "Network", path: Path) -> LabelledVectors:
    """Return a folder's vectors, computed once."""
    if not path.exists():
        with Display().bar() as update:
            print(summary(embed_pictures(folder, network.activations(), path, progress=update), path))
    return LabelledVectors.load(path)


class Network:
    """A layer of a network with weights, opened when it is first needed."""

    def __init__(self, weights: str, layer: str) -> None:
        self.weights, self.layer = weights, layer
        self._opened: NetworkActivations | None = None

    def activations(self) -> NetworkActivations:
        if self._opened is None:
            self._opened = NetworkActivations(load_pretrained(self.weights), layer=self.layer)
        return self._opened


def topics(wordnet: Any, words: tuple[str, ...], most: int = WORDS_OF_TOPIC) -> dict[str, str]:
    """Return the topic (WordNet's lexicographer file) of those words that are nouns of one topic in every sense.

    A word that is also a verb, say, or a name with a capital letter, is left out.

    Args:
        wordnet: NLTK's WordNet reader.
        words: the most frequent first.
        most: words of each topic; topics that have fewer are left out.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        if len(word) < SHORTEST or not word.isalpha():
            continue
        senses = wordnet.synsets(word)
        named = {sense.lexname() for sense in senses if word in sense.lemma_names()}
        if len(named) == 1 and len({sense.lexname() for sense in senses}) == 1 and senses[0].pos() == "n":
            found.setdefault(named.pop().removeprefix("noun."), []).append(word)
    return {word: topic for topic, known in found.items() if len(known) >= most for word in known[:most]}


def word_sections(glove: WordVectors, seed: int) -> tuple[list[Section], dict[str, pd.DataFrame], list[str]]:
    """Return the sections on nearest words and analogies, their data, and what was found."""
    started = time.process_time()
    near = nearest_words(glove)
    seconds = time.process_time() - started
    rows = range(0, len(near.words), EXAMPLES)
    sample = [{"word": near.words[i], "nearest": near.nearest[i], "cosine": float(near.cosines[i])} for i in rows]
    place = {word: row for row, word in enumerate(near.words)}
    mutual = sum(near.nearest[place[near.nearest[row]]] == word for row, word in enumerate(near.words))
    scores = score_analogies(glove, load_analogies(ANALOGIES), seed=seed)
    answers = [
        {
            "question": f"{one} − {less} + {more}",
            "ten nearest": ", ".join(f"{word} {cosine:.2f}" for word, cosine in glove.analogy([one, more], [less])),
        }
        for one, less, more in ASKED
    ]
    whole = scores.sections[-1]
    sections = [
        Section(
            "Words: the nearest of each",
            f"Of the {len(near.words):,} most frequent words, among themselves, by cosine. For {mutual:,} of them it "
            f"is mutual. Every {EXAMPLES}th word:",
            [frame_table("Nearest words", pd.DataFrame(sample))],
        ),
        Section(
            "Words: analogies",
            f"Each question is answered from all {len(glove):,} words, the three given ones left out (3CosAdd).",
            [
                frame_table("Three questions", pd.DataFrame(answers)),
                analogy_table(scores, "Our own set, experiments/analogies.txt"),
            ],
        ),
    ]
    said = [
        f"GloVe answers {whole.top_1.value:.0%} ({whole.top_1.low:.0%} to {whole.top_1.high:.0%}) of "
        f"{whole.questions:,} analogies of our own small set right; the word nearest to the third alone is it for "
        f"{whole.without_offset.value:.0%}."
    ]
    print(f"the nearest of {len(near.words):,} words took {seconds:.1f} s of CPU time")
    return sections, {"analogies.csv": analogy_frame(scores)}, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--glove", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True, help="a result whose classes have groups")
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--wordnet", type=Path, help="a folder with WordNet's files")
    parser.add_argument("--weights", default="resnet50:keras")
    parser.add_argument("--layer", default="avg_pool")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("reports/lab"))
    given = parser.parse_args()
    try:
        print(write_study(study(given), given.out))
    except confemb.ConfembError as error:
        raise SystemExit(f"lab: {error}") from error


def study(given: argparse.Namespace) -> Study:
    """Return the report."""
    work, network = make_folder(given.work), Network(given.weights, given.layer)
    scenes, judge, pictures = (
        picture_vectors(folder, network, work / f"{name}.npz")
        for name, folder in (
            ("scenes_train", given.scenes / "train"),
            ("scenes_test", given.scenes / "test"),
            ("pictures", given.pictures),
        )
    )
    glove, wordnet = WordVectors.load(given.glove), open_wordnet(given.wordnet)
    words, _ = label_words(glove, topics(wordnet, glove.words))
    classes, _ = open_labelled(given.result)
    parts: dict[str, Examination] = {}
    with Display().bar() as update:
        for name, vectors, apart in (
            ("Scenes", scenes, judge),
            ("ImageNet", pictures, None),
            ("Words by topic", words, None),
            ("Classes of a result", classes, None),
        ):
            methods = METHODS if name == "Scenes" else ("tsne",)
            parts[name] = examine(vectors, judge=apart, methods=methods, seed=given.seed, progress=update)
    sections, data, said = [], {}, []
    for name, found in parts.items():
        prefix = f"{name.lower().replace(' ', '_')}_"
        sections += examination_sections(found, name, prefix)
        data |= examination_data(found, prefix)
        said += findings(found, name)
    more, tables, told = word_sections(glove, given.seed)
    about = {
        "weights": given.weights,
        "layer": given.layer,
        "seed": given.seed,
        "wordnet": wordnet.get_version(),
        "sha256": {path.name: sha256_file(path) for path in (given.glove, ANALOGIES)},
        "vectors": {path.name: sha256_file(path) for path in sorted(work.glob("*.npz"))},
        "versions": versions(),
    }
    description = (
        f"Pictures by {given.layer} of {given.weights}: {len(scenes):,} scenes of {len(scenes.class_names)} classes, "
        f"{len(judge):,} more to judge by, and {len(pictures):,} pictures of {len(pictures.class_names)} classes of "
        f"ImageNet. Words: {len(glove):,} of GloVe; {len(words):,} nouns of {len(words.class_names)} of WordNet's "
        f"topics. Classes: {len(classes)} of {given.result.resolve().name}, in {len(classes.class_names)} groups."
    )
    facts = [
        ("scenes: SVM, judged apart", f"{parts['Scenes'].judged_apart.value:.1%}"),
        ("scenes: NMI", f"{parts['Scenes'].agreement.value:.2f}"),
        ("ImageNet: SVM", f"{parts['ImageNet'].crossed.accuracy.value:.1%}"),
        ("ImageNet: NMI", f"{parts['ImageNet'].agreement.value:.2f}"),
    ]
    return Study(
        title="Embedding spaces: pictures, words and classes",
        description=description,
        findings=said + told,
        sections=[*sections, *more, method_section()],
        facts=facts,
        data=data | tables,
        manifest=about,
    )


if __name__ == "__main__":
    main()
