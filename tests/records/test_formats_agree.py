"""One and the same predictions in every format give the same embedding, byte by byte."""

import csv

import numpy as np
import pandas as pd
import pytest

from confemb.embedders.skipgram import SkipGram
from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import load_pairs, save_predictions
from confemb.records.predictions import predictions_from_scores

NAMES = ("ant", "bee", "cow", "dog", "elk", "fox")
LOGITS = np.random.default_rng(5).normal(size=(120, 6)) * 2 + 3 * np.eye(6)[np.arange(120) % 6]
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.arange(120) % 6
PREDICTIONS = predictions_from_scores(LOGITS, LABELS, NAMES, k=3, logits=True)


def write_parquet(path):
    save_predictions(PREDICTIONS, path)


def write_parquet_by_pandas(path):
    named = np.array(NAMES)
    columns = {"label": named[LABELS], **{f"top{i + 1}": named[PREDICTIONS.top_classes[:, i]] for i in range(3)}}
    pd.DataFrame(columns).to_parquet(path)


def write_rows(path, cell, *, probs):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "top1", "top2", "top3", *(["prob1", "prob2", "prob3"] if probs else [])])
        for label, top, prob in zip(LABELS, PREDICTIONS.top_classes, PREDICTIONS.top_probs, strict=True):
            writer.writerow([cell(label), *map(cell, top), *(prob if probs else [])])


WRITERS = {
    "saved.parquet": write_parquet,
    "pandas.parquet": write_parquet_by_pandas,
    "names.csv": lambda path: write_rows(path, lambda i: NAMES[i], probs=True),
    "indices.csv": lambda path: write_rows(path, str, probs=False),
    "probs.npz": lambda path: np.savez(path, labels=LABELS, probs=PROBS),
    "probs32.npz": lambda path: np.savez(
        path, labels=LABELS, probs=PROBS.astype(np.float32), class_names=np.array(NAMES)
    ),
    "logits.npz": lambda path: np.savez(path, labels=LABELS, logits=LOGITS),
    "logits_moved.npz": lambda path: np.savez(path, labels=LABELS, logits=LOGITS + 1000),
    "topk.npz": lambda path: np.savez(path, labels=LABELS, topk=PREDICTIONS.top_classes),
    "top_names.npz": lambda path: np.savez(
        path, labels=np.array(NAMES)[LABELS], topk=np.array(NAMES)[PREDICTIONS.top_classes]
    ),
}


@pytest.fixture(scope="module")
def expected():
    return {k: SkipGram().embed(count_pairs(PREDICTIONS, k=k), seed=4).vectors.tobytes() for k in (1, 3)}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_bytes(name, tmp_path, expected):
    WRITERS[name](tmp_path / name)
    counts, _ = load_pairs(tmp_path / name, class_names=NAMES, k=3)
    assert counts.class_names == NAMES
    assert SkipGram().embed(counts, seed=4).vectors.tobytes() == expected[3]


def test_a_confusion_matrix_is_the_most_probable_class(tmp_path, expected):
    confusions = np.zeros((6, 6), int)
    np.add.at(confusions, (LABELS, PREDICTIONS.top_classes[:, 0]), 1)
    pd.DataFrame(confusions, index=list(NAMES), columns=list(NAMES)).to_csv(tmp_path / "confusions.csv")
    counts, _ = load_pairs(tmp_path / "confusions.csv")
    assert SkipGram().embed(counts, seed=4).vectors.tobytes() == expected[1]
