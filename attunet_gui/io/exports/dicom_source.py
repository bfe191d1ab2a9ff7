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

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io.dicom import stored_pixels
from attunet_gui.io.dicom_headers import Slice
from attunet_gui.io.exports.case import OpenedCase
from attunet_gui.io.exports.identity import Identity

_METHOD = "Made anew from pixels and geometry by attunet-gui"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
# Tags of type 2 in the modules of a CT image: they must be present and may be empty.
_EMPTY = (
    *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"),
    *("ReferringPhysicianName", "Manufacturer", "PositionReferenceIndicator", "KVP", "AcquisitionNumber"),
    "Laterality",
)
# The values of PatientPosition for CT (PS3.3, C.7.3.1.1.2); any other text in that tag is not copied.
_POSITIONS = frozenset(way + side for way in ("HF", "FF") for side in ("S", "P", "DL", "DR"))
_NEEDED = (*_EMPTY[:7], "PatientName", "PatientID")


def original_images(opened: OpenedCase, slices: Sequence[Slice], identity: Identity) -> list[Dataset]:
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
        for keyword in _NEEDED:
            if keyword not in image:
                setattr(image, keyword, "")
        for keyword, uid in _uids(opened, each, image, identity).items():
            if not image.get(keyword):
                setattr(image, keyword, uid)
    return images


def new_images(opened: OpenedCase, slices: Sequence[Slice], identity: Identity) -> list[Dataset]:
    """Return the images without anything about the patient, one for each slice, in the order of `slices`.

    Raises:
        UnreadableInput: if the headers say that text is burned into the pixels, or the stored values do not
            fit 16 bits.
    """
    images = []
    for number, (each, pixels) in enumerate(zip(slices, stored_pixels(slices), strict=True), start=1):
        source = pydicom.dcmread(each.path, stop_before_pixels=True, force=True)
        if source.get("BurnedInAnnotation") == "YES":
            raise UnreadableInput(
                f"{opened.case.name} has writing burned into its pixels, as its headers say: it cannot be "
                "exported without identifiers."
            )
        image = _blank(opened, number)
        position = str(source.get("PatientPosition"))
        image.PatientPosition = position if position in _POSITIONS else None
        for keyword, uid in _uids(opened, each, source, identity).items():
            setattr(image, keyword, uid)
        _place(image, each)
        _fill(image, _as_16_bits(pixels, each.path), each)
        image.file_meta = _file_meta(image.SOPInstanceUID)
        images.append(image)
    return images


def _uids(opened: OpenedCase, each: Slice, source: Any, identity: Identity) -> dict[str, str]:
    """Return the pseudonymous UIDs for `source` by keyword; a missing UID is derived from case and slice."""
    name = opened.case.name
    # Where an anonymiser took the UIDs out, all images of the case are still of one series.
    uids = {keyword: identity.uid(str(source.get(keyword) or f"{keyword} of {name}")) for keyword in _UIDS}
    own = str(source.get("SOPInstanceUID") or f"{each.path.name} of {name}")
    return uids | {"SOPInstanceUID": identity.uid(own, *([str(each.frame)] if each.frame else []))}


def _blank(opened: OpenedCase, number: int) -> Dataset:
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.PatientName, image.PatientID = f"{opened.case.name}^", opened.case.name
    image.PatientIdentityRemoved, image.DeidentificationMethod = "YES", _METHOD
    for keyword in _EMPTY:
        setattr(image, keyword, None)
    image.Modality, image.ImageType = "CT", ["DERIVED", "PRIMARY", "AXIAL"]
    image.SeriesNumber, image.InstanceNumber = 1, number
    return image


def _place(image: Dataset, each: Slice) -> None:
    image.ImagePositionPatient = _decimals(each.position)
    image.ImageOrientationPatient = _decimals([*each.along_row, *each.along_column])
    image.PixelSpacing = _decimals(each.spacing)
    image.SliceThickness = None if each.thickness is None else _decimals([each.thickness])[0]
    image.RescaleSlope, image.RescaleIntercept = _decimals([each.slope, each.intercept])
    image.RescaleType = "HU"


def _decimals(values: Any) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]


def _as_16_bits(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    kept = pixels.astype(np.int16 if pixels.dtype.kind == "i" else np.uint16)
    if not np.array_equal(kept, pixels):
        raise UnreadableInput(f"{path.name} stores numbers that do not fit 16 bits: export it as NIfTI.")
    return kept


def _fill(image: Dataset, pixels: NDArray[Any], each: Slice) -> None:
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
