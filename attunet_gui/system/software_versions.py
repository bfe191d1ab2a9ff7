"""Versions of the software and the time, for the records that are written beside a result."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

RECORDED_PACKAGES = (
    "attunet-gui", "numpy", "scipy", "nibabel", "pydicom", "simpleitk", "tensorflow", "tensorflow-cpu",
    "keras", "napari", "pyside6-essentials",
)  # fmt: skip


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of those `RECORDED_PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def utc_timestamp() -> str:
    """Return the present time in UTC as ISO 8601 text, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
