"""A language identifier's mistakes bring out the language families.

py3langid (a naive Bayes classifier of byte sequences, its model in the package) reads texts of 1, 2, 3 and 5 words
drawn from wordfreq's lists, in every language that both know, and chooses among these languages. What it takes for what
is compared with how the languages are related (lang2vec's families, from Ethnologue and Glottolog) and how alike their
grammars are (lang2vec's syntax, gaps filled from related languages, so not independent of the families), with a Mantel
test over the pairs of languages.

    pip install py3langid wordfreq lang2vec
    python experiments/gallery/languages.py

The report is that of the texts of three words; `words.csv` has a row for each length. The same seed draws the same
texts each time.
"""

import argparse
import csv
import importlib.resources
import importlib.util
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import confemb
from confemb.analysis.options import AnalysisOptions, ReportOptions
from confemb.classifiers.class_matching import match_classes
from confemb.classifiers.data.data_names import open_data
from confemb.classifiers.models.model_names import open_model
from confemb.classifiers.scoring import discard_parts, score
from confemb.embedders import embed_runs
from confemb.embedders.options import embedder_options
from confemb.references.tables import distances_reference
from confemb.reporting.tables import frame_to_markdown
from confemb.result import analyze_counts
from confemb.result.folder import save_analysis, writing
from confemb.stats.mantel import mantel_test
from confemb.stats.seeds import summarise_runs
from confemb.support.files import make_folder, write_text

LENGTHS, REPORTED, TEXTS, SEED = (1, 2, 3, 5), 3, 300, 0
# Words come from the most frequent of each language, in proportion to how often they are used.
WORDS = 20_000
SEEDS, DIM, EPOCHS = 20, 10, 20
HERE = Path(__file__)
SOURCE = {"experiment": "experiments/gallery/languages.py", "seed": SEED}
# From the top of the repository: the result names its references by their paths.
OUT = Path("reports/gallery_languages")


def languages() -> list[str]:
    """Return the codes (ISO 639-1) of the languages that wordfreq, py3langid and lang2vec all know, sorted."""
    import wordfreq
    from py3langid import langid

    known = set(langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE).labels)
    return sorted(known & set(wordfreq.available_languages()) & set(_codes()))


class Identifier:
    """py3langid as a classifier: `python:experiments/gallery/languages.py:Identifier`."""

    name = "py3langid"
    takes = "text"
    logits = False

    def __init__(self) -> None:
        import importlib.metadata

        from py3langid import langid

        self.class_names = languages()
        self.version = importlib.metadata.version("py3langid")
        self._identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
        self._identifier.set_languages(self.class_names)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, K) probabilities."""
        ranked = (dict(self._identifier.rank(text)) for text in texts)
        return np.array([[probs[name] for name in self.class_names] for probs in ranked])


def write_texts(path: Path, length: int, names: Sequence[str]) -> None:
    """Write `TEXTS` texts of `length` words for each language, drawn by frequency, as CSV."""
    import wordfreq

    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for name in names:
            # Not word_frequency, which would cut Japanese and Korean into words anew.
            known = wordfreq.get_frequency_dict(name)
            words = [word for word in wordfreq.top_n_list(name, WORDS) if word.isalpha() and word in known]
            weights = np.array([known[word] for word in words])
            random = np.random.default_rng([SEED, length, *name.encode()])
            drawn = random.choice(len(words), (TEXTS, length), p=weights / weights.sum())
            writer.writerows([" ".join(words[i] for i in row), name] for row in drawn)


def write_distances(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Write lang2vec's distances between the languages as square CSV files.

    Family: 1 minus the shared part of the two languages' memberships in families and branches (Jaccard). Syntax: the
    share of 103 features in which they differ.
    """
    family = _features("family_features.npz", names)
    shared = family @ family.T
    each = family.sum(axis=1)
    syntax = _features("feature_predictions.npz", names, prefix="S_")
    tables = {
        "family": 1 - shared / (each[:, None] + each[None, :] - shared),
        "syntax": np.abs(syntax[:, None] - syntax[None, :]).mean(axis=2),
    }
    for title, values in tables.items():
        confemb.SimilarityMatrix(values, tuple(names)).save_matrix(folder / f"{title}.csv")
    return {title: folder / f"{title}.csv" for title in tables}


def _data() -> Any:
    # Its module imports pkg_resources, which newer setuptools lack; its files need no module.
    spec = importlib.util.find_spec("lang2vec")
    if spec is None or spec.origin is None:
        raise confemb.ConfembError("the languages need lang2vec, which is missing: pip install lang2vec.")
    return Path(spec.origin).parent / "data"


def _codes() -> dict[str, str]:
    """Return ISO 639-1 -> ISO 639-3, of the languages whose families lang2vec knows."""
    codes = json.loads((_data() / "letter_codes.json").read_text())
    with np.load(_data() / "family_features.npz", allow_pickle=False) as file:
        known = {str(name) for name in file["langs"]}
    return {short: code for short, code in codes.items() if code in known}


def _features(file: str, names: Sequence[str], prefix: str = "") -> np.ndarray:
    """Return (K, F) lang2vec features of the languages, those whose names begin with `prefix`; -1 (unknown) is 0."""
    codes = _codes()
    with np.load(_data() / file, allow_pickle=False) as arrays:
        place = {str(name): i for i, name in enumerate(arrays["langs"])}
        columns = [i for i, feature in enumerate(arrays["feats"]) if str(feature).startswith(prefix)]
        values = arrays["data"][[place[codes[name]] for name in names]][:, columns, 0]
    return np.maximum(values, 0)


@contextmanager
def _scored(length: int, names: Sequence[str], folder: Path) -> Iterator[Path]:
    """Yield the predictions' file of texts of one length."""
    texts, out = folder / f"{length} words.csv", folder / f"predictions_{length}.parquet"
    write_texts(texts, length, names)
    data = open_data(str(texts))
    model = open_model(f"python:{HERE}:Identifier", data_kind="text")
    scored = score(model, data, match_classes(data.class_names, model.class_names), out)
    confemb.save_predictions(scored.predictions, out)
    discard_parts(out)
    yield out


def main() -> None:
    """Score, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="The result folder.")
    out = parser.parse_args().out
    names = languages()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tables = write_distances(make_folder(out / "references"), names)
        references = {title: distances_reference(str(path)).matrix for title, path in tables.items()}
        section = embedder_options("skipgram", SEEDS, [f"epochs={EPOCHS}"], dim=DIM)
        for length in LENGTHS:
            with _scored(length, names, folder) as file:
                counts, predictions = confemb.load_pairs(file, k=3)
                embedder = confemb.SkipGram(dim=DIM, epochs=EPOCHS)
                median = summarise_runs(embed_runs(embedder, counts, range(SEED, SEED + SEEDS))).similarity
                plain = confemb.count_similarity(counts)
                row: dict[str, Any] = {"words": length, "texts": len(predictions), "right": predictions.accuracy}
                for title, reference in references.items():
                    test = mantel_test(median, reference)
                    row |= {f"{title}_spearman": test.correlation, f"{title}_p": test.p_value}
                    row[f"{title}_counts"] = mantel_test(plain, reference).correlation
                rows.append(row)
                if length == REPORTED:
                    options = AnalysisOptions(
                        title=f"{len(names)} languages, texts of {REPORTED} words",
                        description="py3langid on words of wordfreq, drawn by frequency.",
                        seed=SEED,
                        embedding=section,
                        report=ReportOptions(reference=[f"distances:{path}" for path in tables.values()], item="text"),
                    )
                    with writing(out) as draft:
                        result = analyze_counts(counts, predictions, options, source=SOURCE)
                        print(save_analysis(result, draft))
    frame = pd.DataFrame(rows)
    write_text(out / "words.csv", frame.to_csv(index=False, float_format="%.4f"))
    write_text(out / "words.md", frame_to_markdown(frame, digits=3) + "\n")
    print(frame.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
