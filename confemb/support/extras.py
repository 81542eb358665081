"""Optional libraries: imported at first use, their absence said in one sentence."""

import importlib
from typing import Any

from confemb.support.errors import ConfembError


def import_extra(module: str, extra: str, *, what: str) -> Any:
    """Import a library that an optional part of confemb needs.

    Args:
        module: the library, "onnxruntime".
        extra: the extra that installs it, "onnx".
        what: what it is needed for, "ONNX files".

    Raises:
        ConfembError: it is not installed, or its own imports fail.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason = "" if getattr(error, "name", None) == module else f" ({error})"
        raise ConfembError(
            f"{what} need {module}, which is missing{reason}: pip install 'confemb[{extra}]'."
        ) from error
