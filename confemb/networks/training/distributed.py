"""Several processes, on one host or many, that train and predict together (`jax.distributed`).

Every process runs the same command. The first, the lead, alone reads and writes the result folder; what the others
must know of it (which stages are done, a checkpoint, the weights) it tells them. So no shared disk is needed, but
every host needs the dataset.

Tested with several processes on CPUs; not yet run on an accelerator.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.files import whole_file

AUTOMATIC = "auto"


@dataclass(frozen=True)
class Team:
    """The processes that work together, seen from one of them; alone by default.

    Every method must be called by all processes, in the same order.

    Attributes:
        index: this process, from 0 to size - 1.
        size: how many processes there are.
    """

    index: int = 0
    size: int = 1

    @property
    def lead(self) -> bool:
        """Whether this is the process that reads and writes the result."""
        return self.index == 0

    def from_lead(self, tree: Any) -> Any:
        """Return the lead's arrays (numpy); `tree` has the same structure, shapes and types in every process."""
        if self.size == 1:
            return tree
        from jax.experimental import multihost_utils

        return multihost_utils.broadcast_one_to_all(tree, is_source=self.lead)

    def agree(self, value: int) -> int:
        """Return the lead's number (below 2^31)."""
        return value if self.size == 1 else int(self.from_lead(np.int32(value)))

    def share_file(self, path: Path) -> None:
        """Give every process the lead's file: elsewhere it is written anew at `path`, that process's own."""
        if self.size == 1:
            return
        content = np.frombuffer(path.read_bytes() if self.lead else b"", np.uint8)
        size = self.agree(len(content))
        received = self.from_lead(content if self.lead else np.zeros(size, np.uint8))
        if not self.lead:
            with whole_file(path) as temporary:
                temporary.write_bytes(received.tobytes())

    def check_same(self, keys: dict[str, str]) -> None:
        """Raise ConfembError in every process when `keys` (name -> hexadecimal hash) differ between them."""
        if self.size == 1:
            return
        from jax.experimental import multihost_utils

        numbers = np.array([int(key[:7], 16) for key in keys.values()], np.int32)
        gathered = np.asarray(multihost_utils.process_allgather(numbers))
        for name, column in zip(keys, gathered.T, strict=True):
            others = [str(i) for i in np.flatnonzero(column != column[0])]
            if others:
                raise ConfembError(
                    f"processes {', '.join(others)} would do something else than process 0 in the stage {name!r}: give "
                    "every process the same experiment, the same data and the same version of confemb."
                )


ALONE = Team()


def join(where: str) -> Team:
    """Join the other processes and return the team; before anything else uses JAX.

    Args:
        where: "auto" where the cluster says it (SLURM, Open MPI, Kubernetes, a TPU pod), or
            "HOST:PORT,INDEX,COUNT": the address of process 0, this process's number from 0, and how many there are.

    Raises:
        ConfembError: text of another form, no cluster found, or processes that do not come together.
    """
    import jax

    arguments: dict[str, Any] = {} if where == AUTOMATIC else _explicit(where)
    try:
        jax.distributed.initialize(**arguments)
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfembError(
            f"the processes could not join (--distributed {where}): {str(error).splitlines()[0]}; outside a cluster "
            "give each process HOST:PORT,INDEX,COUNT."
        ) from error
    return Team(jax.process_index(), jax.process_count())


def leave() -> None:
    """Part from the other processes, when all have come so far."""
    import jax

    jax.distributed.shutdown()


def _explicit(where: str) -> dict[str, Any]:
    address, *numbers = where.split(",")
    host, _, port = address.rpartition(":")
    try:
        index, count = (int(number) for number in numbers)
        valid = bool(host) and 0 < int(port) < 65536 and 0 <= index < count
    except ValueError:
        valid = False
    if not valid:
        raise ConfembError(
            f"--distributed {where!r} is neither 'auto' nor HOST:PORT,INDEX,COUNT with 0 <= INDEX < COUNT, for example "
            "10.0.0.1:9911,0,2."
        )
    return {"coordinator_address": address, "process_id": index, "num_processes": count}
