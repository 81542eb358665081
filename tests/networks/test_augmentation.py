import jax
import jax.numpy as jnp
import numpy as np
import pytest

from confemb.networks import augmentation

KEY = jax.random.key(3)


@pytest.fixture
def images() -> np.ndarray:
    """32 pictures of 6 x 7 in 2 channels, no value twice."""
    return np.random.default_rng(0).permutation(32 * 6 * 7 * 2).reshape(32, 6, 7, 2).astype(np.float32)


def windows(image: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    return [
        image[y : y + height, x : x + width]
        for y in range(image.shape[0] - height + 1)
        for x in range(image.shape[1] - width + 1)
    ]


def test_mirror_reverses_columns_of_about_half(images):
    mirrored = np.asarray(augmentation.random_mirror(KEY, jnp.asarray(images)))
    turned = np.array([np.array_equal(out, image[:, ::-1]) for out, image in zip(mirrored, images, strict=True)])
    kept = np.array([np.array_equal(out, image) for out, image in zip(mirrored, images, strict=True)])
    assert (turned ^ kept).all()
    assert 8 <= turned.sum() <= 24


def test_crops_are_windows_in_different_places(images):
    crops = np.asarray(augmentation.random_crop(KEY, jnp.asarray(images), (4, 3)))
    assert crops.shape == (32, 4, 3, 2)
    places = []
    for crop, image in zip(crops, images, strict=True):
        equal = [np.array_equal(crop, window) for window in windows(image, 4, 3)]
        assert sum(equal) == 1
        places.append(equal.index(True))
    # 3 x 5 places: both corners come up among 32 pictures, and many between.
    assert len(set(places)) > 8


def test_a_crop_of_the_whole_is_the_picture(images):
    np.testing.assert_array_equal(augmentation.random_crop(KEY, jnp.asarray(images), (6, 7)), images)


def test_central_crop_known_answer():
    image = jnp.arange(5 * 6.0).reshape(1, 5, 6, 1)
    central = augmentation.central_crop(image, (3, 2))[0, :, :, 0]
    np.testing.assert_array_equal(central, [[8, 9], [14, 15], [20, 21]])


def test_shift_fills_in_by_reflection(images):
    shifted = np.asarray(augmentation.random_shift(KEY, jnp.asarray(images), 2))
    assert shifted.shape == images.shape
    for out, image in zip(shifted, images, strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        assert sum(np.array_equal(out, window) for window in windows(padded, 6, 7)) == 1
    assert augmentation.random_shift(KEY, images, 0) is images


def test_brightness_adds_one_number_to_each_picture(images):
    added = np.asarray(augmentation.random_brightness(KEY, jnp.asarray(images), 63.0)) - images
    assert np.ptp(added.reshape(32, -1), axis=1).max() < 1e-3
    deltas = added.mean(axis=(1, 2, 3))
    assert -63 <= deltas.min() < -30
    assert 30 < deltas.max() <= 63


def test_contrast_keeps_channel_means_and_scales_the_rest(images):
    images = images / images.max()
    changed = np.asarray(augmentation.random_contrast(KEY, jnp.asarray(images), 0.2, 1.8))
    means = images.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(changed.mean(axis=(1, 2), keepdims=True), means, atol=1e-6)
    factors = changed.std(axis=(1, 2)) / images.std(axis=(1, 2))
    np.testing.assert_allclose(factors[:, 0], factors[:, 1], rtol=1e-4)
    np.testing.assert_allclose(changed, (images - means) * factors[:, None, None, :] + means, atol=1e-5)
    assert 0.2 <= factors.min() < 0.6
    assert 1.4 < factors.max() <= 1.8


def test_standardised_pictures_have_mean_0_and_deviation_1(images):
    out = np.asarray(augmentation.standardise_each(jnp.asarray(images)))
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=(1, 2, 3)), 1, rtol=1e-5)


def test_the_deviation_of_an_even_picture_is_floored():
    flat = jnp.full((1, 4, 4, 1), 77.0)
    np.testing.assert_array_equal(augmentation.standardise_each(flat), np.zeros((1, 4, 4, 1)))
    # One value of 16 is off by 0.4: deviation 0.097, below the floor of 1 / sqrt(16).
    nearly = flat.at[0, 0, 0, 0].add(0.4)
    expected = (np.asarray(nearly) - 77.025) * 4
    np.testing.assert_allclose(augmentation.standardise_each(nearly), expected, atol=1e-3)


def test_the_same_key_gives_the_same_pictures(images):
    for change in (augmentation.random_mirror, lambda key, x: augmentation.random_shift(key, x, 1)):
        first, again, other = (np.asarray(change(key, jnp.asarray(images))) for key in (KEY, KEY, jax.random.key(4)))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
