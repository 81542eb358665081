import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from confemb.networks import make_network
from confemb.networks.pretrained.weights import load_weights, save_weights
from confemb.support.errors import ConfembError


def make(widths, seed=0, classes=3):
    return make_network("fast_cnn", (8, 8, 1), classes, seed=seed, options={"widths": widths})


@pytest.fixture(scope="module")
def network():
    network = make([4])
    network.fit_input(np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8))
    network.norms[0].mean[...] = jnp.arange(4.0)
    return network


@pytest.fixture
def saved(network, tmp_path):
    save_weights(network, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def variables(network):
    return {".".join(map(str, path)): np.asarray(v[...]) for path, v in nnx.to_flat_state(nnx.state(network))}


def test_a_round_trip_keeps_every_bit(network, saved):
    other = make([4], seed=5)
    load_weights(other, saved)
    before, after = variables(network), variables(other)
    assert set(before) == set(after)
    assert {"whitening", "input_mean", "norms.0.mean", "norms.1.var", "convs.0.kernel", "head.kernel"} <= set(before)
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        np.testing.assert_array_equal(value, after[name], err_msg=name)
    some = jnp.ones((2, 8, 8, 1))
    network.eval()
    other.eval()
    np.testing.assert_array_equal(network(some), other(some))


def test_the_same_weights_give_the_same_bytes(network, saved, tmp_path):
    save_weights(network, tmp_path / "again.safetensors")
    assert saved.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def changed(saved, change):
    arrays = load_file(saved)
    change(arrays)
    save_file(arrays, saved)
    return saved


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("head.kernel"), r"are of another network: it lacks 'head\.kernel'; give the weights"),
        (lambda a: a.update(tail=np.ones(2)), "are of another network: it has 'tail' too many; give"),
        (
            lambda a: a.update(tail=a.pop("head.kernel")),
            r"it lacks 'head\.kernel' and it has 'tail' too many",
        ),
        (
            lambda a: a.update({"head.kernel": np.ones((4, 5), np.float32)}),
            r"head\.kernel has the shape \(4, 5\), expected \(4, 3\)",
        ),
        (
            lambda a: a.update({"head.kernel": np.ones((4, 3), np.int32)}),
            r"head\.kernel holds int32, expected float32",
        ),
    ],
)
def test_weights_of_another_network_are_refused(saved, change, message):
    network = make([4], seed=5)
    before = variables(network)
    with pytest.raises(ConfembError, match=message):
        load_weights(network, changed(saved, change))
    for name, value in variables(network).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(("widths", "classes"), [([4, 4], 3), ([4], 4)])
def test_another_architecture_is_refused(saved, widths, classes):
    with pytest.raises(ConfembError, match=r"weights\.safetensors are of another network"):
        load_weights(make(widths, classes=classes), saved)


def test_a_missing_file_is_named(network, tmp_path):
    with pytest.raises(ConfembError, match=r"cannot read the weights .*none\.safetensors"):
        load_weights(network, tmp_path / "none.safetensors")
    with pytest.raises(ConfembError, match="cannot read the weights|no readable safetensors"):
        load_weights(network, tmp_path)


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b[:4], lambda b: b"", lambda b: b"PK\x03\x04" * 50])
def test_a_broken_file_is_refused(network, saved, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(ConfembError, match=r"weights\.safetensors is (no readable safetensors file|empty)"):
        load_weights(network, saved)


def test_a_folder_that_cannot_be_written_is_refused(network, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfembError, match="cannot make the folder"):
        save_weights(network, tmp_path / "file" / "weights.safetensors")
