import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from confemb.analysis.derived import analyse
from confemb.records.embedding import EmbeddingRuns
from confemb.reporting import result_tables as tables
from confemb.reporting import uncertainty_figures
from confemb.reporting.findings import chance_sentence, facts
from confemb.reporting.html import render_page
from confemb.reporting.latex import to_latex
from confemb.reporting.reliability_table import median_width, reliability_table
from confemb.reporting.write import similarities_csv
from confemb.stats.reliability import SplitHalf
from confemb.stats.uncertainty import Uncertainty


@pytest.fixture(scope="module")
def split(make_result):
    """Runs of two groups: in the first five, x is opposite to a instead of beside it."""
    generator = np.random.default_rng(0)
    base = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0.3], [0.9, 0, 0.5], [0, 0.2, 1], [0.1, 0.9, 0.6]])
    vectors = np.repeat(base[None], 12, axis=0) + 0.01 * generator.normal(size=(12, 6, 3))
    vectors[:5, 3, 0] *= -1
    runs = EmbeddingRuns(vectors.astype(np.float32), tuple(range(12)), tuple("abcxyz"))
    return analyse(make_result(runs=runs, groups={}, references=[]))


def test_cells_show_every_source_in_order(analysis):
    columns = dict(tables.column_tables(analysis)[0].columns)
    cells = {neighbour.name: tables.cell_text(neighbour) for neighbour in columns["a"]}
    assert cells["c"].count("[") == 2
    assert cells["c"].endswith(" [-0.30, 0.30]")
    # Nothing is known of a and b over pictures.
    assert cells["b"].count("[") == 1
    assert "In brackets: where 95 % fall with other seeds, then with other pictures." in tables.column_note(analysis)
    assert tables.pairs_table(analysis).header[2:6] == ["cosine", "95 % of seeds", "95 % of pictures", "counts"]
    assert "{\\tiny [$-$0.30, 0.30]}" in to_latex(analysis)
    assert "[−0.30, 0.30] pictures" in render_page(analysis, {}, {})


def test_texts_are_called_so(make_result):
    texts = analyse(make_result(item="text"))
    assert "95 % of texts" in tables.pairs_table(texts).header
    assert "halves of the texts" in chance_sentence(texts)


def test_two_groups_of_runs_show_both_values(split):
    first = float(split.two_values.medians[0, 0, 3])
    second = float(split.two_values.medians[1, 0, 3])
    assert first > 0.8
    assert second < -0.8
    columns = {name: column for table in tables.column_tables(split) for name, column in table.columns}
    cell = next(tables.cell_text(n) for n in columns["a"] if n.name == "x")
    assert cell.startswith(f"x {first:.2f} or {second:.2f} [")
    assert "or" not in next(tables.cell_text(n) for n in columns["a"] if n.name == "b")
    assert "the larger group first" in tables.column_note(split)
    assert f"{first:.2f} or " in to_latex(split).replace("$-$", "-")
    rows = {(row["class_1"], row["class_2"]): row for row in csv.DictReader(io.StringIO(similarities_csv(split)))}
    assert float(rows["a", "x"]["group_1"]) == pytest.approx(first, abs=1e-6)
    assert float(rows["a", "x"]["group_2"]) == pytest.approx(second, abs=1e-6)
    tidy = [row for row in csv.DictReader(io.StringIO(tables.to_csv(split))) if row["class"] == "a"]
    assert {row["neighbour"] for row in tidy if row["group_1"]} == {"x"}


def test_the_reliability_table_holds_every_figure(analysis):
    table = reliability_table(analysis)
    assert "by a prior, estimated from the confusions that do" in table.note
    rows = dict(table.rows)
    assert rows["width of the 95 % interval over pictures, median of the pairs"] == "0.600 (50 replicates)"
    assert rows["Spearman between halves of the pictures, 2 splits"] == "0.650 [0.600, 0.700]"
    assert rows["reliability of all pictures (Spearman-Brown)"] == "0.788"
    assert rows["nearest 1 class in common between two runs, other seeds"] == "Jaccard 0.90 (chance 0.20)"
    assert rows["smallest dimension within a standard error of the best"] == "3 (used: 5)"
    assert median_width(analysis.intervals["pictures"]) == pytest.approx(0.6)


def test_a_single_split_has_no_range(make_result):
    result = make_result()
    known = result.uncertainty
    once = replace(known, reliability=replace(known.reliability, split_half=SplitHalf((0.6,))))
    rows = dict(reliability_table(analyse(replace(result, uncertainty=once))).rows)
    assert rows["Spearman between halves of the pictures, 1 split"] == "0.600"


def test_what_was_not_measured_is_not_told(make_result):
    bare = analyse(make_result(uncertainty=Uncertainty()))
    assert reliability_table(bare) is None
    assert chance_sentence(bare) == ""
    assert uncertainty_figures.intervals(bare) is None
    assert uncertainty_figures.dimension(bare) is None
    assert "Other pictures" not in render_page(bare, {}, {})
    assert not any(name == "split-half reliability" for name, _ in facts(bare))


def test_a_deterministic_embedder_has_no_seeds_interval(make_result):
    one = analyse(make_result(seeds=1))
    assert list(one.intervals) == ["pictures"]
    assert tables.pairs_table(one).header[2:5] == ["cosine", "95 % of pictures", "counts"]
    assert uncertainty_figures.intervals(one) is not None


def test_sentence_and_fact(analysis):
    sentence = chance_sentence(analysis)
    assert "would move by up to 0.30 (95 %, from 50 bootstrap replicates)" in sentence
    assert "rank correlation of 0.65, from which a reliability of 0.79 follows" in sentence
    assert "3 is the smallest" in sentence
    assert ("split-half reliability", "0.79") in facts(analysis)


def test_the_intervals_are_drawn_where_they_are(analysis, many):
    axes = uncertainty_figures.intervals(analysis).axes[0]
    bars = {collection.get_label(): collection for collection in axes.collections}
    assert {"other seeds", "other pictures", "value"} <= set(bars)
    # What is not known has no bar.
    known = [
        segment[:, 0] for segment in bars["other pictures"].get_segments() if segment.ndim == 2 and len(segment) == 2
    ]
    np.testing.assert_allclose(known, np.tile([-0.3, 0.3], (14, 1)))
    assert len(axes.get_yticklabels()) == 15
    assert uncertainty_figures.intervals(many) is None


def test_the_dimension_figure_shows_scores_and_the_choice(analysis):
    axes = uncertainty_figures.dimension(analysis).axes[0]
    line = axes.containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(orig=False), [2, 3, 5])
    np.testing.assert_allclose(line.get_ydata(orig=False), [0.7, 0.79, 0.8])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "3", "5"]
    assert "suggested: 3" in {text.get_text() for text in axes.get_legend().get_texts()}


def test_retrainings_stand_beside_the_others(make_result):
    pictures = make_result().uncertainty.intervals[0]
    both = Uncertainty((replace(pictures, source="retrainings"), pictures))
    found = analyse(make_result(uncertainty=both))
    assert list(found.intervals) == ["seeds", "pictures", "retrainings"]
    assert "retrainings_low" in similarities_csv(found).splitlines()[0]
