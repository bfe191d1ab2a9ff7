"""The images to which a DICOM SEG refers: the source images, or a copy that says nothing about the patient.

The copy starts from an empty data set. Pixels, geometry and scaling are set as numbers, and UIDs and names
are replaced by pseudonyms, so no identifying tag can be overlooked, private and nested ones included. A file
with many images becomes one file for each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from attunet_gui.export.export_case import OpenedCase
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.io.formats.dicom import iter_stored_pixels
from attunet_gui.io.formats.dicom_headers import DicomSlice
from attunet_gui.system.errors import UnreadableInput

_METHOD = "Made anew from pixels and geometry by attunet-gui"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
# Tags of type 2 in the modules of a CT image: they must be present and may be empty.
_EMPTY_TAGS = (
    *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"),
    *("ReferringPhysicianName", "Manufacturer", "PositionReferenceIndicator", "KVP", "AcquisitionNumber"),
    "Laterality",
)
# The values of PatientPosition for CT (PS3.3, C.7.3.1.1.2); any other text in that tag is not copied.
_PATIENT_POSITIONS = frozenset(way + side for way in ("HF", "FF") for side in ("S", "P", "DL", "DR"))
_REQUIRED_TAGS = (*_EMPTY_TAGS[:7], "PatientName", "PatientID")


def original_headers(
    opened: OpenedCase, slices: Sequence[DicomSlice], identity: Pseudonymizer
) -> list[Dataset]:
    """Return the headers of the source images, one for each slice, with all their identifiers.

    Tags without which no SEG can be made are added empty, and missing UIDs are replaced, if they are absent.

    Raises:
        UnreadableInput: if a file holds many images.
    """
    if len({each.path for each in slices}) < len(slices):
        raise UnreadableInput(
            f"{opened.case.name} is a DICOM file of many images, to which a SEG with identifiers is not made "
            "here: export it without identifiers."
        )
    images = [pydicom.dcmread(each.path, stop_before_pixels=True, force=True) for each in slices]
    for each, image in zip(slices, images, strict=True):
        for keyword in _REQUIRED_TAGS:
            if keyword not in image:
                setattr(image, keyword, "")
        for keyword, uid in _mapped_uids(opened, each, image, identity).items():
            if not image.get(keyword):
                setattr(image, keyword, uid)
    return images


def pseudonymous_images(
    opened: OpenedCase, slices: Sequence[DicomSlice], identity: Pseudonymizer
) -> list[Dataset]:
    """Return the images without anything about the patient, one for each slice, in the order of `slices`.

    Raises:
        UnreadableInput: if the headers say that text is burned into the pixels, or the stored values do not
            fit 16 bits.
    """
    images = []
    for number, (each, pixels) in enumerate(zip(slices, iter_stored_pixels(slices), strict=True), start=1):
        source = pydicom.dcmread(each.path, stop_before_pixels=True, force=True)
        if source.get("BurnedInAnnotation") == "YES":
            raise UnreadableInput(
                f"{opened.case.name} has writing burned into its pixels, as its headers say: it cannot be "
                "exported without identifiers."
            )
        image = _blank_ct_image(opened, number)
        position = str(source.get("PatientPosition"))
        image.PatientPosition = position if position in _PATIENT_POSITIONS else None
        for keyword, uid in _mapped_uids(opened, each, source, identity).items():
            setattr(image, keyword, uid)
        _set_image_geometry(image, each)
        _set_pixel_data(image, _as_16_bits(pixels, each.path), each)
        image.file_meta = _file_meta(image.SOPInstanceUID)
        images.append(image)
    return images


def _mapped_uids(
    opened: OpenedCase, each: DicomSlice, source: Any, identity: Pseudonymizer
) -> dict[str, str]:
    """Return the pseudonymous UIDs for `source` by keyword; a missing UID is derived from case and slice."""
    name = opened.case.name
    # Where an anonymiser took the UIDs out, all images of the case are still of one series.
    uids = {
        keyword: identity.mapped_uid(str(source.get(keyword) or f"{keyword} of {name}")) for keyword in _UIDS
    }
    own = str(source.get("SOPInstanceUID") or f"{each.path.name} of {name}")
    return uids | {"SOPInstanceUID": identity.mapped_uid(own, *([str(each.frame)] if each.frame else []))}


def _blank_ct_image(opened: OpenedCase, number: int) -> Dataset:
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.PatientName, image.PatientID = f"{opened.case.name}^", opened.case.name
    image.PatientIdentityRemoved, image.DeidentificationMethod = "YES", _METHOD
    for keyword in _EMPTY_TAGS:
        setattr(image, keyword, None)
    image.Modality, image.ImageType = "CT", ["DERIVED", "PRIMARY", "AXIAL"]
    image.SeriesNumber, image.InstanceNumber = 1, number
    return image


def _set_image_geometry(image: Dataset, each: DicomSlice) -> None:
    image.ImagePositionPatient = _decimal_strings(each.position)
    image.ImageOrientationPatient = _decimal_strings([*each.along_row, *each.along_column])
    image.PixelSpacing = _decimal_strings(each.spacing)
    image.SliceThickness = None if each.thickness is None else _decimal_strings([each.thickness])[0]
    image.RescaleSlope, image.RescaleIntercept = _decimal_strings([each.slope, each.intercept])
    image.RescaleType = "HU"


def _decimal_strings(values: Any) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]


def _as_16_bits(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    kept = pixels.astype(np.int16 if pixels.dtype.kind == "i" else np.uint16)
    if not np.array_equal(kept, pixels):
        raise UnreadableInput(f"{path.name} stores numbers that do not fit 16 bits: export it as NIfTI.")
    return kept


def _set_pixel_data(image: Dataset, pixels: NDArray[Any], each: DicomSlice) -> None:
    """Set the pixels, (rows, columns) int16 or uint16, and the tags that describe them (PS3.3, C.7.6.3)."""
    signed = pixels.dtype.kind == "i"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, int(signed)
    if each.padding is not None:
        limits = np.iinfo(pixels.dtype)
        low, high = (int(np.clip(value, limits.min, limits.max)) for value in each.padding)
        # The representation of the tag, US or SS, follows the sign of the pixels.
        image.add_new("PixelPaddingValue", "SS" if signed else "US", low)
        if high > low:
            image.add_new("PixelPaddingRangeLimit", "SS" if signed else "US", high)
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    image.add_new("PixelData", "OW", np.ascontiguousarray(little).tobytes())


def _file_meta(uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, uid
    return meta
