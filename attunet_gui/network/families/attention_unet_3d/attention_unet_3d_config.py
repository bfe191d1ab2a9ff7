"""The configuration of the family `attention_unet_3d` and what follows from it without building the network.

It imports no TensorFlow, so that a model card can be checked in any process.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from attunet_gui.network.families.model_family import GateOutput, NetworkConfig, PatchSize

CLASSES = 2
"""Classes of each side output: background and organ."""
# Numbers that a batch normalisation holds for each channel: scale, offset, mean and variance.
_BATCH_NORM_WEIGHTS = 4
# Most numbers that one layer may hold for one patch: 256 MiB of float32.
_MAX_LAYER_VALUES = 2**26
_MAX_SIDE = 2048


class AttentionUNet3DConfig(NetworkConfig):
    """What defines one network of the family. The defaults have the article's filters, 16 to 256.

    Attributes:
        size: (rows, columns) of the grid over each slice, which the patches cover.
        channels: 1; a voxel has one value, and its neighbours are voxels of the patch.
        patch_size: (slices, rows, columns) of a patch. Its voxels are as high as they are wide.
        filters: filters of the first level; they double at each level.
        levels: number of encoder levels, the lowest one included. All skips but the finest have a gate.
    """

    size: tuple[int, int] = (160, 208)
    channels: Literal[1] = 1
    patch_size: PatchSize = (64, 96, 96)
    filters: int = Field(default=16, ge=1, le=256)
    levels: int = Field(default=5, ge=2, le=7)

    @property
    def size_multiple(self) -> int:
        """Width of the lowest level's voxel, in voxels of the input."""
        return 1 << (self.levels - 1)

    @property
    def patch(self) -> PatchSize:
        """`patch_size`."""
        return self.patch_size

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        """Check that every level has whole voxels, and that a patch fits into the grid and into memory."""
        step, (slices, rows, columns) = self.size_multiple, self.patch_size
        if any(n < step or n % step or n > _MAX_SIDE for n in (*self.size, rows, columns)):
            raise ValueError(
                f"each side of size and of patch_size must be a multiple of {step} up to {_MAX_SIDE}, got "
                f"{self.size} and {self.patch_size}"
            )
        if slices < 2 * step or slices % step or slices > _MAX_SIDE:
            raise ValueError(
                f"patches overlap: they are a multiple of {step} high, at least {2 * step}; got {slices}"
            )
        if rows > self.size[0] or columns > self.size[1]:
            raise ValueError(f"patch_size {self.patch_size} must lie within size {self.size}")
        if math.prod(self.patch_size) * self.filters > _MAX_LAYER_VALUES:
            raise ValueError(f"filters {self.filters} with patch_size {self.patch_size} take too much memory")
        return self

    def with_size(self, size: tuple[int, int]) -> Self:
        """Return the network with the same weights for patches of this size in the plane, of two coarsest
        voxels in height.
        """
        return self.model_copy(update={"size": size, "patch_size": (2 * self.size_multiple, *size)})


def level_widths(config: AttentionUNet3DConfig) -> list[int]:
    """Return the number of filters of each level, finest first."""
    return [config.filters << level for level in range(config.levels)]


def list_gates(config: AttentionUNet3DConfig) -> tuple[GateOutput, ...]:
    """Return the gates, finest first: one for each skip but that of the first level."""
    rows, columns = config.size
    # Gate k belongs to the skip of level k + 1, and has the resolution of its gating signal, a level coarser.
    return tuple(
        GateOutput(f"gate{gate}", (rows >> (gate + 1), columns >> (gate + 1)))
        for gate in range(1, config.levels - 1)
    )


def count_parameters(config: AttentionUNet3DConfig) -> int:
    """Return the number of weights, the moving statistics of the batch normalisations included."""
    widths = level_widths(config)
    count = _block_parameters(config.channels, widths[0])
    for fine, coarse in pairwise(widths):
        count += _block_parameters(fine, coarse) + _block_parameters(coarse + fine, fine)
        count += fine * CLASSES + CLASSES
    for fine, coarse in pairwise(widths[1:]):
        count += gate_parameters(fine, coarse)
    return count + CLASSES * (config.levels - 1) + 1


def _block_parameters(inputs: int, outputs: int) -> int:
    """Return the weights of two 3x3x3 convolutions, each with its batch normalisation."""
    return 27 * (inputs + outputs) * outputs + 2 * outputs + 2 * _BATCH_NORM_WEIGHTS * outputs


def gate_parameters(skip: int, gating: int) -> int:
    """Return the weights of the three 1x1x1 convolutions of a gate; that of the skip has no bias."""
    return skip * skip + gating * skip + skip + skip + 1


def receptive_field(config: AttentionUNet3DConfig) -> int:
    """Return the width in voxels of the cube of the input on which one voxel of the probability depends.

    Gates and side outputs included: a gate sees what the scale below it sees. It is an upper bound: how far
    the cube extends depends on where the voxel lies in the coarsest voxel.
    """
    lowest = config.levels - 1
    # Two convolutions on the way down and two on the way up at each level, two at the lowest.
    reach = sum(4 << level for level in range(lowest)) + (2 << lowest)
    # Enlarging reaches to the centre of a coarse voxel 3/4 of its width away, pooling to the edges of it.
    reach += sum(2 << level for level in range(lowest))
    return 2 * reach + 1
