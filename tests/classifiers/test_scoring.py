"""Scoring gives what a plain loop gives, in bounded memory, and goes on where it was stopped."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from confemb.classifiers.class_matching import match_classes
from confemb.classifiers.scoring import ScoreSettings, among_matched, are_logits, discard_parts, parts_folder, score
from confemb.classifiers.scoring_records import OpenedData, OpenedModel
from confemb.cli.app import app
from confemb.records.prediction_files import load_predictions
from confemb.records.predictions import predictions_from_scores
from confemb.support.errors import ConfembError

NAMES = ("a", "b", "c", "d")


def some_data(count=100, names=("d", "b", "a")):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(count, 4))

    def stream(start):
        for i in range(start, count):
            yield f"item {i}", rows[i]

    labels = rng.integers(0, len(names), count).astype(np.int32)
    return rows, OpenedData("rows", "row", names, labels, (("train", 60), ("test", count - 60)), stream, {"n": count})


def a_model(**changes):
    model = OpenedModel(
        name="linear",
        class_names=NAMES,
        logits=True,
        takes=("row",),
        prepare=np.stack,
        forward=lambda batch: batch * 2,
        identity={"weights": "2"},
        batch_size=3,
    )
    return replace(model, **changes)


def test_as_a_plain_loop(tmp_path):
    rows, data = some_data()
    match = match_classes(data.class_names, NAMES)
    scored = score(a_model(), data, match, tmp_path / "p.parquet", ScoreSettings(top=3))
    expected = predictions_from_scores(rows * 2, match.places[data.labels], NAMES, k=3, logits=True)
    found = scored.predictions
    assert np.array_equal(found.labels, expected.labels)
    assert np.array_equal(found.top_classes, expected.top_classes)
    assert np.allclose(found.top_probs, expected.top_probs)
    assert found.ids.tolist() == [f"item {i}" for i in range(100)]
    assert found.splits.tolist() == ["train"] * 60 + ["test"] * 40
    assert (found.dataset, found.classifier, scored.left_out) == ("rows", "linear", 0)


def test_items_of_like_length_go_together_and_come_back_in_order(tmp_path):
    _rows, data = some_data()
    seen = []

    def forward(batch):
        seen.append(batch[:, 0])
        return batch * 2

    model = a_model(forward=forward, length=lambda row: row[0])
    scored = score(model, data, match_classes(data.class_names, NAMES), tmp_path / "p.parquet")
    plain = score(a_model(), data, match_classes(data.class_names, NAMES), tmp_path / "q.parquet")
    assert np.array_equal(scored.predictions.top_classes, plain.predictions.top_classes)
    assert all((np.diff(batch) >= 0).all() for batch in seen)
    # Within a chunk of 8 batches of 3 they are sorted.
    assert (np.diff(np.concatenate(seen[:8])) >= 0).all()


def test_labels_without_a_class_are_left_out(tmp_path):
    rows, data = some_data(names=("d", "emu", "a"))
    labels = data.labels.copy()
    labels[5] = -1
    data = replace(data, labels=labels)
    match = match_classes(data.class_names, NAMES, unmatched="leave-out")
    scored = score(a_model(), data, match, tmp_path / "p.parquet")
    kept = np.flatnonzero((labels != 1) & (labels >= 0))
    assert scored.predictions.ids.tolist() == [f"item {i}" for i in kept]
    assert scored.left_out == 100 - len(kept)
    assert np.array_equal(scored.predictions.top_classes[:, 0], rows[kept].argmax(axis=1))


def test_goes_on_where_it_was_stopped(tmp_path):
    _, data = some_data()
    match = match_classes(data.class_names, NAMES)
    often = ScoreSettings(seconds_between_parts=0, all_scores=tmp_path / "all.npz")
    whole = score(a_model(), data, match, tmp_path / "whole.parquet", often)
    calls = []

    def stopping(batch):
        calls.append(len(batch))
        if len(calls) == 20:
            raise KeyboardInterrupt
        return batch * 2

    out = tmp_path / "p.parquet"
    with pytest.raises(KeyboardInterrupt):
        score(a_model(forward=stopping), data, match, out, often)
    with pytest.raises(ConfembError, match="model differ"):
        score(a_model(identity={"weights": "3"}), data, match, out, often)
    with pytest.raises(ConfembError, match="files differ"):
        score(a_model(), replace(data, stamp="later"), match, out, often)
    again = score(a_model(), data, match, out, often)
    # Two whole chunks of 8 batches of 3 were done.
    assert again.resumed == 48
    for name in ("labels", "top_classes", "top_probs", "ids", "splits"):
        assert np.array_equal(getattr(again.predictions, name), getattr(whole.predictions, name))
    assert score(a_model(), data, match, out, often).resumed == 100
    discard_parts(out)
    assert not parts_folder(out).exists()
    # Parts of another scoring are discarded on demand.
    score(a_model(), data, match, out, often)
    other = score(a_model(identity={"weights": "3"}), data, match, out, replace(often, restart=True))
    assert other.resumed == 0


def test_all_scores_are_read_back(tmp_path):
    rows, data = some_data()
    match = match_classes(data.class_names, NAMES)
    settings = ScoreSettings(all_scores=tmp_path / "all.npz", seconds_between_parts=0)
    scored = score(a_model(), data, match, tmp_path / "p.parquet", settings)
    with np.load(tmp_path / "all.npz") as file:
        assert np.allclose(file["logits"], rows * 2)
    loaded = load_predictions(tmp_path / "all.npz", keep=4)
    assert np.array_equal(loaded.top_classes, scored.predictions.top_classes)
    assert loaded.class_names == NAMES
    assert loaded.ids.tolist() == scored.predictions.ids.tolist()
    before = (tmp_path / "all.npz").read_bytes()
    score(a_model(), data, match, tmp_path / "q.parquet", settings)
    assert (tmp_path / "all.npz").read_bytes() == before


@pytest.mark.parametrize("logits", [True, None, False])
def test_among_the_labels_classes_only(tmp_path, logits):
    rows, data = some_data()
    exponential = np.exp(rows * 2)
    probs = exponential / exponential.sum(axis=1, keepdims=True)
    model = a_model(logits=logits, forward=(lambda b: b * 2) if logits else softmax)
    chosen, match = among_matched(model, match_classes(data.class_names, NAMES))
    assert chosen.class_names == ("a", "b", "d")
    scored = score(chosen, data, match, tmp_path / "p.parquet")
    some = probs[:, [0, 1, 3]]
    expected = np.sort(some / some.sum(axis=1, keepdims=True), axis=1)[:, ::-1]
    assert np.allclose(scored.predictions.top_probs, expected, atol=1e-6)
    names = [data.class_names[label] for label in data.labels]
    assert [chosen.class_names[label] for label in scored.predictions.labels] == names


def softmax(batch):
    exponential = np.exp(batch * 2)
    return exponential / exponential.sum(axis=1, keepdims=True)


def test_what_scores_are_is_judged_or_refused(tmp_path):
    assert are_logits(np.array([[1.0, -1.0]]), "m")
    assert are_logits(np.array([[0.5, 3.0]]), "m")
    assert not are_logits(np.array([[0.5, 0.5], [0.1, 0.9]]), "m")
    with pytest.raises(ConfembError, match="--scores logits or --scores probabilities"):
        are_logits(np.array([[0.5, 0.4]]), "m")
    _, data = some_data()
    match = match_classes(data.class_names, NAMES)
    uniform = a_model(forward=lambda b: np.full((len(b), 4), 0.25), logits=None)
    assert score(uniform, data, match, tmp_path / "p.parquet").logits is False


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda b: b[:, :3], r"shape \(3, 3\)"),
        (lambda b: b * np.nan, "not finite"),
        (lambda b: b.astype(str), "must be numbers"),
    ],
)
def test_scores_are_checked(tmp_path, forward, said):
    _, data = some_data()
    match = match_classes(data.class_names, NAMES)
    with pytest.raises(ConfembError, match=said):
        score(a_model(forward=forward), data, match, tmp_path / "p.parquet")


def test_an_item_that_fails_is_named(tmp_path):
    _, data = some_data()

    def broken(start):
        for i, one in enumerate(data.stream(start), start=start):
            if i == 50:
                raise ConfembError("row 50 is broken.")
            yield one

    match = match_classes(data.class_names, NAMES)
    with pytest.raises(ConfembError, match="row 50"):
        score(a_model(), replace(data, stream=broken), match, tmp_path / "p.parquet")

    def short(start):
        yield from list(data.stream(start))[: 90 - start]

    with pytest.raises(ConfembError, match="changed while it was read"):
        score(a_model(), replace(data, stream=short), match, tmp_path / "p.parquet")


MODEL = """
import numpy as np
class_names = ["b", "a", "c"]
def score(texts):
    return np.array([[float(t.count(n)) + 0.1 * i for i, n in enumerate(class_names)] for t in texts])
score.takes = "text"
"""


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def table(tmp_path):
    (tmp_path / "own.py").write_text(MODEL)
    rows = ["text,label"] + [f"{'abc'[i % 3] * 3}{'abc'[(i * 7) % 3]},{'abc'[i % 3].upper()}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_command(table):
    arguments = ["score", f"python:{table / 'own.py'}:score", table / "t.csv", "--out", table / "p.parquet", "--top", 2]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "classes: 3 labels, 3 classes: 3 by name, but for case and punctuation (A -> a" in result.output
    assert "right: 100.0% of 60" in result.output
    predictions = load_predictions(table / "p.parquet")
    assert (predictions.class_names, predictions.k, len(predictions)) == (("b", "a", "c"), 2, 60)
    assert not (table / "p.parquet.parts").exists()
    record = json.loads(pq.read_schema(table / "p.parquet").metadata[b"scoring"])
    assert record["classes"][0] == ["A", "a", "spelling"]
    assert record["scores"] == "logits"
    assert record["model"]["family"] == "python"
    before = (table / "p.parquet").read_bytes()
    refused = run(*arguments)
    assert isinstance(refused.exception, ConfembError)
    assert "--restart" in str(refused.exception)
    assert run(*arguments, "--restart").exit_code == 0
    assert (table / "p.parquet").read_bytes() == before


def test_the_command_goes_on_to_the_report(table):
    out, report = table / "p.parquet", table / "report"
    result = run("score", f"python:{table / 'own.py'}:score", table / "t.csv", "--out", out, "--report", report)
    assert result.exit_code == 0, result.output
    assert (report / "report.html").is_file()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--out", "p.csv"], "must end in .parquet"),
        (["--out", "p.parquet", "--all-scores", "x.csv"], "must end in .npz"),
        (["--out", "p.parquet", "--scores", "odds"], "unknown value 'odds'"),
        (["--out", "p.parquet", "--unmatched", "guess"], "unknown value 'guess'"),
        (["--out", "p.parquet", "--kind", "smell"], "unknown value 'smell'"),
    ],
)
def test_the_command_refuses(table, more, said):
    result = run("score", f"python:{table / 'own.py'}:score", table / "t.csv", *more)
    assert said in str(result.exception)
    assert not Path("p.parquet").exists()


def test_models_are_listed():
    result = run("list", "models")
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in result.output.splitlines()] == [
        *("hf", "clip", "timm", "onnx", "torch", "keras", "sklearn", "python", "resnet50"),
    ]
