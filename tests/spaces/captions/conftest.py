"""Painted pictures with captions, and a network whose features are their mean colours."""

import numpy as np
import pytest
from PIL import Image

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
    "black": (40, 40, 40),
}
SAID = ("a {} picture", "everything here is {}", "nothing but {} .")


class MeanColour:
    """The mean red, green and blue of a picture, from 0 to 1."""

    name = "colour/mean/1"

    def __init__(self):
        self.seen = 0

    def cut(self, pixels):
        return np.asarray(Image.fromarray(pixels).resize((4, 4)))

    def vectors(self, batch):
        self.seen += len(batch)
        return batch.mean(axis=(1, 2)).astype(np.float32) / 255


@pytest.fixture
def colours():
    return MeanColour()


@pytest.fixture(scope="session")
def album(tmp_path_factory):
    """A folder with 40 pictures of 5 colours, captions.tsv, their features as .npy, and word vectors."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "pictures").mkdir()
    generator = np.random.default_rng(0)
    lines, features = ["image\tcaption"], []
    for number in range(40):
        word = list(COLOURS)[number % 5]
        colour = np.clip(np.array(COLOURS[word]) + generator.integers(-20, 21, 3), 0, 255)
        Image.new("RGB", (12, 12), tuple(colour.tolist())).save(folder / "pictures" / f"{number:02}.png")
        lines += [f"{number:02}.png\t{text.format(word)}" for text in SAID]
        features.append(colour / 255)
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n")
    np.save(folder / "features.npy", np.array(features, np.float32))
    vectors = "\n".join(f"{word} " + " ".join(f"{v / 255:.3f}" for v in COLOURS[word]) for word in COLOURS)
    (folder / "vectors.txt").write_text(vectors + "\n")
    return folder
