"""Optional libraries: imported at first use; a missing one is named with its extra in one sentence."""

import importlib
from typing import Any

from confemb.support.errors import ConfembError

# Library -> the extra that installs it, and what needs it.
LIBRARIES = {
    "absl": ("train", "TFDS datasets"),
    "flax": ("train", "networks"),
    "importlib_resources": ("train", "TFDS datasets"),
    "jax": ("train", "networks"),
    "jaxlib": ("train", "networks"),
    "optax": ("train", "networks"),
    "orbax": ("train", "checkpoints of a training"),
    "safetensors": ("train", "files of weights"),
    "tensorflow_datasets": ("train", "TFDS datasets"),
    "apache_beam": ("beam", "pipelines"),
    "faiss": ("ann", "nearest neighbours among very many classes"),
    "h5py": ("h5", "Keras .h5 files"),
    "huggingface_hub": ("hf", "weights from the Hugging Face Hub"),
    "nltk": ("wordnet", "WordNet's files"),
    "onnxruntime": ("onnx", "ONNX files"),
    "torch": ("torch", "PyTorch modules"),
    "transformers": ("hf", "Hugging Face models"),
    "datasets": ("datasets", "Hugging Face datasets"),
    "keras": ("keras", "Keras models"),
    "open_clip": ("open_clip", "models of open_clip"),
    "skops": ("skops", "skops files"),
    "soundfile": ("audio", "sounds"),
    "timm": ("timm", "timm models"),
}


class MissingLibraryError(ConfembError, ModuleNotFoundError):
    """A library of an extra that is not installed; `except ImportError` catches it too."""


def import_extra(module: str, extra: str, *, what: str) -> Any:
    """Import a library that an optional part of confemb needs.

    Args:
        module: the library, "onnxruntime".
        extra: the extra that installs it, "onnx".
        what: what it is needed for, in the plural, "ONNX files".

    Raises:
        MissingLibraryError: it is not installed, or its own imports fail.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason = "" if error.name == module else f" ({error})"
        raise _missing(module, extra, what, reason) from error


def missing_library(error: ImportError) -> MissingLibraryError | None:
    """Return the error that names the extra, for a failed import of a library in `LIBRARIES`; None for any other.

    What is imported by name (a part of a registry, a command) goes through here, so that its modules can import their
    libraries as usual.
    """
    if isinstance(error, MissingLibraryError):
        return error
    # A library that is there but lacks a part carries the part's name, or is no ModuleNotFoundError.
    if not isinstance(error, ModuleNotFoundError) or error.name not in LIBRARIES:
        return None
    extra, what = LIBRARIES[error.name]
    return _missing(error.name, extra, what)


def _missing(library: str, extra: str, what: str, reason: str = "") -> MissingLibraryError:
    text = f"{what} need {library}, which is missing{reason}: pip install 'confemb[{extra}]'."
    return MissingLibraryError(text, name=library)
