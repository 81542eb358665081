"""Pictures of several true classes: rows of one picture with weights, from arrays and files to pairs and accuracy."""

import csv
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.analysis.options import AnalysisOptions, ReportOptions
from confemb.embedders.options import EmbedderOptions
from confemb.records.pairs import MILLIONTH, count_pairs
from confemb.records.prediction_files import load_pairs, load_predictions, save_predictions
from confemb.records.predictions import Predictions, label_sets, predictions_from_scores
from confemb.result import analyze_counts
from confemb.result.folder import save_analysis, writing
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "ship")
# The first picture shows a cat and a dog, the second a ship only, the third all three.
SETS = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1]])
SCORES = np.array([[0.2, 0.7, 0.1], [0.6, 0.1, 0.3], [0.1, 0.3, 0.6]])


def make(**changes):
    arguments = {"labels": SETS, "class_names": NAMES, "k": 2, "ids": np.array(["p", "q", "r"])}
    return predictions_from_scores(SCORES, **(arguments | changes))


def test_label_sets_become_rows():
    found = make()
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.ids.tolist() == ["p", "p", "q", "r", "r", "r"]
    assert found.top_classes.tolist() == [[1, 0]] * 2 + [[0, 2]] + [[2, 1]] * 3
    np.testing.assert_allclose(found.top_probs[:, 0], [0.7, 0.7, 0.6, 0.6, 0.6, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.weights, [1 / 2, 1 / 2, 1, 1 / 3, 1 / 3, 1 / 3])
    assert found.pictures().tolist() == [0, 0, 1, 2, 2, 2]


def test_a_picture_is_right_when_its_most_probable_class_is_one_of_its_own():
    found = make()
    # dog of (cat, dog): right; cat of (ship): wrong; ship of all three: right. By rows it would be 2 of 6.
    assert found.accuracy == 2 / 3
    assert found.hits().tolist() == [[True, True], [False, True], [True, True]]
    assert found.where(found.ids == "q").accuracy == 0.0
    assert found.where(np.arange(2)).weights.tolist() == [0.5, 0.5]


def test_each_true_class_is_paired_with_each_predicted_one():
    counts = count_pairs(make(), k=2)
    assert counts.unit == MILLIONTH
    third = 333333
    cells = {
        (NAMES[t], NAMES[p], int(r)): int(c)
        for t, p, r, c in zip(counts.true, counts.predicted, counts.rank, counts.counts, strict=True)
    }
    assert cells == {
        ("cat", "dog", 0): 500000,
        ("cat", "cat", 1): 500000,
        ("dog", "dog", 0): 500000,
        ("dog", "cat", 1): 500000,
        ("ship", "cat", 0): 1000000,
        ("ship", "ship", 1): 1000000,
        **{(name, "ship", 0): third for name in ("cat", "dog")},
        **{(name, "dog", 1): third for name in ("cat", "ship")},
        ("ship", "ship", 0): third,
        ("dog", "dog", 1): third,
    }
    # Three pictures with two predicted classes each.
    assert counts.total == 6
    assert counts.matrix().sum() == pytest.approx(6, abs=1e-5)


def test_weights_and_probabilities_multiply():
    found = make()
    weighted = count_pairs(found, k=2, weighting="probability")
    plain = count_pairs(replace(found, weights=None), k=2, weighting="probability")
    assert weighted.matrix()[0, 1] == pytest.approx(0.7 / 2 + 0.3 / 3, abs=1e-6)
    assert plain.matrix()[0, 1] == pytest.approx(0.7 + 0.3, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_counting_is_exact_in_any_order(seed, pieces):
    generator = np.random.default_rng(seed)
    sets = generator.random((40, 4)) < 0.5
    sets[np.arange(40), generator.integers(4, size=40)] = True
    found = predictions_from_scores(generator.random((40, 4)), sets, tuple("abcd"), k=3)
    whole = count_pairs(found, missing_classes="keep")
    order = generator.permutation(len(found))
    part = generator.integers(pieces, size=len(found))
    parts = [found.where(order[part == piece]) for piece in range(pieces) if (part == piece).any()]
    total = count_pairs(parts[0], missing_classes="keep")
    for more in parts[1:]:
        total = total + count_pairs(more, missing_classes="keep")
    for what in ("true", "predicted", "rank", "counts"):
        np.testing.assert_array_equal(getattr(total, what), getattr(whole, what))
    twice = count_pairs(found, missing_classes="keep", repeats=np.full(len(found), 2))
    np.testing.assert_array_equal(twice.counts, 2 * whole.counts)


def test_single_classes_in_columns_are_the_same_as_labels():
    labels = np.array([2, 0, 1])
    one, other = make(labels=labels), make(labels=np.eye(3, dtype=bool)[labels])
    assert other.weights is None
    assert one.labels.tolist() == other.labels.tolist()
    np.testing.assert_array_equal(count_pairs(one, k=2).counts, count_pairs(other, k=2).counts)
    assert count_pairs(other, k=2).unit == 1


def test_pictures_without_ids_get_their_row_numbers():
    assert make(ids=None).ids.tolist() == ["0", "0", "1", "2", "2", "2"]
    # Without ids a weighted row is a picture of its own.
    alone = replace(make(), ids=None)
    assert (len(alone.hits()), alone.accuracy) == (6, 2 / 6)


def test_the_same_id_in_two_splits_is_two_pictures():
    found = Predictions(
        np.array([0, 0]), np.array([[0], [1]]), None, NAMES, ["p", "p"], ["train", "test"], weights=np.array([1.0, 0.5])
    )
    assert found.pictures().tolist() == [0, 1]
    assert found.accuracy == 0.5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": np.array([1.0, 0.0])}, r"row 1 has the weight 0\.0; weights must be from 0\.000001 to 1\."),
        ({"weights": np.array([np.nan, 1.0])}, "row 0 has the weight nan"),
        ({"weights": np.array([1.0, 1.5])}, r"row 1 has the weight 1\.5"),
        ({"weights": np.array([1.0])}, r"weights have shape \(1,\) and type float64; they must be \(2,\) numbers"),
        ({"weights": np.array(["1", "1"])}, r"they must be \(2,\) numbers"),
        ({"top_classes": np.array([[0, 1], [2, 1]])}, r"rows 0 and 1 are of one picture \(p\) but predict different"),
        ({"labels": np.array([1, 1])}, "row 1 names the true class 'dog' of the picture p once more"),
    ],
)
def test_rows_that_do_not_fit_are_named(changes, sentence):
    arguments = {
        "labels": np.array([0, 1]),
        "top_classes": np.array([[0, 1], [0, 1]]),
        "top_probs": None,
        "class_names": NAMES,
        "ids": ["p", "p"],
        "weights": np.array([0.5, 0.5]),
    }
    assert len(Predictions(**arguments)) == 2
    with pytest.raises(ConfembError, match=sentence):
        Predictions(**(arguments | changes))


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        (SETS[:2], r"labels have shape \(2, 3\); with 3 pictures and 3 classes they must be \(3,\), or \(3, 3\)"),
        (SETS * 2, "must hold 0 and 1, or booleans, only"),
        (SETS / 2, "must hold 0 and 1, or booleans, only"),
        (SETS * [[1], [0], [1]], "picture 1 has no true class"),
    ],
)
def test_wrong_label_sets_are_named(sets, sentence):
    with pytest.raises(ConfembError, match=sentence):
        make(labels=sets)
    with pytest.raises(ConfembError, match=sentence):
        label_sets(sets, pictures=3, classes=3)


def write_rows(found, path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "weight", "label", "top1", "top2", "prob1", "prob2"])
        for i in range(len(found)):
            names = [NAMES[found.labels[i]], *(NAMES[c] for c in found.top_classes[i])]
            writer.writerow(
                [found.ids[i], repr(float(found.weights[i])), *names, *map(repr, map(float, found.top_probs[i]))]
            )


@pytest.mark.parametrize("form", ["parquet", "csv", "npz rows", "npz columns", "npz named", "npz top"])
def test_every_format_says_the_same(tmp_path, form):
    found = make()
    path = tmp_path / f"p.{form.split()[0]}"
    top = {"top_classes": np.argsort(-SCORES)[:, :2], "top_probs": -np.sort(-SCORES.astype(np.float32))[:, :2]}
    arrays = {
        "npz rows": {name: getattr(found, name) for name in ("labels", "top_classes", "top_probs", "weights")}
        | {"ids": found.ids.astype(str)},
        "npz columns": {"labels": SETS, "probs": SCORES, "ids": np.array(["p", "q", "r"])},
        "npz named": {"labels": SETS, "ids": np.array(["p", "q", "r"])}
        | (top | {"top_classes": np.array(NAMES)[top["top_classes"]]}),
        "npz top": {"labels": SETS.astype(bool), "ids": np.array(["p", "q", "r"])} | top,
    }
    if form == "parquet":
        save_predictions(found, path)
    elif form == "csv":
        write_rows(found, path)
    else:
        np.savez(path, class_names=np.array(NAMES), **arrays[form])
    read = load_predictions(path, class_names=NAMES, keep=2)
    assert read.class_names == NAMES
    for what in ("labels", "top_classes", "top_probs", "ids", "weights"):
        np.testing.assert_array_equal(getattr(read, what), getattr(found, what), err_msg=what)
    counts, _ = load_pairs(path, class_names=NAMES, k=2)
    np.testing.assert_array_equal(counts.counts, count_pairs(found, k=2).counts)
    # With the classes in another order the weights stay with their rows.
    turned = load_predictions(path, class_names=NAMES[::-1], keep=2)
    assert turned.weights.tolist() == found.weights.tolist()
    assert (2 - turned.labels).tolist() == found.labels.tolist()


def test_label_sets_without_names_are_numbered(tmp_path):
    np.savez(tmp_path / "p.npz", labels=SETS, probs=SCORES)
    found = load_predictions(tmp_path / "p.npz")
    assert (found.class_names, found.k, found.ids.tolist()) == (("0", "1", "2"), 3, ["0", "0", "1", "2", "2", "2"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,label,top1,weight\np,cat,cat,half\n", "line 2 has 'half' in column 'weight': it must be a number"),
        ("id,label,top1,weight\np,cat,cat,-1\n", "row 0 has the weight -1.0"),
        ("id,label,top1,weight\np,cat,cat,.5\np,dog,dog,.5\n", "rows 0 and 1 are of one picture"),
    ],
)
def test_wrong_cells_are_named(tmp_path, content, sentence):
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(ConfembError, match=rf"p\.csv.*{sentence}"):
        load_predictions(tmp_path / "p.csv")


def test_wrong_arrays_are_named(tmp_path):
    for arrays, sentence in (
        ({"weights": np.ones(3)}, "'weights' go with one true class on each row"),
        ({"ids": np.array(["p"])}, "there are 3 rows of 'probs' but 1 ids"),
        ({"class_names": np.array(["a", "b"])}, "labels have shape"),
    ):
        np.savez(tmp_path / "p.npz", labels=SETS, probs=SCORES, **arrays)
        with pytest.raises(ConfembError, match=sentence):
            load_predictions(tmp_path / "p.npz")


def test_a_list_in_a_cell_is_refused(tmp_path):
    table = pa.table({"label": [["cat", "dog"], ["ship"]], "top1": ["cat", "ship"]})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(
        ConfembError, match=r"has \['cat', 'dog'\] in column 'label'.*a row for each of them, with the same id and a w"
    ):
        load_predictions(tmp_path / "p.parquet")


def test_the_report_counts_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("confemb.reporting.write.write_figures", lambda analysis, folder: {})
    generator = np.random.default_rng(0)
    sets = np.zeros((60, 6), bool)
    sets[np.arange(60), np.arange(60) % 6] = sets[np.arange(60), (np.arange(60) + 1) % 6] = True
    scores = generator.random((60, 6)) + 2.0 * sets
    found = predictions_from_scores(scores, sets, tuple("abcxyz"), k=3, logits=True)
    options = AnalysisOptions(title="Two", embedding=EmbedderOptions(seeds=1), report=ReportOptions(item="scene"))
    with writing(tmp_path) as draft:
        text = save_analysis(analyze_counts(count_pairs(found), found, options), draft)
    assert "all scenes: 100.00% right" in text
    tables = (tmp_path / "tables.md").read_text()
    assert "| scenes | number | top-1 | top-3 |" in tables
    assert "| all scenes | 60 | 100.00% | 100.00% |" in tables
    assert "A scene may be of several classes" in tables
    assert "180 pairs" in (tmp_path / "report.html").read_text()
