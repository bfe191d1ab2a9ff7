"""The family `attention_unet_2d` as an OpenVINO graph, for prediction only.

It is built from the configuration and the arrays of the bundle. So there is no converted file that could
differ from the weights, and neither Keras nor TensorFlow is imported. `tests/network/test_engines.py`
compares its outputs with those of the Keras network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    PROBABILITY,
    AttentionUNet2DConfig,
    gate_names,
)
from attunet_gui.network.model_bundle import BundleWeights
from attunet_gui.network.openvino_runtime import openvino, ops

# The default of Keras' BatchNormalization, which the Keras network uses.
_BATCH_NORM_EPSILON = 1e-3
_UPSAMPLE_SCALES = np.array([2.0, 2.0], np.float32)


def build_graph(config: AttentionUNet2DConfig, weights: BundleWeights) -> openvino.Model:
    """Build the graph for one slice at a time.

    Args:
        config: what defines the network.
        weights: the arrays of the bundle; all of them are taken.

    Returns:
        A model with the input `image`, (1, channels, rows, columns) float32 in [0, 1], and the outputs of the
            Keras network without the axis of the channel, (1, rows, columns) float32.
    """
    image = ops.parameter([1, config.channels, *config.size], np.float32, name="image")
    x, inputs, skips = image, config.channels, []
    for level in range(config.levels - 1):
        skips.append(_add_block(x, inputs, config, level, "encoder", weights))
        inputs = _level_width(config, level)
        x = _pool_by_two(skips[-1], 2)
    x = _add_block(x, inputs, config, config.levels - 1, "encoder", weights)
    outputs = {}
    for level in reversed(range(config.levels - 1)):
        skip, width = skips[level], _level_width(config, level)
        if config.gates:
            name = gate_names(config)[level]
            skip, outputs[name] = _add_gate(skip, x, (width, config.gate_filters), name, weights)
        joined = ops.concat([_upsample_by_two(x), skip], axis=1)
        # The coarser map has twice the width of the skip.
        x = _add_block(joined, 3 * width, config, level, "decoder", weights)
    x = _add_convolution(x, (config.filters, 1, 1), "head_conv", weights)
    outputs[PROBABILITY] = ops.sigmoid(_add_batch_norm(x, 1, "head_norm", weights))
    return openvino.Model(
        [_named_result(name, output) for name, output in outputs.items()], [image], "attention_unet_2d"
    )


def _level_width(config: AttentionUNet2DConfig, level: int) -> int:
    return config.filters << level


def _add_block(
    x: Any, inputs: int, config: AttentionUNet2DConfig, level: int, part: str, weights: BundleWeights
) -> Any:
    """Add two 3x3 convolutions with ReLU, each followed by its normalisation."""
    width = _level_width(config, level)
    for step in (1, 2):
        name = f"{part}{level + 1}_{step}"
        x = ops.relu(_add_convolution(x, (inputs, width, 3), f"{name}_conv", weights))
        x, inputs = _add_batch_norm(x, width, f"{name}_norm", weights), width
    return x


def _add_gate(
    skip: Any, gating: Any, widths: tuple[int, int], name: str, weights: BundleWeights
) -> tuple[Any, Any]:
    """Return the gated skip and the coefficients of the gate (article, equations 1 and 2)."""
    width, filters = widths
    theta = ops.relu(_add_convolution(_pool_by_two(skip, 1), (width, filters, 1), f"{name}_skip", weights))
    phi = ops.relu(_add_convolution(gating, (2 * width, filters, 1), f"{name}_gating", weights))
    score = _add_convolution(ops.relu(ops.add(theta, phi)), (filters, 1, 1), f"{name}_score", weights)
    coefficients = ops.sigmoid(score)
    return ops.multiply(skip, _upsample_by_two(coefficients)), coefficients


def _add_convolution(x: Any, kind: tuple[int, int, int], name: str, weights: BundleWeights) -> Any:
    """Add a convolution of `kind` (channels in, channels out, width of the kernel) with its bias."""
    inputs, outputs, side = kind
    # Keras stores (rows, columns, in, out), OpenVINO takes (out, in, rows, columns).
    kernel = weights.take_array(f"{name}/kernel", (side, side, inputs, outputs)).transpose(3, 2, 0, 1)
    margin = [side // 2] * 2
    convolved = ops.convolution(x, np.ascontiguousarray(kernel), [1, 1], margin, margin, [1, 1])
    return ops.add(convolved, _channel_constant(weights.take_array(f"{name}/bias", (outputs,))))


def _add_batch_norm(x: Any, width: int, name: str, weights: BundleWeights) -> Any:
    """Batch-normalise `x` with the moving statistics, folded into one multiplication and one addition."""
    gamma, beta, mean, variance = (
        weights.take_array(f"{name}/{kind}", (width,))
        for kind in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + np.float32(_BATCH_NORM_EPSILON))
    return ops.add(ops.multiply(x, _channel_constant(scale)), _channel_constant(beta - mean * scale))


def _channel_constant(values: NDArray[np.float32]) -> Any:
    """Return one constant for each channel of a map in (batch, channels, rows, columns) order."""
    return ops.constant(values.reshape(1, -1, 1, 1))


def _pool_by_two(x: Any, side: int) -> Any:
    """Take every second row and column: the maximum of `side` by `side` pixels, or with 1 just the pixel
    there.
    """
    return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [side, side], "floor").output(0)


def _upsample_by_two(x: Any) -> Any:
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
