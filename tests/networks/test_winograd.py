import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from confemb.networks import make_network, winograd
from confemb.networks.convolution import Conv, convolve, convolve_3x3, for_cpu
from confemb.networks.inference import batched_logits


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def direct(x, kernel, even=False):
    height, width = (length - length % 2 if even else length for length in x.shape[1:3])
    return convolve(x, kernel, 1, 1)[:, :height, :width]


def test_a_tile_computed_by_hand():
    # A kernel that sums its window, on a picture of ones: each output is the number of its neighbours in the picture.
    found = winograd.convolve(jnp.ones((1, 2, 3, 1)), jnp.ones((3, 3, 1, 1)))
    np.testing.assert_array_equal(found[0, :, :, 0], [[4, 6, 4], [4, 6, 4]])


def test_an_identity_passes_its_input_through():
    x = jnp.asarray(np.random.default_rng(0).integers(-50, 50, (2, 5, 6, 3)), jnp.float32)
    kernel = jnp.zeros((3, 3, 3, 3)).at[1, 1].set(jnp.eye(3))
    np.testing.assert_array_equal(winograd.convolve(x, kernel), x)


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9), st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
)
def test_value_and_gradients_are_those_of_the_direct_convolution(shape, even):
    count, height, width, inputs, outputs = shape
    x, kernel = normal(count, height, width, inputs), normal(3, 3, inputs, outputs, seed=1)
    expected, by_both = jax.vjp(lambda x, kernel: direct(x, kernel, even), x, kernel)
    found, found_by_both = jax.vjp(lambda x, kernel: winograd.convolve(x, kernel, even), x, kernel)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    cotangent = normal(*expected.shape, seed=2)
    for one, other in zip(found_by_both(cotangent), by_both(cotangent), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_the_type_is_kept():
    x, kernel = normal(1, 4, 4, 2).astype(jnp.bfloat16), normal(3, 3, 2, 2).astype(jnp.bfloat16)
    assert winograd.convolve(x, kernel).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("size", "inputs", "outputs", "even", "pays"),
    [
        (14, 32, 64, False, True),  # 16 products for 36
        (15, 32, 64, True, True),  # the same: the last row and column are left out
        (7, 64, 64, False, True),  # 16 * 16 for 9 * 49
        (3, 128, 128, False, False),  # 16 * 4 for 9 * 9
        (14, 32, 32, False, False),  # few channels
    ],
)
def test_where_it_pays(size, inputs, outputs, even, pays):
    shapes = (
        jax.ShapeDtypeStruct((1, size, size, inputs), "float32"),
        jax.ShapeDtypeStruct((3, 3, inputs, outputs), "float32"),
    )
    program = str(jax.make_jaxpr(lambda x, kernel: convolve_3x3(x, kernel, even=even))(*shapes))
    assert ("conv_general_dilated" not in program) == (pays and jax.default_backend() == "cpu")


def test_a_network_for_the_cpu_gives_the_same_logits():
    network = make_network("resnet18", (32, 32, 3), 5, seed=0, options={})
    network.eval()
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    faster = for_cpu(network)
    expected = network(network.prepare(images))
    np.testing.assert_allclose(faster(faster.prepare(images)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(batched_logits(network, images))), expected, rtol=1e-4, atol=1e-5)
    changed = [module for _, module in nnx.iter_modules(faster) if isinstance(module, Conv) and module.transformed]
    # Of the 16 convolutions of 3x3, three halve the picture.
    assert len(changed) == 13
    assert all(module.transformed is None for _, module in nnx.iter_modules(network) if isinstance(module, Conv))
