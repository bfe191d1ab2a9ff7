"""The family `attention_unet_2d` as an OpenVINO graph, for prediction only."""

from __future__ import annotations

from typing import Any

from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    AttentionUNet2DConfig,
    list_gates,
)
from attunet_gui.network.families.encoder_decoder_config import level_widths
from attunet_gui.network.families.encoder_decoder_openvino import (
    add_convolution,
    add_decoder_block,
    add_encoder,
    add_head,
    image_parameter,
    make_model,
    pool_by_two,
    upsample_by_two,
)
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.model_bundle import BundleWeights
from attunet_gui.network.openvino_runtime import openvino, ops


def build_graph(config: AttentionUNet2DConfig, weights: BundleWeights) -> openvino.Model:
    """Build the graph for one slice at a time.

    Args:
        config: what defines the network.
        weights: the arrays of the bundle; all of them are taken.

    Returns:
        A model with the input `image`, (1, channels, rows, columns) float32 in [0, 1], and the outputs of the
            Keras network without the axis of the channel, (1, rows, columns) float32.
    """
    image = image_parameter(config)
    skips, x = add_encoder(image, config, weights)
    outputs, gates, widths = {}, list_gates(config), level_widths(config)
    for level in reversed(range(config.levels - 1)):
        skip = skips[level]
        if gates:
            name = gates[level].name
            skip, outputs[name] = _add_gate(skip, x, (widths[level], config.gate_filters), name, weights)
        x = add_decoder_block(x, skip, config, level, weights)
    outputs[PROBABILITY] = add_head(x, config, weights)
    return make_model(image, outputs, "attention_unet_2d")


def _add_gate(
    skip: Any, gating: Any, widths: tuple[int, int], name: str, weights: BundleWeights
) -> tuple[Any, Any]:
    """Return the gated skip and the coefficients of the gate (article, equations 1 and 2)."""
    width, filters = widths
    theta = ops.relu(add_convolution(pool_by_two(skip, 1), (width, filters, 1), f"{name}_skip", weights))
    phi = ops.relu(add_convolution(gating, (2 * width, filters, 1), f"{name}_gating", weights))
    score = add_convolution(ops.relu(ops.add(theta, phi)), (filters, 1, 1), f"{name}_score", weights)
    coefficients = ops.sigmoid(score)
    return ops.multiply(skip, upsample_by_two(coefficients)), coefficients
