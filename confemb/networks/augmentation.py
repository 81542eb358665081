"""Picture preparation and augmentation as pure functions, to run inside a jit-compiled step.

All take and return (N, H, W, C) float32 arrays and a `jax.random` key where they are random.
"""

import jax
import jax.numpy as jnp


def random_mirror(key: jax.Array, images: jax.Array) -> jax.Array:
    """Mirror each picture left to right with probability one half."""
    mirrored = jax.random.bernoulli(key, 0.5, (len(images),))
    return jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


def random_crop(key: jax.Array, images: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Cut a window of `size` (height, width) out of each picture, at a place of its own."""
    height, width = size
    key_y, key_x = jax.random.split(key)
    top = jax.random.randint(key_y, (len(images),), 0, images.shape[1] - height + 1)
    left = jax.random.randint(key_x, (len(images),), 0, images.shape[2] - width + 1)

    def crop(image: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (y, x, 0), (height, width, image.shape[-1]))

    return jax.vmap(crop)(images, top, left)


def random_shift(key: jax.Array, images: jax.Array, pixels: int) -> jax.Array:
    """Shift each picture by up to `pixels` along both axes, filling in by reflection at the border."""
    if pixels == 0:
        return images
    pad = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    return random_crop(key, jnp.pad(images, pad, mode="reflect"), (images.shape[1], images.shape[2]))


def central_crop(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Cut the central window of `size` (height, width) out of each picture."""
    top, left = ((have - want) // 2 for have, want in zip(images.shape[1:3], size, strict=True))
    return images[:, top : top + size[0], left : left + size[1]]


def random_brightness(key: jax.Array, images: jax.Array, max_delta: float) -> jax.Array:
    """Add to each picture one number drawn evenly from -max_delta to max_delta."""
    return images + jax.random.uniform(key, (len(images), 1, 1, 1), minval=-max_delta, maxval=max_delta)


def random_contrast(key: jax.Array, images: jax.Array, lower: float, upper: float) -> jax.Array:
    """Scale each picture's distance from its channel means by a factor drawn evenly from lower to upper."""
    factor = jax.random.uniform(key, (len(images), 1, 1, 1), minval=lower, maxval=upper)
    mean = images.mean(axis=(1, 2), keepdims=True)
    return (images - mean) * factor + mean


def standardise_each(images: jax.Array) -> jax.Array:
    """Bring each picture to mean 0 and deviation 1, the deviation floored at 1 / sqrt(number of values)."""
    axes = (1, 2, 3)
    mean = images.mean(axis=axes, keepdims=True)
    floor = 1.0 / jnp.sqrt(float(images[0].size))
    return (images - mean) / jnp.maximum(images.std(axis=axes, keepdims=True), floor)
