"""`Result`: made in memory, saved, opened again."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import confemb
from confemb.analysis.options import AnalysisOptions, ReportOptions
from confemb.embedders.options import EmbedderOptions
from confemb.pipeline.run import run_experiment
from confemb.records.pairs import pairs_from_confusions
from confemb.result import analyze, analyze_counts, open_result
from confemb.stats.options import UncertaintyOptions
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "ship", "truck")


def differences(a, b, where="result"):
    """Return where two results differ, in value, type or dtype."""
    if type(a) is not type(b):
        return [f"{where}: {type(a).__name__} and {type(b).__name__}"]
    if isinstance(a, np.ndarray):
        same = a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()
        same = same or (a.dtype == b.dtype and a.dtype.kind == "f" and np.array_equal(a, b, equal_nan=True))
        return [] if same else [where]
    if isinstance(a, pd.DataFrame):
        return [] if a.equals(b) else [where]
    if dataclasses.is_dataclass(a):
        pairs = [(field.name, getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a)]
        return [line for name, x, y in pairs for line in differences(x, y, f"{where}.{name}")]
    if isinstance(a, dict):
        if list(a) != list(b):
            return [f"{where}: keys {list(a)} and {list(b)}"]
        return [line for key in a for line in differences(a[key], b[key], f"{where}[{key!r}]")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{where}: {len(a)} and {len(b)} items"]
        return [line for i, (x, y) in enumerate(zip(a, b, strict=True)) for line in differences(x, y, f"{where}[{i}]")]
    return [] if a == b or (a != a and b != b) else [f"{where}: {a!r} and {b!r}"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def scores():
    generator = np.random.default_rng(5)
    labels = np.arange(120) % 4
    scores = generator.random((120, 4)) + 2.0 * (labels[:, None] // 2 == np.arange(4) // 2)
    scores[np.arange(120), labels] += 1.0
    return labels, scores / scores.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def options():
    return AnalysisOptions(
        title="Four classes",
        embedding=EmbedderOptions(name="diffusion"),
        uncertainty=UncertaintyOptions(pictures=20, split_halves=2, dimension_splits=2),
        report=ReportOptions(groups={"animals": ["cat", "dog"], "vehicles": ["ship", "truck"]}),
    )


@pytest.fixture(scope="module")
def result(scores, options):
    labels, probabilities = scores
    return analyze(labels, probabilities, class_names=NAMES, options=options, source={"from": "a test"})


def test_a_result_is_opened_as_it_was_saved(result, tmp_path):
    again = open_result(result.save(tmp_path / "first"))
    assert [line for line in differences(result, again) if ".references" not in line] == []
    again.save(tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_a_result_with_a_reference_is_opened_as_it_was_saved(scores, options, tmp_path):
    labels, probabilities = scores
    other = tmp_path / "similarities.csv"
    other.write_text(",cat,dog,ship\ncat,1,0.9,0.1\ndog,0.9,1,0.2\nship,0.1,0.2,1\n", encoding="utf-8")
    report = ReportOptions(reference=str(other))
    made = analyze(labels, probabilities, class_names=NAMES, options=options.model_copy(update={"report": report}))
    again = open_result(made.save(tmp_path / "result"))
    for attribute in ("name", "title", "left_out", "ceiling"):
        assert getattr(again.references[0], attribute) == getattr(made.references[0], attribute)
    assert differences(again.references[0].similarity, made.references[0].similarity) == []
    # It opens where the reference is gone, which is looked up when it is asked for.
    other.unlink()
    gone = open_result(tmp_path / "result")
    assert gone.nearest("cat", 1) == made.nearest("cat", 1)
    with pytest.raises(ConfembError, match=r"similarities\.csv"):
        gone.references[0].similarity  # noqa: B018


def test_a_confusion_matrix_is_opened_as_it_was_saved(options, tmp_path):
    confusions = np.array([[20, 8, 1, 1], [9, 19, 1, 1], [1, 0, 25, 4], [0, 2, 5, 23]])
    made = analyze_counts(pairs_from_confusions(confusions, NAMES), None, options)
    again = open_result(made.save(tmp_path / "first"))
    assert differences(made, again) == []
    again.save(tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_an_experiments_result_is_opened_as_it_was_saved(tmp_path):
    experiment = confemb.load_experiment(
        "digits", ["training.epochs=1", "embedding.seeds=2", "uncertainty.pictures=2", "uncertainty.split_halves=0",
                   "uncertainty.dimension_splits=0"]
    )  # fmt: skip
    run_experiment(experiment, tmp_path / "first")
    result = open_result(tmp_path / "first")
    again = open_result(result.save(tmp_path / "second"))
    assert [line for line in differences(result, again) if ".references" not in line] == []
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    # The weights are no part of an analysis.
    assert set(first) - set(second) == {"weights.safetensors"}
    assert [name for name in second if first[name] != second[name]] == []


def test_what_a_result_says(result):
    assert result.class_names == NAMES
    assert result.similarity.class_names == NAMES
    assert result.nearest("cat", top=1)[0][0] == "dog"
    frame = result.frame()
    assert list(frame.columns[:3]) == ["class_1", "class_2", "cosine"]
    assert len(frame) == 6
    assert frame["cosine"].is_monotonic_decreasing
    assert (
        repr(result)
        == f"<Result: 'Four classes', 4 classes, 360 pairs, {result.provenance['stages']['embed']['embedder']}>"
    )
    with pytest.raises(ConfembError, match="unknown class 'cow'"):
        result.nearest("cow")


def test_in_memory_and_from_a_file_are_the_same(scores, tmp_path):
    labels, probabilities = scores
    result = analyze(labels, probabilities, class_names=NAMES, k=2)
    np.savez(tmp_path / "p.npz", labels=labels, probs=probabilities, class_names=np.array(NAMES))
    counts, predictions = confemb.load_pairs(tmp_path / "p.npz", k=2, weighting=None)
    assert differences(counts, result.counts) == []
    assert differences(predictions.top_classes, result.predictions.top_classes) == []


def test_a_folder_of_another_kind_is_refused(result, tmp_path):
    (tmp_path / "manifest.json").write_text('{"confemb": "0.1.0", "experiment": {}, "stages": {}}', encoding="utf-8")
    with pytest.raises(ConfembError, match="holds the result of an experiment; choose another folder"):
        result.save(tmp_path)
    assert contents(tmp_path) == {"manifest.json": b'{"confemb": "0.1.0", "experiment": {}, "stages": {}}'}


def test_a_result_shows_itself_in_a_notebook(result):
    shown = result._repr_html_()
    assert "4 classes, 360 pairs" in shown
    assert shown.count("<tr") == 7
    hostile = dataclasses.replace(result, title="<script>alert(1)</script>")
    assert "<script" not in hostile._repr_html_()


def test_its_figures_are_axes_that_show_its_values(result):
    order = result.analysis.seriation.order
    image = result.plot.heatmap().collections[0].get_array().reshape(4, 4)
    values = result.similarity.values[np.ix_(order, order)]
    apart = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(np.asarray(image)[apart], values[apart], atol=1e-6)
    assert set(NAMES) <= {text.get_text() for text in result.plot.map().texts}
    labels = [text.get_text() for axis in (result.plot.tree().yaxis, result.plot.tree().xaxis) for text in
              axis.get_ticklabels()]  # fmt: skip
    assert set(NAMES) <= set(labels)


def test_its_explorer_is_a_page_of_its_classes(result):
    page = result.explore()
    assert page.html.startswith("<!doctype html")
    assert "Four classes" in page.html
    assert page._repr_html_().startswith("<iframe")
