"""Checkpoints of a training, by Orbax: written whole or not at all, the two newest kept."""

import logging
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder


class Checkpoints:
    """The checkpoints of one training, one for each finished epoch, in one folder."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, creating it where needed."""
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._folder = make_folder(folder).resolve()
        # Each process keeps its own: with several of them only the lead's is ever read.
        own = jax.process_index()
        multiprocessing = ocp.options.MultiprocessingOptions(
            primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
        )
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2,
            enable_async_checkpointing=False,
            create=False,
            multiprocessing_options=multiprocessing,
        )
        # Named ahead, so that a checkpoint's shapes can be asked for before it is restored.
        handlers = {"state": ocp.StandardCheckpointHandler(), "history": ocp.JsonCheckpointHandler()}
        self._manager = ocp.CheckpointManager(self._folder, options=options, item_handlers=handlers)

    def restore(self, like: Any) -> tuple[Any, list[dict[str, float]]] | None:
        """Return the newest (state, history), the state as numpy arrays shaped like `like`; None where there is none.

        Raises:
            ConfembError: the checkpoint is of another network or damaged.
        """
        epoch = self._manager.latest_step()
        if epoch is None:
            return None
        ocp = self._ocp
        leaves, structure = jax.tree.flatten(like)
        try:
            # Orbax itself converts types without a word, and leaves readers hanging where a shape does not fit.
            found = self._manager.item_metadata(epoch)["state"].tree
            if [(leaf.shape, leaf.dtype) for leaf in found] != [(leaf.shape, leaf.dtype) for leaf in leaves]:
                raise ValueError("its arrays have other shapes")
            saved = self._manager.restore(
                epoch,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore([np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]),
                    history=ocp.args.JsonRestore(),
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ConfembError(
                f"the checkpoint of epoch {epoch} in {self._folder} does not fit this network ({reason}); "
                "remove that folder to train anew."
            ) from error
        return jax.tree.unflatten(structure, saved["state"]), saved["history"]

    def save(self, epoch: int, state: Any, history: list[dict[str, float]]) -> None:
        """Write the state after `epoch` and the history so far.

        Raises:
            ConfembError: the folder cannot be written to; the checkpoint before stays.
        """
        ocp = self._ocp
        # What goes wrong in Orbax's threads is raised here as well: it is said in a sentence, without their tracebacks.
        # After a failure they stay quiet: some of it is told when a thread ends or a task is collected.
        logs = [logging.getLogger(name) for name in ("absl", "asyncio", "concurrent.futures")]
        before = [log.disabled for log in logs]
        for log in logs:
            log.disabled = True
        hook = sys.unraisablehook
        sys.unraisablehook = partial(_told_unless_late, hook)
        try:
            self._manager.save(
                epoch,
                args=ocp.args.Composite(
                    # As numpy arrays: those of several processes' devices are not this process's to write.
                    state=ocp.args.StandardSave([np.asarray(leaf) for leaf in jax.tree.leaves(state)]),
                    history=ocp.args.JsonSave(history),
                ),
            )
        # TensorStore raises what Python does not know as the system's errors.
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfembError(
                f"cannot write the checkpoint of epoch {epoch} to {self._folder}: {_reason(error)}; the same command "
                "goes on at the checkpoint before."
            ) from error
        for log, disabled in zip(logs, before, strict=True):
            log.disabled = disabled
        sys.unraisablehook = hook

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._manager.close()


def _told_unless_late(tell: Callable[[Any], object], unraisable: Any) -> None:
    """Tell of an exception that nobody can catch, but not of a write that ended after Orbax had given up on it."""
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        tell(unraisable)


def _reason(error: Exception) -> str:
    """Say in a few words why a file could not be written."""
    number = re.search(r"os_error_code=\D*(\d+)", str(error))
    if number is not None:
        return os.strerror(int(number[1]))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200]
