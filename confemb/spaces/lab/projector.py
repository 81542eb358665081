"""Vectors for the TensorBoard projector (projector.tensorflow.org): one table of numbers, one of names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from confemb.spaces.lab.labelled import LabelledVectors
from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, write_text

VECTORS, METADATA = "vectors.tsv", "metadata.tsv"


def export_projector(
    vectors: np.ndarray, names: Sequence[str], folder: str | Path, *, labels: Sequence[str] | None = None
) -> tuple[Path, Path]:
    """Write `vectors.tsv`, a row of numbers for each vector, and `metadata.tsv`, the names in the same order.

    Metadata of one column has no header, of two columns (`name`, `label`) it has one, as the projector wants it.
    Numbers have 9 significant digits: the same float32 is read back. Blanks of any kind within names become single
    blanks, since tabs and line feeds part cells.

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
    rows = ["\t".join([f"{value:.9g}" for value in vector]) for vector in vectors.tolist()]
    # An empty line would be dropped, and all names after it would stand beside the wrong vector.
    cells = [" ".join(name.split()) or "(no name)" for name in names]
    lines = cells if labels is None else ["name\tlabel"]
    if labels is not None:
        lines += [f"{name}\t{' '.join(label.split())}" for name, label in zip(cells, labels, strict=True)]
    write_text(folder / VECTORS, "\n".join(rows) + "\n")
    write_text(folder / METADATA, "\n".join(lines) + "\n")
    return folder / VECTORS, folder / METADATA


def export_labelled(vectors: LabelledVectors, folder: str | Path) -> tuple[Path, Path]:
    """Write vectors with labels, see `export_projector`."""
    labels = [vectors.class_names[label] for label in vectors.labels]
    return export_projector(vectors.vectors, vectors.ids, folder, labels=labels)
