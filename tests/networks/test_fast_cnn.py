import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.networks import make_network
from confemb.networks.fast_cnn import _mean_and_deviation
from confemb.support.errors import ConfembError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """200 pictures of 10 x 10 whose neighbouring pixels and channels are alike."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(200, 11, 11, 3))
    smooth = noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1] + 0.5 * noise[:, 1:, 1:].mean(-1, keepdims=True)
    return np.clip(smooth * 30 + [90, 120, 150], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def network(images):
    network = make_network("fast_cnn", (10, 10, 3), 4, seed=0, options={"widths": [24, 40]})
    network.fit_input(images)
    return network


def test_prepared_channels_have_mean_0_and_deviation_1(network, images):
    prepared = np.asarray(network.prepare(jnp.asarray(images)))
    np.testing.assert_allclose(prepared.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(prepared.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_mean_and_deviation_are_those_of_numpy():
    images = np.random.default_rng(0).integers(0, 256, (2500, 3, 2, 2), dtype=np.uint8)
    mean, deviation = _mean_and_deviation(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(deviation, images.std(axis=(0, 1, 2)), rtol=1e-12)


def test_whitened_patches_have_unit_covariance(network, images):
    filters = np.asarray(network.whitening[...]).reshape(12, 24)
    prepared = np.asarray(network.prepare(jnp.asarray(images)))
    patches = np.lib.stride_tricks.sliding_window_view(prepared, (2, 2), axis=(1, 2))
    patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 12)
    np.testing.assert_allclose(np.cov((patches @ filters[:, :12]).T), np.eye(12), atol=0.02)
    np.testing.assert_array_equal(filters[:, 12:], -filters[:, :12])


def test_whitening_stays_finite_where_nothing_varies():
    network = make_network("fast_cnn", (10, 10, 3), 4, seed=0, options={"widths": [24, 40]})
    network.fit_input(np.full((20, 10, 10, 3), 9, np.uint8))
    assert np.isfinite(network.whitening[...]).all()
    assert np.isfinite(network(network.prepare(jnp.full((1, 10, 10, 3), 9, jnp.uint8)))).all()


def test_convolutions_start_as_the_identity(network):
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 5, 24)).astype(np.float32))
    # 24 whitened channels into 24: all of them pass; 24 into 40: the first 24 do, the others are drawn.
    np.testing.assert_allclose(network.convs[0](x), x, atol=1e-6)
    widened = network.convs[2](x)
    np.testing.assert_allclose(widened[..., :24], x, atol=1e-6)
    drawn = np.asarray(network.convs[2].kernel[...])[..., 24:]
    bound = 1 / np.sqrt(9 * 24)
    assert 0.95 * bound < np.abs(drawn).max() <= bound
    assert abs(drawn.mean()) < 0.01


def test_parameter_count_decay_and_bias_rate(network):
    flat = dict(nnx.to_flat_state(nnx.state(network, nnx.Param)))
    expected = 24 + 9 * (24 * 24 + 24 * 24 + 24 * 40 + 40 * 40) + 2 * 24 + 2 * 40 + 40 * 4
    assert sum(variable[...].size for variable in flat.values()) == expected
    decayed = {path for path in flat if network.decayed(path)}
    assert decayed == {("head", "kernel"), *(("convs", i, "kernel") for i in range(4))}
    faster = {path: network.learning_rate_scale(path) for path in flat if network.learning_rate_scale(path) != 1}
    assert faster == {("norms", i, "bias"): 8.0 for i in range(4)}


def test_a_black_border_is_not_taken_in_by_the_shift(network, images):
    """Augmented pictures are the prepared ones, mirrored and shifted: each value is one of the picture's own."""
    augmented = np.asarray(network.augment(jax.random.key(0), jnp.asarray(images[:20])))
    prepared = np.asarray(network.prepare(jnp.asarray(images[:20])))
    for out, picture in zip(augmented, prepared, strict=True):
        assert np.isin(np.round(out, 4), np.round(picture, 4)).all()


def test_options_are_used(images):
    options = {"widths": [8], "shift": 0, "mirror": False, "norm_group": 5, "norm_momentum": 0.6, "bias_rate": 64.0}
    plain = make_network("fast_cnn", (10, 10, 3), 4, seed=0, options=options)
    plain.fit_input(images)
    some = jnp.asarray(images[:6])
    np.testing.assert_array_equal(plain.augment(jax.random.key(0), some), plain.prepare(some))
    assert (plain.norms[0].group, plain.norms[0].momentum) == (5, 0.6)
    assert plain.learning_rate_scale(("norms", 0, "bias")) == 64.0


def test_pictures_that_are_too_small_are_refused():
    with pytest.raises(ConfembError, match="2 blocks need pictures larger than 4 pixels a side"):
        make_network("fast_cnn", (9, 4, 3), 10, seed=0, options={"widths": [8, 8]})
    make_network("fast_cnn", (5, 5, 1), 2, seed=0, options={"widths": [8, 8]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": [8]}, r"unknown option 'width' in the section \[classifier\] for 'fast_cnn': did you mean 'widths'"),
        ({"rngs": 1}, "unknown option 'rngs'"),
        ({"widths": 8}, "'fast_cnn' cannot be made from the options"),
        ({"widths": ["a"]}, "'fast_cnn' cannot be made from the options"),
        ({"widths": [0]}, "widths must be"),
        ({"widths": []}, "widths must be"),
        ({"shift": -1}, "shift must be"),
        ({"shift": 10}, "shift must be"),
        ({"norm_group": 0}, "norm_group must be"),
        ({"norm_momentum": 1.0}, "norm_momentum must be"),
        ({"bias_rate": 0.0}, "bias_rate must be"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfembError, match=message):
        make_network("fast_cnn", (10, 10, 3), 4, seed=0, options=options)


def test_an_unknown_classifier_is_refused():
    with pytest.raises(ConfembError, match="unknown classifier 'fast_cn': did you mean 'fast_cnn'"):
        make_network("fast_cn", (10, 10, 3), 4, seed=0, options={})
