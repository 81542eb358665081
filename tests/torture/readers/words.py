"""Readers of word vectors, captions, labelled vectors and what else has to do with words."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from tests.torture.readers.reader import Reader, npz, packed, saved, small_predictions


def words_readers(scratch: Path) -> list[Reader]:
    from confemb.records.word_vectors import WordVectors
    from confemb.references.cifar10h import load_votes

    vectors = WordVectors(("cat", "dog", "naïve"), np.random.default_rng(3).normal(size=(3, 5)).astype(np.float32))
    text = saved(scratch, "v.txt", vectors.save)
    binary = saved(scratch, "v.bin", vectors.save)
    glove = text.split(b"\n", 1)[1]
    votes = io.BytesIO()
    np.save(votes, np.ones((10, 10), np.int64))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.txt", glove)
    return [
        Reader("word vectors, text", "v.txt", (text, glove), WordVectors.load),
        Reader("word vectors, word2vec binary", "v.bin", (binary,), WordVectors.load),
        Reader("word vectors, gzip", "v.txt.gz", (gzip.compress(glove, mtime=0),), WordVectors.load),
        Reader("word vectors, zip", "v.zip", (zipped.getvalue(),), WordVectors.load),
        Reader("CIFAR-10H", "cifar10h-counts.npy", (votes.getvalue(),), load_votes),
        *_wordnet(scratch),
    ]


def _wordnet(scratch: Path) -> list[Reader]:
    from confemb.references import wordnet_database as wordnet
    from confemb.references.wordnet import WordNetReference
    from confemb.spaces.words.nouns import wordnet_nouns
    from tests.torture.small_wordnet import write_wordnet

    try:
        import nltk  # noqa: F401
    except ImportError:
        return []
    folder = scratch / "dict"
    write_wordnet(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def read(path: Path) -> object:
        # A folder is read once only; here its files change.
        wordnet._open.cache_clear()
        with wordnet.reading_wordnet(path.parent) as opened:
            wordnet_nouns(opened)
        return [
            WordNetReference(measure, str(path.parent)).similarity(["dog", "cat", "frog"])
            for measure in ("wup", "path")
        ]

    return [
        Reader(f"WordNet, {name}", name, (files[name],), read, {o: c for o, c in files.items() if o != name})
        for name in ("data.noun", "index.noun")
    ]


def captions_readers() -> list[Reader]:
    from confemb.spaces.captions.features import load_features
    from confemb.spaces.captions.settings import load_captions_experiment
    from confemb.spaces.captions.sources import load_captions
    from confemb.spaces.captions.text import Vocabulary

    table = b"image\tcaption\na.jpg#0\tA cat sits.\na.jpg#1\tna\xc3\xafve cat\nb.jpg\tA dog.\n"
    lines = b"a.jpg A cat sits.\nb.jpg A dog runs.\n"
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    annotations = [{"id": 5, "image_id": 1, "caption": "A cat."}, {"id": 6, "image_id": 2, "caption": "A dog."}]
    coco = json.dumps({"images": images, "annotations": annotations}).encode()
    features = io.BytesIO()
    np.save(features, np.ones((2, 3), np.float32))
    settings = b'[captions]\nfile = "c.tsv"\n\n[space]\ndim = 8\n\n[training]\nepochs = 2\n'
    return [
        Reader("captions, table", "c.tsv", (table,), load_captions),
        Reader("captions, annotations", "c.txt", (lines,), load_captions),
        Reader("captions, MSCOCO", "c.json", (coco,), load_captions),
        Reader("captions, features", "f.npy", (features.getvalue(),), lambda path: load_features(path, 2)),
        Reader("captions, vocabulary", "v.json", (b'{"<eos>": 0, "cat": 1, "dog": 2}',), Vocabulary.load),
        Reader("captions, TOML", "e.toml", (settings,), lambda path: load_captions_experiment(str(path))),
    ]


def lab_readers(scratch: Path) -> list[Reader]:
    from confemb.pipeline.predictions_experiment import load_runnable
    from confemb.records.prediction_files import save_predictions
    from confemb.spaces.lab.analogies import load_analogies
    from confemb.spaces.lab.labelled import LabelledVectors, load_labels
    from confemb.stats.counting import count_shards

    vectors = np.random.default_rng(4).normal(size=(4, 3)).astype(np.float32)
    numbered = npz(embeddings=vectors, labels=np.array([0, 1, 0, 1]))
    named = packed(
        embeddings=vectors,
        labels=np.array(["a", "b", "a", "b"]),
        class_names=np.array(["a", "b"]),
        ids=np.array(list("uvwx")),
    )
    questions = b": capitals\nAthens Greece Oslo Norway\n\n: pairs\ncat cats\ndog dogs\n"
    shard = saved(scratch, "shard.parquet", lambda path: save_predictions(small_predictions(), path))
    settings = b'[predictions]\npath = "p.csv"\n\n[pairs]\nk = 3\n\n[embedding]\nname = "counts"\n'
    return [
        Reader("labelled vectors, NPZ", "l.npz", (numbered, named), LabelledVectors.load),
        Reader("labels of words", "l.tsv", (b"word\tlabel\ncat\tanimal\ncar\tthing\n",), load_labels),
        Reader("analogies", "questions.txt", (questions,), load_analogies),
        Reader("shard of predictions, Parquet", "p.parquet", (shard,), lambda path: count_shards([path])),
        Reader("experiment on predictions, TOML", "e.toml", (settings,), lambda path: load_runnable(str(path))),
    ]
