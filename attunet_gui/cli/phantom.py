"""`attunet phantom`: write a procedural CT and its true mask."""

from __future__ import annotations

import math
from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.metrics import volume_ml
from attunet_gui.io.writing import make_folder, write_ct, write_mask
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom, phantom_volume

_LARGEST = 400_000_000


def write_phantom(
    output: Path, seed: int, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    """Write `phantom-<seed>.nii.gz` and `phantom-<seed>_label.nii.gz` into `output`.

    Args:
        output: folder; it is created if needed.
        seed: names the phantom patient.
        shape: voxels along z, y, x.
        spacing: voxel size along z, y, x, mm.

    Raises:
        AttunetError: the request is too large, or makes no sense.
    """
    # A phantom takes some tens of bytes per voxel while it is painted: refused before memory runs out.
    if math.prod(shape) > _LARGEST:
        raise AttunetError(
            f"A phantom of {math.prod(shape):.1e} voxels is too large; ask for up to {_LARGEST:.0e}."
        )
    try:
        request = PhantomRequest(seed, shape, spacing)
    except ValueError as error:
        raise AttunetError(f"This phantom cannot be made: {error}.") from error
    make_folder(output)
    with progress_bar(f"phantom {seed}") as progress:
        phantom = make_phantom(request, progress)
        volume = phantom_volume(phantom)
        write_ct(output / f"{volume.name}.nii.gz", volume)
        write_mask(output / f"{volume.name}_label.nii.gz", phantom.pancreas, volume)
    size = volume_ml(phantom.pancreas, volume.grid)
    console.print(f"{output / volume.name}.nii.gz and its label: pancreas {size:.1f} ml")
