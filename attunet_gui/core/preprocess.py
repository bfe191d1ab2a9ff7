"""From HU to what the network sees. The settings are part of a model bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from attunet_gui.core.body import body_box
from attunet_gui.core.frame import Frame
from attunet_gui.core.volume import Volume


class Preprocessing(BaseModel):
    """How a model wants its input.

    Attributes:
        window_hu: HU mapped to 0 and 1; values outside are clipped.
        spacing_mm: size of a network pixel, mm. The scale is set in millimetres, never in pixels.
        size: (rows, columns) of the network image; centred on the patient.
        neighbours: slices on each side that join the slice as channels; the edge slice repeats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_hu: tuple[FiniteFloat, FiniteFloat] = (-160.0, 240.0)
    spacing_mm: float = Field(default=2.0, gt=0.1, lt=20)
    size: tuple[int, int] = (224, 224)
    neighbours: int = Field(default=1, ge=0, le=15)

    @model_validator(mode="after")
    def _check(self) -> Preprocessing:
        if not self.window_hu[0] < self.window_hu[1]:
            raise ValueError(f"window_hu must rise, got {self.window_hu}")
        return self

    @property
    def channels(self) -> int:
        """Input channels: the slice and its neighbours."""
        return 2 * self.neighbours + 1


def frame_for(volume: Volume, wanted: Preprocessing, outline: NDArray[Any] | None = None) -> Frame:
    """The frame of `wanted.size` pixels of `wanted.spacing_mm` centred on the patient.

    `outline` are other slices of the same plane, (z, y, x) HU, that say where the patient lies: for a volume
    that is cut.
    """
    spacing = volume.grid.spacing_mm
    if outline is None:
        hu, lowest, apart = volume.hu, volume.lowest_hu, spacing[0]
    else:
        hu, lowest, apart = outline, None, np.inf  # each of them is looked at
    box = body_box(hu, (apart, *spacing[1:]), lowest)
    step = (wanted.spacing_mm / spacing[1], wanted.spacing_mm / spacing[2])
    centre = [(side.start + side.stop - 1) / 2 for side in box]
    start = [c - s * (n - 1) / 2 for c, s, n in zip(centre, step, wanted.size, strict=True)]
    return Frame(volume.grid, wanted.size, (start[0], start[1]), step)


def windowed(hu: NDArray[Any], window_hu: tuple[float, float]) -> NDArray[np.float32]:
    """HU -> float32 in [0, 1], clipped to the window."""
    low, high = window_hu
    scaled = (hu.astype(np.float32) - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def network_slices(
    volume: Volume, frame: Frame, wanted: Preprocessing, indices: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Single slices `indices` as the network sees them: (n, rows, columns) float32 in [0, 1].

    Outside the volume it is as dark as the volume's darkest voxel: 0 in CT that shows air, more in CT that
    was clipped at fat.
    """
    darkest = windowed(np.array([volume.lowest_hu]), wanted.window_hu)[0]
    return frame.to_network(windowed(volume.hu[indices], wanted.window_hu), fill=float(darkest))


def neighbour_indices(z: NDArray[np.intp], neighbours: int, slices: int) -> NDArray[np.intp]:
    """(n, 2 * neighbours + 1) slice numbers around each of `z`, towards the head, repeated at the ends."""
    offsets = np.arange(-neighbours, neighbours + 1)
    around: NDArray[np.intp] = np.clip(z[:, None] + offsets[None, :], 0, slices - 1)
    return around
