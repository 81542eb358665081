"""Any table of distances or similarities, and groups of classes, as references.

`similarities:FILE.csv`, `distances:FILE.csv` and `groups:FILE.toml`.
"""

from pathlib import Path

import numpy as np

from confemb.records.class_cells import parse_csv
from confemb.records.indices import name_index
from confemb.records.similarity import SimilarityMatrix
from confemb.references import KnownSimilarities
from confemb.support.cells import plain_cell
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.files import read_bytes, read_text
from confemb.support.settings import parse_toml


def similarities_reference(argument: str | None) -> KnownSimilarities:
    """Return the similarities in a CSV file: a square table, or a row for each pair with its value.

    A square table has the class names as header and first column. The rows of a long one hold two classes and a number,
    under any three names; pairs that are left out are not known.

    Raises:
        ConfembError: no file, or a file that is neither.
    """
    path, matrix = _read("similarities", argument)
    return KnownSimilarities(f"similarities:{argument}", path.stem, matrix)


def distances_reference(argument: str | None) -> KnownSimilarities:
    """Return a table of distances, as in `similarities_reference`, with the sign turned: bigger is closer.

    Raises:
        ConfembError: as `similarities_reference`; a distance below zero.
    """
    path, matrix = _read("distances", argument)
    if (matrix.values < 0).any():
        raise ConfembError(f"{path} holds a distance below zero: if they are similarities, say similarities:{path}.")
    # Adding 0.0 turns -0.0 into 0.0.
    return KnownSimilarities(
        f"distances:{argument}", path.stem, SimilarityMatrix(0.0 - matrix.values, matrix.class_names)
    )


def groups_reference(argument: str | None) -> KnownSimilarities:
    """Return 1 for classes of the same group and 0 for others: a TOML file of lines group = ["class", ...].

    Raises:
        ConfembError: no file, a file of something else, a class in two groups.
    """
    path = _path("groups", argument)
    groups = parse_toml(read_bytes(path), str(path))
    members: dict[str, str] = {}
    for group, names in groups.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfembError(f'{path}: the group {group!r} must be a list of class names, group = ["class", ...].')
        for name in names:
            if name in members:
                raise ConfembError(f"{path}: the class {name!r} is in the groups {members[name]!r} and {group!r}.")
            members[name] = group
    if len(set(members.values())) < 2:
        raise ConfembError(f"{path} has {len(set(members.values()))} groups with classes; at least 2 are needed.")
    of_class = np.array(list(members.values()))
    values = (of_class[:, None] == of_class[None, :]).astype(float)
    return KnownSimilarities(f"groups:{argument}", f"groups ({path.stem})", SimilarityMatrix(values, tuple(members)))


def _path(name: str, argument: str | None) -> Path:
    if not argument:
        raise ConfembError(f"the reference {name!r} needs a file: {name}:FILE.")
    return Path(argument).expanduser()


def _read(name: str, argument: str | None) -> tuple[Path, SimilarityMatrix]:
    path = _path(name, argument)
    header, *rows = parse_csv(read_text(path), where=str(path), skip_blanks=False)
    square = [plain_cell(cell) for cell in header[1:]] == [plain_cell(row[0]) for row in rows]
    if square:
        # Said to be distances: they are turned into similarities later.
        return path, SimilarityMatrix.load_matrix(path, kind="similarity" if name == "distances" else None)
    if len(header) != 3:
        raise ConfembError(
            f"{path} is neither a square table (class names as header and first column) nor a list of pairs (two "
            f"classes and a number in each row); its columns are {quoted_list(header)}."
        )
    return path, _from_pairs(rows, path)


def _from_pairs(rows: list[list[str]], path: Path) -> SimilarityMatrix:
    names = list(dict.fromkeys(plain_cell(cell) for row in rows for cell in row[:2]))
    index = name_index(names)
    values = np.full((len(names), len(names)), np.nan)
    for line, row in enumerate(rows, start=2):
        one, other = (index[plain_cell(cell)] for cell in row[:2])
        try:
            value = float(row[2])
        except ValueError:
            raise ConfembError(f"{path}: line {line} has {row[2]!r} where a number should be.") from None
        if not np.isfinite(value):
            raise ConfembError(f"{path}: line {line} has {row[2]!r}; it must be finite.")
        known = values[one, other]
        if not np.isnan(known) and known != value:
            raise ConfembError(
                f"{path}: line {line} gives {row[0]!r} and {row[1]!r} {value:g}, another line {known:g}."
            )
        values[one, other] = values[other, one] = value
    return SimilarityMatrix(values, tuple(names))
