import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.networks import augmentation, make_network
from confemb.support.errors import ConfembError


@pytest.fixture(scope="module")
def network():
    return make_network("paper_cnn", (32, 32, 3), 10, seed=0, options={})


def parameters(network) -> dict[str, np.ndarray]:
    flat = nnx.to_flat_state(nnx.state(network, nnx.Param))
    return {".".join(map(str, path)): np.asarray(variable[...]) for path, variable in flat}


def test_layers_and_parameter_count_are_the_tutorials(network):
    shapes = {name: array.shape for name, array in parameters(network).items()}
    assert shapes == {
        "conv1.kernel": (5, 5, 3, 64),
        "conv1.bias": (64,),
        "conv2.kernel": (5, 5, 64, 64),
        "conv2.bias": (64,),
        "local3.kernel": (6 * 6 * 64, 384),
        "local3.bias": (384,),
        "local4.kernel": (384, 192),
        "local4.bias": (192,),
        "softmax_linear.kernel": (192, 10),
        "softmax_linear.bias": (10,),
    }
    count = (5 * 5 * 3 * 64 + 64) + (5 * 5 * 64 * 64 + 64) + (2304 * 384 + 384) + (384 * 192 + 192) + (192 * 10 + 10)
    assert count == 1_068_298
    assert sum(array.size for array in parameters(network).values()) == count


def test_initial_values_are_the_tutorials(network):
    found = parameters(network)
    for layer, bias, deviation in (
        ("conv1", 0.0, 0.05),
        ("conv2", 0.1, 0.05),
        ("local3", 0.1, 0.04),
        ("local4", 0.1, 0.04),
        ("softmax_linear", 0.0, 1 / 192),
    ):
        assert np.all(found[f"{layer}.bias"] == np.float32(bias)), layer
        kernel = found[f"{layer}.kernel"]
        # Cut at two deviations, as TensorFlow cuts: what is left deviates by 0.88 of the normal.
        assert np.abs(kernel).max() <= 2 * deviation, layer
        assert kernel.std() == pytest.approx(0.8796 * deviation, rel=0.03), layer


def test_only_the_hidden_dense_kernels_decay(network):
    decayed = {name for name in parameters(network) if network.decayed(tuple(name.split(".")))}
    assert decayed == {"local3.kernel", "local4.kernel"}
    assert all(network.learning_rate_scale(tuple(name.split("."))) == 1 for name in parameters(network))


def test_the_network_computed_by_hand(network):
    """The same by lax alone: conv, ReLU, pool, norm; conv, ReLU, norm, pool; two dense layers; logits."""
    p = parameters(network)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)

    def conv(x, layer):
        y = jax.lax.conv_general_dilated(
            x, p[f"{layer}.kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.maximum(y + p[f"{layer}.bias"], 0)

    def pool(x):
        return nnx.max_pool(x, (3, 3), (2, 2), "SAME")

    def norm(x):
        squares = jnp.pad(x**2, ((0, 0), (0, 0), (0, 0), (4, 4)))
        total = sum(squares[..., i : i + 64] for i in range(9))
        return x / (1 + 0.001 / 9 * total) ** 0.75

    cut = images[:, 4:28, 4:28].astype(np.float64)
    x = (cut - cut.mean(axis=(1, 2, 3), keepdims=True)) / cut.std(axis=(1, 2, 3), keepdims=True)
    x = norm(pool(conv(x.astype(np.float32), "conv1")))
    x = pool(norm(conv(x, "conv2"))).reshape(2, -1)
    for layer in ("local3", "local4"):
        x = jnp.maximum(x @ p[f"{layer}.kernel"] + p[f"{layer}.bias"], 0)
    expected = x @ p["softmax_linear.kernel"] + p["softmax_linear.bias"]
    found = network(network.prepare(jnp.asarray(images)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_augmented_input_is_standardised_and_random(network):
    images = jnp.asarray(np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8))
    one, other = (network.augment(jax.random.key(seed), images) for seed in (0, 1))
    assert one.shape == (8, 24, 24, 3)
    np.testing.assert_allclose(one, augmentation.standardise_each(one), atol=1e-4)
    assert not np.allclose(one, other)


def test_the_same_seed_draws_the_same_weights(network):
    again, other = (make_network("paper_cnn", (32, 32, 3), 10, seed=seed, options={}) for seed in (0, 1))
    np.testing.assert_array_equal(parameters(again)["conv1.kernel"], parameters(network)["conv1.kernel"])
    assert not np.array_equal(parameters(other)["conv1.kernel"], parameters(network)["conv1.kernel"])


def test_pictures_that_are_too_small_are_refused():
    with pytest.raises(ConfembError, match="'paper_cnn' cannot be made .*at least 24x24, not 24x23"):
        make_network("paper_cnn", (24, 23, 3), 10, seed=0, options={})


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfembError, match=r"unknown option 'widths' in the section \[classifier\] for 'paper_cnn'"):
        make_network("paper_cnn", (32, 32, 3), 10, seed=0, options={"widths": [8]})
