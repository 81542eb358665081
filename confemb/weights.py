"""A network's weights as safetensors: readable without unpickling, checked strictly when read."""

import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from confemb.classifiers import Network
from confemb.errors import ConfembError, quoted_list
from confemb.files import whole_file


def _named_variables(network: Network) -> dict[str, Any]:
    state = nnx.state(network)
    return {".".join(str(part) for part in path): variable for path, variable in nnx.to_flat_state(state)}


def save_weights(network: Network, path: str | os.PathLike[str]) -> None:
    """Write every variable of the network (parameters, statistics, constants), named by its path."""
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(variable[...]) for name, variable in _named_variables(network).items()}
    with whole_file(path) as temporary:
        save_file(arrays, temporary)


def load_weights(network: Network, path: str | os.PathLike[str]) -> None:
    """Read weights into `network`, in place; every variable must be there exactly once, in its shape.

    Raises:
        ConfembError: a file that is missing or no safetensors, or whose names or shapes are not the
            network's; the message says which.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(Path(path))
    except OSError as error:
        raise ConfembError(f"cannot read the weights {path}: {error}.") from error
    except SafetensorError as error:
        raise ConfembError(f"{path} is no readable safetensors file: {error}.") from error
    variables = _named_variables(network)
    missing, left_over = sorted(set(variables) - set(arrays)), sorted(set(arrays) - set(variables))
    if missing or left_over:
        lacks = f"it lacks {quoted_list(missing)}" if missing else ""
        extra = f"it has {quoted_list(left_over)} too many" if left_over else ""
        raise ConfembError(
            f"the weights {path} are of another network: {' and '.join(part for part in (lacks, extra) if part)}; "
            "give the weights of this classifier and these options."
        )
    for name, variable in variables.items():
        if arrays[name].shape != variable[...].shape:
            raise ConfembError(
                f"the weights {path} are of another network: {name} has the shape {arrays[name].shape}, "
                f"expected {variable[...].shape}."
            )
    state = nnx.state(network)
    flat = dict(nnx.to_flat_state(state))
    for keys, variable in flat.items():
        flat[keys] = variable.replace(jnp.asarray(arrays[".".join(str(part) for part in keys)]))
    nnx.update(network, nnx.from_flat_state(flat))
