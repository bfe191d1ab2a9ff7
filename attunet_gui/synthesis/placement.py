"""Where a made image lies in the world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.grid import Grid, canonicalise
from attunet_gui.core.volume import Origin, Volume


def centred_volume(
    hu: NDArray[np.int16], spacing_mm: tuple[float, float, float], name: str, kind: str
) -> Volume:
    """(z, y, x) `hu` as a volume centred at world 0.

    Its source grid is in (i, j, k) order, columns first, as every CT file has it.
    """
    slices, rows, columns = hu.shape
    step_z, step_y, step_x = spacing_mm
    affine = np.diag([-step_x, -step_y, step_z, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array([columns, rows, slices]) - 1) / 2)
    origin = Origin(path=Path(f"{name}.nii.gz"), kind=kind)
    return Volume(hu, canonicalise(Grid((columns, rows, slices), affine)), name, origin)
