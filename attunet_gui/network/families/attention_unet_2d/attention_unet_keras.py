"""The family `attention_unet_2d` in Keras: the Attention U-Net of Oktay et al. 2018 (arXiv:1804.03999) in
2-D.

Encoder, decoder and head are those of `encoder_decoder_keras`. Each skip connection passes an additive
attention gate (article, equations 1 and 2): skip and gating signal go through 1x1 convolutions and are added,
and a 1x1 convolution with a sigmoid gives one coefficient in [0, 1] for each position, which multiplies the
skip. The coefficients are outputs of the same forward pass, named `gate1` (finest) to `gate<n>` (coarsest). A
fresh gate lets nearly everything pass, as the article asks (section 3).
"""

from __future__ import annotations

from typing import Any

from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    AttentionUNet2DConfig,
    list_gates,
)
from attunet_gui.network.families.encoder_decoder_keras import add_block, add_encoder, add_head
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.tensorflow_runtime import keras

layers = keras.layers
# Initial offset of a gate, which gives coefficients of 0.95. With an offset of 0 and weights of the usual
# size a fresh gate is not neutral: batch-normalised skips drive it to a random mean between 0.04 and 0.85.
_OPEN_GATE_LOGIT = 3.0
# Variance of the last weights of a gate, relative to the usual one. The offset decides at first, and yet all
# weights have gradients.
_SCORE_INIT_SCALE = 0.01


def build_network(config: AttentionUNet2DConfig) -> keras.Model:
    """Build the network as a functional Keras model with fresh weights.

    The input is (batch, rows, columns, channels) float32, HU scaled to [0, 1] by the bundle's window. The
    output is a dict of float32 in [0, 1]: `probability` (batch, rows, columns, 1) and `gate<k>` (batch, rows
    / 2**k, columns / 2**k, 1). Without gates `probability` is the only one.
    """
    image = keras.Input((*config.size, config.channels), name="image")
    skips, x = add_encoder(image, config)
    outputs, gates = {}, list_gates(config)
    for level in reversed(range(config.levels - 1)):
        skip = skips[level]
        if gates:
            name = gates[level].name
            skip, outputs[name] = _attention_gate(skip, x, config.gate_filters, name)
        x = add_block([x, skip], config, level, "decoder")
    outputs[PROBABILITY] = add_head(x)
    return keras.Model(image, outputs, name="attention_unet_2d")


def _attention_gate(skip: Any, gating: Any, filters: int, name: str) -> tuple[Any, Any]:
    """Return the gated skip, and the coefficients at the resolution of the gating signal as float32.

    The 1x1 convolution with stride 2 is written in two steps, every second pixel and then the convolution,
    which give the same numbers from the same weights. As one layer its float32 gradient writes beyond its
    memory on CPUs (TensorFlow 2.21 with oneDNN), and training crashes.
    """
    every_second = layers.MaxPooling2D(1, strides=2, name=f"{name}_stride")(skip)
    theta = layers.Conv2D(filters, 1, activation="relu", name=f"{name}_skip")(every_second)
    phi = layers.Conv2D(filters, 1, activation="relu", name=f"{name}_gating")(gating)
    joined = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([theta, phi]))
    score = layers.Conv2D(
        1,
        1,
        kernel_initializer=keras.initializers.VarianceScaling(_SCORE_INIT_SCALE, "fan_avg", "uniform"),
        bias_initializer=keras.initializers.Constant(_OPEN_GATE_LOGIT),
        name=f"{name}_score",
    )(joined)
    coefficients = layers.Activation("sigmoid", dtype="float32", name=name)(score)
    fine = layers.UpSampling2D(2, name=f"{name}_up")(coefficients)
    return layers.Multiply(name=f"{name}_apply")([skip, fine]), coefficients
