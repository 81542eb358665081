"""Every reader of confemb, with sound files for it to begin from."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

NAMES = ("cat", "dog", "ship", "naïve café")


@dataclass(frozen=True)
class Reader:
    """A reader, and what it reads.

    Attributes:
        name: what it is called in the report.
        file: how the damaged file is called, with the folders it stands in.
        seeds: sound files.
        read: reads the file; gets its path.
        beside: files that stand beside it, sound: name -> content.
    """

    name: str
    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]
    beside: dict[str, bytes] = field(default_factory=dict)


def all_readers(scratch: Path) -> list[Reader]:
    """Return every reader; `scratch` is an empty folder for what can only be made on disk."""
    return [
        *_predictions(scratch),
        *_results(scratch),
        *_texts(),
        *_weights(scratch),
        *_pictures(),
        *_words(scratch),
        *_captions(),
        *_lab(scratch),
    ]


def saved(scratch: Path, name: str, write: Callable[[Path], object]) -> bytes:
    """Return the bytes of a file that `write` writes."""
    path = scratch / name
    write(path)
    return path.read_bytes()


def npz(**arrays: np.ndarray) -> bytes:
    """Return an NPZ file."""
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def packed(**arrays: np.ndarray) -> bytes:
    """Return a compressed NPZ file."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def small_predictions(rows: int = 12):  # type: ignore[no-untyped-def]
    """Return predictions of four classes."""
    from confemb.predictions import predictions_from_scores

    scores = np.random.default_rng(0).dirichlet(np.ones(len(NAMES)), rows)
    return predictions_from_scores(
        scores,
        np.arange(rows) % len(NAMES),
        NAMES,
        k=3,
        ids=np.array([f"p{i}" for i in range(rows)]),
        splits=np.array(["test"] * rows),
    )


def _predictions(scratch: Path) -> list[Reader]:
    from confemb.model_files import load_classifiers, load_many, npz_names
    from confemb.prediction_files import load_pairs, load_predictions, save_predictions

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
        Reader("predictions, NPZ", "p.npz", (of_probs, of_logits, of_top, of_sets), load_predictions),
        Reader("confusion matrix, CSV", "c.csv", (confusions,), either),
        Reader("predictions of many models, NPZ", "m.npz", (many,), several),
    ]


def _results(scratch: Path) -> list[Reader]:
    from confemb.commands.similarities import result_uncertainty
    from confemb.draft import Draft
    from confemb.embedders import make_pair_embedder
    from confemb.embedding import ClassEmbedding, EmbeddingRuns
    from confemb.experiment import PairsSection, UncertaintySection
    from confemb.intervals import load_intervals
    from confemb.pairs import PairCounts, count_pairs
    from confemb.progress import Display
    from confemb.reporting.examples import load_examples, save_examples
    from confemb.reporting.result import Examples
    from confemb.results import embed_counts, load_history, open_result
    from confemb.similarity import SimilarityMatrix
    from confemb.uncertainty import Uncertainty
    from confemb.uncertainty_stage import measure_chance

    folder = scratch / "result"
    folder.mkdir()
    draft = Draft(folder)
    draft.values.update(title="t", description="", source={"file": "x"})
    draft.values["report"] = {"groups": {"g": ["cat", "dog"]}, "reference": [], "item": "picture"}
    sample = small_predictions(40)
    embedder = make_pair_embedder("counts", {})
    key = "k"
    counts = count_pairs(sample, k=3)
    embed_counts(counts, embedder, range(2), draft, key, display=Display(), files=[])
    measure_chance(
        counts,
        EmbeddingRuns.load(draft.path("embedding_runs.npz")),
        sample,
        embedder,
        PairsSection(),
        UncertaintySection(pictures=4, split_halves=2, dimension_splits=1),
        draft,
        key,
        seed=0,
        display=Display(),
    )
    draft.publish()
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
        folder = path.parent
        open_result(folder)
        return result_uncertainty(folder)

    def beside(name: str) -> dict[str, bytes]:
        return {other: content for other, content in files.items() if other != name}

    def of(name: str, read: Callable[[Path], object], what: str) -> Reader:
        return Reader(f"result folder, {what}", name, (files[name],), read, beside(name))

    return [
        of("manifest.json", result, "manifest"),
        of("pairs.npz", PairCounts.load, "pair counts"),
        of("embedding_runs.npz", EmbeddingRuns.load, "embeddings of all seeds"),
        of("embedding.txt", ClassEmbedding.load, "embedding.txt"),
        of("similarity_intervals.npz", load_intervals, "intervals"),
        of("reliability.json", lambda path: Uncertainty.load(path.parent, [path.name]), "reliability"),
        of("similarity_matrix.csv", SimilarityMatrix.load_matrix, "similarities"),
        of("examples.npz", load_examples, "example pictures"),
        of("history.csv", load_history, "training history"),
    ]


def _texts() -> list[Reader]:
    from confemb.class_cells import load_class_names
    from confemb.experiment import load_experiment, load_groups
    from confemb.words.judgements import load_judgements
    from confemb.words.sources import TablePictures

    shipped = Path(__file__).parent.parent
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
    ]


def _override(path: Path) -> object:
    from confemb.experiment import load_experiment

    return load_experiment("digits", [path.read_bytes().decode("utf-8", "surrogateescape")])


def _weights(scratch: Path) -> list[Reader]:
    from confemb.checkpoint_readers import read_checkpoint
    from confemb.hugging_face import describe_folder

    arrays = {
        "conv/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
        "conv/bias": np.array([1.5, -2.5], np.float32),
        "scale": np.array([7.0], np.float32),
    }
    from safetensors.numpy import save

    found = [Reader("weights, safetensors", "w.safetensors", (save(arrays, {"a": "b"}),), read_checkpoint)]
    stream = b"".join(array.tobytes() for array in arrays.values())
    plan = [{"name": name, "shape": list(array.shape), "dtype": "float32"} for name, array in arrays.items()]
    model = json.dumps({"weightsManifest": [{"paths": ["a.bin", "b.bin"], "weights": plan}]}).encode()
    shards = {"a.bin": stream[:40], "b.bin": stream[40:]}
    found.append(Reader("weights, TF.js folder", "model.json", (model,), read_checkpoint, shards))
    members = {"package/model.json": model, **{f"package/{name}": content for name, content in shards.items()}}
    found.append(Reader("weights, TF.js archive", "w.tgz", (tar_gz(members),), read_checkpoint))
    try:
        import torch

        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        new = saved(scratch, "a.pth", lambda path: torch.save(state, path))
        old = saved(scratch, "b.pth", lambda path: torch.save(state, path, _use_new_zipfile_serialization=False))
        found.append(Reader("weights, .pth", "w.pth", (new, old), read_checkpoint))
    except ImportError:
        pass
    try:
        import h5py

        def write_h5(path: Path) -> None:
            with h5py.File(path, "w") as file:
                file.attrs["layer_names"] = [b"conv"]
                layer = file.create_group("conv")
                layer.attrs["weight_names"] = [b"conv/kernel:0", b"conv/bias:0"]
                layer["conv/kernel:0"] = arrays["conv/kernel"]
                layer["conv/bias:0"] = arrays["conv/bias"]

        found.append(Reader("weights, .h5", "w.h5", (saved(scratch, "a.h5", write_h5),), read_checkpoint))
    except ImportError:
        pass
    transformers = {
        "architectures": ["ResNetForImageClassification"],
        "depths": [3, 4, 6, 3],
        "id2label": {"0": "cat", "1": "dog"},
    }
    timm = {
        "architecture": "resnet50",
        "label_names": ["cat", "dog"],
        "pretrained_cfg": {
            "input_size": [3, 224, 224],
            "crop_pct": 0.875,
            "interpolation": "bicubic",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
    }
    preprocessor = {
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": 224},
        "crop_pct": 0.875,
        "resample": 3,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    configs = tuple(json.dumps(config).encode() for config in (transformers, timm))
    second = json.dumps(preprocessor).encode()
    return [
        *found,
        Reader(
            "weights, Hugging Face config",
            "config.json",
            configs,
            lambda path: describe_folder(path.parent),
            {"preprocessor_config.json": second},
        ),
        Reader(
            "weights, Hugging Face preprocessor",
            "preprocessor_config.json",
            (second,),
            lambda path: describe_folder(path.parent),
            {"config.json": configs[0]},
        ),
    ]


def tar_gz(members: dict[str, bytes]) -> bytes:
    """Return a .tgz of plain files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _pictures() -> list[Reader]:
    from PIL import Image

    from confemb.datasets.image_folder import class_order, scan_folder
    from confemb.datasets.pictures import decode_picture

    pixels = np.random.default_rng(2).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)

    def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
        out = io.BytesIO()
        picture.convert(mode).save(out, kind, **options)
        return out.getvalue()

    def decode(path: Path) -> object:
        where = f"the file {path}"
        return (
            decode_picture(path, mode="RGB", image_size=8, where=where),
            decode_picture(path.read_bytes(), mode="L", image_size=None, where=where),
        )

    kinds = {
        "png": (encoded("PNG"), encoded("PNG", "P"), encoded("PNG", "LA")),
        "jpg": (encoded("JPEG"), encoded("JPEG", "CMYK"), encoded("JPEG", progressive=True)),
        "gif": (encoded("GIF", "P"),),
        "bmp": (encoded("BMP"), encoded("BMP", "P")),
        "tif": (encoded("TIFF"), encoded("TIFF", compression="tiff_lzw"), encoded("TIFF", compression="jpeg")),
        "webp": (encoded("WEBP"), encoded("WEBP", lossless=True)),
        "ppm": (encoded("PPM"), b"P3\n2 1 255\n1 2 3 4 5 6\n"),
    }
    found = [Reader(f"pictures, {kind.upper()}", f"p.{kind}", seeds, decode) for kind, seeds in kinds.items()]
    png = kinds["png"][0]
    folder = {"cat/1.png": png, "dog/2.png": png}
    found.append(
        Reader(
            "image folder, classes.txt",
            "classes.txt",
            (b"cat\ndog\n",),
            lambda path: class_order(path.parent, set(scan_folder(path.parent)["all"])),
            folder,
        )
    )
    return found


def _words(scratch: Path) -> list[Reader]:
    from confemb.references.cifar10h import load_votes
    from confemb.words.vectors import WordVectors

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
    from confemb import wordnet
    from confemb.references.wordnet import WordNetReference
    from confemb.words.nouns import wordnet_nouns
    from experiments.torture.small_wordnet import write_wordnet

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


def _captions() -> list[Reader]:
    from confemb.captions.features import load_features
    from confemb.captions.settings import load_captions_experiment
    from confemb.captions.sources import load_captions
    from confemb.captions.text import Vocabulary

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


def _lab(scratch: Path) -> list[Reader]:
    from confemb.counting import count_shards
    from confemb.lab.analogies import load_analogies
    from confemb.lab.labelled import LabelledVectors, load_labels
    from confemb.prediction_files import save_predictions
    from confemb.predictions_experiment import load_runnable

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
