"""Square tables: totals, which way round, and what they hold; and what must not be taken for something else."""

import logging

import numpy as np
import pandas as pd
import pytest

from confemb.records.prediction_files import load_pairs, load_predictions
from confemb.records.read_options import ReadOptions
from confemb.records.similarity import SimilarityMatrix
from confemb.support.errors import ConfembError

NAMES = ["cat", "dog", "ship", "truck"]
COUNTS = np.array([[27, 2, 1, 0], [3, 26, 0, 1], [0, 0, 28, 2], [1, 0, 1, 28]])
TRUE = [NAMES[i] for i in range(4) for j in range(4) for _ in range(COUNTS[i, j])]
PREDICTED = [NAMES[j] for i in range(4) for j in range(4) for _ in range(COUNTS[i, j])]
SIMILAR = np.array([[1.0, 0.8, 0.1, 0.2], [0.8, 1.0, 0.15, 0.1], [0.1, 0.15, 1.0, 0.7], [0.2, 0.1, 0.7, 1.0]])


def frame(values, rows=NAMES, columns=NAMES):
    return pd.DataFrame(values, index=rows, columns=columns)


def read(tmp_path, text, class_names=None, **options):
    (tmp_path / "cm.csv").write_text(text, encoding="utf-8")
    counts, predictions = load_pairs(tmp_path / "cm.csv", class_names=class_names, options=ReadOptions(**options))
    assert predictions is None
    return counts


def crosstab(rows, columns, names, **how):
    return pd.crosstab(pd.Series(rows, name=names[0]), pd.Series(columns, name=names[1]), **how)


# Tables of the same counts, as people write them.
TABLES = {
    "plain": frame(COUNTS).to_csv(),
    "floats": frame(COUNTS.astype(float)).to_csv(),
    "semicolons": frame(COUNTS).to_csv(sep=";"),
    "tabs": frame(COUNTS).to_csv(sep="\t"),
    "crosstab": crosstab(TRUE, PREDICTED, ("actual", "predicted")).to_csv(),
    "crosstab with margins": crosstab(TRUE, PREDICTED, ("true", "pred"), margins=True).to_csv(),
    "named margins": crosstab(TRUE, PREDICTED, ("true", "pred"), margins=True, margins_name="Total").to_csv(),
    "row totals only": frame(COUNTS).assign(Total=COUNTS.sum(axis=1)).to_csv(),
    "support": frame(COUNTS).assign(support=COUNTS.sum(axis=1)).to_csv(),
    "column totals only": pd.concat([frame(COUNTS), frame([COUNTS.sum(axis=0)], ["sum"])]).to_csv(),
    "predicted rows": crosstab(PREDICTED, TRUE, ("y_pred", "y_true")).to_csv(),
    "Ultralytics": "Predicted," + frame(COUNTS.T).to_csv().lstrip(","),
    "corner of both": "true \\ predicted" + frame(COUNTS).to_csv(),
    "corner of both, transposed": "Predicted/Actual" + frame(COUNTS.T).to_csv(),
    "prefixes": frame(COUNTS, [f"true_{n}" for n in NAMES], [f"pred_{n}" for n in NAMES]).to_csv(),
    "prefixes, transposed": frame(COUNTS.T, [f"pred:{n}" for n in NAMES], [f"true:{n}" for n in NAMES]).to_csv(),
    "columns in another order": frame(COUNTS)[["ship", "truck", "dog", "cat"]].to_csv(),
    "blanks": " ," + frame(COUNTS, [f"{n} " for n in NAMES]).to_csv().lstrip(","),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_same_counts_however_they_are_written(tmp_path, name):
    counts = read(tmp_path, TABLES[name])
    assert list(counts.class_names) == NAMES
    np.testing.assert_array_equal(counts.matrix().toarray(), COUNTS)


def test_what_is_read_in_a_way_of_its_own_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "confemb"):
        read(tmp_path, TABLES["named margins"])
        read(tmp_path, TABLES["Ultralytics"])
    assert "'Total' are totals of the other cells" in caplog.messages[0]
    assert "calls its rows the predicted classes" in caplog.messages[1]
    caplog.clear()
    for name in ("plain", "floats", "crosstab", "corner of both"):
        read(tmp_path, TABLES[name])
    assert caplog.messages == []


def test_an_option_turns_the_table(tmp_path):
    for name in ("plain", "Ultralytics"):
        values = read(tmp_path, TABLES[name], rows="predicted").matrix().toarray()
        np.testing.assert_array_equal(values, COUNTS.T if name == "plain" else COUNTS)
        values = read(tmp_path, TABLES[name], rows="true").matrix().toarray()
        np.testing.assert_array_equal(values, COUNTS if name == "plain" else COUNTS.T)


def test_a_class_never_predicted_has_no_column_in_a_crosstab(tmp_path):
    table = crosstab(["a", "a", "b", "c"], ["a", "b", "b", "a"], ("true", "pred"))
    assert table.shape == (3, 2)
    found = read(tmp_path, table.to_csv()).matrix().toarray()
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


# Tables of counts that look a little like something else.
LEGITIMATE = {
    "100 pictures of each class": [[90, 5, 3, 2], [6, 88, 4, 2], [1, 2, 95, 2], [0, 4, 3, 93]],
    "symmetric": [[20, 3, 1, 0], [3, 21, 0, 2], [1, 0, 22, 4], [0, 2, 4, 23]],
    "perfect": [[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 5]],
    "mistakes only": [[0, 3, 1, 0], [4, 0, 0, 2], [1, 0, 0, 4], [0, 1, 6, 0]],
    "one class takes all": [[0, 0, 0, 5], [0, 0, 0, 5], [0, 0, 0, 5], [0, 0, 0, 5]],
    "a class that is rarely right": [[1, 9, 0, 0], [0, 10, 0, 0], [0, 0, 9, 1], [0, 0, 2, 8]],
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_counts_that_must_not_be_refused(tmp_path, name, caplog):
    counts = read(tmp_path, frame(LEGITIMATE[name]).to_csv())
    np.testing.assert_array_equal(counts.matrix().toarray(), LEGITIMATE[name])
    assert caplog.messages == []


@pytest.mark.parametrize("names", [["all", "total", "x", "y"], ["label", "top1", "pred", "true"], ["1", "2", "3", "4"]])
def test_classes_that_are_called_as_other_things_are(tmp_path, names):
    counts = read(tmp_path, frame(COUNTS, names, names).to_csv())
    assert list(counts.class_names) == names
    np.testing.assert_array_equal(counts.matrix().toarray(), COUNTS)


SHARES = COUNTS / COUNTS.sum(axis=1, keepdims=True)
REFUSED = {
    "shares": (
        frame(SHARES).to_csv(),
        "not shares.*Each row adds up to 1: if these are shares of the rows, say --kind",
    ),
    "percents": (frame(SHARES * 100).round(1).to_csv(), "Each row adds up to 100"),
    "percent signs": (
        frame([[f"{v:.0%}" for v in row] for row in SHARES]).to_csv(),
        "has 90 % under 'cat'.*not shares",
    ),
    "shares of the predicted": (
        frame(COUNTS / COUNTS.sum(axis=0)).to_csv(),
        "Each column adds up to 1.*give the counts",
    ),
    "similarities": (frame(SIMILAR).to_csv(), "these seem similarities"),
    "distances": (frame(1 - SIMILAR).to_csv(), "Its diagonal is 0 .*these seem to be distances"),
    "whole distances": (
        frame([[0, 1, 7, 7], [1, 0, 7, 7], [7, 7, 0, 2], [7, 7, 2, 0]]).to_csv(),
        "its diagonal is 0 and it is symmetric, as distances are.*--kind counts",
    ),
    "totals without a name": (
        frame(
            np.block([[COUNTS, COUNTS.sum(1)[:, None]], [COUNTS.sum(0), 120]]), [*NAMES, "x"], [*NAMES, "x"]
        ).to_csv(),
        "the row and the column 'x' are the sums of all others",
    ),
    "another class": (
        frame(COUNTS, NAMES, [*NAMES[:3], "lorry"]).to_csv(),
        "line 5 is of 'truck' where .* has 'lorry'",
    ),
    "a report": (
        "class,precision,recall,f1-score,support\ncat,0.9,0.8,0.85,30\ndog,0.9,0.8,0.85,30\n",
        "classification report.*confusion_matrix",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_confusion_matrix_is_refused_with_the_reason(tmp_path, name):
    text, sentence = REFUSED[name]
    with pytest.raises(ConfembError, match=sentence):
        read(tmp_path, text)


def test_shares_of_the_rows_count_every_class_alike(tmp_path):
    for text in (frame(SHARES).to_csv(), frame(SHARES * 100).to_csv()):
        found = read(tmp_path, text, kind="shares").matrix().toarray()
        np.testing.assert_allclose(found, SHARES, atol=1e-6)
    percents = read(tmp_path, frame([[f"{v:.2%}" for v in row] for row in SHARES]).to_csv(), kind="shares")
    np.testing.assert_allclose(percents.matrix().toarray(), SHARES, atol=1e-4)
    with pytest.raises(ConfembError, match="the true class 'cat' add up to 30, neither 1 nor 100"):
        read(tmp_path, frame(COUNTS).to_csv(), kind="shares")
    whole = frame([[0, 1, 7, 7], [1, 0, 7, 7], [7, 7, 0, 2], [7, 7, 2, 0]]).to_csv()
    assert read(tmp_path, whole, kind="counts").total == 62
    with pytest.raises(ConfembError, match="kind 'distance' holds no counts"):
        read(tmp_path, whole, kind="distance")


def similarities(tmp_path, values, **options):
    frame(values).to_csv(tmp_path / "s.csv")
    return SimilarityMatrix.load_matrix(tmp_path / "s.csv", **options).values


def test_distances_are_refused_or_turned(tmp_path):
    with pytest.raises(ConfembError, match=r"s\.csv: the similarity of 'cat' with itself is 0.*look like distances"):
        similarities(tmp_path, 1 - SIMILAR)
    np.testing.assert_allclose(similarities(tmp_path, 1 - SIMILAR, kind="distance"), SIMILAR)
    np.testing.assert_allclose(similarities(tmp_path, 1 - SIMILAR, kind="similarity"), 1 - SIMILAR)
    with pytest.raises(ConfembError, match="said to be distances, but a class is farther from itself"):
        similarities(tmp_path, SIMILAR, kind="distance")
    with pytest.raises(ConfembError, match="kind 'counts' is no table of similarities"):
        similarities(tmp_path, SIMILAR, kind="counts")
    with pytest.raises(ConfembError, match="must be symmetric; if this is a confusion matrix, embed it"):
        similarities(tmp_path, COUNTS)


# Similarities that are no distances, whatever their diagonal.
@pytest.mark.parametrize(
    "values",
    [
        SIMILAR,
        SIMILAR * 100,
        2 * SIMILAR - 1,
        SIMILAR * np.sqrt(np.outer([1, 2, 3, 4], [1, 2, 3, 4])),
        np.where(np.eye(4), np.nan, SIMILAR),
        np.where(np.eye(4), 0.0, SIMILAR - 0.5),
        SIMILAR - 1,
        np.ones((4, 4)),
        np.eye(4),
    ],
)
def test_similarities_that_must_not_be_refused(tmp_path, values):
    np.testing.assert_allclose(similarities(tmp_path, values), values)


def test_decimal_commas(tmp_path):
    frame(SIMILAR).to_csv(tmp_path / "s.csv", sep=";", decimal=",")
    np.testing.assert_allclose(SimilarityMatrix.load_matrix(tmp_path / "s.csv").values, SIMILAR)


def test_classes_by_number_beside_a_list_of_names(tmp_path):
    text = pd.DataFrame(COUNTS).to_csv()
    assert read(tmp_path, text).class_names == ("0", "1", "2", "3")
    found = read(tmp_path, text, class_names=tuple(NAMES))
    assert list(found.class_names) == NAMES
    np.testing.assert_array_equal(found.matrix().toarray(), COUNTS)
    from_1 = frame(COUNTS, [1, 2, 3, 4], [1, 2, 3, 4]).to_csv()
    with pytest.raises(ConfembError, match="do they count from 1"):
        read(tmp_path, from_1, class_names=tuple(NAMES))
    np.testing.assert_array_equal(
        read(tmp_path, from_1, class_names=tuple(NAMES), first_index=1).matrix().toarray(), COUNTS
    )


def test_a_square_table_in_other_formats(tmp_path):
    table = frame(COUNTS)
    table.to_parquet(tmp_path / "cm.parquet")
    table.reset_index().to_feather(tmp_path / "cm.feather")
    table.reset_index().to_json(tmp_path / "cm.json", orient="records")
    frame(COUNTS.T).rename_axis("Predicted").reset_index().to_parquet(tmp_path / "turned.parquet")
    for name in ("cm.parquet", "cm.feather", "cm.json", "turned.parquet"):
        counts, _ = load_pairs(tmp_path / name)
        assert list(counts.class_names) == NAMES
        np.testing.assert_array_equal(counts.matrix().toarray(), COUNTS)
        with pytest.raises(ConfembError, match="holds no single predictions"):
            load_predictions(tmp_path / name)


def test_numbers_without_names_say_how_to_write_them(tmp_path):
    for text in (
        "\n".join(",".join(map(str, row)) for row in COUNTS),
        "\n".join(" ; ".join(map(str, row)) for row in COUNTS.astype(float)),
    ):
        with pytest.raises(
            ConfembError, match="4 rows of 4 numbers without class names: write them as header and first"
        ):
            read(tmp_path, text)
    with pytest.raises(ConfembError, match="its rows have no class names, only its header has"):
        read(tmp_path, frame(COUNTS).to_csv(index=False))


def test_shares_by_pandas(tmp_path, caplog):
    def shares(by, margins):
        return crosstab(TRUE, PREDICTED, ("true", "pred"), normalize=by, margins=margins).to_csv()

    for by in ("index", "all"):
        for margins in (False, True):
            with pytest.raises(ConfembError, match="--kind shares"):
                read(tmp_path, shares(by, margins))
            np.testing.assert_allclose(
                read(tmp_path, shares(by, margins), kind="shares").matrix().toarray(), SHARES, atol=1e-5
            )
    for margins in (False, True):
        with pytest.raises(ConfembError, match="not shares"):
            read(tmp_path, shares("columns", margins))
