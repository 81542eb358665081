"""Small coloured pictures, and activations that are their mean colours."""

import numpy as np
import pytest
from PIL import Image


class MeanColour:
    """The mean red, green and blue of a picture, from 0 to 1: vectors known in advance."""

    name = "colour/mean/1"

    def __init__(self):
        self.batches = []

    def cut(self, pixels):
        return np.asarray(Image.fromarray(pixels).resize((4, 4)))

    def vectors(self, batch):
        self.batches.append(len(batch))
        return batch.mean(axis=(1, 2)).astype(np.float32) / 255


@pytest.fixture
def colours():
    return MeanColour()


@pytest.fixture
def paint(tmp_path):
    """Write a picture of one colour; returns its path."""

    def write(name, colour, size=(12, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)
        return path

    return write


@pytest.fixture
def garage(paint, tmp_path):
    """Write a folder of five words: one of two pictures, one of an ImageNet id, one broken, one of an empty folder."""
    paint("garage/car.png", (255, 0, 0))
    paint("garage/fire engine/1.png", (255, 0, 0))
    paint("garage/fire engine/2.png", (255, 102, 0))
    paint("garage/n02123045_tabby.png", (0, 255, 0))
    (tmp_path / "garage/broken.jpg").write_bytes(b"no picture")
    (tmp_path / "garage/empty").mkdir()
    (tmp_path / "garage/notes.txt").write_text("passed over")
    (tmp_path / "garage/.hidden.png").write_bytes(b"passed over")
    return tmp_path / "garage"
