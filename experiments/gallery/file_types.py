"""Which file types look alike to Google's magika, on the files of an installation.

magika's network reads the first and last bytes of a file and chooses among some 200 types. The files are those of this
Python installation and of /usr/share, labelled by their suffix where magika lists the suffix for one type only. Its own
groups (code, text, image, ...) are the reference: the network never saw them as such.

    pip install magika
    python experiments/gallery/file_types.py

What files there are depends on the installation, and a suffix is not always right (a .h file may be C or C++; such
suffixes are left out). The report says how many files of each type were read.
"""

import argparse
import csv
import importlib.metadata
import os
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import confemb
from confemb.analysis.options import AnalysisOptions, ReportOptions
from confemb.classifiers.class_matching import match_classes
from confemb.classifiers.data.data_names import open_data
from confemb.classifiers.models.model_names import open_model
from confemb.classifiers.scoring import discard_parts, score
from confemb.classifiers.scoring_records import DataSettings
from confemb.embedders.options import embedder_options
from confemb.records.options import PairOptions
from confemb.result import analyze_counts
from confemb.result.folder import save_analysis, writing

FEWEST, MOST, SEED = 20, 100, 0
SMALLEST, LARGEST = 512, 1 << 22
SEEDS, DIM, EPOCHS = 20, 10, 20
HERE = Path(__file__)
SOURCE = {"experiment": "experiments/gallery/file_types.py", "seed": SEED}
OUT = Path("reports/gallery_file_types")


class Identifier:
    """magika's network as a classifier of files: `python:experiments/gallery/file_types.py:Identifier`."""

    name = "magika"
    takes = "file"
    logits = False

    def __init__(self) -> None:
        from magika import Magika

        self._magika = Magika()
        self.class_names = [str(label) for label in self._magika._model_config.target_labels_space]
        self.version = importlib.metadata.version("magika")

    def scores(self, paths: Sequence[Path]) -> np.ndarray:
        """Return (n, K) probabilities."""
        features = [(path, self._magika._get_result_or_features_from_path(Path(path))[1]) for path in paths]
        return np.array(self._magika._get_raw_predictions(features))

    def readable(self, path: Path) -> bool:
        """Tell whether the network is asked about a file at all: not about empty and very short ones."""
        return self._magika._get_result_or_features_from_path(path)[1] is not None

    def suffixes(self) -> dict[str, str]:
        """Return suffix -> type, where magika lists the suffix for one type only."""
        types: dict[str, set[str]] = {}
        for label in self._magika._model_config.target_labels_space:
            for suffix in self._magika._get_ct_info(label).extensions:
                types.setdefault(suffix.lower(), set()).add(str(label))
        return {suffix: next(iter(found)) for suffix, found in types.items() if len(found) == 1}

    def groups(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return magika's own groups of some of the types, those of at least two."""
        groups: dict[str, list[str]] = {}
        for label in self._magika._model_config.target_labels_space:
            if str(label) in names:
                groups.setdefault(str(self._magika._get_ct_info(label).group), []).append(str(label))
        return {group: members for group, members in sorted(groups.items()) if len(members) > 1}


def files_by_type(identifier: Identifier) -> dict[str, list[Path]]:
    """Return type -> at most `MOST` files, drawn by a seed; types of fewer than `FEWEST` files are left out."""
    suffixes = identifier.suffixes()
    found: dict[str, list[Path]] = {}
    for root in (Path(sysconfig.get_paths()["stdlib"]), Path(sysconfig.get_paths()["purelib"]), Path("/usr/share")):
        for folder, _, names in os.walk(root):
            for name in names:
                kind = suffixes.get(Path(name).suffix[1:].lower())
                if kind is not None:
                    found.setdefault(kind, []).append(Path(folder) / name)
    chosen = {}
    for kind, files in sorted(found.items()):
        random = np.random.default_rng([SEED, *kind.encode()])
        own: list[Path] = []
        files = sorted(files)
        for place in random.permutation(len(files)):
            path = files[place]
            fits = path.is_file() and not path.is_symlink() and SMALLEST <= path.stat().st_size <= LARGEST
            if fits and identifier.readable(path):
                own.append(path)
            if len(own) == MOST:
                break
        if len(own) >= FEWEST:
            chosen[kind] = sorted(own)
    return chosen


def main() -> None:
    """Collect, score, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="The result folder.")
    out = parser.parse_args().out
    identifier = Identifier()
    chosen = files_by_type(identifier)
    with tempfile.TemporaryDirectory() as temporary:
        table, scored_file = Path(temporary) / "files.csv", Path(temporary) / "predictions.parquet"
        with open(table, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows([path, kind] for kind, files in chosen.items() for path in files)
        data = open_data(str(table), DataSettings(kind="file"))
        model = open_model(f"python:{HERE}:Identifier", data_kind="file")
        scored = score(model, data, match_classes(data.class_names, model.class_names), scored_file)
        confemb.save_predictions(scored.predictions, scored_file)
        discard_parts(scored_file)
        counts, predictions = confemb.load_pairs(scored_file, k=3, missing_classes="drop")
        print(f"{len(predictions):,} files of {len(chosen)} types, {predictions.accuracy:.1%} right")
        options = AnalysisOptions(
            title=f"{len(chosen)} file types, {len(predictions):,} files",
            description="magika's network on files of an installation, labelled by their suffix.",
            seed=SEED,
            pairs=PairOptions(missing_classes="drop"),
            embedding=embedder_options("skipgram", SEEDS, [f"epochs={EPOCHS}"], dim=DIM),
            report=ReportOptions(groups=identifier.groups(counts.class_names), item="file"),
        )
        with writing(out) as draft:
            result = analyze_counts(counts, predictions, options, source=SOURCE)
            print(save_analysis(result, draft))


if __name__ == "__main__":
    main()
