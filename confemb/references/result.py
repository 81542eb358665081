"""Another result of confemb, or any square table of similarities, as a reference."""

from pathlib import Path

from confemb.records.similarity import SimilarityMatrix
from confemb.references import KnownSimilarities
from confemb.support.errors import ConfembError
from confemb.support.files import is_there

MATRIX = "similarity_matrix.csv"


def result_reference(argument: str | None, *, kind: str | None = None) -> KnownSimilarities:
    """Return the similarities of a result's folder, or of a square CSV with class names as header and first column.

    Args:
        argument: the path.
        kind: what a square CSV holds, as in `SimilarityMatrix.load_matrix`; a result's folder holds similarities.

    Raises:
        ConfembError: no path, a path that does not exist, a folder without `similarity_matrix.csv`, or a file that is
            no square table.
    """
    if not argument:
        raise ConfembError('the reference "result" needs a path: result:FOLDER, or the path alone.')
    path = Path(argument).expanduser()
    if not is_there(path):
        raise ConfembError(f"there is no result {path}: give the folder of a result or a square CSV.")
    file = path / MATRIX if path.is_dir() else path
    if not file.is_file():
        raise ConfembError(
            f"{path} holds no finished result of up to some thousand classes ({MATRIX} is missing); run the experiment "
            "first."
        )
    matrix = SimilarityMatrix.load_matrix(file, kind="similarity" if path.is_dir() else kind)
    return KnownSimilarities(argument, str(path), matrix)
