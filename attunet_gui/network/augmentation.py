"""Random variation of a batch of slices. Everything follows from one seed, so a step can be repeated.

Tensors are (batch, rows, columns, channels) float32 with values in [0, 1]. Each slice of a batch gets its own
draw, which its channels share except for the noise. A slice whose channels are equal, as a single picture
with its neighbours repeated, keeps them equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from attunet_gui.network.tensorflow_runtime import tf
from attunet_gui.network.training_config import AugmentationConfig

# The window that public collections of pictures are usually stored in.
_CLIPPED_HU = (0.0, 255.0)
_BIAS_POINTS = 4
# Share of slices whose sharpness is not changed.
_UNTOUCHED_SHARE = 0.5
_HALF_GRAY_LEVEL = 0.5 / 255
_BINOMIAL_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16


class _RandomDraws:
    """Random tensors, each drawn with the next of a series of seeds that is derived from one seed."""

    def __init__(self, seed: Any) -> None:
        self._seed, self._numbers = seed, count()

    def uniform(self, shape: Any, low: float = -1.0, high: float = 1.0) -> Any:
        """Return a uniform tensor between `low` and `high`."""
        return tf.random.stateless_uniform(shape, self._next_seed(), low, high)

    def normal(self, shape: Any) -> Any:
        """Return a standard normal tensor."""
        return tf.random.stateless_normal(shape, self._next_seed())

    def choose_slices(self, batch: int, share: float) -> Any:
        """(batch, 1, 1, 1) bool, true with probability `share`."""
        return self.uniform((batch, 1, 1, 1), 0.0, 1.0) < share

    def _next_seed(self) -> Any:
        return tf.random.experimental.stateless_fold_in(self._seed, next(self._numbers))


@dataclass(frozen=True)
class CropWindow:
    """The part of each slice that is learnt from.

    Attributes:
        size: (rows, columns) of the part.
        centres: (batch, 2) float32, row and column of its centre in the whole slice.
    """

    size: tuple[int, int]
    centres: Any


def augment_batch(
    images: Any,
    truth: Any,
    seed: Any,
    settings: AugmentationConfig,
    window_hu: tuple[float, float],
    part: CropWindow | None = None,
) -> tuple[Any, Any]:
    """Return varied slices and their truth.

    Args:
        images: (batch, rows, columns, channels) uint8.
        truth: (batch, rows, columns, masks) uint8 0/1; all masks are moved alike.
        seed: (2,) int32; the same seed gives the same slices.
        settings: ranges of the variation.
        window_hu: HU of the values 0 and 1.
        part: the part that is wanted; None for the whole slice. It is rotated and scaled around its own
            centre, and what moves into it comes from the slice around it.

    Returns:
        Images float32 in [0, 1] and truth float32 in {0, 1}, of the same size as the input or as `part`.
    """
    draws = _RandomDraws(seed)
    alone = tf.reduce_all(images == images[..., :1], axis=(1, 2, 3), keepdims=True)
    channels = images.shape[-1]
    both = tf.concat([tf.cast(images, tf.float32) / 255.0, tf.cast(truth, tf.float32)], axis=-1)
    batch, rows, columns = both.shape[:3]
    part = part or CropWindow((rows, columns), tf.constant([[(rows - 1) / 2, (columns - 1) / 2]], tf.float32))
    at = _source_positions(batch, part, draws, settings)
    moved = _resample_bilinear(both, at)
    values = _vary_intensity(moved[..., :channels], draws, settings)
    values = _vary_sharpness(values, draws, settings)
    values = _add_noise(values, draws, settings)
    # What the window or the range of a picture had cut off stays cut off, as noise of a scanner does not
    # appear there.
    darkest = tf.reduce_min(both[..., :channels], axis=(1, 2, 3), keepdims=True)
    values = tf.where(
        moved[..., :channels] <= darkest + _HALF_GRAY_LEVEL, darkest, tf.maximum(values, darkest)
    )
    values = _clip_some_slices(values, draws, settings, window_hu)
    middle = channels // 2
    # A single picture has no neighbours, so its channels must not be told apart by their noise.
    values = tf.where(alone, values[..., middle : middle + 1], values)
    return tf.clip_by_value(values, 0.0, 1.0), tf.cast(moved[..., channels:] >= 0.5, tf.float32)


def _source_positions(batch: int, part: CropWindow, draws: _RandomDraws, settings: AugmentationConfig) -> Any:
    """Return (batch, rows, columns, 2) float32, the row and column in the given slice that each varied pixel
    shows.
    """
    rows, columns = part.size
    # Positions are relative to the centre of the part, so that rotation and scale keep it in place.
    grid = tf.stack(
        tf.meshgrid(tf.range(rows, dtype=tf.float32), tf.range(columns, dtype=tf.float32), indexing="ij"),
        axis=-1,
    )
    offsets = tf.reshape(grid - tf.constant([(rows - 1) / 2, (columns - 1) / 2]), (1, rows * columns, 2))
    turned = tf.reshape(
        tf.matmul(offsets, _random_affine(batch, draws, settings), transpose_b=True),
        (batch, rows, columns, 2),
    )
    at = turned + part.centres[:, None, None, :]
    at += settings.shift_pixels * draws.uniform((batch, 1, 1, 2))
    if settings.elastic_pixels:
        points = [max(4, math.ceil(n / settings.elastic_grid_pixels)) for n in (rows, columns)]
        coarse = settings.elastic_pixels * draws.normal((batch, *points, 2))
        at += tf.image.resize(coarse, (rows, columns), "bicubic")
    return at


def _random_affine(batch: int, draws: _RandomDraws, settings: AugmentationConfig) -> Any:
    """Return (batch, 2, 2) matrices: scale and shear of each axis on its own, then a rotation."""
    angle = draws.uniform((batch,)) * settings.rotation_degrees * math.pi / 180
    # Drawn on a logarithmic scale, so that enlarging and shrinking are equally likely.
    scale = tf.exp(math.log1p(settings.scale) * draws.uniform((batch, 2)))
    shear = settings.shear * draws.uniform((batch, 2))
    stretch = tf.stack([tf.stack([scale[:, 0], shear[:, 0]], 1), tf.stack([shear[:, 1], scale[:, 1]], 1)], 1)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    rotation = tf.stack([tf.stack([cosine, -sine], 1), tf.stack([sine, cosine], 1)], 1)
    return tf.matmul(rotation, stretch)


def _resample_bilinear(stack: Any, at: Any) -> Any:
    """Return the bilinear values of `stack` (batch, rows, columns, channels) at the positions `at`; 0
    outside.
    """
    batch, rows, columns, channels = stack.shape
    # A border of zeros and one flat index: positions outside need no separate case, and four gathers do it
    # all.
    padded = tf.reshape(tf.pad(stack, [[0, 0], [1, 1], [1, 1], [0, 0]]), (-1, channels))
    wide = columns + 2
    at = tf.clip_by_value(at + 1.0, 0.0, tf.constant([rows + 0.999, columns + 0.999]))
    corner = tf.floor(at)
    row, column = tf.unstack(at - corner, axis=-1)
    first = tf.range(batch)[:, None, None] * ((rows + 2) * wide)
    whole = tf.cast(corner, tf.int32)
    index = first + whole[..., 0] * wide + whole[..., 1]
    row, column = row[..., None], column[..., None]
    upper = tf.gather(padded, index) * (1 - column) + tf.gather(padded, index + 1) * column
    lower = tf.gather(padded, index + wide) * (1 - column) + tf.gather(padded, index + wide + 1) * column
    return upper * (1 - row) + lower * row


def _vary_intensity(values: Any, draws: _RandomDraws, settings: AugmentationConfig) -> Any:
    """Change gamma, multiply by a smooth field, and change contrast and brightness."""
    batch, rows, columns = values.shape[:3]
    one_each = (batch, 1, 1, 1)
    if settings.gamma:
        # `tf.pow` takes four times as long as the exponential of a multiple of the logarithm.
        values = tf.exp(tf.exp(settings.gamma * draws.uniform(one_each)) * tf.math.log(values))
    gain = 1 + settings.contrast * draws.uniform(one_each)
    offset = settings.brightness * draws.uniform(one_each)
    if settings.bias_field:
        coarse = settings.bias_field * draws.uniform((batch, _BIAS_POINTS, _BIAS_POINTS, 1))
        values *= 1 + tf.image.resize(coarse, (rows, columns), "bicubic")
    return (values - 0.5) * gain + 0.5 + offset


def _vary_sharpness(values: Any, draws: _RandomDraws, settings: AugmentationConfig) -> Any:
    """Blur or sharpen some of the slices, and bring some to half their resolution and back."""
    batch, rows, columns = values.shape[:3]
    if settings.blur or settings.sharpen:
        amount = draws.uniform((batch, 1, 1, 1), -settings.blur, settings.sharpen)
        amount = tf.where(draws.choose_slices(batch, 1 - _UNTOUCHED_SHARE), amount, 0.0)
        values += amount * (values - _binomial_blur(values))
    if settings.coarse_share:
        coarse = tf.nn.avg_pool2d(values, 2, 2, "SAME")
        back = tf.image.resize(coarse, (rows, columns), "bilinear")
        values = tf.where(draws.choose_slices(batch, settings.coarse_share), back, values)
    return values


def _binomial_blur(values: Any) -> Any:
    """Blur with the binomial kernel of width 5, first along rows and then along columns."""
    channels = values.shape[-1]
    for shape in ((5, 1, 1, 1), (1, 5, 1, 1)):
        kernel = tf.tile(tf.reshape(tf.constant(_BINOMIAL_KERNEL), shape), (1, 1, channels, 1))
        values = tf.nn.depthwise_conv2d(values, kernel, (1, 1, 1, 1), "SAME")
    return values


def _add_noise(values: Any, draws: _RandomDraws, settings: AugmentationConfig) -> Any:
    """Add noise of a random strength whose grain is between one and three pixels."""
    if not settings.noise:
        return values
    one_each = (values.shape[0], 1, 1, 1)
    white = draws.normal(values.shape)
    # The mean of nine independent values has a third of their standard deviation.
    smooth = 3.0 * tf.nn.avg_pool2d(white, 3, 1, "SAME")
    mix = draws.uniform(one_each, 0.0, 1.0)
    strength = settings.noise * draws.uniform(one_each, 0.0, 1.0)
    return values + strength * (white + mix * (smooth - white))


def _clip_some_slices(
    values: Any, draws: _RandomDraws, settings: AugmentationConfig, window_hu: tuple[float, float]
) -> Any:
    """Clip some of the slices to `_CLIPPED_HU`."""
    if not settings.clipped_share:
        return values
    low, high = ((hu - window_hu[0]) / (window_hu[1] - window_hu[0]) for hu in _CLIPPED_HU)
    clipped = tf.clip_by_value(values, max(low, 0.0), min(high, 1.0))
    return tf.where(draws.choose_slices(values.shape[0], settings.clipped_share), clipped, values)
