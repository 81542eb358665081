"""The embedder that made a result, from what its manifest records of it."""

import ast
from typing import Any

from confemb.embedders import EMBEDDERS, ClassifierEmbedder, Embedder, make_embedder
from confemb.support.errors import ConfembError
from confemb.support.manifest import Manifest


def recorded_embedder(manifest: Manifest) -> Embedder | None:
    """Return the embedder of pairs that a result's stage "embed" records; None for one that looked into the classifier.

    It stands there as "Diffusion(time=1.0, ...)". That is read, not run: a known embedder's name, and constants.

    Raises:
        ConfembError: the manifest records no embedder that is known here, such as that of a plug-in that is missing.
    """
    recorded = manifest.stages.get("embed", {}).get("embedder")
    name, options = _parsed(recorded)
    for known in EMBEDDERS.names():
        # Some need libraries that are not there; the one recorded was.
        if EMBEDDERS.get(known).__name__ == name:
            embedder = make_embedder(known, options)
            return None if isinstance(embedder, ClassifierEmbedder) else embedder
    raise ConfembError(
        f"{manifest.folder} records the embedder {recorded!r}, which is not known here: install what it is from, or "
        "make the result again."
    )


def _parsed(recorded: Any) -> tuple[str | None, dict[str, Any]]:
    """Return name and options of "Name(key=constant, ...)"; (None, {}) for anything else."""
    if not isinstance(recorded, str):
        return None, {}
    try:
        call = ast.parse(recorded, mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
            return None, {}
        return call.func.id, {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None, {}
