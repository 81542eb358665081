import csv
import dataclasses

import numpy as np
import pytest

from confemb.records.similarity import SimilarityMatrix
from confemb.references import KnownSimilarities, open_reference
from confemb.references.comparison import compare
from confemb.reporting.comparison_report import (
    comparison_figure,
    comparison_text,
    figure_stem,
    short_titles,
    write_comparison,
)
from confemb.reporting.style import figure_style
from confemb.support.errors import ConfembError


def random_result(size, seed, name) -> KnownSimilarities:
    values = np.random.default_rng(seed).normal(size=(size, size))
    names = tuple(f"=class {i}$" if i == 3 else f"class {i}" for i in range(size))
    return KnownSimilarities(name, f"the {name}", SimilarityMatrix((values + values.T) / 2, names))


@pytest.fixture(scope="module")
def few():
    return compare(random_result(8, 0, "first"), random_result(8, 1, "second"), permutations=99)


@pytest.fixture(scope="module")
def many():
    return compare(random_result(70, 0, "first"), random_result(70, 1, "second"), permutations=99)


def test_text_says_it_all(few):
    lines = comparison_text(few).splitlines()
    found = few.agreement
    assert lines[0] == "the first and the second, 8 classes"
    assert lines[1].startswith(f"Spearman {found.found.spearman:.3f} over 28 pairs, 95 % interval ")
    assert lines[2].startswith(f"p = {found.test.p_value:.3f}: 99 shuffles of the classes")
    assert f"nearest class the same for {found.found.nearest_right} of 8 classes" in lines
    start = lines.index("pairs that differ most, by their rank from 0, least alike, to 1, most alike:")
    assert lines[start + 1].split() == ["the", "first", "the", "second"]
    first, second = few.rank_shares()
    i, j = few.odd_pairs(5, more_alike_in=0)[0]
    row = f"{few.class_names[i]} – {few.class_names[j]}"
    assert lines[start + 2].split()[:-2] == row.split()
    assert [float(x) for x in lines[start + 2].split()[-2:]] == [round(first[i, j], 2), round(second[i, j], 2)]
    assert len(lines) == start + 12


def test_results_are_called_by_the_last_part_of_their_paths_where_these_differ(few):
    for titles, wanted in (
        (("runs/one", "runs/two"), ("one", "two")),
        (("runs/one", "the paper"), ("one", "the paper")),
        (("old/net", "new/net"), ("old/net", "new/net")),
    ):
        assert short_titles(dataclasses.replace(few, titles=titles)) == wanted


def test_text_of_the_paper_with_itself():
    text = comparison_text(compare(open_reference("paper"), open_reference("paper"), permutations=99))
    assert "Spearman 1.000 over 44 pairs, 95 % interval 1.00 to 1.00" in text
    assert "p = 0.010: 99 shuffles" in text
    assert "pairs that differ" not in text


def test_few_pairs_are_dots_and_the_odd_ones_are_named(few):
    with figure_style():
        figure = comparison_figure(few)
    scatter, difference, _ = figure.axes
    (dots,) = scatter.collections
    first, second = few.rank_shares()
    upper = np.triu_indices(8, k=1)
    np.testing.assert_allclose(dots.get_offsets(), np.column_stack([second[upper], first[upper]]))
    named = {text.get_text() for text in scatter.texts}
    odd = [pair for side in (0, 1) for pair in few.odd_pairs(5, more_alike_in=side)]
    assert named
    assert named <= {f"{few.class_names[i]} – {few.class_names[j]}" for i, j in odd}
    shown = [label.get_text() for label in difference.get_yticklabels()]
    assert sorted(shown) == sorted(few.class_names)
    order = [few.class_names.index(name) for name in shown]
    np.testing.assert_allclose(difference.images[0].get_array().filled(np.nan), (first - second)[np.ix_(order, order)])
    assert scatter.get_title(loc="left").startswith("Spearman ")


def test_many_pairs_are_a_density_and_clusters_are_named(many):
    with figure_style():
        figure = comparison_figure(many)
    scatter, difference = figure.axes[:2]
    assert scatter.collections[0].get_array().sum() == 70 * 69 / 2
    labels = [label.get_text() for label in difference.get_yticklabels()]
    assert 0 < len(labels) < 43
    assert all("+" in label for label in labels)


def test_files_are_the_same_again(few, tmp_path):
    paths = write_comparison(few, tmp_path / "new" / "it")
    assert [path.name for path in paths] == ["it.png", "it.svg", "it.csv"]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_comparison(few, tmp_path / "new" / "it")] == before
    with open(paths[2], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    apart = [abs(float(row["rank_a"]) - float(row["rank_b"])) for row in rows]
    assert apart == sorted(apart, reverse=True)
    # A spreadsheet would run it as a formula.
    assert {row["class_1"] for row in rows if "3" in row["class_1"]} == {"'=class 3$"}
    (row,) = [row for row in rows if (row["class_1"], row["class_2"]) == ("class 0", "class 1")]
    assert float(row["a"]) == pytest.approx(few.a.values[0, 1], abs=1e-6)


def test_where_the_figure_goes(tmp_path):
    assert figure_stem(tmp_path / "x.png") == figure_stem(tmp_path / "x.SVG") == tmp_path / "x"
    assert figure_stem(tmp_path) == tmp_path / "comparison"
    assert figure_stem(tmp_path / "new") == tmp_path / "new" / "comparison"
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfembError, match="is a file, but no .png or .svg"):
        figure_stem(tmp_path / "notes.txt")
