"""Readers of predictions, results, experiments and other tables and settings."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.torture.readers.reader import NAMES, Reader, npz, packed, saved, small_predictions


def predictions_readers(scratch: Path) -> list[Reader]:
    from confemb.records.prediction_files import load_pairs, load_predictions, save_predictions
    from confemb.result.model_files import load_classifiers, load_many, npz_names

    sample = small_predictions()
    parquet = saved(scratch, "s.parquet", lambda path: save_predictions(sample, path))
    names = sample.class_names
    rows = [
        ",".join([names[label], *(names[c] for c in top), *(f"{p:.4f}" for p in probs)])
        for label, top, probs in zip(sample.labels, sample.top_classes, sample.top_probs, strict=True)
    ]
    csv = "\n".join(["label,top1,top2,top3,prob1,prob2,prob3", *rows]).encode() + b"\n"
    numbers = b"label,top1,top2,weight,id,split\n0,1,0,0.5,a,x\n1,1,0,0.5,a,x\n2,2,1,1,b,x\n"
    confusions = "\n".join([",".join(["", *names]), *(f"{n},3,1,0,2" for n in names)]).encode()
    scores = np.random.default_rng(1).dirichlet(np.ones(3), 6)
    labels = np.array([0, 1, 2, 0, 1, 2])
    of_probs = npz(labels=labels, probs=scores.astype(np.float32), class_names=np.array(["a", "b", "c"]))
    of_logits = packed(labels=labels, logits=np.log(scores), ids=np.array(list("uvwxyz")))
    of_top = packed(labels=np.array(["a", "b"]), topk=np.array([["a", "b"], ["b", "a"]]), weights=np.array([1.0, 0.5]))
    of_sets = npz(labels=np.eye(3, dtype=np.int8)[labels], top_classes=np.tile(np.arange(3), (6, 1)))
    frame = pd.read_csv(io.BytesIO(csv))
    lines = frame.to_json(orient="records", lines=True).encode()
    answers = b"\n".join(
        json.dumps({"label": names[i], "answers": [names[0], "Cat.", "?"]}).encode() for i in range(len(names))
    )
    records = frame.to_json(orient="records").encode()
    columns = frame[["label", "top1"]].to_json(orient="columns").encode()
    feather = saved(scratch, "s.feather", frame.to_feather)
    zstd = saved(scratch, "s.zst", lambda path: path.write_bytes(pa.compress(csv, "zstd", asbytes=True)))
    many = npz(labels=labels, resnet=labels, vgg=np.tile(np.arange(3), (6, 1)), names=np.array(["x"]))

    def either(path: Path) -> object:
        # Both ways in, and the classes given as well as not.
        counts, found = load_pairs(path, missing_classes="drop")
        load_pairs(path, class_names=NAMES, missing_classes="drop", weighting="count")
        return counts, found

    def several(path: Path) -> object:
        return npz_names(path), load_many(path), load_classifiers([str(path)], class_names=["a", "b", "c"])

    return [
        Reader("predictions, Parquet", "p.parquet", (parquet,), either),
        Reader("predictions, CSV", "p.csv", (csv, numbers), either),
        Reader("predictions, JSON lines", "p.jsonl", (lines, answers), either),
        Reader("predictions, JSON", "p.json", (records, columns), either),
        Reader("predictions, Feather", "p.feather", (feather,), either),
        Reader("predictions, gzip", "p.csv.gz", (gzip.compress(csv, mtime=0),), either),
        Reader("predictions, Zstandard", "p.csv.zst", (zstd,), either),
        Reader("predictions, NPZ", "p.npz", (of_probs, of_logits, of_top, of_sets), load_predictions),
        Reader("confusion matrix, CSV", "c.csv", (confusions,), either),
        Reader("predictions of many models, NPZ", "m.npz", (many,), several),
    ]


def results_readers(scratch: Path) -> list[Reader]:
    from confemb.analysis.examples import load_examples, save_examples
    from confemb.analysis.options import AnalysisOptions, ReportOptions
    from confemb.analysis.record import Examples
    from confemb.embedders.options import EmbedderOptions
    from confemb.records.embedding import ClassEmbedding, EmbeddingRuns
    from confemb.records.pairs import PairCounts, count_pairs
    from confemb.records.similarity import SimilarityMatrix
    from confemb.result import analyze_counts, open_result
    from confemb.result.folder import load_history
    from confemb.stats.count_replicates import CountReplicates, load_replicates
    from confemb.stats.intervals import load_intervals
    from confemb.stats.options import UncertaintyOptions
    from confemb.stats.uncertainty import Uncertainty

    folder = scratch / "result"
    folder.mkdir()
    sample = small_predictions(40)
    counts = count_pairs(sample, k=3)
    options = AnalysisOptions(
        title="t",
        embedding=EmbedderOptions(name="counts", seeds=2),
        uncertainty=UncertaintyOptions(pictures=4, split_halves=2, dimension_splits=1),
        report=ReportOptions(groups={"g": ["cat", "dog"]}),
    )
    analyze_counts(counts, sample, options, source={"file": "x"}).save(folder)
    runs = EmbeddingRuns.load(folder / "embedding_runs.npz")
    runs[0].save(folder / "embedding.txt")
    similarity = SimilarityMatrix(np.eye(4), NAMES)
    similarity.save_matrix(folder / "similarity_matrix.csv")
    examples = Examples(
        np.zeros((2, 4, 4, 3), np.uint8),
        np.array([0, 1]),
        np.array([[0, 1], [1, 0]]),
        np.array([[0.9, 0.1], [0.8, 0.2]]),
        np.array(["a", "b"], dtype=object),
    )
    save_examples(examples, folder / "examples.npz")
    (folder / "history.csv").write_text("epoch,loss,accuracy\n1,0.5,0.8\n2,0.4,0.9\n")
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def result(path: Path) -> object:
        return open_result(path.parent).similarity

    def beside(name: str) -> dict[str, bytes]:
        return {other: content for other, content in files.items() if other != name}

    drawn = np.tile(counts.counts.astype(np.int64), (2, 1))
    replicates = saved(scratch, "c.npz", CountReplicates(counts, drawn, 0).save)

    def of(name: str, read: Callable[[Path], object], what: str) -> Reader:
        return Reader(f"result folder, {what}", name, (files[name],), read, beside(name))

    return [
        of("manifest.json", result, "manifest"),
        of("pairs.npz", PairCounts.load, "pair counts"),
        Reader("pair counts with replicates, NPZ", "c.npz", (replicates,), load_replicates),
        of("embedding_runs.npz", EmbeddingRuns.load, "embeddings of all seeds"),
        of("embedding.txt", ClassEmbedding.load, "embedding.txt"),
        of("similarity_intervals.npz", load_intervals, "intervals"),
        of("reliability.json", lambda path: Uncertainty.load(path.parent, [path.name]), "reliability"),
        of("similarity_matrix.csv", SimilarityMatrix.load_matrix, "similarities"),
        of("examples.npz", load_examples, "example pictures"),
        of("history.csv", load_history, "training history"),
    ]


def texts_readers() -> list[Reader]:
    from confemb.analysis.options import load_groups
    from confemb.pipeline.experiment import load_experiment
    from confemb.records.class_cells import load_class_names
    from confemb.spaces.words.judgements import load_judgements
    from confemb.spaces.words.sources import TablePictures
    from confemb.studies.hierarchy.formats import read_tree

    shipped = Path(__file__).parents[3] / "experiments"
    experiments = tuple((shipped / f"{name}.toml").read_bytes() for name in ("paper_cifar10_full", "imagenet_resnet50"))
    variant = b'extends = "digits"\n\n[embedding]\nname = "skipgram"\ndim = 3\n\n[report]\ngroups = { a = ["1"] }\n'
    table = b"word\tpath\ncat\tcat.png\nna\xc3\xafve\tsub/x.jpg\n"
    return [
        Reader("class names, text", "n.txt", ("cat\ndog\nnaïve café\n".encode(),), load_class_names),
        Reader("class names, JSON", "n.json", (b'["cat", "dog", "na\\u00efve"]',), load_class_names),
        Reader(
            "class names, CSV column",
            "n.csv",
            (b"wnid,name\nn1,cat\nn2,dog\n",),
            lambda path: load_class_names(f"{path}:name"),
        ),
        Reader("experiment, TOML", "e.toml", (*experiments, variant), lambda path: load_experiment(str(path))),
        Reader("groups, TOML", "g.toml", (b'animals = ["cat", "dog"]\nthings = ["ship"]\n',), load_groups),
        Reader("--set KEY=VALUE", "set.txt", (b"training.epochs=2", b"embedding.dim=[1, {a = 2}]"), _override),
        Reader("judgements of words", "men.txt", (b"sun sunlight 50.0\nautomobile car 50\n",), load_judgements),
        Reader("table of pictures", "t.tsv", (table,), TablePictures),
        *(
            Reader(f"tree, {kind}", name, (content,), lambda path: read_tree(path, ("cat", "dog", "ship")))
            for kind, name, content in (
                ("Newick", "t.nwk", b"((cat:0.1,dog:0.1)pets:0.5,'ship':0.6);"),
                (
                    "JSON",
                    "t.json",
                    b'{"children": [{"children": [{"name": "cat"}, {"name": "dog"}]}, {"name": "ship"}]}',
                ),
                ("CSV", "t.csv", b"class,cut_2\ncat,pets\ndog,pets\nship,things\n"),
            )
        ),
        Reader("texts of the explorer, CSV", "t.csv", (b"id,text\na,one\nb,two\n",), _explorer_texts),
        Reader("predictions in parts, CSV", "p.csv", (b"label,top1,top2\na,a,b\nb,a,b\n" * 2,), _in_parts),
    ]


def _explorer_texts(path: Path) -> object:
    from confemb.result.explore import _texts

    return _texts(small_predictions(4), path)


def _in_parts(path: Path) -> object:
    from confemb.records.prediction_files import load_predictions
    from confemb.stats import csv_chunks

    from_size, csv_chunks.STREAMED_FROM = csv_chunks.STREAMED_FROM, 0
    try:
        return list(csv_chunks.open_csv_chunks(path, load_predictions) or ())
    finally:
        csv_chunks.STREAMED_FROM = from_size


def _override(path: Path) -> object:
    from confemb.pipeline.experiment import load_experiment

    return load_experiment("digits", [path.read_bytes().decode("utf-8", "surrogateescape")])
