"""The export format DICOM Segmentation (PS3.3, A.51), for cases whose CT is DICOM: NAME/pancreas.dcm.

Without identifiers all UIDs are new. The segmentation then refers to the copy of the CT that is written
beside it, NAME/ct, and to images whose UIDs were mapped with the same key; a PACS with the originals cannot
match it. With identifiers it refers to the originals, which are not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
    segread,
)
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from attunet_gui import __version__
from attunet_gui.core.volume import Volume
from attunet_gui.export.export_case import OpenedCase, export_fingerprint
from attunet_gui.export.formats.dicom_seg_images import original_headers, pseudonymous_images
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.io.formats.dicom import read_series, slices_in_order
from attunet_gui.io.result_writing import make_folder
from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import UnreadableInput, UnwritableOutput
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback

SEG_FILE, CT_FOLDER = "pancreas.dcm", "ct"

_STRUCTURE = CodedConcept("123037004", "SCT", "Anatomical Structure")
_PANCREAS = CodedConcept("15776009", "SCT", "Pancreas")
# Most characters of a value of the representation LO (PS3.5, table 6.2-1).
_LONG_STRING = 64
_SERIES_NUMBER = 300


def write_dicom_seg(
    opened: OpenedCase, folder: Path, identity: Pseudonymizer, progress: ProgressCallback
) -> None:
    """Write one case; see `Format.write`. A case whose CT is not DICOM raises `UnreadableInput`."""
    name, origin = opened.case.name, opened.volume.origin
    if origin.kind != "DICOM":
        raise UnreadableInput(
            f"{name} came as {origin.kind}, and a DICOM SEG needs the DICOM images it was drawn on: export "
            "it as nifti, nnunet or msd."
        )
    slices = slices_in_order(origin.path, origin.series, progress)
    place = folder / name
    make_folder(place)
    if identity.kept:
        images = original_headers(opened, slices, identity)
    else:
        images = pseudonymous_images(opened, slices, identity)
        _write_ct_series(place / CT_FOLDER, images, opened.volume, progress)
    # Source arrays are (column, row, slice); DICOM frames are (row, column).
    mask = np.ascontiguousarray(opened.volume.placement.to_source(opened.mask).transpose(2, 1, 0))
    _write_seg(place / SEG_FILE, _segmentation_or_refusal(opened, images, mask, identity), images, mask)


def _write_ct_series(
    folder: Path, images: Sequence[Dataset], volume: Volume, progress: ProgressCallback
) -> None:
    make_folder(folder)
    for number, image in enumerate(images):
        progress(number, len(images), "writing")
        write_atomically(folder / f"{number + 1:04d}.dcm", _dataset_producer(image), _skip_verification)
    # Read as any CT is, so that geometry, scaling and order are compared and not only bytes.
    again = read_series(folder, progress=progress)
    same = again.grid.matches_grid(volume.grid) and np.array_equal(again.hu, volume.hu)
    if not same or again.hu.dtype != volume.hu.dtype:
        raise _read_back_error(f"{folder.parent.name}/{folder.name}")


def _skip_verification(_path: Path) -> None:
    """Verify nothing: the series is compared as a whole once all of it is written."""


def _dataset_producer(data: Dataset) -> Any:
    def produce(file: BinaryIO) -> None:
        data.save_as(file, enforce_file_format=True)

    return produce


def _write_seg(path: Path, seg: Segmentation, images: Sequence[Dataset], mask: NDArray[np.uint8]) -> None:
    """Write the segmentation, and compare the pixels that are read back with `mask`."""
    uids = [image.SOPInstanceUID for image in images]

    def verify(written: Path) -> None:
        again = segread(written)
        # Empty frames are not stored in a SEG; those that are missing must be empty, which this asserts.
        pixels = again.get_pixels_by_source_instance(
            uids, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
        )
        if not np.array_equal(pixels[..., 0], mask):
            raise _read_back_error(f"{path.parent.name}/{path.name}")

    write_atomically(path, _dataset_producer(seg), verify)


def _segmentation_or_refusal(
    opened: OpenedCase, images: Sequence[Dataset], mask: NDArray[np.uint8], identity: Pseudonymizer
) -> Segmentation:
    try:
        return _build_segmentation(opened, images, mask, identity)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # highdicom raises these for headers that do not conform. Its messages may repeat values of the
        # headers, which may name the patient, so they are not passed on.
        raise UnreadableInput(
            f"The DICOM headers of {opened.case.name} do not allow a SEG ({type(error).__name__}): export it "
            "as nifti, nnunet or msd."
        ) from error


def _build_segmentation(
    opened: OpenedCase, images: Sequence[Dataset], mask: NDArray[np.uint8], identity: Pseudonymizer
) -> Segmentation:
    """Build the segmentation of `mask`, (slices, rows, columns) uint8, which refers to `images`."""
    case = opened.case
    whole = export_fingerprint(case, identity)
    return Segmentation(
        images,
        mask,
        SegmentationTypeValues.BINARY,
        [_segment_description(opened)],
        series_instance_uid=identity.mapped_uid("seg series", whole),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=identity.mapped_uid("seg", whole),
        instance_number=1,
        manufacturer="attunet-gui",
        manufacturer_model_name="attunet-gui",
        software_versions=__version__,
        device_serial_number="none",
        content_label="PANCREAS",
        content_description=_verified_description(opened),
        content_creator_name=_content_creator(identity.pseudonym("annotator", case.annotator)),
        series_description="Pancreas, research use only",
    )


def _content_creator(name: str) -> str | None:
    # A person name of one component ends with a caret, or readers take it for a malformed one (PS3.5, 6.2.1).
    return f"{name[: _LONG_STRING - 1].rstrip('^')}^" if name else None


def _segment_description(opened: OpenedCase) -> SegmentDescription:
    """Describe the only segment: the pancreas, and whether a model drafted it."""
    model, _, digest = opened.case.model_name.partition(" ")
    drafted = AlgorithmIdentificationSequence(
        name=model[:_LONG_STRING],
        family=codes.cid7162.ArtificialIntelligence,
        version=digest[:_LONG_STRING] or "unknown",
        source="attunet-gui",
    )
    kinds = SegmentAlgorithmTypeValues
    return SegmentDescription(
        segment_number=1,
        segment_label="Pancreas",
        segmented_property_category=_STRUCTURE,
        segmented_property_type=_PANCREAS,
        algorithm_type=kinds.SEMIAUTOMATIC if model else kinds.MANUAL,
        algorithm_identification=drafted if model else None,
    )


def _verified_description(opened: OpenedCase) -> str:
    """Describe how much of the mask a person has verified, because a SEG has no label for ignored slices."""
    verified, slices = opened.case.verified, len(opened.mask)
    count = slices if verified is None else len(verified)
    return f"Pancreas; {count} of {counted(slices, 'slice')} verified by a person"


def _read_back_error(name: str) -> UnwritableOutput:
    return UnwritableOutput(
        f"{name} was not exported: it read back differently from what was written, so the disk may be "
        "failing; export to another place."
    )
