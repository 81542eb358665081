"""Vectors for the TensorBoard projector (projector.tensorflow.org): one table of numbers, one of names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from confemb.spaces.lab.labelled import LabelledVectors
from confemb.support.cells import tsv_text
from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, write_text

VECTORS, METADATA = "vectors.tsv", "metadata.tsv"


def export_projector(
    vectors: np.ndarray, names: Sequence[str], folder: str | Path, *, labels: Sequence[str] | None = None
) -> tuple[Path, Path]:
    """Write `vectors.tsv`, a row of numbers for each vector, and `metadata.tsv`, the names in the same order.

    Metadata of one column has no header, of two columns (`name`, `label`) it has one, as the projector wants it.
    Numbers have 9 significant digits: the same float32 is read back. Names become cells as
    `confemb.support.cells.tsv_text` makes them.

    Args:
        vectors: (N, d).
        names: N names.
        folder: where the two files go.
        labels: N classes.

    Raises:
        ConfembError: counts that do not fit, or a folder that cannot be written to.
    """
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(names) or (labels is not None and len(labels) != len(names)):
        raise ConfembError(f"vectors have shape {vectors.shape}, but there are {len(names)} names.")
    folder = make_folder(folder)
    numbers = ["\t".join([f"{value:.9g}" for value in vector]) for vector in vectors.tolist()]
    # An empty line would be dropped, and all names after it would stand beside the wrong vector.
    shown = [name if name.strip() else "(no name)" for name in names]
    rows = zip(shown) if labels is None else [("name", "label"), *zip(shown, labels, strict=True)]
    write_text(folder / VECTORS, "\n".join(numbers) + "\n")
    write_text(folder / METADATA, tsv_text(rows))
    return folder / VECTORS, folder / METADATA


def export_labelled(vectors: LabelledVectors, folder: str | Path) -> tuple[Path, Path]:
    """Write vectors with labels, see `export_projector`."""
    labels = [vectors.class_names[label] for label in vectors.labels]
    return export_projector(vectors.vectors, vectors.ids, folder, labels=labels)
