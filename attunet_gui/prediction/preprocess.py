"""Preprocessing from HU to the input of the network. Its settings are part of a model bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from attunet_gui.core.body_outline import body_box
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_grid import NetworkGrid


class PreprocessingConfig(BaseModel):
    """The input that a model expects.

    Attributes:
        window_hu: HU that are mapped to 0 and to 1; values outside are clipped.
        spacing_mm: size of a network pixel in mm. The scale is fixed in millimetres, so it is the same for
            every scanner.
        size: (rows, columns) of the network's image, which is centred on the patient.
        neighbours: number of slices on each side that are added as channels; at the ends of the volume the
            last slice is repeated.
        neighbour_distance_mm: distance in mm of one channel from the next, as the slices nearest to these
            positions; None takes the next slices whatever their distance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_hu: tuple[FiniteFloat, FiniteFloat] = (-160.0, 240.0)
    spacing_mm: float = Field(default=2.0, gt=0.1, lt=20)
    size: tuple[int, int] = (224, 224)
    neighbours: int = Field(default=1, ge=0, le=15)
    neighbour_distance_mm: float | None = Field(default=None, gt=0, le=50)

    @model_validator(mode="after")
    def _check_window(self) -> PreprocessingConfig:
        if not self.window_hu[0] < self.window_hu[1]:
            raise ValueError(f"window_hu must rise, got {self.window_hu}")
        return self

    @property
    def input_channels(self) -> int:
        """Number of input channels: the slice and its neighbours on both sides."""
        return 2 * self.neighbours + 1


def network_grid_for(
    volume: Volume, wanted: PreprocessingConfig, outline: NDArray[Any] | None = None
) -> NetworkGrid:
    """Return the frame for a volume, centred on the patient.

    Args:
        volume: the CT.
        wanted: number and size of the network's pixels.
        outline: (z, y, x) HU, other slices of the same plane from which the position of the patient is taken
            instead. It is for volumes that hold a part of the slices only.
    """
    spacing = volume.grid.spacing_mm
    if outline is None:
        hu, lowest, apart = volume.hu, volume.lowest_hu, spacing[0]
    else:
        # An infinite slice distance makes the search for the body use each of the slices.
        hu, lowest, apart = outline, None, np.inf
    box = body_box(hu, (apart, *spacing[1:]), lowest)
    step = (wanted.spacing_mm / spacing[1], wanted.spacing_mm / spacing[2])
    centre = [(side.start + side.stop - 1) / 2 for side in box]
    start = [c - s * (n - 1) / 2 for c, s, n in zip(centre, step, wanted.size, strict=True)]
    return NetworkGrid(volume.grid, wanted.size, (start[0], start[1]), step)


def apply_hu_window(hu: NDArray[Any], window_hu: tuple[float, float]) -> NDArray[np.float32]:
    """Return `hu` scaled to float32 in [0, 1] and clipped to the window (low, high) in HU."""
    low, high = window_hu
    scaled = (hu.astype(np.float32) - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def network_slices(
    volume: Volume, frame: NetworkGrid, wanted: PreprocessingConfig, indices: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return single slices resampled to the frame and windowed.

    Args:
        volume: the CT.
        frame: the frame over its slices.
        wanted: the preprocessing of the model.
        indices: (n,) indices of the slices.

    Returns:
        (n, rows, columns) float32 in [0, 1].
    """
    # What lies outside of the volume is as dark as its darkest voxel. That is 0 in CT that shows air and more
    # in CT that was clipped at fat, where 0 would draw an edge that no patient has.
    darkest = apply_hu_window(np.array([volume.lowest_hu]), wanted.window_hu)[0]
    return frame.resample_to_network(
        apply_hu_window(volume.hu[indices], wanted.window_hu), fill=float(darkest)
    )


def neighbour_indices(
    z: NDArray[np.intp], wanted: PreprocessingConfig, slices: int, slice_mm: float
) -> NDArray[np.intp]:
    """Return the indices of the slices around each slice of `z`.

    Args:
        z: (n,) indices of slices.
        wanted: how many neighbours there are on each side, and at which distance.
        slices: number of slices of the volume.
        slice_mm: distance of two slices in mm.

    Returns:
        (n, 2 * wanted.neighbours + 1) indices, rising towards the head; the first and the last slice are
        repeated at the ends of the volume.
    """
    offsets = np.arange(-wanted.neighbours, wanted.neighbours + 1)
    if wanted.neighbour_distance_mm is not None:
        return nearest_slices(slice_mm * np.arange(slices), z, offsets * wanted.neighbour_distance_mm)
    around: NDArray[np.intp] = np.clip(z[:, None] + offsets[None, :], 0, slices - 1)
    return around


def nearest_slices(positions: NDArray[Any], z: NDArray[np.intp], offsets: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indices of the slices nearest to what lies `offsets` from each slice of `z`.

    Args:
        positions: (slices,) position of each slice, rising.
        z: (n,) indices of slices.
        offsets: (m,) distances in the unit of `positions`, negative towards the feet.

    Returns:
        (n, m) indices. Of two slices equally near it is the one farther from z.
    """
    # Outwards by a trifle, or a tie would be broken towards the feet on both sides.
    wanted = positions[z][:, None] + offsets * (1 + 1e-6)
    middles = (positions[1:] + positions[:-1]) / 2
    found: NDArray[np.intp] = np.searchsorted(middles, wanted)
    return found
