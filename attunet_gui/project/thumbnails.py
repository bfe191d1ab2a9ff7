"""Thumbnails: the middle slice of each case in a soft-tissue window, made when it is first needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.result_writing import restrict_to_owner
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import UnwritableOutput
from attunet_gui.system.progress import ProgressCallback, no_progress

THUMBNAIL_SIZE = 96
"""Length of the longer side in pixels."""

_WINDOW_HU = (-160.0, 240.0)


def ensure_thumbnail(project: Project, case: CaseRow, progress: ProgressCallback = no_progress) -> Path:
    """Return the PNG file of `case`. If missing it is made from the CT, which is slow: call it in a thread.

    Raises:
        UnreadableInput: if the CT cannot be read.
        UnwritableOutput: if the picture cannot be written.
    """
    path = project.thumbnail_path(case)
    if not path.exists():
        write_thumbnail(path, read_ct_volume(case.path, series=case.series, progress=progress))
    return path


def write_thumbnail(path: Path, volume: Volume) -> None:
    """Write the thumbnail of `volume` to `path`; `UnwritableOutput` if that fails."""
    # With .png at the end, because SimpleITK chooses the format by the suffix.
    unfinished = path.with_name(f".{path.name}.part.png")
    try:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(render_thumbnail(volume)), str(unfinished))
        restrict_to_owner(unfinished)
        unfinished.replace(path)
    except (RuntimeError, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise UnwritableOutput(f"The small picture {path.name} could not be written.") from error


def render_thumbnail(volume: Volume) -> NDArray[np.uint8]:
    """Return the thumbnail of `volume`: (rows, columns) uint8, square pixels, the longer side
    `THUMBNAIL_SIZE`.
    """
    plane = volume.hu[volume.grid.shape[0] // 2].astype(np.float32)
    mm = volume.grid.spacing_mm[1:]
    extent = [size * step for size, step in zip(plane.shape, mm, strict=True)]
    wanted = [max(1, round(THUMBNAIL_SIZE * side / max(extent))) for side in extent]
    low, high = _WINDOW_HU
    grey = np.clip((plane - low) / (high - low), 0, 1) * 255
    factors = [to / size for to, size in zip(wanted, plane.shape, strict=True)]
    # Smoothed first where it gets smaller, so that noise does not become a pattern.
    smooth = ndimage.gaussian_filter(grey, [max(0.0, 0.4 / factor - 0.4) for factor in factors])
    small: NDArray[np.uint8] = np.clip(ndimage.zoom(smooth, factors, order=1), 0, 255).astype(np.uint8)
    return small
