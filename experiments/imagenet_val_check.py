"""Runs published weights over ImageNet validation pictures and compares with a published classifier's predictions.

    python experiments/imagenet_val_check.py resnet50:keras PICTURES --published TOP5.npz --column resnet_v1_50_tf

PICTURES holds a folder for each class, named by its wnid; some of the classes will do. TOP5.npz holds `filenames`
and, under each classifier's name, the 5 most probable classes of each (from the ImageNetV2 repository).

Found with resnet50:keras on 500 validation pictures of 20 classes (10 of Imagenette, 10 dog breeds; 243 of them
had been cut to 224 x 224 by others):
top-1 74.8 %, top-5 93.0 %; resnet_v1_50_tf, another training, on the original pictures: 78.2 %, 95.4 %; the same
first class for 83.8 %. On the whole validation set they have 74.9 / 92.1 and 75.2 / 92.2. 40 s on 2 CPU cores.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from confemb.datasets.pictures import decode_picture
from confemb.networks.inference import batched_logits
from confemb.networks.pretrained.models import load_pretrained
from confemb.records.imagenet import imagenet_classes


def top_five(weights: str, files: list[Path], *, classifier: str | None = None, batch_size: int = 16) -> np.ndarray:
    """Return (N, 5) indices of the most probable classes, best first."""
    pretrained = load_pretrained(weights, classifier=classifier)
    cut = pretrained.network.preprocessing.cut
    pictures = np.stack([_cut(file, cut) for file in files])
    batches = batched_logits(pretrained.network, pictures, batch_size=batch_size)
    return np.concatenate([np.argsort(-logits, axis=1, kind="stable")[:, :5] for logits in batches])


def _cut(file: Path, cut: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    pixels = decode_picture(file, mode="RGB", image_size=None, where=str(file))
    return np.asarray(cut(Image.fromarray(pixels)))


def accuracy(top: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return (top-1, top-5) accuracy from 0 to 1 of (N, 5) classes."""
    right = top == labels[:, None]
    return float(right[:, 0].mean()), float(right.any(axis=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--classifier")
    parser.add_argument("--published", type=Path)
    parser.add_argument("--column", default="resnet_v1_50_tf")
    given = parser.parse_args()
    index = {c.wnid: c.index for c in imagenet_classes()}
    files = [file for folder in sorted(given.pictures.iterdir()) for file in sorted(folder.glob("*.JPEG"))]
    labels = np.array([index[file.parent.name] for file in files])
    top = top_five(given.weights, files, classifier=given.classifier)
    print(f"{given.weights}: {len(files)} pictures of {len(set(labels))} classes")
    print("top-1 {:.1%}, top-5 {:.1%}".format(*accuracy(top, labels)))
    if given.published is None:
        return
    with np.load(given.published) as table:
        row = {name: i for i, name in enumerate(table["filenames"])}
        theirs = table[given.column][[row[file.name] for file in files]]
    print("{}: top-1 {:.1%}, top-5 {:.1%}".format(given.column, *accuracy(theirs, labels)))
    same = top[:, 0] == theirs[:, 0]
    shared = np.mean([len(set(a) & set(b)) for a, b in zip(top.tolist(), theirs.tolist(), strict=True)])
    print(f"the same first class for {same.mean():.1%}, {shared:.2f} of 5 classes shared")


if __name__ == "__main__":
    main()
