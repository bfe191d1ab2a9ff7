"""The configuration that U-Nets share, and the number of their weights without building them.

It imports no TensorFlow, so that a model card can be checked in any process.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from attunet_gui.network.families.model_family import NetworkConfig

# Numbers that a batch normalisation holds for each channel: scale, offset, mean and variance.
_BATCH_NORM_WEIGHTS = 4
# Most numbers that one layer may hold for one slice: 256 MiB of float32, 40 times as much as the article's
# network. A small file of somebody else must not be able to take all memory.
_MAX_LAYER_VALUES = 2**26


class EncoderDecoderConfig(NetworkConfig):
    """What defines the encoder and the decoder of a U-Net.

    Attributes:
        size, channels: as in `NetworkConfig`; each side of size is divisible by 2 ** (levels - 1).
        filters: filters of the first level; they double at each level.
        levels: number of encoder levels, the lowest one included.
        dropout: rate between the two convolutions of a block; 0 builds none.
    """

    filters: int = Field(default=32, ge=1, le=256)
    levels: int = Field(default=5, ge=2, le=7)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @property
    def size_multiple(self) -> int:
        """Width of the lowest level's pixel, in pixels of the input."""
        return 1 << (self.levels - 1)

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        """Check that every level has whole pixels and that a slice fits into memory."""
        step = self.size_multiple
        if any(n < step or n % step or n > 2048 for n in self.size):
            raise ValueError(f"each side of size must be a multiple of {step} up to 2048, got {self.size}")
        if math.prod(self.size) * self.filters > _MAX_LAYER_VALUES:
            raise ValueError(f"{self.filters} filters of {self.size} pixels take too much memory")
        return self


def level_widths(config: EncoderDecoderConfig) -> list[int]:
    """Return the number of filters of each level, finest first."""
    return [config.filters << level for level in range(config.levels)]


def count_unet_parameters(config: EncoderDecoderConfig) -> int:
    """Return the number of weights of encoder, decoder and head, the moving statistics of the batch
    normalisations included.
    """
    widths = level_widths(config)
    count = _block_parameters(config.channels, widths[0])
    for fine, coarse in pairwise(widths):
        count += _block_parameters(fine, coarse) + _block_parameters(coarse + fine, fine)
    # The head is a 1x1 convolution to one channel, followed by a batch normalisation.
    return count + convolution_parameters(widths[0], 1, 1) + _BATCH_NORM_WEIGHTS


def _block_parameters(inputs: int, outputs: int) -> int:
    """Return the weights of two 3x3 convolutions, each with its batch normalisation."""
    first, second = convolution_parameters(inputs, outputs, 3), convolution_parameters(outputs, outputs, 3)
    return first + second + 2 * _BATCH_NORM_WEIGHTS * outputs


def convolution_parameters(inputs: int, outputs: int, side: int) -> int:
    """Return the weights of a convolution with a square kernel of width `side`, its bias included."""
    return inputs * outputs * side * side + outputs
