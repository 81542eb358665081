"""Data of each form gives the same labelled items."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "models"))

import tiny_models as tiny

from confemb.classifiers.data.data_names import open_data
from confemb.classifiers.data.decoding import decode
from confemb.classifiers.scoring_records import DataSettings
from confemb.support.errors import ConfembError


def items(data, start=0):
    """Return (id, label name, content) of each item from `start` on."""
    names = [data.class_names[label] if label >= 0 else None for label in data.labels]
    return [(name, label, content) for (name, content), label in zip(data.stream(start), names[start:], strict=True)]


def test_a_folder_of_class_folders(tmp_path):
    folder = tiny.picture_folder(tmp_path / "pictures", each=2)
    data = open_data(str(folder))
    assert (data.kind, data.class_names, len(data)) == ("picture", ("car", "cat", "dog"), 6)
    assert [(name, label) for name, label, _ in items(data)][:3] == [
        ("car/0.png", "car"),
        ("car/1.png", "car"),
        ("cat/0.png", "cat"),
    ]
    assert items(data, 4) == items(data)[4:]
    picture = decode(items(data)[0][2], "picture", where="x")
    assert (picture.mode, picture.size) == ("RGB", (28, 24))
    stamp = data.stamp
    (folder / "car" / "0.png").touch()
    assert open_data(str(folder)).stamp != stamp
    assert open_data(str(folder)).identity == data.identity


def test_a_folder_with_splits_and_other_kinds(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "x.txt").write_text(f"{split} {name}")
    data = open_data(str(tmp_path))
    assert (data.kind, data.splits) == ("text", (("test", 2), ("train", 2)))
    only = open_data(str(tmp_path), DataSettings(splits=("train",)))
    assert [decode(c, "text", where="") for _, _, c in items(only)] == ["train a", "train b"]
    with pytest.raises(ConfembError, match="unknown split 'dev'"):
        open_data(str(tmp_path), DataSettings(splits=("dev",)))
    (tmp_path / "train" / "a" / "y.wav").write_bytes(b"RIFF")
    with pytest.raises(ConfembError, match="--kind text or --kind audio"):
        open_data(str(tmp_path))
    assert len(open_data(str(tmp_path), DataSettings(kind="file"))) == 5


def write_table(path, rows, columns):
    if path.suffix == ".csv":
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    else:
        import pandas as pd

        pd.DataFrame(rows, columns=columns).to_parquet(path)


ROWS = [["one, two\nthree " * 500, "b", "n1"], ["four", "a", "n2"], ['five "six"', "b", "n3"]]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_tables_of_texts(tmp_path, suffix):
    path = tmp_path / f"texts{suffix}"
    write_table(path, ROWS, ["text", "label", "id"])
    data = open_data(str(path))
    assert (data.kind, data.class_names, data.name) == ("text", ("a", "b"), "texts")
    assert items(data) == [(row[2], row[1], row[0]) for row in ROWS]
    assert items(data, 2) == items(data)[2:]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_tables_with_splits_numbers_and_paths(tmp_path, suffix):
    tiny.picture_folder(tmp_path, each=1)
    rows = [["cat/0.png", 1, "train"], ["dog/0.png", 0, "test"], ["car/0.png", 1, "train"]]
    path = tmp_path / f"paths{suffix}"
    write_table(path, rows, ["path", "label", "split"])
    names = DataSettings(label_names=("x", "y"))
    data = open_data(str(path), names)
    assert (data.kind, data.class_names) == ("picture", ("x", "y"))
    assert data.splits == (("train", 1), ("test", 1), ("train", 1))
    assert [label for _, label, _ in items(data)] == ["y", "x", "y"]
    assert items(data)[0][2] == tmp_path / "cat/0.png"
    only = open_data(str(path), DataSettings(label_names=("x", "y"), splits=("train",)))
    assert [name for name, _, _ in items(only)] == ["0", "2"]
    # Without names, numbers are called by their digits.
    assert open_data(str(path)).class_names == ("0", "1")
    with pytest.raises(ConfembError, match="only 1 names are given"):
        open_data(str(path), DataSettings(label_names=("x",)))
    with pytest.raises(ConfembError, match="no split 'dev'"):
        open_data(str(path), DataSettings(splits=("dev",)))


def test_tables_of_numbers(tmp_path):
    write_table(tmp_path / "n.csv", [[1, 2.5, "a"], [3, 4, "b"]], ["x", "y", "label"])
    data = open_data(str(tmp_path / "n.csv"))
    assert data.kind == "row"
    assert [content.tolist() for _, _, content in items(data)] == [[1.0, 2.5], [3.0, 4.0]]


def test_columns_that_could_mean_several_things(tmp_path):
    write_table(tmp_path / "a.csv", [["x", "y", "l"]], ["text", "path", "label"])
    with pytest.raises(ConfembError, match="with --input"):
        open_data(str(tmp_path / "a.csv"))
    assert open_data(str(tmp_path / "a.csv"), DataSettings(input="text")).kind == "text"
    write_table(tmp_path / "b.csv", [["x", "y", "l"]], ["one", "two", "label"])
    with pytest.raises(ConfembError, match="with --input"):
        open_data(str(tmp_path / "b.csv"))
    write_table(tmp_path / "c.csv", [["x", "l"]], ["text", "class"])
    with pytest.raises(ConfembError, match="--label"):
        open_data(str(tmp_path / "c.csv"))
    assert open_data(str(tmp_path / "c.csv"), DataSettings(label="class")).class_names == ("l",)
    write_table(tmp_path / "d.csv", [["c.csv", "l"]], ["what", "label"])
    with pytest.raises(ConfembError, match="could hold texts or paths"):
        open_data(str(tmp_path / "d.csv"))
    write_table(tmp_path / "e.csv", [["none.png", "l"]], ["path", "label"])
    with pytest.raises(ConfembError, match="not in"):
        open_data(str(tmp_path / "e.csv"))
    (tmp_path / "f.csv").write_text("text,label\na,b,c\n")
    with pytest.raises(ConfembError, match="line 2 has 3 cells"):
        open_data(str(tmp_path / "f.csv"))
    (tmp_path / "g.jsonl").write_text('{"text": "a", "label": "b"}\n[1]\n')
    with pytest.raises(ConfembError, match="line 2"):
        open_data(str(tmp_path / "g.jsonl"))


def test_rows_without_a_label(tmp_path):
    write_table(tmp_path / "a.csv", [["x", "l"], ["y", ""]], ["text", "label"])
    assert open_data(str(tmp_path / "a.csv")).labels.tolist() == [0, -1]


def test_npz(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    np.savez(tmp_path / "p.npz", inputs=pixels, labels=[1, 0, 1], class_names=["a", "b"], splits=["x", "y", "x"])
    data = open_data(str(tmp_path / "p.npz"))
    assert (data.kind, data.class_names, data.splits) == ("picture", ("a", "b"), (("x", 1), ("y", 1), ("x", 1)))
    assert np.array_equal(np.asarray(decode(items(data)[2][2], "picture", where="")), pixels[2])
    only = open_data(str(tmp_path / "p.npz"), DataSettings(splits=("x",)))
    assert [(name, label) for name, label, _ in items(only)] == [("0", "b"), ("2", "b")]
    np.savez(tmp_path / "t.npz", texts=["u", "v"], labels=["b", "a"])
    assert [(label, text) for _, label, text in items(open_data(str(tmp_path / "t.npz")))] == [("b", "u"), ("a", "v")]
    np.savez(tmp_path / "o.npz", inputs=np.array([{}, {}], dtype=object), labels=[0, 1])
    with pytest.raises(ConfembError, match="pickled"):
        open_data(str(tmp_path / "o.npz"))
    np.savez(tmp_path / "n.npz", rows=np.zeros((2, 3)), labels=[0])
    with pytest.raises(ConfembError, match="as many of each"):
        open_data(str(tmp_path / "n.npz"))


def test_a_prepared_dataset():
    data = open_data("digits", DataSettings(splits=("test",)))
    assert (data.kind, data.class_names[:2]) == ("picture", ("zero", "one"))
    assert items(data, len(data) - 1)[0][0] == items(data)[-1][0]


def test_hugging_face_datasets(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features({"sentence": datasets.Value("string"), "y": datasets.ClassLabel(names=["no", "yes"])})
    train = datasets.Dataset.from_dict({"sentence": ["a", "b", "c"], "y": [1, 0, 1]}, features=features)
    test = datasets.Dataset.from_dict({"sentence": ["d"], "y": [-1]}, features=features)
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(tmp_path / "saved")
    data = open_data(f"hf:{tmp_path / 'saved'}")
    # The test part has no labels.
    assert (data.kind, data.class_names, data.splits) == ("text", ("no", "yes"), (("train", 3),))
    assert items(data) == [("train/0", "yes", "a"), ("train/1", "no", "b"), ("train/2", "yes", "c")]
    assert items(data, 1) == items(data)[1:]
    with pytest.raises(ConfembError, match="has no labels"):
        open_data(f"hf:{tmp_path / 'saved'}", DataSettings(splits=("test",)))
    with pytest.raises(ConfembError, match="unknown split 'dev'"):
        open_data(f"hf:{tmp_path / 'saved'}", DataSettings(splits=("dev",)))
    # A part that was filtered keeps its own rows.
    train.filter(lambda row: row["sentence"] != "b").save_to_disk(tmp_path / "filtered")
    assert [text for _, _, text in items(open_data(f"hf:{tmp_path / 'filtered'}"))] == ["a", "c"]


def test_hugging_face_pictures_and_recordings(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tiny.picture_folder(tmp_path / "pictures", each=2)
    data = open_data(f"hf:{folder}")
    assert (data.kind, sorted(data.class_names), len(data)) == ("picture", ["car", "cat", "dog"], 6)
    assert decode(items(data)[0][2], "picture", where="").size == (28, 24)
    tiny.write_wav(tmp_path / "a.wav", np.zeros(80, np.float32))
    recording = {"bytes": (tmp_path / "a.wav").read_bytes(), "path": None}
    sounds = datasets.Dataset.from_dict({"sound": [recording], "label": ["x"]})
    # The library itself needs torchcodec to encode sound, and only then.
    sounds.cast_column("sound", datasets.Audio(decode=False)).save_to_disk(tmp_path / "sounds")
    data = open_data(f"hf:{tmp_path / 'sounds'}")
    assert (data.kind, data.class_names) == ("audio", ("x",))
    assert len(decode(items(data)[0][2], "audio", where="").samples) == 80


def test_what_is_not_data(tmp_path):
    (tmp_path / "x.txt").write_text("a")
    for name, said in (
        (str(tmp_path / "x.txt"), "not data"),
        ("nowhere", "unknown data"),
        ("hf:./nowhere", "cannot be"),
    ):
        with pytest.raises(ConfembError, match=said):
            open_data(name)
