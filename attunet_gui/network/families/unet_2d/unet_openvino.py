"""The family `unet_2d` as an OpenVINO graph, for prediction only."""

from __future__ import annotations

from attunet_gui.network.families.encoder_decoder_config import EncoderDecoderConfig
from attunet_gui.network.families.encoder_decoder_openvino import (
    add_decoder_block,
    add_encoder,
    add_head,
    image_parameter,
    make_model,
)
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.model_bundle import BundleWeights
from attunet_gui.network.openvino_runtime import openvino


def build_graph(config: EncoderDecoderConfig, weights: BundleWeights) -> openvino.Model:
    """Build the graph for one slice at a time.

    Args:
        config: what defines the network.
        weights: the arrays of the bundle; all of them are taken.

    Returns:
        A model with the input `image`, (1, channels, rows, columns) float32 in [0, 1], and the output
            `probability`, (1, rows, columns) float32.
    """
    image = image_parameter(config)
    skips, x = add_encoder(image, config, weights)
    for level in reversed(range(config.levels - 1)):
        x = add_decoder_block(x, skips[level], config, level, weights)
    return make_model(image, {PROBABILITY: add_head(x, config, weights)}, "unet_2d")
