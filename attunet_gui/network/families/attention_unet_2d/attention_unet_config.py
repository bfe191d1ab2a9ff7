"""The configuration of the family `attention_unet_2d` and what follows from it without building the network.

It imports no TensorFlow, so that a model card can be checked in any process.
"""

from __future__ import annotations

import math
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator

PROBABILITY = "probability"
"""Name of the network's main output, the probability of the organ."""
# Numbers that a batch normalisation holds for each channel: scale, offset, mean and variance.
_BATCH_NORM_WEIGHTS = 4


# Most numbers that one layer may hold for one slice: 256 MiB of float32, 40 times as much as the article's
# network. A small file of somebody else must not be able to take all memory.
_MAX_LAYER_VALUES = 2**26


class AttentionUNet2DConfig(BaseModel):
    """What defines one network of the family. The defaults are those of the article, with 7,951,369
    parameters.

    Attributes:
        size: (rows, columns) of the input; each is divisible by 2 ** (levels - 1).
        channels: input channels, the slice and its neighbours; odd.
        filters: filters of the first level; they double at each level.
        levels: number of encoder levels, the lowest one included.
        gate_filters: filters of the 1x1 convolutions inside each attention gate.
        dropout: rate between the two convolutions of a block; 0 builds none.
        gates: False leaves the gates out, which gives the plain U-Net of the same width for comparison.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int] = (224, 224)
    channels: int = Field(default=3, ge=1, le=31)
    filters: int = Field(default=32, ge=1, le=256)
    levels: int = Field(default=5, ge=2, le=7)
    gate_filters: int = Field(default=64, ge=1, le=1024)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    gates: bool = True

    @model_validator(mode="after")
    def _check_dimensions(self) -> AttentionUNet2DConfig:
        """Check that every level has whole pixels and that a slice fits into memory."""
        step = 2 ** (self.levels - 1)
        if any(n < step or n % step or n > 2048 for n in self.size):
            raise ValueError(f"each side of size must be a multiple of {step} up to 2048, got {self.size}")
        if math.prod(self.size) * self.filters > _MAX_LAYER_VALUES:
            raise ValueError(f"{self.filters} filters of {self.size} pixels take too much memory")
        if self.channels % 2 == 0:
            raise ValueError(f"channels must be odd (a slice and its neighbours), got {self.channels}")
        return self


def gate_names(config: AttentionUNet2DConfig) -> tuple[str, ...]:
    """Return the names of the gate outputs, finest level first; () for a network without gates."""
    return tuple(f"gate{level}" for level in _gate_levels(config))


def gate_sizes(config: AttentionUNet2DConfig) -> tuple[tuple[int, int], ...]:
    """Return (rows, columns) of each gate's coefficients, finest level first."""
    rows, columns = config.size
    # A gate's coefficients have the resolution of its gating signal, which comes from the next coarser level.
    return tuple((rows >> level, columns >> level) for level in _gate_levels(config))


def _gate_levels(config: AttentionUNet2DConfig) -> range:
    return range(1, config.levels if config.gates else 1)


def parameter_count(config: AttentionUNet2DConfig) -> int:
    """Return the number of weights, the moving statistics of the batch normalisations included."""
    widths = [config.filters * 2**level for level in range(config.levels)]
    count = _block_parameters(config.channels, widths[0])
    for fine, coarse in pairwise(widths):
        count += _block_parameters(fine, coarse) + _block_parameters(coarse + fine, fine)
        count += _gate_parameters(fine, coarse, config.gate_filters) if config.gates else 0
    # The head is a 1x1 convolution to one channel, followed by a batch normalisation.
    return count + _convolution_parameters(widths[0], 1, 1) + _BATCH_NORM_WEIGHTS


def _block_parameters(inputs: int, outputs: int) -> int:
    """Return the weights of two 3x3 convolutions, each with its batch normalisation."""
    first, second = _convolution_parameters(inputs, outputs, 3), _convolution_parameters(outputs, outputs, 3)
    return first + second + 2 * _BATCH_NORM_WEIGHTS * outputs


def _gate_parameters(skip: int, gating: int, filters: int) -> int:
    """Return the weights of the three 1x1 convolutions of an attention gate."""
    return (
        _convolution_parameters(skip, filters, 1)
        + _convolution_parameters(gating, filters, 1)
        + _convolution_parameters(filters, 1, 1)
    )


def _convolution_parameters(inputs: int, outputs: int, side: int) -> int:
    """Return the weights of a convolution with a square kernel of width `side`, its bias included."""
    return inputs * outputs * side * side + outputs
