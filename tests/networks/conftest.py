"""ImageNet networks with random weights, and their activations."""

import functools
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from confemb.networks import make_network
from confemb.networks.pretrained.checkpoint_readers import Checkpoint
from confemb.networks.pretrained.weight_names import find_naming


def neighbour(name):
    """Import a module that stands beside this file."""
    spec = importlib.util.spec_from_file_location(f"confemb_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference():
    return neighbour("reference")


@pytest.fixture(scope="session")
def torch_activations(reference):
    """Return what computes a case's activations by PyTorch: name -> (N, ...)."""
    pytest.importorskip("torch")
    compute = neighbour("torch_networks").activations
    return lambda case: compute(case, reference.CLASSES, reference.random_state_dict, reference.random_input(case.size))


@pytest.fixture(scope="session")
def random_network(reference):
    """Return what makes a case's network and loads its weights under PyTorch's names."""
    from flax import nnx

    from confemb.networks.pretrained.weights import fitted_state, named_shapes

    def make(case):
        options = {**case.options, "input_size": case.size}
        abstract = nnx.eval_shape(
            lambda: make_network(case.classifier, (64, 64, 3), reference.CLASSES, seed=0, options=options)
        )
        naming = find_naming(["features.24.weight" if case.classifier == "vgg16" else "layer1.0.conv1.weight"])
        shapes = {naming.theirs(n): naming.their_shape(n, shape) for n, shape in named_shapes(abstract).items()}
        checkpoint = Checkpoint(reference.random_state_dict(shapes))
        return nnx.merge(nnx.graphdef(abstract), fitted_state(abstract, checkpoint, where="random weights"))

    return make


@pytest.fixture(scope="session")
def flax_activations(reference, random_network):
    """Return what computes a case's activations by confemb's network, once: name -> (N, ...)."""
    import jax
    from flax import nnx

    @functools.cache
    def compute(name):
        case = reference.CASES[name]
        network = random_network(case)

        @nnx.jit
        def every_layer(network, inputs):
            found = {layer: network(inputs, layer=layer) for layer in network.layers}
            return found | {"logits": network(inputs)}

        found = every_layer(network, jax.numpy.asarray(reference.random_input(case.size)))
        return {layer: np.asarray(array) for layer, array in found.items()}

    return compute


@pytest.fixture(scope="session")
def check_against_kept(reference, flax_activations):
    """Return what compares a case with the activations that PyTorch gave when they were committed."""
    import json

    kept = json.loads(reference.ACTIVATIONS.read_text(encoding="utf-8"))

    def check(name):
        found = flax_activations(name)
        assert set(found) == set(kept[name])
        for layer, expected in kept[name].items():
            ours = reference.kept(found[layer])
            assert ours["shape"] == expected["shape"], layer
            np.testing.assert_allclose(ours["values"], expected["values"], rtol=1e-4, atol=1e-4, err_msg=layer)
            for moment in ("mean", "deviation"):
                assert ours[moment] == pytest.approx(expected[moment], rel=1e-4, abs=1e-4), (layer, moment)

    return check
