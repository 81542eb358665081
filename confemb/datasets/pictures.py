"""Decoding one picture to an array."""

import contextlib
import functools
import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.files import open_file
from confemb.support.notes import say

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

# Only these are tried, whatever a file is called: Pillow knows others, and one of them runs a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# The EXIF tag, and how a picture is turned to stand upright.
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
# Of a resized picture: 200 MB of RGB.
MOST_PIXELS = 1 << 26


def decode_picture(
    source: Path | bytes, *, mode: str, image_size: int | None, where: str, crop: int | None = None
) -> np.ndarray:
    """Decode a picture file.

    Args:
        source: a path, or the file's bytes.
        mode: "RGB" (3 channels) or "L" (grey, 1 channel).
        image_size: where given, the shorter side is resized to it (bilinear, antialiased) and the centre is cut out.
        where: what the picture is called in messages.
        crop: the side of that centre, `image_size` by default; a picture that is this square is taken as it is.

    Returns:
        (H, W, C) uint8, as a viewer shows it: turned as its EXIF orientation says, on white where it is transparent.

    Raises:
        ConfembError: not a picture, a broken one, one with more than 8 bits a channel, or one so large that decoding
            it could be an attack (Pillow's `MAX_IMAGE_PIXELS`).
    """
    picture = open_picture(source, mode=mode, where=where)
    if image_size is not None:
        if crop is not None and picture.size == (crop, crop) and image_size > crop:
            say_taken_as_it_is(image_size, crop)
        try:
            picture = resize_and_crop(picture, image_size, crop or image_size)
        except ConfembError as error:
            raise ConfembError(f"{where}: {error}") from error
    pixels = np.array(picture, dtype=np.uint8)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def open_picture(source: Path | bytes, *, mode: str, where: str) -> "PillowImage":
    """Decode a picture file into a Pillow image of `mode`; arguments and errors as in `decode_picture`."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with (
                contextlib.nullcontext(io.BytesIO(source)) if isinstance(source, bytes) else open_file(source) as file,
                Image.open(file, formats=FORMATS) as image,
            ):
                if image.mode.startswith(("I", "F")):
                    raise ConfembError(f"{where} has more than 8 bits a channel: convert it to an 8-bit picture.")
                picture = _as_shown(image, mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConfembError(f"{where} is too large to be decoded safely ({error}): make it smaller.") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ConfembError(f"{where} cannot be read as a picture ({error}): mend or remove it.") from error
    return picture


@functools.cache
def say_taken_as_it_is(resize: int, crop: int) -> None:
    """Say once that pictures of the size that is cut out in the end are not enlarged before."""
    say(
        f"pictures of {crop} x {crop} are taken as they are; the weights were measured on pictures resized to "
        f"{resize} on "
        f"their shorter side, of which the central {crop} x {crop} were cut out: give larger pictures to follow that."
    )


def _as_shown(image: "PillowImage", mode: str) -> "PillowImage":
    """Return a picture upright, transparent parts on white, in another mode."""
    from PIL import Image

    image.load()
    try:
        turn = _ORIENTATIONS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        # Broken EXIF says nothing; readers of it raise whatever they meet.
        turn = None
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        shown = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", shown.size, (255, 255, 255, 255)), shown)
    image = image.convert(mode)
    return image if turn is None else image.transpose(getattr(Image.Transpose, turn))


def resize_and_crop(picture: "PillowImage", size: int, crop: int) -> "PillowImage":
    """Resize a PIL image's shorter side to `size` and cut out the central square of `crop` pixels a side.

    Raises:
        ConfembError: a stripe, which would be larger than `MOST_PIXELS` when its shorter side is so long.
    """
    from PIL import Image

    width, height = picture.size
    if (width, height) == (crop, crop):
        return picture
    scale = size / min(width, height)
    width, height = max(size, round(width * scale)), max(size, round(height * scale))
    picture = picture.resize(resized_within((width, height), picture.size), Image.Resampling.BILINEAR)
    left, top = (width - crop) // 2, (height - crop) // 2
    return picture.crop((left, top, left + crop, top + crop))


def resized_within(wanted: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the size `wanted` for a picture of `size`, or raise ConfembError for more than `MOST_PIXELS`."""
    if wanted[0] * wanted[1] > MOST_PIXELS:
        raise ConfembError(
            f"a stripe of {size[0]:,} by {size[1]:,} pixels cannot be resized: it would become {wanted[0]:,} by "
            f"{wanted[1]:,}."
        )
    return wanted
