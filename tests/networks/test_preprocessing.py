import json

import numpy as np
import pytest
from PIL import Image

from confemb.networks.preprocessing import Preprocessing, caffe_preprocessing, torch_preprocessing
from confemb.support.errors import ConfembError


def smooth_picture(height, width):
    """Return a picture whose resizing differs little from program to program."""
    y, x = np.mgrid[:height, :width]
    channels = [128 + 100 * np.sin(x / 17 + shift) * np.cos(y / 23) for shift in (0, 1, 2)]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)


def test_caffes_input_by_hand():
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 0] = (10, 20, 30)
    found = np.asarray(caffe_preprocessing(2)(pixels))
    np.testing.assert_allclose(found[0, 0, 0], [30 - 103.939, 20 - 116.779, 10 - 123.68], rtol=1e-6)
    np.testing.assert_allclose(found[0, 1, 1], [-103.939, -116.779, -123.68], rtol=1e-6)


def test_torchs_input_by_hand():
    pixels = np.full((1, 2, 2, 3), (0, 128, 255), np.uint8)
    expected = [-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(np.asarray(torch_preprocessing(2)(pixels))[0, 1, 0], expected, rtol=1e-5)


def test_the_published_sizes():
    assert (torch_preprocessing().resize, torch_preprocessing().crop) == (256, 224)
    assert (caffe_preprocessing().resize, caffe_preprocessing().crop) == (256, 224)


def test_the_centre_is_cut_out():
    plain = Preprocessing(resize=6, crop=2, scale=1.0)
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(1, 6, 8, 3)
    np.testing.assert_array_equal(np.asarray(plain(pixels)), pixels[:, 2:4, 3:5])
    np.testing.assert_array_equal(np.asarray(plain.cut(Image.fromarray(pixels[0]))), pixels[0, 2:4, 3:5])


def test_pictures_of_the_right_size_are_taken_as_they_are():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    plain = Preprocessing(resize=8, crop=4, scale=1.0)
    np.testing.assert_array_equal(np.asarray(plain(pixels)), pixels)
    np.testing.assert_array_equal(np.asarray(plain.cut(Image.fromarray(pixels[0]))), pixels[0])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (20, 30)])
def test_resizing_is_pillows_to_its_rounding(interpolation, shape):
    plain = Preprocessing(resize=48, crop=40, interpolation=interpolation, scale=1.0)
    pixels = smooth_picture(*shape)
    found = np.asarray(plain(pixels[None]))[0]
    expected = np.asarray(plain.cut(Image.fromarray(pixels)), dtype=np.float32)
    assert found.shape == expected.shape == (40, 40, 3)
    # Pillow rounds to whole numbers after each direction.
    assert np.abs(found - expected).max() < 1.5
    assert np.abs(found - expected).mean() < 0.4


def test_it_survives_json():
    for made in (caffe_preprocessing(), torch_preprocessing(64)):
        again = Preprocessing.from_dict(json.loads(json.dumps(made.as_dict())), where="a file")
        assert again == made
        assert hash(again) == hash(made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 300}, "crops 300 pixels from 256"),
        ({"crop": 0}, "crops 0 pixels from 256"),
        ({"std": [1.0, 0.0, 1.0]}, "must be positive"),
        ({"scale": 0}, "must be positive"),
        ({"interpolation": "nearest"}, "in a file has interpolation = 'nearest', which is not allowed"),
        ({"mean": [1, 2]}, r"in a file has mean = \[1, 2\]"),
        ({"resize": 256.5}, r"in a file has resize = 256\.5"),
        ({"resize": True}, "in a file has resize = True"),
        ({"extra": 1}, "in a file must have the keys 'resize', 'crop', "),
    ],
)
def test_values_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ConfembError, match=message):
        Preprocessing.from_dict(torch_preprocessing().as_dict() | change, where="a file")
