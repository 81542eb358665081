import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import confemb
from confemb.records.embedding import ClassEmbedding

NAMES = ["a", "b", "c", "x", "y", "z"]


@pytest.fixture(scope="module")
def embedded(process, tmp_path_factory):
    """Embed 120 pictures of six classes by the command, in a process of its own, and return the result folder."""
    folder = tmp_path_factory.mktemp("embedded")
    labels = np.arange(120) % 6
    block = labels // 3 * 3
    generator = np.random.default_rng(0)
    top = np.array([generator.permutation(3) + start for start in block])
    rows = [[NAMES[label], *(NAMES[c] for c in classes)] for label, classes in zip(labels, top, strict=True)]
    (folder / "p.csv").write_text("\n".join(["label,top1,top2,top3", *map(",".join, rows)]) + "\n")
    options = ("--embedder", "skipgram", "--seeds", "3", "--bootstraps", "4")
    done = process("embed", "p.csv", "--out", "result", *options, cwd=folder)
    return folder, done


def test_embed_works_without_jax(embedded):
    folder, done = embedded
    assert done.returncode == 0
    assert "Table 1" in done.stdout
    assert done.stdout.splitlines()[-1] == "report: result/report.html"
    # Not a terminal: no progress, nothing but what this test prints itself.
    assert len(done.stderr.splitlines()) == 1
    assert not done.loaded & {"jax", "flax", "optax", "orbax", "tensorflow_datasets", "sklearn"}
    there = {path.name for path in (folder / "result").iterdir()}
    assert there >= {
        "manifest.json",
        "predictions.parquet",
        "embedding.txt",
        "similarities.csv",
        "similarity_matrix.csv",
        "tables.md",
        "tables.tex",
        "report.html",
        "figures",
    }
    manifest = json.loads((folder / "result" / "manifest.json").read_text())
    counted = {"missing_classes": "error", "weighting": "count", "temperature": 1.0}
    assert manifest["source"].items() >= ({"file": "p.csv"} | counted).items()
    assert str(folder) not in json.dumps(manifest)
    similarity = ClassEmbedding.load(folder / "result" / "embedding.txt").cosine()
    assert similarity.between("a", "b") > similarity.between("a", "x")


def test_embedding_twice_gives_the_same_bytes(run, embedded, monkeypatch):
    folder, _ = embedded
    monkeypatch.chdir(folder)
    options = ("--embedder", "skipgram", "--seeds", 3, "--bootstraps", 4)
    status, _, err = run("embed", "p.csv", "--out", "again", *options)
    assert (status, err) == (0, "")
    first, second = (
        {str(p.relative_to(folder / name)): p.read_bytes() for p in (folder / name).rglob("*") if p.is_file()}
        for name in ("result", "again")
    )
    assert set(first) == set(second)
    assert {name for name in first if first[name] != second[name]} <= {"manifest.json", "report.html"}


def test_bootstraps_decide_how_much_is_measured(run, files, no_figures):
    def embed(out, *options):
        status, _, err = run("embed", files / "p.npz", "--out", files / out, "--embedder", "balanced", *options)
        assert (status, err) == (0, "")
        return json.loads((files / out / "manifest.json").read_text())["stages"].get("uncertainty")

    measured = embed("default")
    assert measured["effort"] == {"pictures": 200, "split_halves": 10, "dimension_splits": 5}
    assert set(measured["files"]) == {"similarity_intervals.npz", "reliability.json"}
    assert embed("few", "--bootstraps", 5)["effort"]["pictures"] == 5
    assert embed("none", "--bootstraps", 0) is None
    assert not (files / "none" / "reliability.json").exists()


def test_a_confusion_matrix_has_its_cells_drawn(run, files, no_figures):
    rows = ["," + ",".join("abc"), "a,30,5,1", "b,4,40,2", "c,0,3,20"]
    (files / "confusions.csv").write_text("\n".join(rows) + "\n")
    status, _, _ = run("embed", files / "confusions.csv", "--out", files / "c", "--embedder", "counts")
    assert status == 0
    manifest = json.loads((files / "c" / "manifest.json").read_text())
    assert manifest["stages"]["uncertainty"]["drawn"] == "cells of the confusion matrix"
    assert "pictures [" in run("similar", files / "c", "a")[1]


def test_every_format_gives_the_same_vectors(run, files, no_figures):
    found = []
    for name in ("p.csv", "p.npz", "p.parquet"):
        out = files / name.replace(".", "_")
        status, _, err = run(
            "embed", files / name, "--classes", files / "classes.txt", "--out", out, "--seeds", 2, "--dim", 4
        )
        assert (status, err) == (0, "")
        found.append((out / "embedding.txt").read_bytes())
    status, _, _ = run(
        "embed", "-", "--out", files / "piped", "--seeds", 2, "--dim", 4, stdin=(files / "p.parquet").read_bytes()
    )
    assert status == 0
    assert found == [(files / "piped" / "embedding.txt").read_bytes()] * 3
    assert ClassEmbedding.load(files / "piped" / "embedding.txt").vectors.shape == (6, 4)


def test_embed_options_are_used(run, files, no_figures):
    status, out, _ = run(
        *("embed", files / "p.csv", "--out", files / "out", "--seeds", 2, "--seed", 5, "-k", 2),
        *("--self-pairs", "drop", "--title", "My network", "--embedder", "skipgram"),
    )
    assert status == 0
    assert out.startswith("My network")
    manifest = json.loads((files / "out" / "manifest.json").read_text())
    assert manifest["stages"]["embed"]["seeds"] == [5, 6]
    assert manifest["stages"]["embed"]["pairs"]["k"] == 2
    assert manifest["stages"]["embed"]["pairs"]["self_pairs"] == "drop"


def test_embed_draws_nothing_at_random_by_default(run, files, no_figures):
    assert run("embed", files / "p.csv", "--out", files / "out", "--bootstraps", 0)[0] == 0
    stage = json.loads((files / "out" / "manifest.json").read_text())["stages"]["embed"]
    assert stage["embedder"].startswith("ConfusionRate(")
    assert stage["seeds"] == [0]


def test_the_default_reads_probabilities_where_there_are_any(run, tmp_path, no_figures):
    probs = np.random.default_rng(0).dirichlet(np.ones(6), size=120)
    np.savez(tmp_path / "p.npz", labels=np.arange(120) % 6, probs=probs)
    weightings = {}
    for name, options in {
        "default": (),
        "counted": ("--weighting", "count"),
        "other": ("--embedder", "counts"),
    }.items():
        folder = tmp_path / name
        assert run("embed", tmp_path / "p.npz", "--out", folder, "--bootstraps", 0, *options)[0] == 0
        manifest = json.loads((folder / "manifest.json").read_text())
        weightings[name] = (manifest["source"]["weighting"], manifest["stages"]["embed"]["pairs"]["k"])
    assert weightings == {"default": ("probability", 6), "counted": ("count", 3), "other": ("count", 3)}


def test_embed_tells_groups_apart(run, refused, files, no_figures):
    (files / "groups.toml").write_text('first = ["a", "b", "c"]\n"the others" = ["z", "y"]\n')
    (files / "wrong.toml").write_text('first = ["a", "d"]\n')
    (files / "no_list.toml").write_text('first = "a"\n')
    status, out, _ = run(
        "embed", files / "p.csv", "--out", files / "out", "--seeds", 2, "--groups", files / "groups.toml"
    )
    assert status == 0
    assert "first and the others" in out
    manifest = json.loads((files / "out" / "manifest.json").read_text())
    assert manifest["report"]["groups"] == {"first": ["a", "b", "c"], "the others": ["z", "y"]}
    for name, message in (
        ("wrong.toml", "unknown class 'd' in the group 'first'"),
        ("no_list.toml", r"no_list\.toml: groups\.first = 'a' is not allowed: input should be a valid list"),
        ("none.toml", r"none\.toml does not exist"),
    ):
        said = refused("embed", files / "p.csv", "--out", files / "other", "--groups", files / name)
        assert re.search(message, said), said
    assert not (files / "other").exists()


def test_a_confusion_matrix_is_embedded_with_a_note(run, tmp_path, no_figures):
    (tmp_path / "confusions.csv").write_text(",a,b,c\na,90,9,1\nb,8,91,1\nc,2,1,97\n")
    options = ("--embedder", "skipgram", "--seeds", 2)
    status, out, err = run("embed", tmp_path / "confusions.csv", "--out", tmp_path / "out", *options)
    assert status == 0
    assert err.startswith("confemb: note: each picture has one predicted class only")
    assert "Table 1" in out
    assert not (tmp_path / "out" / "predictions.parquet").exists()


@pytest.mark.parametrize("size", [1, 2])
def test_few_classes_work(run, tmp_path, size):
    names = NAMES[:size]
    rows = [",".join([names[i % size], *(names[(i + j) % size] for j in range(size))]) for i in range(40)]
    header = ",".join(["label", *(f"top{j + 1}" for j in range(size))])
    (tmp_path / "p.csv").write_text("\n".join([header, *rows]) + "\n")
    status, _, err = run("embed", tmp_path / "p.csv", "--out", tmp_path / "out", "--seeds", 2)
    assert status == 0, err
    status, out, err = run("similar", tmp_path / "out", "a")
    assert status == 0, err
    assert len(out.splitlines()) == size - 1


def test_similar_lists_the_nearest_first(run, embedded):
    result = embedded[0] / "result"
    status, out, err = run("similar", result, "a")
    assert (status, err) == (0, "")
    number = r"([+-]\d\.\d{3})"
    bounds = rf"seeds \[{number}, {number}\]  pictures \[{number}, {number}\]"
    lines = [re.fullmatch(rf"(\w) +{number}  {bounds}", line) for line in out.splitlines()]
    cosines = [float(line[2]) for line in lines]
    assert cosines == sorted(cosines, reverse=True)
    assert {line[1] for line in lines[:2]} == {"b", "c"}
    assert all(float(line[3]) <= float(line[2]) <= float(line[4]) for line in lines)
    assert all(float(line[5]) <= float(line[2]) <= float(line[6]) for line in lines)
    assert run("similar", result, "a", "--top", 2)[1].splitlines() == out.splitlines()[:2]


def test_similar_refuses_what_is_not_there(refused, embedded, tmp_path):
    assert "unknown class 'aa': did you mean 'a'? known: 'a', 'b'" in refused("similar", embedded[0] / "result", "aa")
    assert "there is no folder" in refused("similar", tmp_path / "none", "a")
    assert "holds no finished result" in refused("similar", tmp_path, "a")


def test_compare(run, refused, embedded, tmp_path):
    result = embedded[0] / "result"
    status, out, _ = run("compare", result, result / "similarity_matrix.csv", "--permutations", 719)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].endswith("similarity_matrix.csv, 6 classes")
    assert lines[1].startswith("Spearman 1.000 over 15 pairs")
    assert lines[2].startswith("p = 0.001: all 720 orders")
    assert lines[3:5] == ["Pearson 1.000", "nearest class the same for 6 of 6 classes"]
    status, out, _ = run("compare", "paper", "paper", "--out", tmp_path / "it.png", "--permutations", 99)
    assert status == 0
    assert "over 44 pairs" in out
    assert out.splitlines()[-3:] == [str(tmp_path / f"it.{kind}") for kind in ("png", "svg", "csv")]
    assert "have 0 classes in common" in refused("compare", result, "paper")
    assert "unknown reference 'papr': did you mean 'paper'" in refused("compare", result, "papr")
    assert "similarities.csv" in refused("compare", result, result / "similarities.csv")


def test_report_writes_the_same_again(run, refused, embedded, tmp_path):
    folder = Path(shutil.copytree(embedded[0] / "result", tmp_path / "copy"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in ("report.html", "tables.md", "embedding.txt", "similarities.csv"):
        (folder / name).unlink()
    status, out, _ = run("report", folder)
    assert status == 0
    assert out.endswith(f"report: {folder / 'report.html'}\n")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert "holds no finished result" in refused("report", tmp_path)


def test_output_that_nobody_reads_any_more_is_no_failure(embedded):
    """As in `confemb similar ... | head -0`."""
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parent.parent)}
    code = "from confemb.cli.app import main; main()"
    command = [sys.executable, "-c", code, "similar", str(embedded[0] / "result"), "a"]
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(command, env=environment, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_file_names_that_are_not_utf8_are_shown_by_their_numbers(run, refused, files, tmp_path):
    from PIL import Image

    odd = os.fsdecode(b"\xff\x1b[31m.csv")
    (files / odd).write_bytes((files / "p.csv").read_bytes())
    out = tmp_path / os.fsdecode(b"out\xfe")
    status, shown, error = run("embed", files / odd, "--embedder", "counts", "--bootstraps", "0", "--out", out)
    assert status == 0, error
    assert shown.startswith(r"Class similarities from \udcff\x1b[31m.csv")
    assert r"Class similarities from \udcff\x1b[31m.csv" in (out / "report.html").read_text(encoding="utf-8")
    assert r"none\x1b[31m.csv does not exist" in refused("embed", "none\x1b[31m.csv", "--out", tmp_path / "o")
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "dog" / "b.png").rename(tmp_path / "pictures" / "dog" / os.fsdecode(b"b\xff.png"))
    said = refused("fetch", "image_folder", "--path", tmp_path / "pictures")
    assert r"b\udcff.png is not UTF-8, and could not be written down: rename it" in said


def test_ids_and_texts_that_are_not_utf8_are_refused(predictions, tmp_path):
    from confemb.records.prediction_files import save_predictions
    from confemb.support.errors import ConfembError
    from confemb.support.files import write_json

    ids = predictions.ids.copy()
    ids[7] = os.fsdecode(b"a\xff.png")
    with pytest.raises(ConfembError, match=r"among the ids, 'a\\udcff.png' is not UTF-8: rename it"):
        save_predictions(replace(predictions, ids=ids), tmp_path / "p.parquet")
    with pytest.raises(ConfembError, match=r"a name in it \(.*a\\udcff.png.*\) is not UTF-8"):
        write_json(tmp_path / "m.json", {"a": ids[7]})
    assert list(tmp_path.iterdir()) == []


def in_shell(line, cwd):
    """Run `confemb` in a shell's line, where streams are closed and led elsewhere."""
    program = f"{shlex.quote(sys.executable)} -c 'from confemb.cli.app import main; main()'"
    environment = {**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parent.parent)}
    command = ["sh", "-c", line.replace("confemb", program, 1)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_closed_standard_streams_harm_nothing(embedded, tmp_path):
    assert in_shell("confemb fetch digits <&- >&- 2>&-", tmp_path).returncode == 0
    assert in_shell("confemb similar none a 2>&-", tmp_path).returncode == 2
    copied = "confemb count p.csv --out counts.npz <&- >&- 2>&-"
    done = in_shell(copied, embedded[0])
    assert done.returncode == 0
    assert confemb.PairCounts.load(embedded[0] / "counts.npz").class_names


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_behind_standard_output_is_told_in_a_sentence(embedded):
    done = in_shell("confemb similar result a > /dev/full", embedded[0])
    assert done.returncode == 2
    assert done.stderr == "confemb: cannot write the output: No space left on device.\n"
