"""Converting stored values to Hounsfield units (HU), and noting what is unusual about them.

All functions are pure and shared by every format. Arrays keep their order of axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.plurals import counted, plural_of

AIR_HU = -1024
"""Nothing is less dense than air: lower values mark what was not scanned and are raised to this one."""

HounsfieldArray = NDArray[np.int16] | NDArray[np.float32]

_INT16 = np.iinfo(np.int16)
_BEYOND_CT = 32000.0
# HU. Values below it count as air.
_AIR_BELOW = -500.0
# HU. Still lower values mark what was not scanned.
_LOWEST_AIR = -1100.0


@dataclass(frozen=True, eq=False)
class ScaledVoxels:
    """Voxels in HU.

    Attributes:
        hu: int16 if every value is a whole number that fits, else float32; the shape is that of the input.
        notes: sentences for the user about what is unusual.
    """

    hu: HounsfieldArray
    notes: tuple[str, ...]


def to_hu(
    stored: NDArray[Any], slope: float = 1.0, intercept: float = 0.0, *, name: str | None = None
) -> ScaledVoxels:
    """Convert stored values to HU.

    NaN and infinite values become `AIR_HU`, as does everything below it. The volume is converted slice by
    slice along the first axis, so that no float64 copy of all of it is made.

    Args:
        stored: 3-D array of any real dtype. It may be overwritten, if its values are HU already.
        slope, intercept: HU = stored * slope + intercept.
        name: name of the file; None skips the check for constant values.

    Returns:
        The HU in C order, and notes.

    Raises:
        UnreadableInput: see `check_not_constant`.
    """
    if stored.dtype == np.int16 and slope == 1.0 and intercept == 0.0:
        # The usual NIfTI: no slice needs to be computed, and often no copy made.
        hu: HounsfieldArray = _writeable_native(stored)
        missing = 0
    else:
        hu, missing = _scale_volume(stored, slope, intercept)
    if name is not None:
        check_not_constant(hu, name)
    notes = _missing_note(missing, hu.size) + hu_notes(hu)
    np.maximum(hu, hu.dtype.type(AIR_HU), out=hu)
    return ScaledVoxels(hu, notes)


def check_not_constant(hu: HounsfieldArray, name: str) -> None:
    """Check that a file holds more than one value. To be called before values are raised to `AIR_HU`.

    Args:
        hu: the voxels in HU.
        name: name of the file, for the message.

    Raises:
        UnreadableInput: if all voxels have the same value, or none has any.
    """
    # Slice by slice, so that an ordinary CT is known after its first slice.
    first = hu.flat[0]
    if hu.size > 1 and all(bool((image == first).all()) for image in hu):
        raise UnreadableInput(
            f"{name} holds nothing that was measured: every voxel has one value, {first:g}, or none; choose "
            "another file, or export it again."
        )


def hu_notes(hu: HounsfieldArray) -> tuple[str, ...]:
    """Return at most one note for the user on HU that do not look like CT; () for an ordinary CT."""
    lowest, highest = float(hu.min()), float(hu.max())
    span = f"from {lowest:g} to {highest:g}"
    if lowest == highest:
        return (f"Every voxel has the same value, {lowest:g}: this image is empty.",)
    if lowest >= 0 and highest <= 1:
        return (f"Values run {span}: they seem normalised and are not Hounsfield units.",)
    if highest > _BEYOND_CT or lowest < -_BEYOND_CT:
        return (f"Values run {span}, far outside CT: they may not be Hounsfield units.",)
    if lowest >= 0 and highest <= 255:
        return (f"Values run {span}: the Hounsfield units seem clipped, or this is an 8-bit picture.",)
    if lowest >= 0 and _is_stored_with_offset(hu):
        return (f"Values run {span}: they seem to be stored 1024 too high, without the rescale intercept.",)
    if lowest > _AIR_BELOW:
        return (f"Values run {span}, without air: the Hounsfield units seem clipped, or this is not CT.",)
    return ()


def may_be_hounsfield(hu: HounsfieldArray) -> bool:
    """Whether values without a scale in the header can be HU: some are air, and none is beyond a CT."""
    # With a lower bound, because stored values of what was not scanned are often much lower than air.
    has_air = ((hu >= _LOWEST_AIR) & (hu < _AIR_BELOW)).any()
    return bool(has_air and float(hu.max()) <= _BEYOND_CT)


def spacing_notes(grid: VoxelGrid) -> tuple[str, ...]:
    """Return a note for the user if the size of a voxel is not that of a CT of the body, else ()."""
    if min(grid.spacing_mm) >= 0.05 and max(grid.spacing_mm) <= 30:
        return ()
    size = " x ".join(f"{step:.3g}" for step in grid.spacing_mm)
    return (f"The voxel size, {size} mm, is unusual for CT: check the unit of length in the header.",)


def _writeable_native(stored: NDArray[Any]) -> NDArray[Any]:
    native = np.ascontiguousarray(stored, stored.dtype.newbyteorder("="))
    return native if native.flags.writeable else native.copy()


def _scale_volume(stored: NDArray[Any], slope: float, intercept: float) -> tuple[HounsfieldArray, int]:
    out: HounsfieldArray = np.empty(stored.shape, np.int16)
    missing = 0
    for index, image in enumerate(stored):
        values, gaps = scale_slice(image, slope, intercept)
        missing += gaps
        if out.dtype == np.int16 and not fits_int16(values):
            out = out.astype(np.float32)
        out[index] = values
    return out, missing


def scale_slice(stored: NDArray[Any], slope: float, intercept: float) -> tuple[NDArray[np.float32], int]:
    """Return one slice in HU as float32, and how many of its values were not finite and are `AIR_HU` now."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = (stored.astype(np.float64) * slope + intercept).astype(np.float32)
    finite = np.isfinite(values)
    gaps = int(values.size - np.count_nonzero(finite))
    if gaps:
        values[~finite] = AIR_HU
    return values, gaps


def fits_int16(values: NDArray[np.float32]) -> bool:
    """Whether every value is a whole number that int16 can hold."""
    inside = float(values.min()) >= _INT16.min and float(values.max()) <= _INT16.max
    return bool(inside and (values == np.rint(values)).all())


def _is_stored_with_offset(hu: HounsfieldArray) -> bool:
    # Soft tissue is most of an abdomen: stored 1024 too high it lies in 924..1224.
    sample = hu[tuple(slice(None, None, max(1, n // 64)) for n in hu.shape)]
    soft = np.count_nonzero((sample > 924) & (sample < 1224))
    return bool(float(sample.max()) < 5200 and soft > 0.05 * sample.size)


def _missing_note(missing: int, size: int) -> tuple[str, ...]:
    if not missing:
        return ()
    has = plural_of(missing, "has", "have")
    share = f"{missing} of {counted(size, 'voxel')} {has} no value (NaN or infinite)"
    return (f"{share}: they are shown as air, {AIR_HU} HU.",)
