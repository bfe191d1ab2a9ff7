"""Reading NIH Pancreas-CT (CT-82) as The Cancer Imaging Archive (TCIA) distributes it.

Source: doi 10.7937/K9/TCIA.2016.tNB1kqBU.

    Pancreas-CT/PANCREAS_0001/<study>/<series>/*.dcm        named in several ways
    TCIA_pancreas_labels-02-05-2017/label0001.nii.gz

Where a label lies: the header of the label file is not used. Its voxel (i, j, k) is column i and row j of the
slice with the k-th InstanceNumber, as stored. Published conversions agree on that: they exchange i and j and
reverse nothing (twni2016/OrganSegRSTN_PyTorch, DATA2NPY, after OrganSegC2F; giussepi/gtorch_utils,
ct82mgr.py, which displays the label over the pixels).

The rows are stored from the patient's back to the front and the slices from head to feet:
ImageOrientationPatient of PANCREAS_0080 is 1 0 0 0 -1 0 (SatoruMuro/SAM2GUIfor3Drecon, lite-web), and the
published JPEG slices 1-092 and 1-180 of patient 5 show liver and lower kidney. So the labels are upside down
relative to an upright CT. That is the row flip for which they are known: dcm2niix reverses rows, and then the
labels need `c3d -flip y` (mattiaspaul/deedsBCV, README). Here it follows from the DICOM headers.

Patients 25 and 70 are the scan of patient 2, cropped differently. TCIA removed them on 2020-09-10, but their
labels are still distributed, and older downloads may hold their empty folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.io.datasets.label_orientation import check_label_tissue
from attunet_gui.io.formats import dicom
from attunet_gui.io.formats.dicom_geometry import stack_slices
from attunet_gui.io.formats.dicom_headers import iter_slices, scan_headers
from attunet_gui.io.label_values import LabelValues, pancreas_mask
from attunet_gui.io.mask_reading import load_stored_labels
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import walk_folder
from attunet_gui.system.progress import ProgressCallback, no_progress

_CT = re.compile(r"PANCREAS_(\d{4})")
_LABEL = re.compile(r"label(\d{4})\.nii(\.gz)?")
_SAME_SCAN = {"0025": "0002", "0070": "0002"}


@dataclass(frozen=True)
class CollectionPatient:
    """One scan of the collection and its label.

    Attributes:
        number: number of the patient, such as "0001".
        ct: folder of the DICOM files, such as PANCREAS_0001.
        label: file of the label.
    """

    number: str
    ct: Path
    label: Path

    @property
    def folder_name(self) -> str:
        """Name of the folder, such as PANCREAS_0001."""
        return self.ct.name

    @property
    def person(self) -> str:
        """Number of the person; splits are made of people, and three scans are of the same person."""
        return _SAME_SCAN.get(self.number, self.number)


def find_collection_patients(folder: Path) -> tuple[CollectionPatient, ...]:
    """Return the patients below `folder` that have a CT, by number. Labels without a CT are passed over.

    Raises:
        UnreadableInput: if there is no patient, one has no label, a name occurs twice, or something could not
            be read.
    """
    files = walk_folder(folder).complete_files()
    # Only folders that hold files: those of patients that TCIA removed may be empty.
    holding = {above for file in files for above in file.parents if above.is_relative_to(folder)}
    scans = _paths_by_number(folder, _CT, holding)
    labels = _paths_by_number(folder, _LABEL, files)
    if not scans:
        raise UnreadableInput(
            f"There is no patient in {folder}: folders called PANCREAS_0001 with DICOM files were expected."
        )
    for number, ct in scans.items():
        if number not in labels:
            raise UnreadableInput(
                f"{ct.name} has no label: label{number}.nii.gz was expected below {folder}; download the "
                "labels of the collection too."
            )
    return tuple(CollectionPatient(number, ct, labels[number]) for number, ct in scans.items())


def _paths_by_number(folder: Path, name: re.Pattern[str], paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(paths):
        match = name.fullmatch(path.name)
        if match is None:
            continue
        if match[1] in found:
            both = " and ".join(str(each.relative_to(folder)) for each in (found[match[1]], path))
            raise UnreadableInput(f"{path.name} is there twice, as {both}: keep one of them.")
        found[match[1]] = path
    return dict(sorted(found.items()))


def read_collection_patient(
    patient: CollectionPatient, progress: ProgressCallback = no_progress
) -> tuple[Volume, NDArray[np.uint8]]:
    """Read the CT of `patient`, and its pancreas on the same grid: (z, y, x) uint8, 0 or 1.

    Raises:
        UnreadableInput: if a file is damaged, CT and label differ in size, the slices are not numbered, or
            the label lies in air, fat or bone.
    """
    volume = dicom.read_series(patient.ct, progress=progress)
    inside = _stored_label(patient.label)
    ranks = _instance_number_ranks(patient.ct)
    if inside.shape != volume.placement.source.shape:
        sizes = [" x ".join(map(str, shape)) for shape in (inside.shape, volume.placement.source.shape)]
        raise UnreadableInput(
            f"{patient.label.name} has {sizes[0]} voxels, the CT {patient.folder_name} {sizes[1]}: one of "
            "them is "
            "incomplete or of another patient."
        )
    mask = np.ascontiguousarray(volume.placement.to_canonical(inside[:, :, ranks])).view(np.uint8)
    check_label_tissue(volume.hu, mask, patient.label.name)
    return volume, mask


def _stored_label(path: Path) -> NDArray[np.bool_]:
    """Read the pancreas in a label file, (i, j, k) as stored."""
    return pancreas_mask(load_stored_labels(path)[0], LabelValues(), path.name)


def _instance_number_ranks(folder: Path) -> NDArray[np.intp]:
    """Return the rank of the InstanceNumber of each slice, for the slices in the order of their positions."""
    headers = scan_headers(walk_folder(folder)).headers
    slices = [each for header in headers if header.is_ct_slice for each in iter_slices(header)]
    numbers = [group[0].number for group in stack_slices(slices).groups]
    known = [number for number in numbers if number is not None]
    # Fewer if a number is missing or occurs twice; then no one can say which slice of the label is whose.
    if len(set(known)) < len(numbers):
        raise UnreadableInput(
            f"The slices of {folder.name} have no InstanceNumber each of their own, so its label cannot be "
            "placed: download the patient again."
        )
    return np.argsort(np.argsort(known))
