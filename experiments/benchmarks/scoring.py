"""Scoring: confemb score beside the plain loop of each library, in turns; and its memory with 100,000 items.

    python experiments/benchmarks/scoring.py [--pictures 128] [--texts 1024] [--items 100000] [--rounds 5] [--csv FILE]

Needs the extras `hf`, `timm` and `onnx`. Models have random weights and real shapes: a vision transformer (ViT-tiny,
224 pixels), a BERT of 4 layers and 256 dimensions, ResNet-18. Pictures are JPEG files of 320 x 240, texts have 3 to
120 words. Everyone reads the same files, decodes, computes and gives each item's five most probable classes; confemb
also writes its parts. The plain loops are what each library's documentation shows: `transformers.pipeline` over the
files (one at a time, as it comes, and in batches), a timm model over a DataLoader with two workers, ONNX Runtime over
batches.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ratios import alone, arguments, in_turns, publish

from confemb.classifiers.class_matching import match_classes
from confemb.classifiers.data.data_names import open_data
from confemb.classifiers.models.model_names import open_model
from confemb.classifiers.scoring import ScoreSettings, score
from confemb.classifiers.scoring_records import ModelSettings

NAMES = tuple(f"class {i}" for i in range(10))
BATCH = 32
FIVE = 5


def confemb_scores(model: Any, where: Path) -> Callable[[], object]:
    """Return what scores data by an opened model, from the files to the predictions."""

    def run() -> object:
        data = open_data(str(where))
        out = Path(tempfile.mkdtemp()) / "p.parquet"
        return score(model, data, match_classes(data.class_names, model.class_names), out).predictions

    return run


def make_pictures(folder: Path, count: int) -> Path:
    from PIL import Image

    random = np.random.default_rng(0)
    for i in range(count):
        place = folder / NAMES[i % len(NAMES)]
        place.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((320, 240)).save(place / f"{i:06}.jpg", quality=90)
    return folder


def make_texts(path: Path, count: int) -> Path:
    random = np.random.default_rng(0)
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            words = random.integers(0, 1000, random.integers(3, 120))
            text = " ".join(f"w{word}" for word in words)
            file.write(json.dumps({"text": text, "label": NAMES[i % len(NAMES)]}) + "\n")
    return path


def labels() -> dict[str, Any]:
    return {"id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}


def texts(home: Path, count: int) -> dict[str, Callable[[], object]]:
    """Return BERT over texts, by the pipeline and by confemb."""
    import transformers

    folder = home / "bert"
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(1000))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128)
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    config = transformers.BertConfig(vocab_size=len(vocabulary), **shape, **labels())
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    data = make_texts(home / "texts.jsonl", count)
    pipeline = transformers.pipeline("text-classification", str(folder), device="cpu")

    def plain(**batch: int) -> Callable[[], object]:
        def run() -> object:
            lines = data.read_text(encoding="utf-8").splitlines()
            return pipeline([json.loads(line)["text"] for line in lines], top_k=FIVE, truncation=True, **batch)

        return run

    model = open_model(f"hf:{folder}")
    return {
        "transformers.pipeline": plain(),
        f"transformers.pipeline, batches of {BATCH}": plain(batch_size=BATCH),
        "confemb score": confemb_scores(model, data),
    }


def pictures(home: Path, data: Path) -> dict[str, Callable[[], object]]:
    """Return ViT over pictures, by the pipeline and by confemb."""
    import transformers

    folder = home / "vit"
    shape = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768}
    transformers.ViTForImageClassification(transformers.ViTConfig(**shape, **labels())).save_pretrained(folder)
    transformers.ViTImageProcessor().save_pretrained(folder)
    pipeline = transformers.pipeline("image-classification", str(folder), device="cpu")
    files = [str(file) for file in sorted(data.rglob("*.jpg"))]
    model = open_model(f"hf:{folder}")
    return {
        "transformers.pipeline": lambda: pipeline(files, top_k=FIVE),
        f"transformers.pipeline, batches of {BATCH}": lambda: pipeline(files, top_k=FIVE, batch_size=BATCH),
        "confemb score": confemb_scores(model, data),
    }


def timm_pictures(home: Path, data: Path) -> dict[str, Callable[[], object]]:
    """Return ResNet-18 over pictures, by timm's loop and by confemb."""
    import timm
    import torch
    from safetensors.torch import save_file

    network = timm.create_model("resnet18", num_classes=len(NAMES)).eval()
    save_file(network.state_dict(), home / "resnet18.safetensors")
    settings = ModelSettings(class_names=NAMES, checkpoint=home / "resnet18.safetensors")
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)

    def loop() -> object:
        dataset = timm.data.ImageDataset(str(data), transform=transform)
        loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, num_workers=2)
        with torch.inference_mode():
            return [network(batch).softmax(1).topk(FIVE) for batch, _ in loader]

    return {"timm and a DataLoader": loop, "confemb score": confemb_scores(open_model("timm:resnet18", settings), data)}


def onnx_pictures(home: Path, data: Path) -> dict[str, Callable[[], object]]:
    """Return ResNet-18 over pictures in ONNX Runtime, by a loop and by confemb."""
    import onnxruntime
    import timm
    import torch
    from PIL import Image

    network = timm.create_model("resnet18", num_classes=len(NAMES)).eval()
    file = home / "resnet18.onnx"
    with warnings.catch_warnings():
        # The exporter that takes the place of this one needs another package; the file is the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 224, 224),),
            str(file),
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    model = open_model(f"onnx:{file}", ModelSettings(class_names=NAMES, preprocess="unit"))

    def loop() -> object:
        files, found = sorted(data.rglob("*.jpg")), []
        for start in range(0, len(files), BATCH):
            batch = []
            for one in files[start : start + BATCH]:
                picture = Image.open(one).convert("RGB").resize((299, 224), Image.Resampling.BILINEAR)
                batch.append(np.asarray(picture.crop((37, 0, 261, 224)), np.float32) / 255)
            scores = session.run(None, {"x": np.ascontiguousarray(np.stack(batch).transpose(0, 3, 1, 2))})[0]
            found.append(np.argsort(-scores, axis=1)[:, :FIVE])
        return found

    return {"ONNX Runtime, a loop": loop, "confemb score": confemb_scores(model, data)}


def lengths(batch: Any) -> np.ndarray:
    """A model of a few numbers, so that what is measured is the scoring."""
    sizes = np.array([np.asarray(item).mean() if not isinstance(item, str) else len(item) for item in batch])
    return -np.abs(sizes[:, None] % 10 - np.arange(len(NAMES)))


lengths.class_names = NAMES  # type: ignore[attr-defined]


def score_many(where: str) -> int:
    """Score a table by `lengths`; what takes memory is the scoring."""
    model = open_model(f"python:{__file__}:lengths")
    data = open_data(where)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "p.parquet"
        settings = ScoreSettings(seconds_between_parts=5)
        return len(score(model, data, match_classes(data.class_names, NAMES), out, settings).predictions)


def memory(home: Path, items: int) -> pd.DataFrame:
    """Return the peak memory of scoring a tenth of the items and all of them, texts and pictures."""
    small = make_pictures(home / "small", 100)
    files = sorted(small.rglob("*.jpg"))
    rows = []
    for kind in ("texts", "pictures"):
        for count in (items // 10, items):
            where = home / f"{kind}{count}.jsonl"
            if kind == "texts":
                make_texts(where, count)
            else:
                lines = (
                    json.dumps({"path": str(files[i % 100].relative_to(home)), "label": files[i % 100].parent.name})
                    for i in range(count)
                )
                where.write_text("\n".join(lines) + "\n", encoding="utf-8")
            done, mib = alone(score_many, str(where))
            rows.append({"what": f"{done:,} {kind}", "peak MiB": mib})
    return pd.DataFrame(rows)


def main() -> None:
    asked = arguments(__doc__, pictures=128, texts=1024, items=100_000, rounds=5)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        data = make_pictures(home / "pictures", asked.pictures)
        kinds = {
            "texts, BERT": (texts(home, asked.texts), asked.texts, "transformers.pipeline"),
            "pictures, ViT": (pictures(home, data), asked.pictures, "transformers.pipeline"),
            "pictures, ResNet-18": (timm_pictures(home, data), asked.pictures, "timm and a DataLoader"),
            "pictures, ResNet-18, ONNX": (onnx_pictures(home, data), asked.pictures, "ONNX Runtime, a loop"),
        }
        for kind, (runs, work, peer) in kinds.items():
            frame = in_turns(runs, peer=peer, rounds=asked.rounds, work=work)
            frame.insert(0, "items", kind)
            frames.append(frame)
        publish("scoring", "Scoring, items per second", pd.concat(frames, ignore_index=True), csv=asked.csv)
        if asked.csv is None:
            publish("scoring_memory", "Scoring, peak memory beyond the start", memory(home, asked.items))


if __name__ == "__main__":
    main()
