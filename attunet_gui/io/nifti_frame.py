"""Where a NIfTI header places its voxels, and whether all that it says of that can be true.

A header says it up to three times: an affine (sform), a rotation with the voxel size (qform and pixdim), and
the voxel size alone. Which of the first two counts is a matter of codes; how large a voxel is must not be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import Grid
from attunet_gui.core.volume import NiftiFrame
from attunet_gui.io.nifti_header import Header

FRAME_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
"""Header fields that place the voxels; `pixdim` (first four) and `xyzt_units` (space only) go with them."""

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_MOST_APART = 0.01
"""Of a voxel's size: more is no rounding."""
_AGREE_MM = 0.1

Affine = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placed:
    """What a header says of places.

    Attributes:
        frame: the fields, to be written back.
        affine: (4, 4) float64, (i, j, k) -> RAS+ mm, not checked.
        notes: what is unusual.
    """

    frame: NiftiFrame
    affine: Affine
    notes: tuple[str, ...]


def placed(header: Header, shape: tuple[int, int, int], name: str) -> Placed:
    """Where the voxels of the file called `name` lie.

    Raises:
        UnreadableInput: if the header does not say it, or gives two sizes of a voxel.
    """
    with np.errstate(all="ignore"):
        return _Reading(header, shape, name).placed()


class _Reading:
    def __init__(self, header: Header, shape: tuple[int, int, int], name: str) -> None:
        self._raw, self._checked = header.raw, header.checked
        self._shape, self._name = shape, name
        self._unit = int(self._raw["xyzt_units"]) & 7
        self._scale = np.diag([_MM_PER_UNIT.get(self._unit, 1.0)] * 3 + [1.0])
        self._codes = int(self._raw["sform_code"]), int(self._raw["qform_code"])
        self._sform: Affine = self._scale @ self._checked.get_sform()
        self._qform = self._rotation()

    def placed(self) -> Placed:
        by_sform, by_qform = self._codes[0] != 0, self._codes[1] != 0
        notes: tuple[str, ...] = ()
        if by_sform and by_qform and not _usable(self._sform):
            by_sform = False
            notes = ("The header's sform is empty or damaged: the qform is used.",)
        if by_sform:
            self._check_size(self._sform, "sform")
            return Placed(self._frame(), self._sform, self._notes_on_sform())
        self._check_pixdim()
        if by_qform:
            if self._qform is None:
                raise UnreadableInput(f"{self._name} has a qform that is not a rotation: convert it again.")
            return Placed(self._frame(), self._qform, notes)
        if not _says_nothing(self._checked.get_sform()):
            self._check_size(self._sform, "sform")
        unknown = "The header does not say how the patient lies: check left and right, head and feet."
        return Placed(self._frame(), self._scale @ self._checked.get_base_affine(), (unknown,))

    def _rotation(self) -> Affine | None:
        """By the qform; None if it is none."""
        try:
            found: Affine = self._scale @ self._checked.get_qform()
        except (HeaderDataError, ValueError):
            return None
        return found if _usable(found) else None

    def _pixdim_mm(self) -> NDArray[np.float64]:
        """(3,) as stored; NaN where there is none."""
        found = np.abs(np.asarray(self._raw["pixdim"][1:4], np.float64)) * self._scale[0, 0]
        told = np.isfinite(found) & (found > 0) & (np.arange(3) < int(self._raw["dim"][0]))
        return np.where(told, found, np.nan)

    def _check_size(self, affine: Affine, what: str) -> None:
        told = self._pixdim_mm()
        if not _usable(affine):
            return
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        apart = np.abs(steps - told) > _MOST_APART * told
        if apart.any():
            both = " x ".join(f"{step:.4g}" for step in steps), " x ".join(f"{step:.4g}" for step in told)
            raise UnreadableInput(
                f"{self._name} gives the size of a voxel twice, {both[0]} mm by its {what} and {both[1]} mm "
                "by its pixdim: convert it again from its source."
            )

    def _check_pixdim(self) -> None:
        missing = np.isnan(self._pixdim_mm())
        missing &= np.arange(3) < max(int(self._raw["dim"][0]), 2)
        if missing.any() or (self._shape[2] == 1 and np.isnan(self._pixdim_mm()[2])):
            raise UnreadableInput(
                f"{self._name} does not say how large a voxel is, or how thick its slice (pixdim): convert "
                "it again from its source."
            )

    def _notes_on_sform(self) -> tuple[str, ...]:
        if not self._codes[1] or np.isnan(self._pixdim_mm()[: int(self._raw["dim"][0])]).any():
            return self._notes_on_thickness()
        if self._qform is None:
            return ("The header's qform is not a rotation: the sform is used.", *self._notes_on_thickness())
        try:
            both = Grid(self._shape, self._sform), Grid(self._shape, self._qform)
            agree = both[0].matches(both[1], tolerance_mm=_AGREE_MM)
        except ValueError:
            agree = False
        if agree:
            return self._notes_on_thickness()
        return ("The header places the voxels twice, differently (sform and qform): the sform is used.",)

    def _notes_on_thickness(self) -> tuple[str, ...]:
        if self._shape[2] > 1 or not np.isnan(self._pixdim_mm()[2]):
            return ()
        step = float(np.linalg.norm(self._sform[:3, 2]))
        return (f"The only slice counts as {step:g} mm thick, as its sform says; its pixdim says nothing.",)

    def _frame(self) -> NiftiFrame:
        qform = np.eye(4) if self._qform is None else self._qform
        raw = {
            name: np.array(self._raw[name], self._raw[name].dtype.newbyteorder("=")) for name in FRAME_FIELDS
        }
        raw["pixdim"] = np.array(self._raw["pixdim"][:4], self._raw["pixdim"].dtype.newbyteorder("="))
        if self._codes[0] and _usable(self._sform):
            # What is written has three axes: of those that this file has not, pixdim says nothing yet.
            steps = np.linalg.norm(self._sform[:3, :3], axis=0) / self._scale[0, 0]
            beyond = int(self._raw["dim"][0])
            raw["pixdim"][1 + beyond :] = steps[beyond:]
        raw["xyzt_units"] = np.array(self._unit, np.uint8)
        if self._codes[0] and not _usable(self._sform):
            # Whoever reads the mask must not be led by what nobody can use.
            raw["sform_code"] = np.zeros_like(raw["sform_code"])
            raw |= {name: np.zeros_like(raw[name]) for name in ("srow_x", "srow_y", "srow_z")}
            return NiftiFrame(self._sform, 0, qform, self._codes[1], raw)
        return NiftiFrame(self._sform, self._codes[0], qform, self._codes[1], raw)


def _usable(affine: Affine) -> bool:
    if not np.isfinite(affine).all():
        return False
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(steps.min() > 0 and np.linalg.matrix_rank(affine[:3, :3] / steps) == 3)


def _says_nothing(sform: Affine) -> bool:
    """Whether it is empty, or the identity that programs put where they know nothing."""
    return not _usable(sform) or bool(np.array_equal(sform[:3, :3], np.eye(3)))
