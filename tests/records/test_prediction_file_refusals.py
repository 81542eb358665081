from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from confemb.records.prediction_files import load_pairs, load_predictions, save_predictions
from confemb.support import files
from confemb.support.errors import ConfembError

CSV_ERRORS = {
    "": "is empty",
    "label,top1\n": "has no row below its header",
    "label,top1\ncat\n": "line 2 has 1 cells, but the header has 2",
    "label,top1\ncat,dog\n\ncat,dog\n": "line 3 has 0 cells",
    "label,top1,top1\ncat,dog,cat\n": "names 'top1' twice",
    "label,top2\ncat,dog\n": "there is no column 'top1'",
    "top1\ncat\n": "there is no column 'label'",
    "label\ncat\n": "there is no column 'top1'",
    "label;top1\ncat;\n": "line 2 has an empty cell in column 'top1'",
    "label,top1,top3\na,b,c\n": "no column 'top2'",
    "label,top1,prob2\na,b,1\n": "give prob1..prob1, or none",
    "label,top1\ncat,\n": "line 2 has an empty cell in column 'top1'",
    "label,top1\ncat,1\n": "column 'top1' holds numbers where others hold class names",
    "label,top1\n0,0\n0,-1\n": r"line 3 has the class index -1 in column 'top1'",
    "label,top1\n0,99999999999\n": "line 2 has the class index 99999999999",
    "label,top1,prob1\na,b,high\n": "line 2 has 'high' in column 'prob1': it must be a number",
    "label,top1,prob1\na,b,nan\n": r"\(row 0 is line 2\): row 0 has the probability nan",
    "label,top1,prob1\na,b,inf\n": "row 0 has the probability inf",
    "label,top1,prob1\na,b,1.5\n": "row 0 has the probability 1.5",
    "label,top1,top2,prob1,prob2\na,b,a,0.2,0.8\n": r"row 0 has probabilities that rise \(0.2, 0.8\)",
    "label,top1,top2\na,b,b\n": "row 0 predicts the same class twice",
    ",cat,dog\ncat,1,2\n": "it has 2 columns and 1 rows of counts: a confusion matrix must be square",
    ",cat,dog\ncat,1,2\nship,1,2\n": "line 3 is of 'ship' where the header has 'dog'",
    ",cat,cat\ncat,1,2\ncat,1,2\n": "names 'cat' twice",
    ",cat,dog\ncat,1,x\ndog,1,2\n": r"line 2 \('cat'\) has 'x' under 'dog'",
    ",cat,dog\ncat,1,2\ndog,-1,2\n": r"line 3 \('dog'\) has -1 under 'cat'",
    ",cat,dog\ncat,0.5,0.5\ndog,1,2\n": "whole numbers of at least 0, not shares",
    ",cat,dog\ncat,nan,1\ndog,1,2\n": "has nan under 'cat'",
    ",cat,dog\ncat,1e300,1\ndog,1,2\n": "add up to more than",
    ",cat,dog\ncat,1,1\ndog,0,0\n": "1 of 2 classes have no picture: 'dog'",
}


@pytest.mark.parametrize(("text", "sentence"), CSV_ERRORS.items())
def test_csv_errors_name_file_and_place(tmp_path, text, sentence):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ConfembError, match=sentence) as raised:
        load_pairs(path, k=1)
    assert "p.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_unknown_names_and_labels_out_of_range(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("label,top1\ncat,cat\ncat,dgo\n")
    with pytest.raises(ConfembError, match=r"unknown class 'dgo' in column 'top1', line 3: did you mean 'dog'\?"):
        load_predictions(path, class_names=["cat", "dog"])
    path.write_text("label,top1\n0,1\n2,1\n")
    with pytest.raises(ConfembError, match=r"line 3 has the class index 2 in column 'label'.*2 classes \(0 to 1\)"):
        load_predictions(path, class_names=["cat", "dog"])
    with pytest.raises(ConfembError, match="the class name 'cat' stands twice"):
        load_predictions(path, class_names=["cat", "cat"])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"probs": np.eye(2)}, "needs 'labels' and one of 'probs'"),
        ({"labels": np.array([0, 1])}, "needs 'labels' and one of 'probs'"),
        ({"labels": np.array([0, 1]), "probs": np.eye(2), "logits": np.eye(2)}, "this one holds"),
        ({"something": np.eye(2)}, "it holds 'something', but none of"),
        ({"labels": np.array([0, 1, 1]), "probs": np.eye(2)}, r"'labels' has shape \(3,\) and 'probs' \(2, 2\)"),
        ({"labels": np.array([0, 5]), "probs": np.eye(2)}, "row 1 has the class index 5"),
        ({"labels": np.array([0.5, 1.0]), "probs": np.eye(2)}, "row 0 has 0.5 in column 'labels', which holds float64"),
        ({"labels": np.array([0, 1]), "probs": np.array([[1, 0], [np.nan, 1]])}, "row 1 has the score nan"),
        ({"labels": np.array([0, 1]), "logits": np.array([[1, 0], [np.inf, 1]])}, "row 1 has the score inf"),
        ({"labels": np.array([0, 1]), "probs": np.eye(2) * 2}, "row 0 has the probability 2.0"),
        ({"labels": np.array([0, 1]), "probs": np.array([["a"], ["b"]])}, "must hold numbers"),
        ({"labels": np.array([0, 1]), "topk": np.eye(2) / 2}, r"'topk\[:, 0\]', which holds float64"),
        ({"labels": np.array([0, 1]), "topk": np.empty((2, 0), int)}, "holds nothing"),
        ({"labels": np.array(["a", "b"]), "probs": np.eye(2)}, "unknown class 'a'"),
        ({"labels": np.array([0]), "topk": np.array([[0]]), "class_names": np.array(["a", "a"])}, "'a' stands twice"),
        ({"labels": np.array([0]), "topk": np.array([[0]]), "class_names": np.array([None, 1])}, "pickled objects"),
    ],
)
def test_npz_errors(tmp_path, arrays, sentence):
    path = tmp_path / "p.npz"
    np.savez(path, **arrays)
    with pytest.raises(ConfembError, match=sentence) as raised:
        load_predictions(path)
    assert "p.npz" in str(raised.value)


def test_broken_files(predictions, tmp_path):
    save_predictions(predictions, tmp_path / "p.parquet")
    np.savez(tmp_path / "p.npz", labels=predictions.labels, topk=predictions.top_classes)
    np.save(tmp_path / "bare.npy", predictions.labels)
    for name in ("p.parquet", "p.npz"):
        path = tmp_path / name
        whole = path.read_bytes()
        for broken in (whole[: len(whole) // 2], whole[:4], b"label,top1\n0,0\n"):
            path.write_bytes(broken)
            with pytest.raises(ConfembError, match=rf"{name}.*write it (again|with)"):
                load_predictions(path)
    with pytest.raises(ConfembError, match=r"unknown suffix '\.npy': predictions are read from \.arrow, \.csv, "):
        load_predictions(tmp_path / "bare.npy")
    with pytest.raises(ConfembError, match="does not exist"):
        load_predictions(tmp_path / "none.csv")
    with pytest.raises(ConfembError, match="is a folder"):
        load_predictions(tmp_path)
    (tmp_path / "p.csv").write_bytes(b"label,top1\n\xff,1\n")
    with pytest.raises(ConfembError, match=r"p\.csv is no UTF-8 text \(byte 0xff at 11\)"):
        load_predictions(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"label": [0, None], "top1": [0, 1]}, "row 1 has no value in column 'label'"),
        ({"label": [0.5, 1.0], "top1": [0, 1]}, "row 0 has 0.5 in column 'label', which holds float64"),
        ({"label": ["a", "b"]}, "there is no column 'top1'"),
        ({"label": [0, 1], "top1": [0, 1], "prob1": ["a", "b"]}, "row 0 has 'a' in column 'prob1'"),
    ],
)
def test_parquet_errors(tmp_path, columns, sentence):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ConfembError, match=sentence):
        load_predictions(path)


def test_parquet_of_other_types_is_refused_or_read(tmp_path):
    def write(**columns):
        pq.write_table(pa.table(columns), tmp_path / "p.parquet")
        return tmp_path / "p.parquet"

    number = pa.array([0, 1])
    categories = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([0, 1]))
    found = load_predictions(write(label=categories, top1=number, id=pa.array(["a", "b"]), other=pa.array([[1], [2]])))
    assert found.labels.tolist() == [0, 1]
    assert found.ids.tolist() == ["a", "b"]
    for odd in (pa.array([b"a", b"b"]), pa.array([Decimal(0), Decimal(1)])):
        with pytest.raises(
            ConfembError, match="column 'label' holds (binary|decimal).*; it must hold texts or numbers"
        ):
            load_predictions(write(label=odd, top1=number))
    with pytest.raises(ConfembError, match="column 'label' holds datetime64"):
        load_predictions(write(label=pa.array([0, 1], pa.timestamp("s")), top1=number))
    with pytest.raises(ConfembError, match="row 1 has no value in column 'label'"):
        load_predictions(write(label=pa.array([0, None]), top1=number))
    with pytest.raises(ConfembError, match="its columns are 'x', and predictions need"):
        load_predictions(write(x=number))


def test_many_equal_rows_and_long_texts_take_no_memory(tmp_path, monkeypatch):
    rows = 300_000
    number = pa.array(np.zeros(rows, np.int8))
    long = pa.DictionaryArray.from_arrays(number, pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"label": number, "top1": number, "id": long}), tmp_path / "p.parquet")
    assert (tmp_path / "p.parquet").stat().st_size < 500_000
    # As text of equal length it would be 120 GB.
    assert load_predictions(tmp_path / "p.parquet").ids[-1] == "x" * 100_000
    monkeypatch.setattr(files, "MOST_UNPACKED", 1_000_000)
    with pytest.raises(ConfembError, match="claims 300,000 rows"):
        load_predictions(tmp_path / "p.parquet")
