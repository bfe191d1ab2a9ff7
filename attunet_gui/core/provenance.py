"""What made a result, as plain JSON values for the records beside it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from attunet_gui.core.volume import Volume

PACKAGES = (
    "attunet-gui", "numpy", "scipy", "nibabel", "pydicom", "simpleitk", "tensorflow", "tensorflow-cpu",
    "keras", "napari", "pyside6-essentials",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Version of Python and of each package that is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def record_path(mask: Path) -> Path:
    """Where the record of a mask is, whoever wrote it: `x_pancreas.nii.gz` -> `x_pancreas.json`."""
    return mask.with_name(mask.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def former_record_path(mask: Path) -> Path:
    """Where `attunet predict` once put it: `x_pancreas.nii.gz` -> `x.json`."""
    record = record_path(mask)
    return record.with_name(record.name.removesuffix("_pancreas.json").removesuffix(".json") + ".json")


def source_entry(volume: Volume) -> dict[str, Any]:
    """The source: its file name, and its grid as shape (i, j, k), spacing in mm, affine index -> RAS+ mm."""
    source = volume.placement.source
    return {
        "file": volume.origin.path.name,
        "format": volume.origin.kind,
        "series": volume.origin.series,
        "shape": list(source.shape),
        "spacing_mm": [round(step, 6) for step in source.spacing_mm],
        "affine": source.affine.tolist(),
    }
