"""Tiny models of each family, made with the real libraries: a configuration and random weights, saved."""

import json
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("cat", "dog", "car")
WORDS = (
    "the",
    "a",
    "good",
    "bad",
    "film",
    "play",
    "is",
    "this",
    "example",
    "photo",
    "of",
    "cat",
    "dog",
    "car",
    ".",
    ",",
)


def seeded() -> Any:
    import torch

    torch.manual_seed(0)
    return torch


def labels(names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def vit(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A vision transformer for pictures of 16 pixels, with its image processor."""
    import transformers

    seeded()
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
        initializer_range=0.5,
        **labels(names),
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def word_tokenizer(folder: Path) -> Any:
    """A tokenizer of whole words."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*specials, *WORDS]) + "\n")
    tokenizer = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"), model_max_length=16)
    tokenizer.save_pretrained(folder)
    return tokenizer


def bert(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A text classifier with its tokenizer."""
    import transformers

    seeded()
    tokenizer = word_tokenizer(folder)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=0.5,
        **labels(names),
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def wav2vec(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A classifier of recordings with its feature extractor."""
    import transformers

    seeded()
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(5, 4),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        num_feat_extract_layers=2,
        classifier_proj_size=8,
        initializer_range=0.5,
        **labels(names),
    )
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000, return_attention_mask=True).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    """CLIP with its processor: a byte-pair tokenizer that knows single characters."""
    import transformers

    seeded()
    config = transformers.CLIPConfig(
        text_config={
            "vocab_size": 600,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 32,
            "eos_token_id": 1,
            "bos_token_id": 0,
            "pad_token_id": 1,
        },
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "image_size": 16,
            "patch_size": 8,
        },
        projection_dim=8,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    characters = [chr(c) for c in range(33, 127)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *characters, *(c + "</w>" for c in characters)]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=32
    )
    pictures = transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    transformers.CLIPProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def picture_folder(folder: Path, *, each: int = 4, size: int = 24, names: tuple[str, ...] = NAMES) -> Path:
    """Random pictures in a folder for each class."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            pixels = rng.integers(0, 256, (size, size + 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def onnx_linear(
    path: Path, *, pictures: bool, names: tuple[str, ...] | None = NAMES, softmax: bool = False
) -> np.ndarray:
    """A linear model of 12 numbers, or of pictures of 2 x 2 pixels; returns its (12, 3) weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    shape = ["n", 3, 2, 2] if pictures else ["n", 12]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["probs"], axis=1))
    output = "probs" if softmax else "logits"
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"class_names": json.dumps(list(names))})
    onnx.save(model, str(path))
    return weights


def write_wav(path: Path, samples: np.ndarray, rate: int = 8000) -> None:
    """Samples from -1 to 1 as 16-bit WAV."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
