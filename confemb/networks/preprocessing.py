"""What a pretrained network expects of its input: part of its weights, not of the dataset."""

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, get_type_hints

from confemb.datasets.pictures import resized_within
from confemb.support.errors import ConfembError, quoted_list

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


@dataclass(frozen=True)
class Preprocessing:
    """Turns pictures into network input: resize, crop, order the channels, scale, normalise.

    Attributes:
        resize: the shorter side is resized to this many pixels (antialiased).
        crop: then the central square of this many pixels is cut out. Pictures that are this square already are
            taken as they are.
        interpolation: how to resize.
        channel_order: the order the network wants; pictures are RGB.
        scale: values from 0 to 255 are multiplied by it first.
        mean, std: subtracted and divided by then, in the network's channel order.
    """

    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    channel_order: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Raise ConfembError for a crop larger than the resized picture, or a deviation that is not positive."""
        if not 1 <= self.crop <= self.resize:
            raise ConfembError(f"preprocessing crops {self.crop} pixels from {self.resize}; crop at most as many.")
        if min(*self.std, self.scale) <= 0:
            raise ConfembError(f"preprocessing has scale {self.scale} and std {self.std}; they must be positive.")

    def cut(self, picture: "PillowImage") -> "PillowImage":
        """Resize and crop one RGB picture by Pillow, as published figures are measured; `__call__` does the rest."""
        from PIL import Image

        if picture.size == (self.crop, self.crop):
            return picture
        method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[self.interpolation]
        picture = picture.resize(resized_within(self._resized(*picture.size), picture.size), method)
        left, top = ((side - self.crop) // 2 for side in picture.size)
        return picture.crop((left, top, left + self.crop, top + self.crop))

    def _resized(self, *sides: int) -> tuple[int, int]:
        """Return both sides of a picture after resizing, in the order given."""
        first, second = (round(side * self.resize / min(sides)) for side in sides)
        return first, second

    def __call__(self, images: Any) -> Any:
        """Return (N, crop, crop, 3) float32 input of (N, H, W, 3) uint8 pictures."""
        import jax
        import jax.numpy as jnp

        x = images.astype(jnp.float32)
        height, width = x.shape[1:3]
        if (height, width) != (self.crop, self.crop):
            if min(height, width) != self.resize:
                height, width = self._resized(height, width)
                method = {"bilinear": "linear", "bicubic": "cubic"}[self.interpolation]
                x = jax.image.resize(x, (len(x), height, width, x.shape[3]), method, antialias=True)
                # Bicubic rises over the range where a picture library would cut it off.
                x = jnp.clip(x, 0, 255)
            top, left = (height - self.crop) // 2, (width - self.crop) // 2
            x = x[:, top : top + self.crop, left : left + self.crop]
        if self.channel_order == "bgr":
            x = x[..., ::-1]
        return (x * self.scale - jnp.asarray(self.mean)) / jnp.asarray(self.std)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any, *, where: str) -> "Preprocessing":
        """Make it from what `as_dict` gave; raises ConfembError, naming `where`, for anything else."""
        hints = get_type_hints(cls)
        if not isinstance(values, dict) or set(values) != {field.name for field in fields(cls)}:
            raise ConfembError(f"the preprocessing in {where} must have the keys {quoted_list(hints, limit=12)}.")
        made: dict[str, Any] = {}
        for name, value in values.items():
            if not _fits(value, hints[name]):
                raise ConfembError(f"the preprocessing in {where} has {name} = {value!r}, which is not allowed.")
            made[name] = tuple(value) if isinstance(value, list) else value
        return cls(**made)


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and len(value) == 3 and all(_fits(part, float) for part in value)
    return isinstance(value, (int, float) if kind is float else cast(type, kind)) and not isinstance(value, bool)


def torch_preprocessing(size: int = 224) -> Preprocessing:
    """Return the usual preprocessing of PyTorch's ImageNet weights for pictures of `size` pixels.

    Source: the reference scripts of torchvision: shorter side 256 for a crop of 224, channel means and deviations
    of ImageNet.
    """
    return Preprocessing(
        resize=round(size * 256 / 224), crop=size, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


def caffe_preprocessing(size: int = 224) -> Preprocessing:
    """Return the preprocessing of weights that come from Caffe, as Keras' ResNet and VGG do: BGR minus the means."""
    return Preprocessing(
        resize=round(size * 256 / 224), crop=size, channel_order="bgr", scale=1.0, mean=(103.939, 116.779, 123.68)
    )
