"""Family `attention_unet_2d` as an OpenVINO graph: the network of `model.py`, for prediction only.

Built from the configuration and the bundle's arrays, so there is no converted file that could differ from the
weights, and neither Keras nor TensorFlow is imported. `tests/network/test_engines.py` holds it to Keras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.attention_unet.config import PROBABILITY, AttentionUNet2DConfig, gate_names
from attunet_gui.network.bundle import Weights
from attunet_gui.network.quiet_openvino import openvino, ops

_EPSILON = 1e-3
"""Of Keras' batch normalisation."""
_UP = np.array([2.0, 2.0], np.float32)


def build(config: AttentionUNet2DConfig, weights: Weights) -> openvino.Model:
    """The graph for one slice at a time.

    Input `image`: (1, channels, rows, columns) float32. Outputs as those of `model.build`, without the
    channel's axis: (1, rows, columns) float32.
    """
    image = ops.parameter([1, config.channels, *config.size], np.float32, name="image")
    x, inputs, skips = image, config.channels, []
    for level in range(config.levels - 1):
        skips.append(_block(x, inputs, config, level, "encoder", weights))
        inputs = _width(config, level)
        x = _halved(skips[-1], 2)
    x = _block(x, inputs, config, config.levels - 1, "encoder", weights)
    outputs = {}
    for level in reversed(range(config.levels - 1)):
        skip, width = skips[level], _width(config, level)
        if config.gates:
            name = gate_names(config)[level]
            skip, outputs[name] = _gate(skip, x, (width, config.gate_filters), name, weights)
        joined = ops.concat([_doubled(x), skip], axis=1)
        x = _block(joined, 3 * width, config, level, "decoder", weights)
    x = _convolution(x, (config.filters, 1, 1), "head_conv", weights)
    outputs[PROBABILITY] = ops.sigmoid(_normalised(x, 1, "head_norm", weights))
    return openvino.Model(
        [_named(name, output) for name, output in outputs.items()], [image], "attention_unet_2d"
    )


def _width(config: AttentionUNet2DConfig, level: int) -> int:
    return config.filters << level


def _block(
    x: Any, inputs: int, config: AttentionUNet2DConfig, level: int, part: str, weights: Weights
) -> Any:
    width = _width(config, level)
    for step in (1, 2):
        name = f"{part}{level + 1}_{step}"
        x = ops.relu(_convolution(x, (inputs, width, 3), f"{name}_conv", weights))
        x, inputs = _normalised(x, width, f"{name}_norm", weights), width
    return x


def _gate(skip: Any, gating: Any, widths: tuple[int, int], name: str, weights: Weights) -> tuple[Any, Any]:
    width, filters = widths
    theta = ops.relu(_convolution(_halved(skip, 1), (width, filters, 1), f"{name}_skip", weights))
    phi = ops.relu(_convolution(gating, (2 * width, filters, 1), f"{name}_gating", weights))
    score = _convolution(ops.relu(ops.add(theta, phi)), (filters, 1, 1), f"{name}_score", weights)
    coefficients = ops.sigmoid(score)
    return ops.multiply(skip, _doubled(coefficients)), coefficients


def _convolution(x: Any, kind: tuple[int, int, int], name: str, weights: Weights) -> Any:
    inputs, outputs, side = kind
    kernel = weights.take(f"{name}/kernel", (side, side, inputs, outputs)).transpose(3, 2, 0, 1)
    margin = [side // 2] * 2
    convolved = ops.convolution(x, np.ascontiguousarray(kernel), [1, 1], margin, margin, [1, 1])
    return ops.add(convolved, _across(weights.take(f"{name}/bias", (outputs,))))


def _normalised(x: Any, width: int, name: str, weights: Weights) -> Any:
    gamma, beta, mean, variance = (
        weights.take(f"{name}/{kind}", (width,))
        for kind in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + np.float32(_EPSILON))
    return ops.add(ops.multiply(x, _across(scale)), _across(beta - mean * scale))


def _across(values: NDArray[np.float32]) -> Any:
    return ops.constant(values.reshape(1, -1, 1, 1))


def _halved(x: Any, side: int) -> Any:
    """Every second row and column: the largest of `side` by `side`, or with 1 just the pixel there."""
    return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [side, side], "floor").output(0)


def _doubled(x: Any) -> Any:
    return ops.interpolate(
        x, _UP, "nearest", "scales", axes=np.array([2, 3]),
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


def _named(name: str, output: Any) -> Any:
    flat = ops.squeeze(output, np.array([1]))
    flat.output(0).get_tensor().set_names({name})
    return ops.result(flat, name=name)
