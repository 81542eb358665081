"""Vectors of a folder's pictures: N in, N out, in order, whatever is broken or stopped."""

import json

import numpy as np
import pytest
from PIL import Image

from confemb.spaces.lab import pictures as lab_pictures
from confemb.spaces.lab.labelled import LabelledVectors
from confemb.spaces.lab.pictures import embed_pictures, summary
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file


class MeanColour:
    name = "colour/mean/1"

    def __init__(self, stop_after=None):
        self.seen, self.stop_after = 0, stop_after

    def cut(self, pixels):
        return np.asarray(Image.fromarray(pixels).resize((2, 2)))

    def vectors(self, batch):
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(batch)
        return batch.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Write 7 sea and 5 tabby pictures; each one's green tells its number."""
    for name, count, red in (("sea side", 7, 10), ("n02123045", 5, 200)):
        (tmp_path / "all" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (5, 4), (red, number, 0)).save(tmp_path / "all" / name / f"{number}.png")
    return tmp_path / "all"


def test_every_picture_has_its_vector_and_label_in_order(folder, tmp_path):
    found = embed_pictures(folder, MeanColour(), tmp_path / "v.npz", batch_size=4)
    vectors = LabelledVectors.load(tmp_path / "v.npz")
    assert vectors.class_names == ("tabby", "sea_side")
    assert vectors.labels.tolist() == [0] * 5 + [1] * 7
    assert vectors.vectors[:, 1].tolist() == [*range(5), *range(7)]
    assert vectors.ids == tuple(f"n02123045/{i}.png" for i in range(5)) + tuple(f"sea side/{i}.png" for i in range(7))
    assert json.loads((tmp_path / "v.npz.json").read_text()) == {
        "activations": "colour/mean/1",
        "folder": "all",
        "pictures": 12,
        "dimensions": 3,
        "skipped_pictures": 0,
        "classes": {"tabby": 5, "sea_side": 7},
        "sha256": sha256_file(tmp_path / "v.npz"),
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "v.npz", "v.npz.json"]
    assert "12 vectors of 3 numbers from pictures of 2 classes" in summary(found, "v.npz")


def test_broken_pictures_are_named_and_no_label_slips(folder, tmp_path):
    (folder / "n02123045/2.png").write_bytes(b"no picture")
    found = embed_pictures(folder, MeanColour(), tmp_path / "v.npz", batch_size=4)
    assert [name for name, _ in found.skipped] == ["n02123045/2.png"]
    assert found.vectors.vectors[:, 1].tolist() == [0, 1, 3, 4, *range(7)]
    assert found.vectors.labels.tolist() == [0] * 4 + [1] * 7
    listed = (tmp_path / "v.npz.skipped.tsv").read_text().splitlines()
    assert listed[1].startswith("n02123045/2.png\t")
    assert "cannot be read as a picture" in listed[1]
    assert "1 pictures skipped" in summary(found, "v.npz")


def test_a_stopped_run_goes_on_to_the_same_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(lab_pictures, "PICTURES_IN_PART", 4)
    embed_pictures(folder, MeanColour(), tmp_path / "whole.npz", batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        embed_pictures(folder, MeanColour(stop_after=8), tmp_path / "v.npz", batch_size=2)
    assert not (tmp_path / "v.npz").exists()
    parts = sorted((tmp_path / "v.npz.parts").glob("*.npz"))
    assert len(parts) == 2
    parts[0].write_bytes(b"broken")
    again, done = MeanColour(), []
    embed_pictures(
        folder, again, tmp_path / "v.npz", batch_size=2, progress=lambda what, here, total: done.append(here)
    )
    assert again.seen == 8
    assert done == list(range(5, 13))
    assert (tmp_path / "v.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_other_files_or_another_layer_are_computed_anew(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(lab_pictures, "PICTURES_IN_PART", 4)
    with pytest.raises(KeyboardInterrupt):
        embed_pictures(folder, MeanColour(stop_after=8), tmp_path / "v.npz", batch_size=2)
    other = MeanColour()
    other.name = "colour/other/1"
    embed_pictures(folder, other, tmp_path / "other.npz")
    assert other.seen == 12
    Image.new("RGB", (9, 9), (1, 1, 1)).save(folder / "n02123045/0.png")
    changed = MeanColour()
    embed_pictures(folder, changed, tmp_path / "v.npz")
    assert changed.seen == 12


def test_folders_that_are_refused(folder, tmp_path):
    with pytest.raises(ConfembError, match=r"must end in \.npz"):
        embed_pictures(folder, MeanColour(), tmp_path / "v.txt")
    # The first broken picture of all is of a class that has sound ones.
    (folder / "classes.txt").write_text("sea side\nn02123045\n")
    for path in (folder / "sea side" / "0.png", *(folder / "n02123045").iterdir()):
        path.write_bytes(b"x")
    with pytest.raises(ConfembError, match=r"the class 'tabby' has no sound picture; the first: .*n02123045/0\.png"):
        embed_pictures(folder, MeanColour(), tmp_path / "v.npz")
    (folder / "empty").mkdir()
    with pytest.raises(ConfembError, match=r"empty has no pictures: put some in, or remove it"):
        embed_pictures(folder, MeanColour(), tmp_path / "v.npz")
    (tmp_path / "parts/train").mkdir(parents=True)
    (folder / "sea side").rename(tmp_path / "parts/train/sea")
    with pytest.raises(ConfembError, match=r"holds the parts 'train': give one of them, as .*parts/train"):
        embed_pictures(tmp_path / "parts", MeanColour(), tmp_path / "v.npz")
    (tmp_path / "two/n02123045").mkdir(parents=True)
    (tmp_path / "two/tabby").mkdir()
    for name in ("n02123045", "tabby"):
        Image.new("RGB", (2, 2)).save(tmp_path / "two" / name / "a.png")
    with pytest.raises(ConfembError, match="several folders .* give the class 'tabby'"):
        embed_pictures(tmp_path / "two", MeanColour(), tmp_path / "v.npz")
    assert not (tmp_path / "v.npz").exists()
