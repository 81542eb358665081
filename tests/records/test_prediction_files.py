import csv
import io
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import load_pairs, load_predictions, save_predictions
from confemb.records.predictions import Predictions
from confemb.records.read_options import ReadOptions
from confemb.support.errors import ConfembError

# A name that begins or ends with a blank would be quoted by no CSV writer, and a file's cell is text.
NAME = st.text(st.characters(min_codepoint=33, exclude_categories=("C", "Z")), min_size=1, max_size=6)


@st.composite
def some_predictions(draw):
    names = tuple(draw(st.lists(NAME, min_size=2, max_size=5, unique=True)))
    count, k = draw(st.integers(1, 12)), draw(st.integers(1, len(names)))
    labels = draw(st.lists(st.integers(0, len(names) - 1), min_size=count, max_size=count))
    top = [draw(st.permutations(range(len(names))))[:k] for _ in range(count)]
    prob = st.floats(0, 1, width=32)
    probs = [sorted(draw(st.lists(prob, min_size=k, max_size=k)), reverse=True) for _ in range(count)]
    return Predictions(
        np.array(labels),
        np.array(top),
        np.array(probs) if draw(st.booleans()) else None,
        names,
        [f"id {i}" for i in range(count)] if draw(st.booleans()) else None,
        ["train" if i % 2 else "test" for i in range(count)] if draw(st.booleans()) else None,
        dataset=draw(NAME),
        classifier=draw(NAME),
    )


def assert_same(a: Predictions, b: Predictions, *, described: bool = True) -> None:
    assert a.class_names == b.class_names
    if described:
        assert (a.dataset, a.classifier) == (b.dataset, b.classifier)
    for what in ("labels", "top_classes", "top_probs", "ids", "splits"):
        one, other = getattr(a, what), getattr(b, what)
        if one is None or other is None:
            assert one is other, what
        else:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def write_csv(predictions: Predictions, path, *, cell) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        ranks = range(predictions.k)
        header = ["label", *(f"top{r + 1}" for r in ranks)]
        header += [f"prob{r + 1}" for r in ranks] if predictions.top_probs is not None else []
        header += ["id"] if predictions.ids is not None else []
        header += ["split"] if predictions.splits is not None else []
        writer.writerow([*header, "a column of the user's own"])
        for i in range(len(predictions)):
            row = [cell(c) for c in (predictions.labels[i], *predictions.top_classes[i])]
            row += [] if predictions.top_probs is None else [repr(float(p)) for p in predictions.top_probs[i]]
            row += [] if predictions.ids is None else [predictions.ids[i]]
            row += [] if predictions.splits is None else [predictions.splits[i]]
            writer.writerow([*row, "-"])


@given(some_predictions())
def test_parquet_round_trip(tmp_path_factory, predictions):
    path = tmp_path_factory.mktemp("parquet") / "predictions.parquet"
    save_predictions(predictions, path)
    assert_same(load_predictions(path), predictions)


@given(some_predictions(), st.booleans())
def test_csv_round_trip(tmp_path_factory, predictions, as_indices):
    path = tmp_path_factory.mktemp("csv") / "predictions.csv"
    names = predictions.class_names
    if as_indices and any(name.isdecimal() for name in names):
        return  # such cells are names: names go before indices
    write_csv(predictions, path, cell=str if as_indices else lambda c: names[c])
    assert_same(load_predictions(path, class_names=names), predictions, described=False)


@given(some_predictions(), st.sampled_from(["topk", "top_classes"]), st.booleans())
def test_npz_round_trip(tmp_path_factory, predictions, key, as_names):
    path = tmp_path_factory.mktemp("npz") / "predictions.npz"
    names = np.array(predictions.class_names)
    cells = {"labels": predictions.labels, key: predictions.top_classes}
    rest = {"top_probs": predictions.top_probs, "ids": predictions.ids, "splits": predictions.splits}
    np.savez(
        path,
        class_names=names,
        **({name: names[values] for name, values in cells.items()} if as_names else cells),
        **{name: v.astype(str) if v.dtype == object else v for name, v in rest.items() if v is not None},
    )
    assert_same(load_predictions(path), predictions, described=False)


def test_parquet_columns_and_metadata(predictions, tmp_path):
    path = tmp_path / "p.parquet"
    save_predictions(predictions, path)
    table = pq.read_table(path)
    assert table.column_names == ["id", "label", "split", "top1", "top2", "top3", "prob1", "prob2", "prob3"]
    assert table["prob1"].type == pa.float32()
    assert pa.types.is_dictionary(table["top1"].type)
    assert table["label"][0].as_py() == "a"
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert json.loads(metadata["class_names"]) == list("abcxyz")
    assert json.loads(metadata["splits"]) == ["train", "test"]
    assert (metadata["dataset"], metadata["classifier"]) == ("blocks", "noise")


def test_the_same_predictions_give_the_same_bytes(predictions, tmp_path):
    save_predictions(predictions, tmp_path / "one.parquet")
    save_predictions(predictions, tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_pandas_parquet_without_metadata(tmp_path):
    import pandas as pd

    path = tmp_path / "p.parquet"
    frame = pd.DataFrame(
        {"label": ["dog", "cat"], "top1": ["dog", "dog"], "top2": ["cat", "cat"], "prob1": [0.75, 1.0]}
    )
    frame.assign(prob2=[0.25, 0.0]).to_parquet(path)
    loaded = load_predictions(path)
    assert loaded.class_names == ("dog", "cat"), "numbered by first appearance"
    assert loaded.top_probs.tolist() == [[0.75, 0.25], [1.0, 0.0]]
    pd.DataFrame({"label": [1, 0], "top1": [2, 0]}).to_parquet(path)
    assert load_predictions(path).class_names == ("0", "1", "2")
    assert load_predictions(path, class_names=["a", "b", "c"]).labels.tolist() == [1, 0]


def test_csv_names_are_numbered_by_first_appearance(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("label, top1, top2\nship, cat, ship\ncat, cat, dog\n\n")
    loaded = load_predictions(path)
    assert loaded.class_names == ("ship", "cat", "dog")
    assert loaded.top_classes.tolist() == [[1, 0], [1, 2]]


def test_given_names_set_the_order(predictions, tmp_path):
    path = tmp_path / "p.parquet"
    save_predictions(predictions, path)
    names = ("z", "y", "x", "new", "c", "b", "a")
    loaded = load_predictions(path, class_names=names)
    assert loaded.class_names == names
    assert loaded.labels[:2].tolist() == [6, 5]
    assert loaded.dataset == "blocks"
    with pytest.raises(
        ConfembError, match=r"p\.parquet: unknown class 'z' in the class names given, though the file has"
    ):
        load_predictions(path, class_names=names[1:])


def test_numbers_that_are_names_are_names(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("label,top1\n1,2\n2,2\n")
    assert load_predictions(path, class_names=["2", "1"]).labels.tolist() == [1, 0]
    from_0 = ReadOptions(first_index=0)
    assert load_predictions(path, class_names=["a", "b", "c"], options=from_0).labels.tolist() == [1, 2]


@pytest.mark.parametrize("key", ["probs", "logits"])
def test_wide_scores_keep_the_best(tmp_path, key):
    path = tmp_path / "p.npz"
    probs = np.random.default_rng(4).dirichlet(np.ones(7), size=20)
    np.savez(path, labels=np.arange(20) % 7, **{key: np.log(probs) + 3 if key == "logits" else probs})
    loaded = load_predictions(path)
    assert loaded.class_names == tuple("0123456")
    order = np.argsort(-probs, axis=1)[:, :5]
    np.testing.assert_array_equal(loaded.top_classes, order)
    np.testing.assert_allclose(loaded.top_probs, np.take_along_axis(probs, order, axis=1), rtol=1e-6)
    assert load_predictions(path, keep=2).k == 2
    assert load_predictions(path, keep=100).k == 7
    counts, kept = load_pairs(path, k=6)
    assert (counts.k, counts.total, kept.k) == (6, 120, 6)


def test_standard_input_is_recognised_by_its_content(predictions, tmp_path, monkeypatch):
    save_predictions(predictions, tmp_path / "p.parquet")
    np.savez(tmp_path / "p.npz", labels=predictions.labels, topk=predictions.top_classes)
    write_csv(predictions, tmp_path / "p.csv", cell=lambda c: predictions.class_names[c])
    for suffix in ("parquet", "npz", "csv"):
        data = (tmp_path / f"p.{suffix}").read_bytes()
        (tmp_path / "no_suffix").write_bytes(data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        for path in ("-", tmp_path / "no_suffix"):
            loaded = load_predictions(path, class_names=predictions.class_names)
            np.testing.assert_array_equal(loaded.top_classes, predictions.top_classes)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(ConfembError, match="standard input is empty"):
        load_predictions("-")


def test_load_pairs_counts_what_it_loads(predictions, tmp_path):
    save_predictions(predictions, tmp_path / "p.parquet")
    counts, loaded = load_pairs(tmp_path / "p.parquet", self_pairs="drop")
    expected = count_pairs(predictions, k=3, self_pairs="drop")
    np.testing.assert_array_equal(counts.matrix().toarray(), expected.matrix().toarray())
    assert_same(loaded, predictions)
    with pytest.raises(ConfembError, match=r"p\.parquet: k = 4 is out of range: there are 3"):
        load_pairs(tmp_path / "p.parquet", k=4)


def test_a_confusion_matrix(tmp_path):
    path = tmp_path / "confusions.csv"
    path.write_text("true,label,top1,ship\nlabel,1000000000,2,0\ntop1,3.0,5,1\nship,0,0,7\n")
    counts, predictions = load_pairs(path)
    assert predictions is None
    assert counts.class_names == ("label", "top1", "ship"), "such names do not make it a table of predictions"
    assert counts.matrix().toarray().tolist() == [[10**9, 2, 0], [3, 5, 1], [0, 0, 7]]
    assert set(counts.rank) == {0}
    counts, _ = load_pairs(path, class_names=("ship", "top1", "label"), self_pairs="drop")
    assert counts.matrix().toarray().tolist() == [[0, 0, 0], [1, 0, 3], [0, 2, 0]]
    with pytest.raises(ConfembError, match="1 of 4 classes have no picture: 'dog'"):
        load_pairs(path, class_names=("ship", "top1", "label", "dog"))
    with pytest.raises(ConfembError, match="k = 3 is out of range: there are 1 predicted classes.* confusion matrix"):
        load_pairs(path, k=3)
    with pytest.raises(ConfembError, match="a confusion matrix holds no single predictions"):
        load_predictions(path)


def test_a_failed_write_leaves_the_old_file(predictions, tmp_path, monkeypatch):
    path = tmp_path / "p.parquet"
    save_predictions(predictions, path)
    before = path.read_bytes()

    def broken(table, where, **_):
        where.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", broken)
    with pytest.raises(KeyboardInterrupt):
        save_predictions(predictions, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_pairs_are_weighed_by_the_probabilities_that_there_are(tmp_path):
    probs = np.random.default_rng(0).dirichlet(np.ones(12), size=60)
    labels = np.arange(60) % 12
    np.savez(tmp_path / "probs.npz", labels=labels, probs=probs)
    counts, predictions = load_pairs(tmp_path / "probs.npz", weighting=None)
    # Of the ten most probable classes.
    expected = count_pairs(predictions, k=10, weighting="probability")
    assert (counts.k, counts.unit) == (10, expected.unit)
    assert counts.counts.tolist() == expected.counts.tolist()
    assert load_pairs(tmp_path / "probs.npz", weighting=None, k=2)[0].k == 2
    np.savez(tmp_path / "top.npz", labels=labels, topk=np.argsort(-probs, axis=1)[:, :5])
    counts, _ = load_pairs(tmp_path / "top.npz", weighting=None)
    assert (counts.k, counts.unit) == (3, 1.0)
