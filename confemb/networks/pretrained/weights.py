"""A network's weights in files: readable without unpickling, checked strictly when read."""

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from confemb.networks.pretrained.checkpoint_readers import Checkpoint, read_checkpoint
from confemb.networks.pretrained.weight_names import fit_arrays
from confemb.support.files import whole_file


def named_shapes(network: Any) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every variable of a network, which may be abstract (`nnx.eval_shape`)."""
    return {name: tuple(variable.shape) for name, variable in _named_variables(network).items()}


def save_weights(network: Any, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write every variable of the network (parameters, statistics, constants), named by its path, as safetensors.

    Args:
        network: an `nnx.Module`.
        path: the file to write, whole or not at all.
        metadata: texts to stand beside the weights. More than one would come in an order of chance.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(variable[...]) for name, variable in _named_variables(network).items()}
    content = save(arrays, None if metadata is None else dict(metadata))
    # Not by safetensors' own writer, which makes files that nobody else may read.
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def load_weights(network: Any, path: str | os.PathLike[str]) -> None:
    """Read weights into `network`, in place; every variable must be there exactly once, in its shape.

    Args:
        network: an `nnx.Module`.
        path: what `save_weights` wrote, or any checkpoint that `read_checkpoint` reads and whose names are known
            for this network. Options and preprocessing are the network's own: `load_pretrained` sees to those too.

    Raises:
        ConfembError: a file that cannot be read, or whose names or shapes are not the network's; the message says
            which.
    """
    nnx.update(network, fitted_state(network, read_checkpoint(os.fspath(path)), where=os.fspath(path)))


def fitted_state(
    network: Any, checkpoint: Checkpoint, *, where: str, guess: Callable[[], str] = lambda: "another network"
) -> Any:
    """Return the state of `network`, which may be abstract, with a checkpoint's values.

    Raises:
        ConfembError: as `confemb.networks.pretrained.weight_names.fit_arrays`, which takes the same arguments.
    """
    arrays = fit_arrays(checkpoint.arrays, named_shapes(network), where=where, guess=guess)
    flat = dict(nnx.to_flat_state(nnx.state(network)))
    for keys, variable in flat.items():
        flat[keys] = variable.replace(jnp.asarray(arrays[_name(keys)], variable.dtype))
    return nnx.from_flat_state(flat)


def fingerprint(network: Any) -> str:
    """Return the SHA-256 (hex) over a network's variables: the same weights give the same, wherever they came from."""
    digest = hashlib.sha256()
    for name, variable in sorted(_named_variables(network).items()):
        array = np.ascontiguousarray(variable[...])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _name(keys: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in keys)


def _named_variables(network: Any) -> dict[str, Any]:
    return {_name(keys): variable for keys, variable in nnx.to_flat_state(nnx.state(network))}
