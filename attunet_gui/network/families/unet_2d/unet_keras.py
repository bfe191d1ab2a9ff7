"""The family `unet_2d` in Keras: the decoder takes the skips as they are."""

from __future__ import annotations

from attunet_gui.network.families.encoder_decoder_config import EncoderDecoderConfig
from attunet_gui.network.families.encoder_decoder_keras import add_block, add_encoder, add_head
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.tensorflow_runtime import keras


def build_network(config: EncoderDecoderConfig) -> keras.Model:
    """Build the network as a functional Keras model with fresh weights.

    The input is (batch, rows, columns, channels) float32, HU scaled to [0, 1] by the bundle's window. The
    output is a dict with `probability`, (batch, rows, columns, 1) float32 in [0, 1].
    """
    image = keras.Input((*config.size, config.channels), name="image")
    skips, x = add_encoder(image, config)
    for level in reversed(range(config.levels - 1)):
        x = add_block([x, skips[level]], config, level, "decoder")
    return keras.Model(image, {PROBABILITY: add_head(x)}, name="unet_2d")
