"""The family `attention_unet_3d` in Keras: the Attention U-Net of Oktay et al. 2018 (arXiv:1804.03999).

Each level is a block of two 3x3x3 convolutions, each followed by batch normalisation and ReLU; the decoder
enlarges trilinearly and joins the skip. All skips but the finest pass an additive grid attention gate
(article, section 2.1): skip, at every second voxel, and gating signal, from the coarser scale, go through
1x1x1 convolutions and are added, and a third with a sigmoid gives one coefficient in [0, 1] for each place,
which is enlarged trilinearly and multiplies the skip. The coefficients are outputs of the same pass, `gate1`
(finest) to `gate<n>`. With deep supervision each scale of the decoder gives a map of the classes, and a 1x1x1
convolution over all of them, enlarged, gives the answer. A fresh gate lets nearly everything pass.
"""

from __future__ import annotations

from typing import Any

from attunet_gui.network.families.attention_unet_3d.attention_unet_3d_config import (
    CLASSES,
    AttentionUNet3DConfig,
    level_widths,
    list_gates,
)
from attunet_gui.network.families.attention_unet_3d.volume_layers import (
    EverySecondVoxel,
    SlicesToVolume,
    TrilinearDoubling,
    VolumeBatchNormalisation,
    VolumeToSlices,
)
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.tensorflow_runtime import keras

layers = keras.layers
# Initial offset of a gate, which gives coefficients of 0.95, and the variance of its last weights relative to
# the usual one: the offset decides at first, and yet all weights have gradients.
_OPEN_GATE_LOGIT = 3.0
_SCORE_INIT_SCALE = 0.01
# Initial offset of the answer: the organ fills few voxels.
_PRIOR_LOGIT = -3.0
_HEAD = "head_conv"


def build_network(config: AttentionUNet3DConfig) -> keras.Model:
    """Build the network as a functional Keras model with fresh weights.

    The input is (batch, rows, columns, slices) float32, HU scaled to [0, 1] by the bundle's window. The
    output is a dict of float32 in [0, 1]: `probability` of the same shape, and `gate<k>` (batch, rows /
    2**(k+1), columns / 2**(k+1), slices / 2**(k+1)).
    """
    patch = keras.Input(config.input_shape, name="image")
    widths, gates = level_widths(config), list_gates(config)
    skips, x = [], SlicesToVolume(name="volume")(patch)
    for level, width in enumerate(widths[:-1]):
        skips.append(_add_block(x, width, f"encoder{level + 1}"))
        x = layers.MaxPooling3D(2, name=f"encoder{level + 1}_pool")(skips[-1])
    x = _add_block(x, widths[-1], f"encoder{config.levels}")
    outputs, sides = {}, []
    for level in reversed(range(config.levels - 1)):
        skip = skips[level]
        if level:
            name = gates[level - 1].name
            skip, outputs[name] = _attention_gate(skip, x, widths[level], name)
        larger = TrilinearDoubling(name=f"decoder{level + 1}_up")(x)
        joined = layers.Concatenate(name=f"decoder{level + 1}_join")([skip, larger])
        x = _add_block(joined, widths[level], f"decoder{level + 1}")
        sides.append(_add_side(x, level))
    outputs[PROBABILITY] = _add_head(sides)
    return keras.Model(patch, outputs, name="attention_unet_3d")


def shift_logits(network: keras.Model, slope: float, offset: float) -> None:
    """Replace each logit x of the probability by `slope` * x + `offset`, within the last convolution."""
    head = network.get_layer(_HEAD)
    head.kernel.assign(slope * head.kernel)
    head.bias.assign(slope * head.bias + offset)


def _add_block(x: Any, filters: int, name: str) -> Any:
    """Add two convolutions, each with batch normalisation and ReLU."""
    for step in (1, 2):
        x = layers.Conv3D(filters, 3, padding="same", name=f"{name}_{step}_conv")(x)
        x = VolumeBatchNormalisation(name=f"{name}_{step}_norm")(x)
        x = layers.ReLU(name=f"{name}_{step}_relu")(x)
    return x


def _attention_gate(skip: Any, gating: Any, filters: int, name: str) -> tuple[Any, Any]:
    """Return the gated skip, and the coefficients as an output, (batch, rows, columns, slices) float32."""
    halved = EverySecondVoxel(name=f"{name}_stride")(skip)
    theta = layers.Conv3D(filters, 1, use_bias=False, name=f"{name}_skip")(halved)
    phi = layers.Conv3D(filters, 1, name=f"{name}_gating")(gating)
    joined = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([theta, phi]))
    score = layers.Conv3D(
        1,
        1,
        kernel_initializer=keras.initializers.VarianceScaling(_SCORE_INIT_SCALE, "fan_avg", "uniform"),
        bias_initializer=keras.initializers.Constant(_OPEN_GATE_LOGIT),
        name=f"{name}_score",
    )(joined)
    coefficients = layers.Activation("sigmoid", dtype="float32", name=f"{name}_sigmoid")(score)
    fine = TrilinearDoubling(name=f"{name}_up")(coefficients)
    gated = layers.Multiply(name=f"{name}_apply")([skip, fine])
    return gated, VolumeToSlices(dtype="float32", name=name)(coefficients)


def _add_side(x: Any, level: int) -> Any:
    """Add the map of the classes of one scale, enlarged to the finest."""
    side = layers.Conv3D(CLASSES, 1, name=f"side{level + 1}_conv")(x)
    for step in range(level):
        side = TrilinearDoubling(name=f"side{level + 1}_up{step + 1}")(side)
    return side


def _add_head(sides: list[Any]) -> Any:
    """Join the maps of all scales; return the sigmoid as the float32 output `probability`.

    With two classes a softmax is the sigmoid of the difference of their scores, which is the one channel
    here.
    """
    joined = layers.Concatenate(name="head_join")(sides) if len(sides) > 1 else sides[0]
    prior = keras.initializers.Constant(_PRIOR_LOGIT)
    x = layers.Conv3D(1, 1, bias_initializer=prior, name=_HEAD)(joined)
    x = VolumeToSlices(name="head_slices")(x)
    return layers.Activation("sigmoid", dtype="float32", name=PROBABILITY)(x)
