"""The parts that U-Nets share as OpenVINO graphs: encoder, block of convolutions, head, outputs.

They are built from the configuration and the arrays of the bundle. So there is no converted file that could
differ from the weights, and neither Keras nor TensorFlow is imported. `tests/network/test_every_family.py`
compares the outputs with those of the Keras network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.families.encoder_decoder_config import EncoderDecoderConfig, level_widths
from attunet_gui.network.model_bundle import BundleWeights
from attunet_gui.network.openvino_runtime import openvino, ops

# The default of Keras' BatchNormalization, which the Keras network uses.
_BATCH_NORM_EPSILON = 1e-3
_UPSAMPLE_SCALES = np.array([2.0, 2.0], np.float32)


def image_parameter(config: EncoderDecoderConfig) -> Any:
    """Return the input `image`, (1, channels, rows, columns) float32 in [0, 1]."""
    return ops.parameter([1, config.channels, *config.size], np.float32, name="image")


def add_encoder(image: Any, config: EncoderDecoderConfig, weights: BundleWeights) -> tuple[list[Any], Any]:
    """Add the encoder to `image`; return the skips, finest first, and the map of the lowest level."""
    x, inputs, skips = image, config.channels, []
    for level, width in enumerate(level_widths(config)[:-1]):
        skips.append(_add_block(x, (inputs, width), f"encoder{level + 1}", weights))
        x, inputs = pool_by_two(skips[-1], 2), width
    return skips, _add_block(x, (inputs, 2 * inputs), f"encoder{config.levels}", weights)


def add_decoder_block(
    x: Any, skip: Any, config: EncoderDecoderConfig, level: int, weights: BundleWeights
) -> Any:
    """Join the coarser map `x`, upsampled, with `skip`, and add the two convolutions of `level`."""
    width = level_widths(config)[level]
    joined = ops.concat([upsample_by_two(x), skip], axis=1)
    # The coarser map has twice the width of the skip.
    return _add_block(joined, (3 * width, width), f"decoder{level + 1}", weights)


def _add_block(x: Any, widths: tuple[int, int], name: str, weights: BundleWeights) -> Any:
    """Add two 3x3 convolutions with ReLU, each followed by its normalisation.

    Args:
        x: the map.
        widths: (channels in, channels out).
        name: with which the names of the layers begin.
        weights: the arrays of the bundle.
    """
    inputs, width = widths
    for step in (1, 2):
        part = f"{name}_{step}"
        x = ops.relu(add_convolution(x, (inputs, width, 3), f"{part}_conv", weights))
        x, inputs = add_batch_norm(x, width, f"{part}_norm", weights), width
    return x


def add_head(x: Any, config: EncoderDecoderConfig, weights: BundleWeights) -> Any:
    """Add the 1x1 convolution to one channel; return the probability."""
    x = add_convolution(x, (config.filters, 1, 1), "head_conv", weights)
    return ops.sigmoid(add_batch_norm(x, 1, "head_norm", weights))


def make_model(image: Any, outputs: Mapping[str, Any], name: str) -> openvino.Model:
    """Return the model from `image` to the named `outputs`, which lose the axis of their single channel."""
    return openvino.Model([_named_result(key, output) for key, output in outputs.items()], [image], name)


def add_convolution(x: Any, kind: tuple[int, int, int], name: str, weights: BundleWeights) -> Any:
    """Add a convolution of `kind` (channels in, channels out, width of the kernel) with its bias."""
    inputs, outputs, side = kind
    # Keras stores (rows, columns, in, out), OpenVINO takes (out, in, rows, columns).
    kernel = weights.take_array(f"{name}/kernel", (side, side, inputs, outputs)).transpose(3, 2, 0, 1)
    margin = [side // 2] * 2
    convolved = ops.convolution(x, np.ascontiguousarray(kernel), [1, 1], margin, margin, [1, 1])
    return ops.add(convolved, channel_constant(weights.take_array(f"{name}/bias", (outputs,))))


def add_batch_norm(x: Any, width: int, name: str, weights: BundleWeights, axes: int = 2) -> Any:
    """Batch-normalise `x` with the moving statistics, folded into one multiplication and one addition.

    Args:
        x: (batch, channels, ...) with `axes` axes of space.
        width: number of channels.
        name: of the layer in Keras.
        weights: the arrays of the bundle; those of the layer are taken.
        axes: 2 for maps, 3 for volumes.
    """
    gamma, beta, mean, variance = (
        weights.take_array(f"{name}/{kind}", (width,))
        for kind in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + np.float32(_BATCH_NORM_EPSILON))
    return ops.add(
        ops.multiply(x, channel_constant(scale, axes)), channel_constant(beta - mean * scale, axes)
    )


def channel_constant(values: NDArray[np.float32], axes: int = 2) -> Any:
    """Return one constant for each channel of a map or volume, (1, channels, 1, ...) with `axes` ones."""
    return ops.constant(values.reshape(1, -1, *[1] * axes))


def pool_by_two(x: Any, side: int) -> Any:
    """Take every second row and column: the maximum of `side` by `side` pixels, or with 1 just the pixel
    there.
    """
    return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [side, side], "floor").output(0)


def upsample_by_two(x: Any) -> Any:
    """Repeat each pixel twice in rows and columns, as Keras' UpSampling2D does."""
    return ops.interpolate(
        x, _UPSAMPLE_SCALES, "nearest", "scales", axes=np.array([2, 3]),
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


def _named_result(name: str, output: Any) -> Any:
    """Return the output `name` without the axis of its single channel."""
    flat = ops.squeeze(output, np.array([1]))
    flat.output(0).get_tensor().set_names({name})
    return ops.result(flat, name=name)
