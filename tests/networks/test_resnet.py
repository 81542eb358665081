import math

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.networks import make_network
from confemb.networks.convolution import BatchNorm, ConvNorm, convolve, fold_batch_norm
from confemb.networks.pretrained.weights import named_shapes
from confemb.support.errors import ConfembError

NAMES = ["resnet18", "resnet50", "resnet50_v1"]


@pytest.mark.parametrize("name", NAMES)
def test_activations_are_those_pytorch_gave(name, check_against_kept):
    check_against_kept(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_agrees_with_pytorch(name, reference, flax_activations, torch_activations):
    theirs, ours = torch_activations(reference.CASES[name]), flax_activations(name)
    assert set(theirs) == set(ours)
    for layer, expected in theirs.items():
        np.testing.assert_allclose(ours[layer], expected, rtol=1e-4, atol=1e-4, err_msg=layer)


def test_the_forms_differ(flax_activations):
    assert np.abs(flax_activations("resnet50")["logits"] - flax_activations("resnet50_v1")["logits"]).max() > 0.1


def test_folding_changes_nothing_but_rounding(reference, random_network, flax_activations):
    network = random_network(reference.CASES["resnet18"])
    before = set(named_shapes(network))
    folded = fold_batch_norm(network)
    logits = nnx.jit(lambda network, x: network(x))(folded, jnp.asarray(reference.random_input(64)))
    np.testing.assert_allclose(logits, flax_activations("resnet18")["logits"], rtol=1e-5, atol=1e-5)
    assert not any(".norm." in name for name in named_shapes(folded))
    assert set(named_shapes(network)) == before


@pytest.mark.parametrize("bias", [True, False])
def test_folding_one_convolution(bias):
    conv = ConvNorm(2, 3, 3, stride=2, bias=bias, epsilon=1e-3, rngs=nnx.Rngs(0))
    conv.norm.scale[...], conv.norm.bias[...] = jnp.asarray([2.0, -1.0, 0.5]), jnp.asarray([1.0, 0.0, 3.0])
    conv.norm.mean[...], conv.norm.var[...] = jnp.asarray([0.5, 1.0, -2.0]), jnp.asarray([4.0, 0.0, 1.0])
    if bias:
        conv.conv.bias[...] = jnp.asarray([1.0, 2.0, 3.0])
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 5, 2)), jnp.float32)
    folded = fold_batch_norm(conv)
    assert folded.norm is None
    assert conv.norm is not None
    np.testing.assert_allclose(folded(x), conv(x), rtol=1e-5, atol=1e-4)


def abstract(name, **options):
    return nnx.eval_shape(lambda: make_network(name, (8, 8, 3), 1000, seed=0, options=options))


# The published numbers of trained parameters, torchvision's documentation; Keras' sum counts the statistics as well.
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_parameters_are_as_many_as_published(name, count):
    shapes = named_shapes(abstract(name))
    trained = {n: s for n, s in shapes.items() if not n.endswith(("norm.mean", "norm.var"))}
    assert sum(math.prod(shape) for shape in trained.values()) == count


def test_the_first_form_has_as_many_weights_as_keras_says():
    shapes = named_shapes(abstract("resnet50", conv_bias=True, stride_in_1x1=True, epsilon=1e-3))
    assert len(shapes) == 320
    assert sum(math.prod(shape) for shape in shapes.values()) == 25_636_712


def test_what_it_cannot_be_made_from_is_said():
    with pytest.raises(ConfembError, match="pictures of 3 channels, not 1"):
        make_network("resnet18", (8, 8, 1), 10, seed=0, options={})
    with pytest.raises(ConfembError, match="unknown option 'conv_bais'.*did you mean 'conv_bias'"):
        abstract("resnet18", conv_bais=True)


def test_an_unknown_layer_names_the_known():
    with pytest.raises(ConfembError, match=r"unknown layer 'stage9' in a ResNet: did you mean 'stage\d'.*'avg_pool'"):
        abstract("resnet18")(jnp.zeros((1, 32, 32, 3)), layer="stage9")


def test_a_convolution_by_hand():
    x = jnp.arange(32.0).reshape(1, 4, 4, 2)
    kernel = jnp.asarray([[1.0, 2.0], [3.0, -1.0]]).reshape(1, 1, 2, 2)
    picked = np.arange(32.0).reshape(4, 4, 2)[::2, ::2]
    expected = np.stack([picked[..., 0] + 3 * picked[..., 1], 2 * picked[..., 0] - picked[..., 1]], axis=-1)
    np.testing.assert_allclose(convolve(x, kernel, 2, 0)[0], expected)
    # The same 1x1 kernel in the middle of a 3x3 takes the other way through the code.
    padded = jnp.zeros((3, 3, 2, 2)).at[1, 1].set(kernel[0, 0])
    np.testing.assert_allclose(convolve(x, padded, 2, 1)[0], expected)


def test_batch_normalisation_by_hand():
    norm = BatchNorm(2, epsilon=1.0)
    norm.scale[...], norm.bias[...] = jnp.asarray([2.0, 1.0]), jnp.asarray([1.0, 0.0])
    norm.mean[...], norm.var[...] = jnp.asarray([1.0, 0.0]), jnp.asarray([3.0, 8.0])
    np.testing.assert_allclose(norm(jnp.asarray([[3.0, 6.0]])), [[2 * (3 - 1) / 2 + 1, 6 / 3]], rtol=1e-6)
