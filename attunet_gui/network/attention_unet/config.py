"""Configuration of family `attention_unet_2d`; free of TensorFlow, so that a card can be read anywhere."""

from __future__ import annotations

import math
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator

PROBABILITY = "probability"
_NORM = 4
"""Weights of a batch normalisation a channel: scale, offset, mean, variance."""


_MOST_NUMBERS = 2**26
"""In one layer of one slice: 256 MiB, 40 times the article's. A small file must not ask for all memory."""


class AttentionUNet2DConfig(BaseModel):
    """What defines one network of the family. The defaults are the article's: 7,951,369 parameters.

    Attributes:
        size: (rows, columns) of the input; each divisible by 2 ** (levels - 1).
        channels: input channels, the slice and its neighbours; odd.
        filters: filters of the first level, doubled at each level.
        levels: encoder levels, the bottom one included.
        gate_filters: filters of the 1x1 convolutions inside each gate.
        dropout: rate between the two convolutions of a block; 0 is off.
        gates: False leaves the gates out: the plain U-Net of the same width, to compare with.
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
    def _check(self) -> AttentionUNet2DConfig:
        step = 2 ** (self.levels - 1)
        if any(n < step or n % step or n > 2048 for n in self.size):
            raise ValueError(f"each side of size must be a multiple of {step} up to 2048, got {self.size}")
        if math.prod(self.size) * self.filters > _MOST_NUMBERS:
            raise ValueError(f"{self.filters} filters of {self.size} pixels take too much memory")
        if self.channels % 2 == 0:
            raise ValueError(f"channels must be odd (a slice and its neighbours), got {self.channels}")
        return self


def gate_names(config: AttentionUNet2DConfig) -> tuple[str, ...]:
    """Names of the gate outputs, finest first; () without gates."""
    return tuple(f"gate{level}" for level in _gate_levels(config))


def gate_sizes(config: AttentionUNet2DConfig) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of each gate's coefficients, finest first."""
    rows, columns = config.size
    return tuple((rows >> level, columns >> level) for level in _gate_levels(config))


def _gate_levels(config: AttentionUNet2DConfig) -> range:
    return range(1, config.levels if config.gates else 1)


def parameter_count(config: AttentionUNet2DConfig) -> int:
    """Number of weights, the moving statistics of the batch normalisations included."""
    widths = [config.filters * 2**level for level in range(config.levels)]
    count = _block(config.channels, widths[0])
    for fine, coarse in pairwise(widths):
        count += _block(fine, coarse) + _block(coarse + fine, fine)
        count += _gate(fine, coarse, config.gate_filters) if config.gates else 0
    return count + _convolution(widths[0], 1, 1) + _NORM


def _block(inputs: int, outputs: int) -> int:
    first, second = _convolution(inputs, outputs, 3), _convolution(outputs, outputs, 3)
    return first + second + 2 * _NORM * outputs


def _gate(skip: int, gating: int, filters: int) -> int:
    return _convolution(skip, filters, 1) + _convolution(gating, filters, 1) + _convolution(filters, 1, 1)


def _convolution(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side * side + outputs
