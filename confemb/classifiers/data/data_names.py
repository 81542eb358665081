"""Data by where it is from: a folder, `hf:NAME`, `tfds:NAME`, a table, an NPZ file, a dataset of ours."""

from pathlib import Path

from confemb.classifiers.scoring_records import DataSettings, OpenedData
from confemb.datasets import DATASETS, is_dataset_name
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import is_there

TABLES = frozenset({".csv", ".jsonl", ".parquet"})


def open_data(name: str, settings: DataSettings | None = None) -> OpenedData:
    """Open labelled data; what it holds is read while it is scored.

    Args:
        name: a folder of class folders; `hf:NAME-OR-FOLDER` (extra `datasets`); `tfds:NAME`; a CSV, Parquet or JSONL
            file of texts or paths with a label; an NPZ file; or one of confemb's datasets, such as cifar10.
        settings: columns, parts and names, where the data does not say.

    Raises:
        ConfembError: an unknown name, data without labels, columns that could mean several things.
    """
    settings = settings or DataSettings()
    kind, colon, rest = name.partition(":")
    if colon and kind == "hf":
        from confemb.classifiers.data.hf_data import open_hf

        return open_hf(rest, settings)
    path = Path(name).expanduser()
    if is_dataset_name(name) and name != "image_folder" and not path.is_file():
        from confemb.classifiers.data.array_data import open_prepared

        return open_prepared(name, settings)
    if path.suffix.lower() == ".npz":
        from confemb.classifiers.data.array_data import open_npz

        return open_npz(path, settings)
    if path.suffix.lower() in TABLES:
        from confemb.classifiers.data.table_data import open_table

        return open_table(path, settings)
    if path.is_dir():
        from confemb.classifiers.data.folder_data import open_folder

        return open_folder(path, settings)
    if is_there(path):
        raise ConfembError(
            f"{name} is not data that can be read: give a folder of class folders, or a file that ends in "
            f"{', '.join(sorted(TABLES))} or .npz."
        )
    raise unknown_name("data", name, ["a folder", "a file", "hf:NAME", "tfds:NAME", *DATASETS.names()])
