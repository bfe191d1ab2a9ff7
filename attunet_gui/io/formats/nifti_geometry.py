"""Where a NIfTI header places its voxels, and whether its statements about that are consistent.

A header may place the voxels twice, by an affine (sform) and by a rotation with the voxel size (qform and
pixdim). Their codes decide which of the two counts; the size of a voxel must be the same in both. Source:
nifti1.h, methods 1 to 3 of the section on orientation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from attunet_gui.core.volume import NiftiOrientation
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.io.formats.nifti_header import NiftiHeaderFields
from attunet_gui.system.errors import UnreadableInput

FRAME_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
"""Header fields that place the voxels; `pixdim` (first four) and `xyzt_units` (space only) go with them."""

# The spatial units of xyzt_units: unknown, which counts as mm, metre, millimetre and micrometre.
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# Largest difference between two statements of a voxel's size, as a share of it, that can be rounding.
_MOST_APART = 0.01
# Largest distance between the places of a voxel by sform and by qform that is not worth a note.
_AGREE_MM = 0.1

Affine = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NiftiPlacement:
    """What a header says about the place of its voxels.

    Attributes:
        frame: the fields of the header, which are written back with a mask.
        affine: (4, 4) float64, voxel (i, j, k) -> RAS+ mm; not checked.
        notes: sentences for the user about what is unusual.
    """

    frame: NiftiOrientation
    affine: Affine
    notes: tuple[str, ...]


def read_placement(header: NiftiHeaderFields, shape: tuple[int, int, int], name: str) -> NiftiPlacement:
    """Read from a header where the voxels lie.

    Args:
        header: the header.
        shape: (i, j, k).
        name: name of the file, for messages.

    Raises:
        UnreadableInput: if the header does not say it, or states two different sizes of a voxel.
    """
    # Damaged headers hold NaN and infinity, of which numpy would warn at every step.
    with np.errstate(all="ignore"):
        return _PlacementReader(header, shape, name).read_placement()


class _PlacementReader:
    """The statements of one header about the place of its voxels, read once."""

    def __init__(self, header: NiftiHeaderFields, shape: tuple[int, int, int], name: str) -> None:
        self._raw, self._checked = header.raw, header.checked
        self._shape, self._name = shape, name
        self._unit = int(self._raw["xyzt_units"]) & 7
        self._scale = np.diag([_MM_PER_UNIT.get(self._unit, 1.0)] * 3 + [1.0])
        self._codes = int(self._raw["sform_code"]), int(self._raw["qform_code"])
        self._sform: Affine = self._scale @ self._checked.get_sform()
        self._qform = self._qform_affine()

    def read_placement(self) -> NiftiPlacement:
        """Choose the statement that counts, as `read_placement` describes it."""
        # The order is that of nibabel: the sform if its code is set, then the qform, then pixdim alone.
        by_sform, by_qform = self._codes[0] != 0, self._codes[1] != 0
        notes: tuple[str, ...] = ()
        if by_sform and by_qform and not _is_usable_affine(self._sform):
            by_sform = False
            notes = ("The header's sform is empty or damaged: the qform is used.",)
        if by_sform:
            self._check_voxel_size(self._sform, "sform")
            return NiftiPlacement(self._copied_frame(), self._sform, self._notes_on_sform())
        self._check_pixdim()
        if by_qform:
            if self._qform is None:
                raise UnreadableInput(f"{self._name} has a qform that is not a rotation: convert it again.")
            return NiftiPlacement(self._copied_frame(), self._qform, notes)
        if not _is_uninformative_sform(self._checked.get_sform()):
            self._check_voxel_size(self._sform, "sform")
        unknown = "The header does not say how the patient lies: check left and right, head and feet."
        return NiftiPlacement(self._copied_frame(), self._scale @ self._checked.get_base_affine(), (unknown,))

    def _qform_affine(self) -> Affine | None:
        """Return the affine of the qform in mm; None if it is not a rotation."""
        try:
            found: Affine = self._scale @ self._checked.get_qform()
        except (HeaderDataError, ValueError):
            return None
        return found if _is_usable_affine(found) else None

    def _pixdim_mm(self) -> NDArray[np.float64]:
        """Return the stored size of a voxel, (3,) mm; NaN for an axis without a usable one."""
        found = np.abs(np.asarray(self._raw["pixdim"][1:4], np.float64)) * self._scale[0, 0]
        told = np.isfinite(found) & (found > 0) & (np.arange(3) < int(self._raw["dim"][0]))
        return np.where(told, found, np.nan)

    def _check_voxel_size(self, affine: Affine, what: str) -> None:
        told = self._pixdim_mm()
        if not _is_usable_affine(affine):
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
        """Return notes about what disagrees with the sform, which was used."""
        if not self._codes[1] or np.isnan(self._pixdim_mm()[: int(self._raw["dim"][0])]).any():
            return self._notes_on_thickness()
        if self._qform is None:
            return ("The header's qform is not a rotation: the sform is used.", *self._notes_on_thickness())
        try:
            both = VoxelGrid(self._shape, self._sform), VoxelGrid(self._shape, self._qform)
            agree = both[0].matches_grid(both[1], tolerance_mm=_AGREE_MM)
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

    def _copied_frame(self) -> NiftiOrientation:
        """Return the fields with which a mask on this grid is written, without an unusable sform."""
        qform = np.eye(4) if self._qform is None else self._qform
        raw = {
            name: np.array(self._raw[name], self._raw[name].dtype.newbyteorder("=")) for name in FRAME_FIELDS
        }
        raw["pixdim"] = np.array(self._raw["pixdim"][:4], self._raw["pixdim"].dtype.newbyteorder("="))
        if self._codes[0] and _is_usable_affine(self._sform):
            # A mask is written with three axes, and pixdim says nothing of an axis that this file lacks.
            steps = np.linalg.norm(self._sform[:3, :3], axis=0) / self._scale[0, 0]
            beyond = int(self._raw["dim"][0])
            raw["pixdim"][1 + beyond :] = steps[beyond:]
        raw["xyzt_units"] = np.array(self._unit, np.uint8)
        if self._codes[0] and not _is_usable_affine(self._sform):
            # A mask must not be written with an sform that no program can use.
            raw["sform_code"] = np.zeros_like(raw["sform_code"])
            raw |= {name: np.zeros_like(raw[name]) for name in ("srow_x", "srow_y", "srow_z")}
            return NiftiOrientation(self._sform, 0, qform, self._codes[1], raw)
        return NiftiOrientation(self._sform, self._codes[0], qform, self._codes[1], raw)


def _is_usable_affine(affine: Affine) -> bool:
    if not np.isfinite(affine).all():
        return False
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(steps.min() > 0 and np.linalg.matrix_rank(affine[:3, :3] / steps) == 3)


def _is_uninformative_sform(sform: Affine) -> bool:
    """Whether an sform is unusable, or the identity, which programs write if they do not know the place."""
    return not _is_usable_affine(sform) or bool(np.array_equal(sform[:3, :3], np.eye(3)))
