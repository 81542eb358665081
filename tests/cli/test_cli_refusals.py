"""What `confemb embed` refuses: each with one sentence and exit status 2."""

import re

import numpy as np
import pytest

TABLE = "label,top1,top2,top3\n" + "a,a,b,c\nb,b,c,a\nc,c,a,b\n" * 4


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (TABLE + "a,a,b\n", [], r"p\.csv.*line 14 .*3 cells"),
        (TABLE + "a,a,b,\n", [], r"p\.csv.*(line 14|row 12)"),
        (TABLE + "a,a,b,b\n", [], r"p\.csv.*row 12 predicts the same class twice \(a, b, b\)"),
        (TABLE.replace("a,a,b,c", "d,a,b,c"), [], "1 of 4 classes have no picture: 'a'|no picture"),
        (TABLE.replace("label", "labels"), [], r"p\.csv: there is no column 'label'"),
        (TABLE.replace("top2", "top3").replace("top3,top3", "top3,top4"), [], "there is no column 'top2'"),
        (TABLE, ["-k", "4"], r"k = 4 is out of range: there are 3 predicted classes for each picture"),
        (TABLE, ["-k", "0"], "k = 0 is out of range"),
        (TABLE, ["--embedder", "skipgra"], "unknown embedder 'skipgra': did you mean 'skipgram'"),
        (TABLE, ["--reference", "papers"], "unknown reference 'papers': did you mean 'paper'"),
        (TABLE, ["--self-pairs", "keeps"], "unknown value 'keeps' in --self-pairs: did you mean 'keep'"),
        (TABLE, ["--missing-classes", "drip"], "unknown value 'drip' in --missing-classes: did you mean 'drop'"),
        (TABLE, ["--classes", "none.txt"], r"none\.txt"),
        ("label,top1,top2,prob1,prob2\na,a,b,nan,0.1\nb,b,a,0.6,0.4\n", [], "probability nan at rank 1"),
        ("label,top1,top2,prob1,prob2\na,a,b,inf,0.1\nb,b,a,0.6,0.4\n", [], "probability inf at rank 1"),
        ("label,top1,top2,prob1,prob2\na,a,b,0.9,0.1\nb,b,a,much,0.4\n", [], "'much' in column 'prob1'"),
        ("label,top1,top2,prob1,prob2\na,a,b,0.1,0.9\nb,b,a,0.6,0.4\n", [], "row 0 has probabilities that rise"),
        (",a,b\na,3,1\nb,1,-2\n", [], r"p\.csv"),
        (",a,b\na,3,1\nb,1,2.5\n", [], r"p\.csv"),
        ("", [], r"p\.csv is empty"),
        ("label,top1,top2\n", [], r"p\.csv"),
    ],
)
def test_wrong_tables_and_options_are_refused(refused, tmp_path, content, options, message):
    (tmp_path / "p.csv").write_text(content)
    assert re.search(message, refused("embed", tmp_path / "p.csv", "--out", tmp_path / "out", *options))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_labels_out_of_range_are_refused(refused, tmp_path):
    (tmp_path / "p.csv").write_text("label,top1,top2\n0,0,1\n1,1,2\n7,2,1\n")
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    message = refused("embed", tmp_path / "p.csv", "--classes", tmp_path / "classes.txt", "--out", tmp_path / "out")
    assert re.search(r"p\.csv.*7.*3 classes", message)


def test_class_names_that_stand_twice_are_refused(refused, tmp_path, files):
    (tmp_path / "twice.txt").write_text("a\nb\nc\nx\ny\na\n")
    message = refused("embed", files / "p.npz", "--classes", tmp_path / "twice.txt", "--out", tmp_path / "out")
    assert "the class name 'a' stands twice (classes 0 and 5)" in message


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"probs": np.array([[0.5, 0.5], [np.nan, 0.5]])}, "row 1 has the score nan"),
        ({"logits": np.array([[0.5, 0.5], [np.inf, 0.5]])}, "row 1 has the score inf"),
        ({"probs": np.ones((3, 2)) / 2}, r"p\.npz: .*(2|3)"),
        ({"probs": np.ones((2, 2)) / 2, "class_names": np.array(["a", "a"])}, "the class name 'a' stands twice"),
        ({"probs": np.ones((2, 2)) / 2, "class_names": np.array(["a", "b", "c"])}, r"p\.npz: "),
        ({"other": np.ones(2)}, r"p\.npz: "),
    ],
)
def test_wrong_arrays_are_refused(refused, tmp_path, arrays, message):
    np.savez(tmp_path / "p.npz", labels=np.array([0, 1]), **arrays)
    assert re.search(message, refused("embed", tmp_path / "p.npz", "--out", tmp_path / "out"))


@pytest.mark.parametrize("damage", [lambda b: b[:-30], lambda b: b[:100] + b"\0" * 50 + b[150:], lambda b: b[4:]])
def test_a_broken_parquet_is_refused(refused, files, damage):
    (files / "p.parquet").write_bytes(damage((files / "p.parquet").read_bytes()))
    assert "p.parquet" in refused("embed", files / "p.parquet", "--out", files / "out")


def test_files_and_folders_that_cannot_be_used(refused, files):
    assert "none.csv does not exist" in refused("embed", files / "none.csv", "--out", files / "out")
    assert "is a folder: give a file in it" in refused("embed", files, "--out", files / "out")
    assert "cannot make the folder" in refused("embed", files / "p.csv", "--out", files / "p.npz" / "out")
    (files / "p.txt").write_text(TABLE)
    assert "unknown suffix '.txt'" in refused("embed", files / "p.txt", "--out", files / "out")
    assert "standard input is empty" in refused("embed", "-", "--out", files / "out")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("p.csv", "--out", ""), "--out ''"), (("p.csv", "--out="), "--out="), (("", "--out", "out"), "''")],
)
def test_an_empty_argument_is_refused(refused, files, monkeypatch, arguments, named):
    monkeypatch.chdir(files)
    there = sorted(files.iterdir())
    assert refused("embed", *arguments).startswith(f"confemb: {named} is empty: give a value, or leave it out")
    assert sorted(files.iterdir()) == there


def test_paths_that_no_file_can_have_are_refused(refused, files):
    long = "x" * 300
    assert "File name too long" in refused("embed", f"{long}.csv", "--out", files / "out")
    assert "there is no experiment file" in refused("run", f"{long}.toml", "--out", files / "out")
    assert "unknown experiment 'xxx" in refused("run", long, "--out", files / "out")
    assert "unknown reference" in refused("embed", files / "p.csv", "--reference", long, "--out", files / "out")
    (files / "e.toml").write_text(f'extends = "{long}"\n')
    assert "unknown experiment 'xxx" in refused("run", files / "e.toml", "--out", files / "out")
    assert "File name too long" in refused("embed", files / "p.csv", "--out", files / long)
