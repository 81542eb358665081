import csv
import io
import re

import numpy as np
import pytest

from confemb.analysis.derived import analyse
from confemb.reporting import result_tables as tables
from confemb.reporting.agreement_table import agreement_tables
from confemb.reporting.latex import latex_text, to_latex
from confemb.reporting.tables import number


def test_columns_stand_in_the_order_of_the_groups_and_descend(analysis):
    found = tables.column_tables(analysis)
    assert [[name for name, _ in table.columns] for table in found] == [["b", "a", "c"], ["x", "y", "z"]]
    assert found[0].title == "Table 1. Similarities of the letters classes"
    for table in found:
        for name, column in table.columns:
            assert [(n.name, n.cosine) for n in column] == analysis.similarity.ranked(name)
            assert all(n.intervals["seeds"][0] <= n.cosine <= n.intervals["seeds"][1] for n in column)


def test_the_references_number_stands_beside(analysis):
    columns = dict(tables.column_tables(analysis)[0].columns)
    assert {n.name: n.reference for n in columns["b"]} == {"a": 0.9, "x": 0.5, "c": None, "y": None, "z": None}


def test_classes_without_a_group_come_five_at_a_time(make_result):
    found = tables.column_tables(analyse(make_result(groups={})))
    assert [[name for name, _ in table.columns] for table in found] == [["a", "b", "c", "x", "y"], ["z"]]
    found = tables.column_tables(analyse(make_result(groups={"one": ["z", "x"]})))
    assert [[name for name, _ in table.columns] for table in found] == [["z", "x"], ["a", "b", "c", "y"]]


def test_many_classes_get_neighbour_lists(many):
    (found,) = tables.column_tables(many)
    assert len(found.columns) == 40
    assert {len(column) for _, column in found.columns} == {10}
    assert len(tables.pairs_table(many).rows) == 50
    members = [name for row in tables.cluster_table(many).rows for name in row[3].split(", ")]
    assert sorted(members) == sorted(many.class_names)


def test_pairs_are_the_most_similar_ones(analysis):
    rows = tables.pairs_table(analysis).rows
    values = analysis.similarity.values[np.triu_indices(6, 1)]
    assert [float(row[2]) for row in rows] == [round(v, 2) for v in sorted(values, reverse=True)]
    first = rows[0]
    assert float(first[2]) == pytest.approx(analysis.similarity.between(first[0], first[1]), abs=0.006)
    assert float(first[5]) == pytest.approx(analysis.counts.between(first[0], first[1]), abs=0.0006)


def test_agreement_stands_beside_the_baseline(analysis, many):
    (table,) = agreement_tables(analysis)
    assert table.title == "Agreement with the paper"
    assert [row[0].split(",")[0] for row in table.rows] == [
        "embedding",
        "each seed by itself: median",
        "co-occurrence counts (baseline)",
    ]
    assert table.rows[0][1] == number(analysis.agreement.spearman)
    assert table.rows[2][1] == number(analysis.compared[0].counts.found.spearman)
    # Of three classes there are too few to say how far that is chance.
    assert table.rows[0][2:6] == ["–", "–", number(analysis.agreement.pearson), "3"]
    assert "left out: 'c', 'y', 'z'" in table.note
    assert agreement_tables(many) == []


def test_accuracy_for_each_split(analysis):
    predictions = analysis.result.predictions
    test = predictions.where(predictions.splits == "test")
    rows = {row[0]: row[1:] for row in tables.accuracy_table(analysis).rows}
    assert list(rows) == ["train", "test", "all pictures"]
    assert 0.5 < test.accuracy < 1.0
    top_3 = np.mean([label in top for label, top in zip(test.labels, test.top_classes, strict=True)])
    assert rows["test"] == ["30", f"{test.accuracy:.2%}", f"{top_3:.2%}"]


def test_separation_and_seeds(analysis):
    rows = {row[0]: row[1] for row in tables.separation_table(analysis).rows}
    assert rows["across groups"] == number(analysis.separation.across)
    seeds = {row[0]: row[1] for row in tables.seeds_table(analysis).rows}
    assert seeds["seeds"] == "4"
    assert seeds["groups the seeds fall into"] == "1"


def test_markdown_tables_have_as_many_cells_in_every_line(analysis, many):
    for shown in (analysis, many):
        block = []
        for line in [*tables.to_markdown(shown).splitlines(), ""]:
            if line.startswith("|"):
                block.append(len(re.findall(r"(?<!\\)\|", line)))
            elif block:
                assert len(set(block)) == 1
                block = []


def test_latex_braces_and_environments_close(analysis, many):
    for shown in (analysis, many):
        text = to_latex(shown)
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        for environment in ("table", "tabular", "longtable"):
            assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}")


def test_latex_rows_have_three_columns_for_each_class(analysis):
    text = to_latex(analysis)
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert {line.count("&") for line in body.strip().splitlines()} == {8}
    assert r"\begin{tabular}{lrrlrrlrr}" in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a_b & 50 %", r"a\_b \& 50 \%"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x^2$~#", r"\$x\textasciicircum{}2\$\textasciitilde{}\#"),
        ("[-0.25, 0.11]", "[$-$0.25, 0.11]"),
        ("bull-2", "bull-2"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_escapes(text, wanted):
    assert latex_text(text) == wanted


def test_tidy_csv_holds_every_cell(analysis):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(analysis))))
    assert len(rows) == 6 * 5
    for row in rows:
        found = analysis.similarity.between(row["class"], row["neighbour"])
        assert float(row["cosine"]) == pytest.approx(found, abs=1e-6)
    known = {(row["class"], row["neighbour"]): row["reference"] for row in rows}
    assert known["a", "b"] == "0.900000"
    assert known["a", "c"] == ""
