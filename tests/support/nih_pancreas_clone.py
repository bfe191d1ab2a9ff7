"""A small NIH Pancreas-CT of phantoms, in the layout and with the orders in which TCIA distributes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attunet_gui.synthesis.phantom.abdomen_phantom import Phantom, PhantomRequest, make_phantom
from tests.support.ct_files import write_nifti, write_slice

BACK_TO_FRONT = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
LABELS = "TCIA_pancreas_labels-02-05-2017"
_SHAPE, _SPACING = (32, 64, 64), (7.0, 6.5, 6.5)


def phantom_of(number: int) -> Phantom:
    """The phantom that plays patient `number`."""
    return make_phantom(PhantomRequest(number, _SHAPE, _SPACING))


def stored(upright: np.ndarray) -> np.ndarray:
    """(z, y, x) from feet, front, right -> (slices, rows, columns) from head, back, right, as at TCIA."""
    return np.ascontiguousarray(upright[::-1, ::-1])


def write_patient(root: Path, number: int, phantom: Phantom) -> None:
    """DICOM files and label of one patient."""
    write_ct(root, number, phantom.hu)
    write_label(root, number, stored(phantom.pancreas_mask))


def write_ct(root: Path, number: int, hu: np.ndarray, name: str = "1-{:03d}.dcm") -> Path:
    """The slices of `hu` (z, y, x), InstanceNumber from head to feet; `name` gets it."""
    folder = root / "Pancreas-CT" / f"PANCREAS_{number:04d}" / "11-24-2015-PANCREAS-19819" / "Pancreas-18957"
    folder.mkdir(parents=True)
    for k, image in enumerate(stored(hu)):
        write_slice(
            folder / name.format(k + 1),
            image,
            (0.0, 0.0, -k * _SPACING[0]),
            InstanceNumber=k + 1,
            ImageOrientationPatient=list(BACK_TO_FRONT),
            PixelSpacing=list(_SPACING[1:]),
            # The copy at the Imaging Data Commons is known for nonsense here.
            SliceThickness=0.01,
            RescaleIntercept=0,
        )
    return folder


def write_label(root: Path, number: int, slices: np.ndarray) -> Path:
    """`slices` (slices, rows, columns) as a label, (columns, rows, slices) with a header that says little."""
    folder = root / LABELS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"label{number:04d}.nii.gz"
    return write_nifti(path, slices.transpose(2, 1, 0).astype(np.uint8), np.diag([-1.0, 1.0, 1.0, 1.0]))
