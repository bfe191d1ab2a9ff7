"""The path of the record that is written beside a mask, and what it says of the source of a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attunet_gui.core.volume import Volume


def mask_record_path(mask: Path) -> Path:
    """Return the path of the record of a mask: `x_pancreas.nii.gz` -> `x_pancreas.json`."""
    return mask.with_name(mask.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def former_mask_record_path(mask: Path) -> Path:
    """Return the path that earlier versions of `attunet predict` used: `x_pancreas.nii.gz` -> `x.json`."""
    record = mask_record_path(mask)
    return record.with_name(record.name.removesuffix("_pancreas.json").removesuffix(".json") + ".json")


def source_record(volume: Volume) -> dict[str, Any]:
    """Return the entry of a record that describes the source of a volume.

    It holds the file name without its folder, the format, the series, and the grid of the file: its shape
    (i, j, k), its spacing in mm and the affine from index to RAS+ mm.
    """
    source = volume.placement.source
    return {
        "file": volume.origin.path.name,
        "format": volume.origin.kind,
        "series": volume.origin.series,
        "shape": list(source.shape),
        "spacing_mm": [round(step, 6) for step in source.spacing_mm],
        "affine": source.affine.tolist(),
    }
