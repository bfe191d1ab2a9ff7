"""The configuration of the family `attention_unet_2d` and what follows from it without building the network.

It imports no TensorFlow, so that a model card can be checked in any process.
"""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field

from attunet_gui.network.families.encoder_decoder_config import (
    EncoderDecoderConfig,
    convolution_parameters,
    count_unet_parameters,
    level_widths,
)
from attunet_gui.network.families.model_family import GateOutput


class AttentionUNet2DConfig(EncoderDecoderConfig):
    """What defines one network of the family. The defaults are those of the article, with 7,951,369
    parameters.

    Attributes:
        size, channels, filters, levels, dropout: as in `EncoderDecoderConfig`.
        gate_filters: filters of the 1x1 convolutions inside each attention gate.
        gates: False leaves the gates out, which gives the plain U-Net of the same width for comparison. Cards
            and recipes that say so stay valid; the family `unet_2d` is the same network under its own name.
    """

    gate_filters: int = Field(default=64, ge=1, le=1024)
    gates: bool = True


def list_gates(config: AttentionUNet2DConfig) -> tuple[GateOutput, ...]:
    """Return the gates, finest level first; () for a network without gates."""
    rows, columns = config.size
    # A gate's coefficients have the resolution of its gating signal, which comes from the next coarser level.
    levels = range(1, config.levels if config.gates else 1)
    return tuple(GateOutput(f"gate{level}", (rows >> level, columns >> level)) for level in levels)


def count_parameters(config: AttentionUNet2DConfig) -> int:
    """Return the number of weights, the moving statistics of the batch normalisations included."""
    count = count_unet_parameters(config)
    if config.gates:
        for fine, coarse in pairwise(level_widths(config)):
            count += _gate_parameters(fine, coarse, config.gate_filters)
    return count


def _gate_parameters(skip: int, gating: int, filters: int) -> int:
    """Return the weights of the three 1x1 convolutions of an attention gate."""
    return (
        convolution_parameters(skip, filters, 1)
        + convolution_parameters(gating, filters, 1)
        + convolution_parameters(filters, 1, 1)
    )
