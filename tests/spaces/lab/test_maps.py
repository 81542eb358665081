"""Maps: what is apart stays apart, what lies in a plane stays as it is."""

import numpy as np
import pytest

from confemb.reporting import style
from confemb.spaces.lab.maps import VectorMap, draw_map, draw_sample, make_map
from confemb.support.errors import ConfembError


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_clouds_stay_apart_and_the_same_seed_gives_the_same(make_clouds, method):
    found = make_clouds(3, 15, apart=60)
    placed = make_map(found.vectors, method, perplexity=5)
    distances = np.linalg.norm(placed.points[:, None] - placed.points[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (found.labels[distances.argmin(axis=1)] == found.labels).all()
    assert 0.8 < placed.kept <= 1
    np.testing.assert_array_equal(placed.points, make_map(found.vectors, method, perplexity=5).points)


def test_principal_components_keep_a_plane():
    generator = np.random.default_rng(0)
    plane = generator.normal(size=(20, 2)) @ np.linalg.qr(generator.normal(size=(7, 2)))[0].T
    placed = make_map(plane, "pca")
    assert placed.kept == pytest.approx(1)
    ours, theirs = (np.linalg.norm(v[:, None] - v[None], axis=-1) for v in (placed.points, plane))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert "100% of the variance" in placed.caption()


def test_a_figure_shows_every_class_and_names_few_vectors(make_clouds):
    found = make_clouds(11, 3, apart=9)
    with style.figure_style():
        axes = draw_map(found, make_map(found.vectors, "pca")).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(found.class_names)
    assert len(axes.collections) == 11
    assert {text.get_text() for text in axes.texts} == set(found.ids)
    # Nine colours: the tenth class has the first one's, and another shape.
    first, tenth = axes.collections[0], axes.collections[9]
    np.testing.assert_array_equal(first.get_facecolor(), tenth.get_facecolor())
    assert first.get_paths()[0].vertices.shape != tenth.get_paths()[0].vertices.shape


@pytest.mark.parametrize("count", [3, 40])
def test_names_in_one_place_do_not_cover_one_another(make_clouds, count):
    found = make_clouds(4, count, apart=1)
    placed = VectorMap("pca", np.random.default_rng(0).normal(size=(len(found), 2)) * 1e-3, 1.0)
    placed.points[0] = 1
    with style.figure_style():
        figure = draw_map(found, placed)
    figure.draw_without_rendering()
    texts = [text for text in figure.axes[0].texts if not text.get_path_effects()]
    assert {text.get_text() for text in texts} == set(found.ids if count == 3 else found.class_names)
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_a_sample_takes_of_all_classes_alike(make_clouds):
    found = make_clouds(4, 30, apart=1)
    few = draw_sample(found, most=40)
    assert few.counts.tolist() == [10] * 4
    assert list(few.ids) == sorted(few.ids, key=lambda name: int(name[1:]))
    rows = [found.ids.index(name) for name in few.ids]
    np.testing.assert_array_equal(few.vectors, found.vectors[rows])
    assert draw_sample(found, most=120) is found
    assert draw_sample(found, most=2).counts.tolist() == [1] * 4
    assert draw_sample(found, most=40, seed=1).ids != few.ids


def test_what_cannot_be_mapped(make_clouds):
    found = make_clouds(2, 2, apart=1)
    with pytest.raises(ConfembError, match="unknown kind of map 'umap': known are pca and tsne"):
        make_map(found.vectors, "umap")
    with pytest.raises(ConfembError, match="needs 5 vectors or more"):
        make_map(found.vectors, "tsne")
    with pytest.raises(ConfembError, match="needs 3 vectors or more of 2 numbers"):
        make_map(np.ones((9, 1)), "pca")
    with pytest.raises(ConfembError, match="all vectors are the same"):
        make_map(np.ones((9, 3)), "pca")
