"""The family `attention_unet_3d` as an OpenVINO graph, for prediction only."""

from __future__ import annotations

from typing import Any

import numpy as np

from attunet_gui.network.families.attention_unet_3d.attention_unet_3d_config import (
    CLASSES,
    AttentionUNet3DConfig,
    level_widths,
    list_gates,
)
from attunet_gui.network.families.encoder_decoder_openvino import (
    add_batch_norm,
    channel_constant,
    make_model,
)
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.model_bundle import BundleWeights
from attunet_gui.network.openvino_runtime import openvino, ops

# Slices, rows and columns.
_AXES = 3
_DOUBLED = np.array([2.0, 2.0, 2.0], np.float32)


def build_graph(config: AttentionUNet3DConfig, weights: BundleWeights) -> openvino.Model:
    """Build the graph for one patch at a time.

    Args:
        config: what defines the network.
        weights: the arrays of the bundle; all of them are taken.

    Returns:
        A model with the input `image`, (1, slices, rows, columns) float32 in [0, 1], and the outputs of the
            Keras network as (1, slices, rows, columns) float32.
    """
    image = ops.parameter([1, *config.patch_size], np.float32, name="image")
    widths, gates = level_widths(config), list_gates(config)
    x, skips = ops.unsqueeze(image, np.array([1])), []
    inputs: int = config.channels
    for level, width in enumerate(widths[:-1]):
        skips.append(_add_block(x, (inputs, width), f"encoder{level + 1}", weights))
        x, inputs = _pool_by_two(skips[-1], 2), width
    x = _add_block(x, (inputs, widths[-1]), f"encoder{config.levels}", weights)
    outputs, sides = {}, []
    for level in reversed(range(config.levels - 1)):
        skip, width = skips[level], widths[level]
        if level:
            name = gates[level - 1].name
            skip, outputs[name] = _add_gate(skip, x, width, name, weights)
        joined = ops.concat([skip, _double(x)], axis=1)
        x = _add_block(joined, (3 * width, width), f"decoder{level + 1}", weights)
        side = _add_convolution(x, (width, CLASSES, 1), f"side{level + 1}_conv", weights)
        for _ in range(level):
            side = _double(side)
        sides.append(side)
    logits = _add_convolution(ops.concat(sides, axis=1), (CLASSES * len(sides), 1, 1), "head_conv", weights)
    outputs[PROBABILITY] = ops.sigmoid(logits)
    return make_model(image, outputs, "attention_unet_3d")


def _add_block(x: Any, widths: tuple[int, int], name: str, weights: BundleWeights) -> Any:
    """Add two 3x3x3 convolutions of `widths` (channels in, channels out), with normalisation and ReLU."""
    inputs, width = widths
    for step in (1, 2):
        part = f"{name}_{step}"
        x = _add_convolution(x, (inputs, width, 3), f"{part}_conv", weights)
        x, inputs = ops.relu(add_batch_norm(x, width, f"{part}_norm", weights, _AXES)), width
    return x


def _add_gate(skip: Any, gating: Any, width: int, name: str, weights: BundleWeights) -> tuple[Any, Any]:
    """Return the gated skip and the coefficients of the gate."""
    halved = _pool_by_two(skip, 1)
    theta = _convolve(halved, (width, width, 1), f"{name}_skip", weights)
    phi = _add_convolution(gating, (2 * width, width, 1), f"{name}_gating", weights)
    score = _add_convolution(ops.relu(ops.add(theta, phi)), (width, 1, 1), f"{name}_score", weights)
    coefficients = ops.sigmoid(score)
    return ops.multiply(skip, _double(coefficients)), coefficients


def _add_convolution(x: Any, kind: tuple[int, int, int], name: str, weights: BundleWeights) -> Any:
    """Add a convolution of `kind` (channels in, channels out, width of the kernel) with its bias."""
    bias = weights.take_array(f"{name}/bias", (kind[1],))
    return ops.add(_convolve(x, kind, name, weights), channel_constant(bias, _AXES))


def _convolve(x: Any, kind: tuple[int, int, int], name: str, weights: BundleWeights) -> Any:
    """Add a convolution of `kind` without a bias."""
    inputs, outputs, side = kind
    # Keras stores (slices, rows, columns, in, out), OpenVINO takes (out, in, slices, rows, columns).
    kernel = weights.take_array(f"{name}/kernel", (side, side, side, inputs, outputs)).transpose(
        4, 3, 0, 1, 2
    )
    margin = [side // 2] * 3
    return ops.convolution(x, np.ascontiguousarray(kernel), [1] * 3, margin, margin, [1] * 3)


def _pool_by_two(x: Any, side: int) -> Any:
    """Take every second voxel: the maximum of `side` voxels along each axis, with 1 just the voxel there."""
    none = [0] * 3
    return ops.max_pool(x, [2] * 3, [1] * 3, none, none, [side] * 3, "floor").output(0)


def _double(x: Any) -> Any:
    """Double slices, rows and columns by linear interpolation between the centres of voxels."""
    return ops.interpolate(
        x, _DOUBLED, "linear_onnx", "scales", axes=np.array([2, 3, 4]),
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
