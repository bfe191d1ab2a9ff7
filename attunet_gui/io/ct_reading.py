"""Reading a CT of any format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from attunet_gui.core.volume import Volume
from attunet_gui.io.image_format_registry import format_of_path
from attunet_gui.system.displayable_text import displayable_errors, displayable_text
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress


@displayable_errors()
def read_ct_volume(
    path: Path, *, series: str | None = None, progress: ProgressCallback = no_progress
) -> Volume:
    """Read the CT volume at `path`.

    Args:
        path: an image file, a DICOM file, which stands for its whole series, or a folder of DICOM files.
        series: key of the DICOM series to read if there are several.
        progress: called between steps; an exception that it raises passes through.

    Returns:
        The volume on the canonical grid, with hu (z, y, x) int16 or float32.

    Raises:
        SeriesChoiceNeeded: if a folder holds several CT series and `series` is None.
        UnreadableInput: in every other case in which there is no CT volume.
    """
    try:
        volume = format_of_path(path).read_ct(path, series, progress)
    except MemoryError as error:
        raise UnreadableInput(
            f"{path.name} needs more memory than this computer has free: close other programs."
        ) from error
    return replace(volume, name=displayable_text(volume.name))
