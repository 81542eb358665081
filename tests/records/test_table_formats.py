"""Tables of predictions as people and libraries write them: formats, packings, names of columns."""

import gzip
import io
import json
import logging
import re
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from confemb.embedders.counts import Counts
from confemb.records.column_names import choose_columns
from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import load_pairs, load_predictions, save_predictions
from confemb.records.predictions import predictions_from_scores
from confemb.records.read_options import ReadOptions
from confemb.support.errors import ConfembError

NAMES = ("ant", "bee", "cow", "dog", "elk", "fox")
GENERATOR = np.random.default_rng(18)
LABELS = GENERATOR.permutation(np.arange(120) % 6)
LOGITS = GENERATOR.normal(size=(120, 6)) * 2 + 3 * np.eye(6)[LABELS] + np.eye(6)[LABELS ^ 1]
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
NAMED = np.array(NAMES, object)
PREDICTIONS = predictions_from_scores(LOGITS, LABELS, NAMES, k=3, logits=True)
TOP = PREDICTIONS.top_classes


def ranked(cell=lambda i: NAMES[i], probs=True):
    frame = pd.DataFrame({"label": [cell(i) for i in LABELS]})
    for rank in range(3):
        frame[f"top{rank + 1}"] = [cell(i) for i in TOP[:, rank]]
    for rank in range(3 if probs else 0):
        frame[f"prob{rank + 1}"] = PREDICTIONS.top_probs[:, rank].astype(float)
    return frame


def wide(prefix="", classes=NAMES, scores=PROBS, label=NAMED[LABELS]):
    columns = {prefix + name: scores[:, place] for place, name in enumerate(classes)}
    return pd.DataFrame({"id": np.arange(120), "true_label": label} | columns)


def lists():
    rows = zip(LABELS, TOP, strict=True)
    return json.dumps([{"label": NAMES[label], "top_classes": [NAMES[i] for i in top]} for label, top in rows])


def score_lines():
    rows = zip(LABELS, PROBS.tolist(), strict=True)
    return "\n".join(json.dumps({"label": NAMES[i], "probs": dict(zip(NAMES, row, strict=True))}) for i, row in rows)


def arrow(path, frame):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, (table := pa.table(frame)).schema) as writer:
        writer.write_table(table)


def zstandard(path, text):
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(text.encode())


# Every format that is listed, from one source.
WRITERS = {
    "names.csv": lambda p: ranked().to_csv(p, index=False),
    "with_row_numbers.csv": lambda p: ranked().to_csv(p),
    "indices.csv": lambda p: ranked(int, probs=False).to_csv(p, index=False),
    "floats.csv": lambda p: ranked(float).to_csv(p, index=False),
    "bom.csv": lambda p: ranked().to_csv(p, index=False, encoding="utf-8-sig"),
    "names.tsv": lambda p: ranked().to_csv(p, index=False, sep="\t"),
    "semicolons.csv": lambda p: ranked().to_csv(p, index=False, sep=";"),
    "decimal_commas.csv": lambda p: ranked().to_csv(p, index=False, sep=";", decimal=","),
    "bars.csv": lambda p: ranked().to_csv(p, index=False, sep="|"),
    "names.csv.gz": lambda p: ranked().to_csv(p, index=False),
    "names.tsv.zst": lambda p: zstandard(p, ranked().to_csv(index=False, sep="\t")),
    "lines.jsonl": lambda p: ranked().to_json(p, orient="records", lines=True),
    "indices.ndjson": lambda p: ranked(int).to_json(p, orient="records", lines=True),
    "lines.jsonl.gz": lambda p: ranked().to_json(p, orient="records", lines=True),
    "lines.jsonl.zst": lambda p: zstandard(p, ranked().to_json(orient="records", lines=True)),
    "lines.json": lambda p: ranked().to_json(p, orient="records", lines=True),
    "records.json": lambda p: ranked().to_json(p, orient="records"),
    "columns.json": lambda p: ranked().to_json(p, orient="columns"),
    "split.json": lambda p: ranked().to_json(p, orient="split"),
    "lists.json": lambda p: p.write_text(json.dumps(ranked().to_dict("list"))),
    "records.json.gz": lambda p: p.write_bytes(gzip.compress(ranked().to_json(orient="records").encode())),
    "top_lists.json": lambda p: p.write_text(lists()),
    "saved.parquet": lambda p: save_predictions(PREDICTIONS, p),
    "names.parquet": lambda p: ranked().to_parquet(p),
    "indices.pq": lambda p: ranked(int).to_parquet(p),
    "floats.parquet": lambda p: ranked(float).to_parquet(p),
    "categories.parquet": lambda p: ranked().astype({"label": "category", "top1": "category"}).to_parquet(p),
    "names.feather": lambda p: ranked().to_feather(p),
    "indices.feather": lambda p: ranked(int).to_feather(p),
    "stream.arrow": lambda p: arrow(p, ranked()),
    "probs.npz": lambda p: np.savez(p, labels=LABELS, probs=PROBS),
    "logits.npz": lambda p: np.savez(p, labels=LABELS.astype(float), logits=LOGITS),
    "one_hot.npz": lambda p: np.savez(p, labels=np.eye(6, dtype=np.float32)[LABELS], probs=PROBS),
    "column.npz": lambda p: np.savez(p, labels=LABELS[:, None], topk=TOP),
    "top_names.npz": lambda p: np.savez(p, labels=NAMED[LABELS].astype(str), topk=NAMED[TOP].astype(str)),
    "pred_1.csv": lambda p: ranked().rename(columns=lambda n: re.sub("(top|prob)", r"\1_", n)).to_csv(p),
    "top_1.csv": lambda p: ranked(probs=False).rename(columns=lambda n: n.replace("top", "Top ")).to_csv(p),
    "utf16.tsv": lambda p: ranked().to_csv(p, index=False, sep="\t", encoding="utf-16"),
    "class_0.csv": lambda p: wide("class_", "012345", label=LABELS).to_csv(p, index=False),
    "pred_0.csv": lambda p: wide("pred_", "012345", label=LABELS).to_csv(p, index=False),
    "wide.csv": lambda p: wide().to_csv(p, index=False),
    "wide_prefixed.csv": lambda p: wide("prob_").to_csv(p, index=False),
    "wide_logits.csv": lambda p: wide("logit_", scores=LOGITS).to_csv(p, index=False),
    "wide_in_another_order.parquet": lambda p: wide()[["true_label", *reversed(NAMES)]].to_parquet(p),
    "wide_numbered.csv": lambda p: wide("prob_", "012345", label=LABELS).to_csv(p, index=False),
    "wide.jsonl": lambda p: wide("p_").to_json(p, orient="records", lines=True),
    "scores.jsonl": lambda p: p.write_text(score_lines()),
    "keras.csv": lambda p: ranked().assign(Filename=[f"{NAMES[i]}/x.jpg" for i in LABELS]).drop(columns="label")[
        ["Filename", "top1", "top2", "top3"]].rename(columns={f"top{r + 1}": f"label_{r}" for r in range(3)}).to_csv(
        p, index=False),
    "timm.csv": lambda p: pd.DataFrame(
        {"filename": [f"val/{NAMES[label]}/{i}.jpg" for i, label in enumerate(LABELS)]}
        | {f"label_{r}": NAMED[TOP[:, r]] for r in range(3)}
        | {f"prob_{r}": PREDICTIONS.top_probs[:, r] for r in range(3)}
    ).to_csv(p, index=False),
}  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return similarities(count_pairs(PREDICTIONS, k=3), tmp_path_factory.mktemp("expected"))


def similarities(counts, folder):
    """Return the bytes of similarities.csv by plain counts."""
    Counts().embed(counts, seed=0).cosine().to_frame().to_csv(folder / "similarities.csv", index=False)
    return (folder / "similarities.csv").read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_similarities_to_the_byte(name, tmp_path, expected):
    WRITERS[name](tmp_path / name)
    counts, _ = load_pairs(tmp_path / name, class_names=NAMES, k=3)
    assert counts.class_names == NAMES
    assert similarities(counts, tmp_path) == expected


@pytest.mark.parametrize("name", ["names.csv.gz", "lines.jsonl.zst", "records.json", "names.feather", "stream.arrow"])
def test_standard_input_is_known_by_its_bytes(name, tmp_path, expected, monkeypatch):
    WRITERS[name](tmp_path / name)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / name).read_bytes())))
    assert similarities(load_pairs("-", class_names=NAMES, k=3)[0], tmp_path) == expected


PAIRS = ["y_true,y_pred", "target,prediction", "true_label,predicted_label", "actual,predicted", "label,pred",
         "Label,Prediction", "Y_True,Y_Pred", "True Label,Predicted Label", "ground-truth,predicted-class",
         "ACTUAL,PREDICTED", "label,top1", "Label,Top1", "gold,prediction", "y,y_hat"]  # fmt: skip


@pytest.mark.parametrize("header", PAIRS)
def test_names_that_people_give_to_the_two_columns(tmp_path, header):
    (tmp_path / "p.csv").write_text(f"id,{header},note\n1,cat,dog,x\n2,dog,dog,y\n3,cat,cat,\n")
    found = load_predictions(tmp_path / "p.csv")
    assert found.class_names == ("cat", "dog")
    assert (found.labels.tolist(), found.top_classes[:, 0].tolist()) == ([0, 1, 0], [1, 1, 0])
    assert found.ids.tolist() == ["1", "2", "3"]


def test_columns_by_options(tmp_path):
    (tmp_path / "p.csv").write_text("a,b,c,d,e\ncat,dog,cat,0.7,0.3\ndog,dog,cat,0.6,0.4\n")
    options = ReadOptions(label_column="a", top_columns=("b", "c"), prob_columns=("d", "e"))
    found = load_predictions(tmp_path / "p.csv", options=options)
    assert found.top_classes.tolist() == [[1, 0], [1, 0]]
    np.testing.assert_array_equal(found.top_probs, np.float32([[0.7, 0.3], [0.6, 0.4]]))
    (tmp_path / "p.csv").write_text("which,cat,dog,age\ncat,0.7,0.3,20\ndog,0.6,0.4,30\n")
    options = ReadOptions(label_column="which", prob_columns=("cat", "dog"))
    assert load_predictions(tmp_path / "p.csv", options=options).top_classes.tolist() == [[0, 1], [0, 1]]
    with pytest.raises(ConfembError, match="unknown column 'age1': did you mean 'age'"):
        load_predictions(tmp_path / "p.csv", options=ReadOptions(label_column="age1"))


AMBIGUOUS = {
    "label,y_true,pred": "'label', 'y_true' can each be the column of the true classes: say which, --label-column",
    "label,pred,prediction": "'prediction', 'pred' can each be the column of the predicted classes: .*--top-columns",
    "pred,note": "there is no column 'label'",
    "label,note": "there is no column 'top1'",
}


@pytest.mark.parametrize(("header", "sentence"), AMBIGUOUS.items())
def test_columns_that_could_be_either_are_refused(header, sentence):
    with pytest.raises(ConfembError, match=sentence):
        choose_columns(header.split(","))


def test_the_documented_columns_go_before_all_others():
    columns = choose_columns(["target", "label", "prediction", "top1", "top2", "y_true", "prob_cat"])
    assert (columns.label, columns.tops, columns.probs, columns.wide) == ("label", ("top1", "top2"), (), ())


def test_columns_of_numbers_that_are_no_class_are_left_out(tmp_path):
    frame = wide().assign(entropy=1.5, loss=0.25)
    frame.to_csv(tmp_path / "p.csv", index=False)
    assert set(load_predictions(tmp_path / "p.csv").class_names) == set(NAMES)
    sigmoid = wide(scores=1 / (1 + np.exp(-LOGITS))).assign(age=0.5)
    sigmoid.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ConfembError, match="the columns 'age' are no true class of any row.*--prob-columns"):
        load_predictions(tmp_path / "p.csv")
    assert load_predictions(tmp_path / "p.csv", class_names=NAMES).class_names == NAMES


def test_labels_that_no_column_is_called_after_are_refused(tmp_path):
    wide(label=np.array(["x", "y"] * 60)).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ConfembError, match="are not called after the classes in 'true_label'.*--prob-columns"):
        load_predictions(tmp_path / "p.csv")


def test_one_probability_of_two_classes(tmp_path, caplog):
    rows = "0,0.2\n1,0.9\n1,0.4\n0,0.1\n"
    (tmp_path / "p.csv").write_text("y_true,y_score\n" + rows)
    with caplog.at_level(logging.WARNING, "confemb"):
        found = load_predictions(tmp_path / "p.csv")
    assert caplog.messages == ["the column 'y_score' is taken as the probability of the class '1'."]
    assert found.top_classes.tolist() == [[0, 1], [1, 0], [0, 1], [0, 1]]
    np.testing.assert_allclose(found.top_probs[:, 0], [0.8, 0.9, 0.6, 0.9])
    named = "y_true,prob\nham,0.2\nspam,0.9\nspam,0.4\nham,0.1\n"
    (tmp_path / "p.csv").write_text(named)
    with pytest.raises(ConfembError, match="which is not said: give the two class names, the one it belongs to last"):
        load_predictions(tmp_path / "p.csv")
    read = load_predictions(tmp_path / "p.csv", class_names=("ham", "spam"))
    np.testing.assert_array_equal(read.top_classes, found.top_classes)
    for probs in (np.array([0.2, 0.9, 0.4, 0.1]), np.array([[0.2], [0.9], [0.4], [0.1]])):
        np.savez(tmp_path / "p.npz", labels=np.array([0, 1, 1, 0]), probs=probs)
        np.testing.assert_array_equal(load_predictions(tmp_path / "p.npz").top_classes, found.top_classes)


def test_counts_of_pairs_in_a_long_table(tmp_path, caplog):
    (tmp_path / "p.csv").write_text("Reference,Prediction,Freq\ncat,cat,5\ndog,cat,2\ncat,dog,0\ndog,dog,4\n")
    with caplog.at_level(logging.WARNING, "confemb"):
        counts, _ = load_pairs(tmp_path / "p.csv")
    assert counts.matrix().toarray().tolist() == [[5, 0], [2, 4]]
    assert "'Freq' is taken as how often each pair" in caplog.messages[0]
    (tmp_path / "p.csv").write_text("label,pred,count\ncat,cat,5\ncat,cat,5\ndog,cat,2\ndog,dog,1\n")
    assert load_pairs(tmp_path / "p.csv")[0].total == 4, "rows of pictures with a column of another meaning"


def answers(tmp_path, *records, class_names=None):
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, records)))
    return load_predictions(tmp_path / "answers.jsonl", class_names=class_names)


def test_answers_of_a_language_model(tmp_path, caplog):
    records = [
        {"label": "cat", "answers": ["cat", "Cat.", "a tabby"]},
        {"label": "dog", "answers": ["dog", "wolf", "'dog'"]},
    ]
    with caplog.at_level(logging.WARNING, "confemb"):
        found = answers(tmp_path, *records)
    assert found.class_names == ("cat", "dog", "other")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.top_classes[:, 0].tolist() == [0, 0, 2, 1, 2, 1]
    assert found.ids.tolist() == ["0", "0", "0", "1", "1", "1"], "the samples of one item are drawn together"
    assert "2 of 6 answers are none of the 2 classes and count as 'other': 'a tabby (1)', 'wolf" in caplog.messages[0]
    caplog.clear()
    found = answers(tmp_path, {"label": "cat", "prediction": "bird"}, {"label": "dog", "prediction": "dog"})
    assert found.class_names == ("cat", "dog", "other")
    assert found.top_classes[:, 0].tolist() == [2, 1]
    found = answers(tmp_path, {"label": "cat", "prediction": "dog"}, {"label": "dog", "prediction": "cat"})
    assert found.class_names == ("cat", "dog")
    found = answers(tmp_path, {"label": 1, "answer": "Dog"}, {"label": 0, "answer": "?"}, class_names=("cat", "dog"))
    assert found.class_names == ("cat", "dog", "other")
    assert found.top_classes[:, 0].tolist() == [1, 2]
    with pytest.raises(ConfembError, match="line 2 has no answer in column 'answers'"):
        answers(tmp_path, {"label": "cat", "answers": ["cat"]}, {"label": "cat", "answers": []})


BROKEN = {
    "list.jsonl": ('{"label": ["a"], "pred": "a"}\n', r"line 1 has \['a'\] in column 'label': it must hold one class"),
    "object.jsonl": ('{"label": "a", "pred": {"a": 1}}\n', "in column 'pred': it must hold one class name"),
    "score.jsonl": ('{"label": "a", "score": 0.9}\n{"label": "b", "score": 0.8}\n', "which is not said"),
    "percents.csv": ("label,a,b\na,90,10\nb,20,80\na,70,30\n", "are percents"),
    "a.jsonl": ('{"label": "a"}\n[1]\n', "line 2: each line must be a JSON object"),
    "b.jsonl": ('{"label": "a", "pred": "a"}\n{"label": null, "pred": "a"}\n', "line 2 has no value in column 'label'"),
    "c.jsonl": ('{"label": "a", "pred": "a"}\n\n{"label": "a"}\n', "line 3 has no value in column 'pred'"),
    "d.json": ("3", "must hold records"),
    "e.json": ('{"label": ["a"], "pred": []}', "not equally long"),
    "f.json": ('{"cat": {"precision": 1, "recall": 1}, "dog": {"precision": 1, "recall": 1}}', "classification report"),
    "g.feather": ("nothing", "the Arrow file is broken"),
    "h.csv": ("              precision    recall  f1-score   support\n\n cat 1 1 1 5\n", "classification report"),
}


@pytest.mark.parametrize(("name", "sentence"), [(n, s) for n, (_, s) in BROKEN.items()])
def test_broken_tables_are_refused(tmp_path, name, sentence):
    (tmp_path / name).write_text(BROKEN[name][0])
    with pytest.raises(ConfembError, match=sentence) as raised:
        load_pairs(tmp_path / name)
    assert name in str(raised.value)


def test_broken_packings_are_refused(tmp_path):
    whole = gzip.compress(ranked().to_csv(index=False).encode())
    (tmp_path / "p.csv.gz").write_bytes(whole[:100])
    with pytest.raises(ConfembError, match=r"p\.csv\.gz is broken"):
        load_predictions(tmp_path / "p.csv.gz")
    (tmp_path / "p.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(ConfembError, match=r"p\.csv\.zst is broken"):
        load_predictions(tmp_path / "p.csv.zst")
