"""Readers of weights and pictures."""

import io
import json
from pathlib import Path

import numpy as np

from tests.torture.readers.reader import Reader, saved, tar_gz


def weights_readers(scratch: Path) -> list[Reader]:
    from confemb.networks.pretrained.checkpoint_readers import read_checkpoint
    from confemb.networks.pretrained.hugging_face import describe_folder

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


def pictures_readers() -> list[Reader]:
    from PIL import Image

    from confemb.datasets.image_folder import class_order, scan_folder
    from confemb.datasets.picture_files import is_picture, reason
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
    # Without a suffix it is looked into.
    seeds = (png, b"no picture", kinds["bmp"][0], kinds["webp"][0])
    found.append(Reader("pictures, first bytes", "p", seeds, lambda path: (is_picture(path), reason(path))))
    return found
