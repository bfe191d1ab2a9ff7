"""Sidecars: what made a result, as plain JSON values. Nothing of the patient is in them."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from attunet_gui.core.prediction import Prediction
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


def geometry(volume: Volume) -> dict[str, Any]:
    """The source grid: shape (i, j, k), spacing in mm, affine index -> RAS+ mm."""
    source = volume.placement.source
    return {
        "format": volume.origin.kind,
        "shape": list(source.shape),
        "spacing_mm": list(source.spacing_mm),
        "affine": source.affine.tolist(),
    }


def model_entry(prediction: Prediction) -> dict[str, Any]:
    """Which model drafted, and how a voxel came to belong to the draft."""
    model = prediction.model
    return {
        "name": model.name,
        "sha256": model.sha256,
        "engine": model.engine,
        "threshold": prediction.threshold,
        "smallest_piece_ml": prediction.smallest_piece_ml,
    }
