"""From an item's content, as data holds it, to what a model's `prepare` takes."""

import io
import math
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from confemb.classifiers.scoring_records import ItemKind
from confemb.datasets.pictures import open_picture
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.files import read_bytes, read_text

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class Recording(NamedTuple):
    """Sound of one channel: (n,) float32 samples from -1 to 1, and how many there are in a second."""

    samples: np.ndarray
    rate: int

    def at_rate(self, rate: int) -> np.ndarray:
        """Return the samples at another rate (polyphase filter of `scipy.signal.resample_poly`)."""
        if rate == self.rate:
            return self.samples
        from scipy.signal import resample_poly

        common = math.gcd(rate, self.rate)
        return np.asarray(resample_poly(self.samples, rate // common, self.rate // common), dtype=np.float32)


def decode(content: Any, kind: ItemKind, *, where: str) -> Any:
    """Return an item as models take it.

    Args:
        content: a path, a file's bytes, an array, a Pillow picture, a text.
        kind: what it is.
        where: what the item is called in messages.

    Returns:
        An RGB Pillow picture, a str, a `Recording`, an array, or a `Path`.

    Raises:
        ConfembError: a file that cannot be read as what it should be.
    """
    if kind == "picture":
        return _picture(content, where)
    if kind == "text":
        return read_text(content) if isinstance(content, Path) else str(content)
    if kind == "audio":
        return _recording(content, where)
    return content


def _picture(content: Any, where: str) -> "PillowImage":
    from PIL import Image

    if isinstance(content, Path | bytes):
        return open_picture(content, mode="RGB", where=where)
    if isinstance(content, np.ndarray):
        pixels = content[:, :, 0] if content.ndim == 3 and content.shape[2] == 1 else content
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
            raise ConfembError(
                f"{where} is an array of {content.dtype} of shape {content.shape}; a picture is (height, width, "
                "channels) of uint8."
            )
        return Image.fromarray(pixels).convert("RGB")
    return content.convert("RGB")


def _recording(content: Any, where: str) -> Recording:
    if isinstance(content, Recording):
        return content
    data = read_bytes(content) if isinstance(content, Path) else content
    if data[:4] == b"RIFF":
        recording = _pulse_code(data)
        if recording is not None:
            return recording
    soundfile = import_extra("soundfile", "audio", what="recordings other than WAV of 8, 16 or 32 bits")
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ConfembError(f"{where} cannot be read as a recording ({error}): repair or remove it.") from error
    return Recording(samples.mean(axis=1), int(rate))


def _pulse_code(data: bytes) -> Recording | None:
    """Return a WAV file of whole numbers, its channels averaged; None for one of another coding."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            frames = file.readframes(file.getnframes())
    # The wave module raises RuntimeError for a chunk that ends too early.
    except (wave.Error, EOFError, RuntimeError):
        return None
    kinds = {1: (np.uint8, 128, 128), 2: (np.int16, 0, 2**15), 4: (np.int32, 0, 2**31)}
    if width not in kinds:
        return None
    dtype, zero, scale = kinds[width]
    values = np.frombuffer(frames[: len(frames) // (width * channels) * width * channels], dtype)
    samples = (values.astype(np.float32) - zero) / scale
    return Recording(samples.reshape(-1, channels).mean(axis=1), rate)
