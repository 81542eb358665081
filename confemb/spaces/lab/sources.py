"""Where labelled vectors come from: an NPZ file, a result's classes, or word vectors with a table of labels."""

from pathlib import Path

from confemb.records.embedding import EmbeddingRuns
from confemb.records.word_vectors import WordVectors
from confemb.result.folder import RUNS, check_result, read_analysis
from confemb.spaces.lab.labelled import LabelledVectors, label_words, load_labels
from confemb.support.errors import ConfembError, quoted_list


def open_labelled(path: str | Path, labels: str | Path | None = None) -> tuple[LabelledVectors, tuple[str, ...]]:
    """Return the vectors in a file or result folder with their labels, and the labelled words that have no vector.

    Args:
        path: an NPZ file (`LabelledVectors.load`), the folder of a result (its classes' vectors of the first seed), or
            a file of word vectors (`WordVectors.load`).
        labels: a table of words and labels (`load_labels`); an NPZ file holds its own, and a result has its groups of
            classes, where it has some.

    Raises:
        ConfembError: as those; or word vectors without labels, or an NPZ file with some.
    """
    path = Path(path)
    if path.is_dir():
        return _open_result(path, labels)
    if path.suffix == ".npz":
        if labels is not None:
            raise ConfembError(f"{path} holds its own labels: leave out those in {labels}.")
        return LabelledVectors.load(path), ()
    if labels is None:
        raise ConfembError(f"{path} is a file of word vectors: give words and labels by --labels FILE.tsv.")
    wanted = load_labels(labels)
    return label_words(WordVectors.load(path), wanted)


def open_classes(folder: Path) -> WordVectors:
    """Return a result's classes as words, by the first seed; raises ConfembError for a folder without a result."""
    check_result(folder)
    embedding = EmbeddingRuns.load(folder / RUNS)[0]
    return WordVectors(embedding.class_names, embedding.vectors)


def _open_result(folder: Path, labels: str | Path | None) -> tuple[LabelledVectors, tuple[str, ...]]:
    classes = open_classes(folder)
    if labels is not None:
        return label_words(classes, load_labels(labels))
    groups = read_analysis(folder).groups
    if not groups:
        raise ConfembError(f"{folder} declares no groups of classes: give classes and labels by --labels FILE.tsv.")
    label_of = {name: group for group, names in groups.items() for name in names}
    found, missing = label_words(classes, label_of)
    if missing:
        raise ConfembError(f"the groups in {folder} name {quoted_list(missing)}, which have no vector.")
    return found, ()
