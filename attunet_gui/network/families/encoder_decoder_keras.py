"""The parts that U-Nets share in Keras: encoder, block of convolutions, and head.

Each level of the encoder is a block of two 3x3 convolutions with ReLU, each followed by batch normalisation.
A block of the decoder takes the coarser map and the skip connection.
"""

from __future__ import annotations

import math
from itertools import count, takewhile
from typing import Any

from attunet_gui.network.families.encoder_decoder_config import EncoderDecoderConfig, level_widths
from attunet_gui.network.families.fused_layers import FusedBatchNormalisation, UpsampleConcatConvolution
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.tensorflow_runtime import keras

layers = keras.layers
# Initial offset of the last batch normalisation: the organ fills few pixels. Because of that normalisation
# before the sigmoid only this offset can express it, and starting from 0 it takes thousands of steps to get
# there (the prior of Lin et al. 2017, arXiv:1708.02002, section 4.1).
_PRIOR_LOGIT = -3.0
_HEAD_NORM = "head_norm"


def add_encoder(image: Any, config: EncoderDecoderConfig) -> tuple[list[Any], Any]:
    """Add the encoder to the input `image`.

    Returns:
        The skips, one for each level but the lowest, finest first, and the map of the lowest level.
    """
    skips, x = [], image
    for level in range(config.levels - 1):
        skips.append(add_block(x, config, level, "encoder"))
        x = layers.MaxPooling2D(2, name=f"encoder{level + 1}_pool")(skips[-1])
    return skips, add_block(x, config, config.levels - 1, "encoder")


def add_block(x: Any, config: EncoderDecoderConfig, level: int, part: str) -> Any:
    """Add two convolutions with their normalisations.

    Args:
        x: a map, or in the decoder [the coarser map, the skip], which only the first convolution takes.
        config: of the network.
        level: 0 is the finest.
        part: "encoder" or "decoder", for the names of the layers.
    """
    filters = level_widths(config)[level]
    for step in (1, 2):
        name = f"{part}{level + 1}_{step}"
        if isinstance(x, list):
            x = UpsampleConcatConvolution(filters, name=f"{name}_conv")(x)
        else:
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv")(x)
        x = FusedBatchNormalisation(name=f"{name}_norm")(x)
        if step == 1 and config.dropout:
            x = layers.Dropout(config.dropout, name=f"{name}_drop")(x)
    return x


def add_head(x: Any) -> Any:
    """Add the 1x1 convolution to one channel; return its sigmoid as the float32 output `probability`."""
    x = layers.Conv2D(1, 1, name="head_conv")(x)
    prior = keras.initializers.Constant(_PRIOR_LOGIT)
    x = FusedBatchNormalisation(beta_initializer=prior, name=_HEAD_NORM)(x)
    return layers.Activation("sigmoid", dtype="float32", name=PROBABILITY)(x)


def decoder_maps(network: keras.Model) -> list[Any]:
    """Return the output of each level of the decoder, finest first; it has one level less than the
    encoder.
    """
    found = {layer.name: layer.output for layer in network.layers if layer.name.startswith("decoder")}
    levels = takewhile(found.__contains__, (f"decoder{level}_2_norm" for level in count(1)))
    return [found[name] for name in levels]


def build_logits(network: keras.Model) -> keras.Model:
    """Return the model of the input of the last sigmoid, for a network that ends with `add_head`."""
    return keras.Model(network.input, network.get_layer(PROBABILITY).input)


def shift_logits(network: keras.Model, slope: float, offset: float) -> None:
    """Replace each logit x of the probability by `slope` * x + `offset`, within the normalisation of
    `add_head`.
    """
    norm = network.get_layer(_HEAD_NORM)
    norm.gamma.assign(slope * norm.gamma)
    norm.beta.assign(slope * norm.beta + offset)


def hold_gate(network: keras.Model, name: str, coefficient: float) -> None:
    """Make the gate `name` return `coefficient`, in [0, 1], everywhere.

    Its last weights become 0 and its last offset the logit of `coefficient`.
    """
    score = network.get_layer(f"{name}_score")
    score.kernel.assign(keras.ops.zeros_like(score.kernel))
    score.bias.assign([_clamped_logit(coefficient)])


def _clamped_logit(probability: float) -> float:
    """Return the logit of `probability`; for 0 and 1 a number whose sigmoid is exactly that in float32."""
    if probability in (0, 1):
        return 40.0 if probability else -110.0
    return math.log(probability / (1 - probability))
