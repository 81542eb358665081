import math

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.networks import make_network
from confemb.networks.pretrained.weights import named_shapes
from confemb.support.errors import ConfembError


def abstract(name, **options):
    return nnx.eval_shape(lambda: make_network(name, (8, 8, 3), 1000, seed=0, options=options))


def test_activations_are_those_pytorch_gave(check_against_kept):
    check_against_kept("vgg16")


def test_every_activation_agrees_with_pytorch(reference, flax_activations, torch_activations):
    theirs, ours = torch_activations(reference.CASES["vgg16"]), flax_activations("vgg16")
    assert set(theirs) == set(ours)
    for layer, expected in theirs.items():
        np.testing.assert_allclose(ours[layer], expected, rtol=1e-4, atol=1e-4, err_msg=layer)


# The published numbers of parameters, torchvision's documentation.
@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_357_544), ("vgg19", 143_667_240)])
def test_parameters_are_as_many_as_published(name, count):
    assert sum(math.prod(shape) for shape in named_shapes(abstract(name)).values()) == count


@pytest.mark.parametrize("size", [0, 16, 100])
def test_an_input_that_does_not_halve_five_times_is_refused(size):
    with pytest.raises(ConfembError, match=f"input_size is {size}; it must be a multiple of 32"):
        abstract("vgg16", input_size=size)


def test_what_it_cannot_be_made_from_is_said():
    with pytest.raises(ConfembError, match="pictures of 3 channels, not 1"):
        make_network("vgg19", (8, 8, 1), 10, seed=0, options={})


def test_an_unknown_layer_names_the_known():
    with pytest.raises(ConfembError, match="unknown layer 'fc3' in a VGG: did you mean 'fc"):
        abstract("vgg16")(jnp.zeros((1, 224, 224, 3)), layer="fc3")
