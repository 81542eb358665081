import re
from dataclasses import replace

import numpy as np
import pytest

from confemb.analysis.derived import analyse
from confemb.records.pairs import count_pairs
from confemb.reporting import classifier_figures, figures
from confemb.reporting.style import LONGEST_LABEL, figure_bytes, figure_style, group_colour, shortened


@pytest.fixture(autouse=True)
def _style():
    with figure_style():
        yield


def test_heatmap_shows_the_cosines_in_seriated_order(analysis):
    axes = figures.heatmap(analysis).axes[0]
    order = analysis.seriation.order
    names = [analysis.class_names[i] for i in order]
    assert [t.get_text() for t in axes.get_xticklabels()] == names
    assert [t.get_text() for t in axes.get_yticklabels()] == names
    mesh = axes.collections[0]
    np.testing.assert_allclose(
        mesh.get_array().reshape(6, 6), analysis.similarity.values[np.ix_(order, order)], atol=1e-9
    )
    assert mesh.get_clim() == (-1, 1)
    shown = axes.texts[1].get_text()
    value = analysis.similarity.values[order[0], order[1]]
    assert float(shown.replace("−", "-")) == pytest.approx(value, abs=0.0051)
    assert axes.texts[0].get_text() == ""


def test_heatmap_of_many_classes_names_rows_while_they_fit(many):
    axes = figures.heatmap(many).axes[0]
    assert axes.images[0].get_array().shape == (40, 40)
    assert [t.get_text() for t in axes.get_yticklabels()] == [many.class_names[i] for i in many.seriation.order]
    assert not axes.texts


def test_heatmap_of_many_more_classes_names_clusters_only(very_many):
    axes = figures.heatmap(very_many).axes[0]
    clusters = [c for c in very_many.clusters if len(c.members) > 1]
    labels = {figures.cluster_label(very_many, c.medoid, len(c.members)) for c in clusters}
    assert {t.get_text() for t in axes.get_yticklabels()} <= labels
    assert len(axes.get_yticklabels()) > 0
    assert len(axes.get_xticks()) == 0


def test_dendrogram_leaves_are_the_heatmap_rows(analysis):
    axes = figures.dendrogram(analysis).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == [analysis.class_names[i] for i in analysis.seriation.order]
    joined = sorted(min(line.get_xdata()) for line in axes.lines)
    np.testing.assert_allclose(joined, sorted(1 - analysis.seriation.tree[:, 2]), atol=1e-9)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_dendrogram_of_many_classes_has_a_leaf_for_each_cluster(many):
    axes = figures.dendrogram(many).axes[0]
    sizes = [len(c.members) for c in many.clusters]
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert [int(label.split("+")[1]) + 1 if "+" in label else 1 for label in labels] == sizes


def test_map_names_every_class_in_its_group_colour(analysis):
    axes = figures.class_map(analysis).axes[0]
    # Each label stands upon a halo, which has an effect.
    drawn = {t.get_text(): t.get_color() for t in axes.texts if not t.get_path_effects()}
    assert drawn == {
        name: group_colour(group) for name, group in zip(analysis.class_names, analysis.group, strict=True)
    }
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["letters", "unknowns"]
    assert axes.get_aspect() == 1


def test_map_of_many_classes_names_medoids(many):
    axes = figures.class_map(many).axes[0]
    assert len(axes.collections[0].get_offsets()) == 40
    medoids = {many.class_names[c.medoid] for c in many.clusters if len(c.members) > 1}
    assert {t.get_text() for t in axes.texts} == medoids


def test_labels_on_the_map_cover_no_point(analysis):
    figure = figures.class_map(analysis)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    points = axes.transData.transform(axes.collections[0].get_offsets())
    for text in axes.texts:
        box = text.get_window_extent()
        assert not any(box.contains(*point) for point in points)


def test_spread_holds_every_seed_of_every_pair(analysis):
    axes = figures.seeds_spread(analysis).axes[0]
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert len(labels) == 15
    cosines = analysis.result.runs.cosines()
    offsets = axes.collections[1].get_offsets()
    row = labels.index("a – x")
    drawn = sorted(float(x) for x, y in offsets if round(float(y)) == row)
    np.testing.assert_allclose(drawn, sorted(cosines[:, 0, 3].tolist()), atol=1e-6)


def test_spread_needs_several_seeds_and_few_classes(many, make_result):
    assert figures.seeds_spread(many) is None
    assert figures.seeds_spread(analyse(make_result(seeds=1))) is None


def test_scatter_shows_the_pairs_the_reference_knows(analysis, many):
    axes = figures.reference_scatter(analysis).axes[0]
    x = np.sort(np.concatenate([c.get_offsets()[:, 0] for c in axes.collections[1:]]))
    np.testing.assert_allclose(x, [0.5, 0.5, 0.9])
    assert "the paper" in axes.get_xlabel()
    assert {t.get_text() for t in axes.texts} <= {"a – b", "a – x", "b – x"}
    assert figures.reference_scatter(many) is None
    assert figures.reference_caption(many) == ""


def test_many_pairs_are_drawn_as_their_density(make_result, monkeypatch):
    monkeypatch.setattr(figures, "MOST_DOTS", 2)
    axes = figures.reference_scatter(analyse(make_result(seeds=1))).axes
    (bins,) = [c for c in axes[0].collections if c.get_array() is not None]
    assert bins.get_array().sum() == 3
    assert axes[1].get_ylabel() == "pairs"


def test_the_caption_names_what_the_scatter_shows(analysis, make_result, monkeypatch):
    dots, named = "Each dot is a pair of classes.", "Named are pairs that differ most"
    # The reference's numbers are none below 0, so only their order is compared, and there is no line.
    assert figures.reference_caption(analysis) == f"{dots} {named} in their order. Grey: 95 % of the seeds."
    one = analyse(make_result(seeds=1))
    assert figures.reference_caption(one) == f"{dots} {named} in their order."
    monkeypatch.setattr(figures, "_are_cosines", lambda similarities: True)
    assert figures.reference_caption(one) == f"{dots} On the dashed line both agree. {named}."
    monkeypatch.setattr(figures, "MOST_DOTS", 2)
    assert figures.reference_caption(one).startswith("The pairs of classes as their density. On")


def test_an_odd_class_does_not_fill_the_names():
    rows, columns = np.triu_indices(12, k=1)
    distance = np.where(rows == 0, 100.0, 0.0) + np.arange(len(rows))[::-1] / 100
    named = figures._oddest(distance, rows, columns)
    assert (rows[named] == 0).sum() == 3
    assert len(named) == 8


def test_training_curve_leaves_out_epochs_not_measured(analysis, many):
    accuracy = classifier_figures.training_curve(analysis).axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in accuracy.lines}
    assert lines["test"] == [[1, 0.4], [3, 0.75]]
    assert len(lines["train"]) == 3
    assert accuracy.texts[0].get_text() == "75.0%"
    assert classifier_figures.training_curve(many) is None


def test_examples_show_the_true_class_and_its_bar_in_orange(analysis):
    figure = classifier_figures.example_pictures(analysis)
    predictions = analysis.result.predictions
    pictures, bars = figure.axes[0::2], figure.axes[1::2]
    assert len(pictures) == 5
    for m, (picture, bar) in enumerate(zip(pictures, bars, strict=True)):
        label = predictions.labels[m]
        assert picture.get_title() == predictions.class_names[label]
        widths = [patch.get_width() for patch in bar.patches[3:]]
        np.testing.assert_allclose(widths, predictions.top_probs[m], atol=1e-6)
        orange = [patch.get_facecolor() == bar.patches[3].get_facecolor() for patch in bar.patches[3:]]
        assert orange[0]
        right = predictions.top_classes[m] == label
        assert orange == [bool(r == right[0]) for r in right]


def test_the_same_figure_gives_the_same_bytes(analysis):
    for kind in ("png", "svg"):
        assert figure_bytes(figures.class_map(analysis), kind, dpi=80) == figure_bytes(
            figures.class_map(analysis), kind, dpi=80
        )


def test_dollar_signs_and_unknown_letters_are_drawn(make_result, result):
    names = ("a$b", "c$", "犬", "x" * 60, "<y>", "z")
    renamed = replace(result.predictions, class_names=names)
    analysis = analyse(
        make_result(
            counts=count_pairs(renamed, k=3),
            runs=replace(result.runs, class_names=names),
            predictions=renamed,
            groups={},
            references=[],
        )
    )
    figure = figures.heatmap(analysis)
    assert "a$b" in {t.get_text() for t in figure.axes[0].get_xticklabels()}
    assert figure_bytes(figure, "svg", dpi=80).startswith(b"<?xml")


def test_shortened():
    assert shortened("cat") == "cat"
    assert len(shortened("c" * 50)) == LONGEST_LABEL


def test_a_large_png_has_fewer_colours_and_looks_the_same():
    import io

    from PIL import Image

    from confemb.reporting import style

    figure = style.new_figure(2, 2)
    figure.subplots().imshow(np.random.default_rng(0).normal(size=(50, 50)), cmap=style.diverging_map())
    full = style.figure_bytes(figure, "png", dpi=100)
    few = style.figure_bytes(figure, "png", dpi=100, most=1000)
    assert few == style.figure_bytes(figure, "png", dpi=100, most=1000)
    assert len(few) < len(full)
    first, second = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), float) for one in (full, few))
    assert first.shape == second.shape
    assert np.abs(first - second).mean() < 4
    assert style.figure_bytes(figure, "png", dpi=100, most=None) == full


def test_an_svg_says_no_more_decimals_than_show():
    from confemb.reporting import style

    figure = style.new_figure(2, 2)
    figure.subplots().plot([0, 1 / 3, 1], [0, 1 / 7, 1])
    drawn = style.figure_bytes(figure, "svg", dpi=100).decode()
    assert "scale(0.095 -0.095)" in drawn
    numbers = re.findall(r"\d+\.(\d+)", " ".join(re.findall(r' (?:d|x|y)="([^"]*)"', drawn)))
    assert numbers
    assert max(map(len, numbers)) == 2
