"""Inputs as people have them, through the commands that read them, and the options that say how."""

import csv
import io
import json
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest

from confemb.records.pairs import PairCounts

NAMES = ("cat", "dog", "ship", "truck")
GENERATOR = np.random.default_rng(5)
LABELS = GENERATOR.permutation(np.arange(120) % 4)
LOGITS = GENERATOR.normal(size=(120, 4)) + 2 * np.eye(4)[LABELS] + np.eye(4)[LABELS ^ 1]
TOP = np.argsort(-LOGITS, axis=1)[:, :3]
NAMED = np.array(NAMES, object)

pytestmark = pytest.mark.usefixtures("no_figures")


def table(cell=lambda i: NAMES[i], rows=slice(None)):
    frame = pd.DataFrame({"label": [cell(i) for i in LABELS]})
    for rank in range(3):
        frame[f"top{rank + 1}"] = [cell(i) for i in TOP[:, rank]]
    return frame.iloc[rows]


@pytest.fixture
def embed(run, tmp_path):
    """Embed a file by plain counts; returns the bytes of similarities.csv and what was said on stderr."""

    def call(path, *options):
        out = tmp_path / f"out {path.name} {len(options)}"
        status, _, said = run("embed", path, "--out", out, "--embedder", "counts", "--bootstraps", 0, *options)
        assert status == 0, said
        return (out / "similarities.csv").read_bytes(), said

    return call


def test_formats_and_options_give_the_same_similarities(embed, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    (tmp_path / "id2label.json").write_text(json.dumps({str(i): name for i, name in enumerate(NAMES)}))
    (tmp_path / "class_indices.json").write_text(json.dumps({name: i for i, name in enumerate(NAMES)}))
    (tmp_path / "table.csv").write_text("class_id,name\n" + "".join(f"{10 * i},{n}\n" for i, n in enumerate(NAMES)))
    table().to_csv(tmp_path / "names.csv", index=False)
    table(int).to_csv(tmp_path / "indices.csv", index=False)
    table(float).to_csv(tmp_path / "floats.csv", index=False)
    table(lambda i: i + 1).to_csv(tmp_path / "from_1.csv", index=False)
    table(lambda i: 10 * i).to_csv(tmp_path / "ids.csv", index=False)
    table().rename(columns={"label": "a", "top1": "b", "top2": "c", "top3": "d"}).to_csv(tmp_path / "named.csv")
    table()[["label", "top3", "top2", "top1"]].set_axis(["label", "top1", "top2", "top3"], axis=1).to_csv(
        tmp_path / "rising.csv", index=False
    )
    table().to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    names = ("--classes", tmp_path / "names.txt")
    expected, said = embed(tmp_path / "names.csv", *names)
    assert said == ""
    for file, options in [
        ("indices.csv", names),
        ("indices.csv", ("--classes", tmp_path / "id2label.json")),
        ("indices.csv", ("--classes", tmp_path / "class_indices.json")),
        ("floats.csv", names),
        ("from_1.csv", (*names, "--first-index", "1")),
        ("ids.csv", ("--classes", f"{tmp_path / 'table.csv'}:name")),
        ("named.csv", (*names, "--label-column", "a", "--top-columns", "b,c,d")),
        ("rising.csv", (*names, "--order", "rising")),
        ("lines.jsonl", names),
    ]:
        assert embed(tmp_path / file, *options)[0] == expected, (file, options)


def test_what_is_ambiguous_is_refused_with_the_option(refused, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    options = ("--classes", tmp_path / "names.txt", "--out", tmp_path / "out")
    table(lambda i: i + 1).to_csv(tmp_path / "p.csv", index=False)
    for further in ((), ("--missing-classes", "drop")):
        assert "do they count from 1? Say so (--first-index 1)" in refused(
            "embed", tmp_path / "p.csv", *options, *further
        )
    table().assign(y_true="cat").rename(columns={"top1": "pred"}).drop(columns=["top2", "top3"]).to_csv(
        tmp_path / "p.csv"
    )
    assert "--label-column" in refused("embed", tmp_path / "p.csv", *options)
    assert "unknown value '2' in --first-index" in refused("embed", tmp_path / "p.csv", *options, "--first-index", "2")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["counts", "shares"])
def test_confusion_matrices_of_either_kind(embed, tmp_path, kind):
    counts = pd.crosstab(NAMED[LABELS], NAMED[TOP[:, 0]], rownames=["true"], colnames=["pred"])
    shares = kind == "shares"
    (counts.div(counts.sum(axis=1), axis=0) if shares else counts).to_csv(tmp_path / "cm.csv")
    found, said = embed(tmp_path / "cm.csv", *(["--kind", "shares"] if shares else []))
    table()[["label", "top1"]].to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "n.txt").write_text("\n".join(NAMES))
    expected = embed(tmp_path / "p.csv", "--classes", tmp_path / "n.txt")[0]
    # Plain counts divide by the sums of the rows, so shares give the same.
    one, other = (pd.read_csv(io.BytesIO(text)) for text in (found, expected))
    np.testing.assert_allclose(one["cosine"], other["cosine"], atol=1e-6)
    assert said == ""


def test_totals_are_left_out_and_said(embed, tmp_path):
    counts = pd.crosstab(NAMED[LABELS], NAMED[TOP[:, 0]], rownames=["true"], colnames=["pred"], margins=True)
    counts.to_csv(tmp_path / "with.csv")
    counts.iloc[:-1, :-1].to_csv(tmp_path / "without.csv")
    found, said = embed(tmp_path / "with.csv")
    assert found == embed(tmp_path / "without.csv")[0]
    assert said == "confemb: note: 'All' are totals of the other cells, no class: they are left out.\n"


SIMILAR = np.array([[1, 0.8, 0.1, 0.2], [0.8, 1, 0.15, 0.1], [0.1, 0.15, 1, 0.7], [0.2, 0.1, 0.7, 1]])


@pytest.fixture
def squares(tmp_path):
    for name, values in (("similar", SIMILAR), ("distant", 1 - SIMILAR)):
        pd.DataFrame(values, NAMES, NAMES).to_csv(tmp_path / f"{name}.csv")
    table().to_csv(tmp_path / "p.csv", index=False)
    return tmp_path


def test_distances_are_refused_or_turned_by_every_command(run, refused, squares):
    similar, distant, predictions = (squares / name for name in ("similar.csv", "distant.csv", "p.csv"))
    for command in (
        ("severity", predictions, "--similarity", distant),
        ("compare", similar, distant),
        ("costs", distant, "--out", squares / "c.csv"),
    ):
        assert "these look like distances" in refused(*command)
    assert not (squares / "c.csv").exists()
    right = run("severity", predictions, "--similarity", similar)[1].partition(":")[2]
    assert run("severity", predictions, "--similarity", distant, "--kind", "distance")[1].partition(":")[2] == right
    for path, more in ((similar, ()), (distant, ("--kind", "distance"))):
        status, out, _ = run("costs", path, "--out", squares / f"{path.stem}_costs.csv", *more)
        assert (status, "cat, dog" in out) == (0, True)
    costs = [np.loadtxt(squares / f"{name}_costs.csv", delimiter=",", skiprows=1, usecols=range(1, 5)) for name in
             ("similar", "distant")]  # fmt: skip
    np.testing.assert_allclose(*costs)
    shutil.copytree(distant.parent, squares / "copy", dirs_exist_ok=True, ignore=lambda *_: ["copy"])
    status, out, _ = run("compare", squares / "copy" / "distant.csv", distant, "--kind", "distance")
    assert (status, "nearest class the same for 4 of 4 classes" in out) == (0, True)


def test_a_severity_table_in_percent_is_refused(refused, squares):
    pd.DataFrame(SIMILAR * 100, NAMES, NAMES).to_csv(squares / "percent.csv")
    assert "above 1" in refused("severity", squares / "p.csv", "--similarity", squares / "percent.csv")


def test_shards_that_name_their_classes_in_another_order_are_added(run, tmp_path):
    table().to_csv(tmp_path / "all.csv", index=False)
    rows = np.argsort(LABELS, kind="stable")
    shards = []
    for number, part in enumerate((rows[:70], rows[:69:-1])):
        shards.append(tmp_path / f"s{number}.csv")
        table(rows=part).to_csv(shards[-1], index=False)
    for name, given in (("one", shards), ("two", shards[::-1]), ("all", [tmp_path / "all.csv"])):
        assert run("count", *given, "--out", tmp_path / f"{name}.npz")[0] == 0
    one, two, whole = (PairCounts.load(tmp_path / f"{name}.npz") for name in ("one", "two", "all"))
    assert one.class_names == two.class_names == NAMES
    whole = whole.select(class_names=NAMES)
    for found in (one, two):
        np.testing.assert_array_equal(found.cells().toarray(), whole.cells().toarray())
    assert one.shards == two.shards
    assert len(one.shards) == 2


def test_shards_of_numbers_are_added_by_number(run, tmp_path):
    for name, text in (("a", "label,top1\n1,2\n2,1\n2,2\n"), ("b", "label,top1\n0,1\n3,0\n1,1\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    assert run("count", tmp_path / "a.csv", tmp_path / "b.csv", "--out", tmp_path / "c.npz")[0] == 0
    found = PairCounts.load(tmp_path / "c.npz")
    assert found.class_names == ("0", "1", "2", "3")
    assert found.matrix().toarray().tolist() == [[0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0]]


def test_files_of_numbered_classes_are_compared_by_number(run, tmp_path):
    """The first file's classes are "1" to "4": in the others, too, 1 is the class "1"."""
    for name, cell in (("a", lambda i: i + 1), ("b", lambda i: i + 1)):
        table(cell).to_csv(tmp_path / f"{name}.csv", index=False)
    table(lambda i: i + 1).iloc[::-1].to_parquet(tmp_path / "c.parquet")
    (tmp_path / "d.csv").write_bytes((tmp_path / "a.csv").read_bytes())
    status, out, said = run("diff", tmp_path / "a.csv", tmp_path / "d.csv", "--out", tmp_path / "diff", "--flips", 99)
    assert status == 0, said
    assert "0 of 6" in out or "no pair" in out.lower() or "None" in out


def test_classifiers_that_agree_fully_make_no_noise(run, tmp_path):
    table().to_csv(tmp_path / "a.csv", index=False)
    table().iloc[::-1].to_csv(tmp_path / "b.csv", index=False)
    table().to_csv(tmp_path / "c.csv")
    frame = table().assign(id=np.arange(120))
    for name, rows in (("a", frame), ("b", frame.iloc[::-1]), ("c", frame)):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, out, said = run("models", *(tmp_path / f"{n}.csv" for n in "abc"), "--out", tmp_path / "out")
    assert (status, said) == (0, ""), said
    assert "Spearman correlation of 1.00" in out


def test_answers_outside_the_classes_are_a_class_of_their_own(run, tmp_path):
    answers = [{"label": NAMES[i], "answers": [NAMES[j], "no idea"]} for i, j in zip(LABELS, TOP[:, 0], strict=True)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, answers)))
    out = tmp_path / "out"
    status, printed, said = run("embed", tmp_path / "a.jsonl", "--out", out, "--bootstraps", 0, "--item", "question")
    assert status == 0, said
    assert "120 of 240 answers are none of the 4 classes and count as 'other': 'no idea (120)'" in said
    with open(out / "similarities.csv", newline="") as file:
        assert {"other"} <= {row["class_2"] for row in csv.DictReader(file)}
    assert "other" in printed
