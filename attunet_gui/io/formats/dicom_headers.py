"""Reading DICOM headers into one small record for each image. Pixels are not read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from attunet_gui.io.formats.dicom_deflated import inflates_plausibly
from attunet_gui.io.formats.dicom_format import looks_like_dicom
from attunet_gui.io.image_format_registry import main_suffixes
from attunet_gui.system.displayable_text import displayable_text
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import FolderContents, UnreadPath, os_error_reason
from attunet_gui.system.progress import ProgressCallback, no_progress

# CT Image Storage, Enhanced CT Image Storage, Legacy Converted Enhanced CT Image Storage (PS3.4, B.5).
_CT_STORAGE = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_SUFFIXES = (".dcm", ".dicom", ".ima")
# Files of these kinds, and images of other formats, that cannot be read do not make a series incomplete.
_NEVER_DICOM = (
    *(".txt", ".csv", ".json", ".xml", ".html", ".pdf"),
    *(".log", ".md", ".docx", ".xlsx", ".zip", ".gz"),
)

NO_UID = "no-uid-"
"""Begin of the identity of images without a SeriesInstanceUID. It is kept with results: never change it."""

_DICOMDIR = "1.2.840.10008.1.3.10"  # lists other files, has no image

_TAGS = (
    *("SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "ImageType"),
    *("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "PixelSpacing", "SliceThickness"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SpacingBetweenSlices", "InstanceNumber"),
    *("RescaleSlope", "RescaleIntercept", "PixelRepresentation", "BitsAllocated", "BitsStored"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "AcquisitionNumber", "RescaleType"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("RealWorldValueMappingSequence", "ModalityLUTSequence"),
)

# Values of Modality (PS3.3, C.7.3.1.1.1) of what lies beside a CT and is none.
_OTHER_MODALITIES = (
    *("SR", "PR", "KO", "SEG", "DOC", "REG", "FID", "RWV", "PLAN", "AU", "ECG"),
    *("RTSTRUCT", "RTPLAN", "RTDOSE", "RTIMAGE", "RTRECORD"),
    *("MR", "PT", "NM", "US", "XA", "CR", "DX", "RF", "MG", "XC", "OT", "SC", "SM", "ES"),
)
# Characters of the shortest UID with which a maker of scanners names objects of its own.
_SHORTEST_PRIVATE_UID = 12

# In enhanced CT these tags are in functional groups, of the frame or shared by all (PS3.3, C.7.6.16).
_GROUP_OF_TAG = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
}

# Values of RescaleType (PS3.3, C.11.1.1.2); in CT an absent one means HU (C.8.2.1).
_HU_TYPES = ("HU", "HU_MOD")
_UNSPECIFIED_TYPES = ("", "US")
# Hounsfield units in UCUM, with and without its brackets, and as some write them.
_HU_UNITS = ("[hnsf'U]", "hnsf'U", "HU")


def series_key(uid: str) -> str:
    """Return a hash of a SeriesInstanceUID, which is stored in its place.

    The UID itself is not stored, because the archive of a hospital finds the patient by it.
    """
    return f"series-{sha256(uid.encode()).hexdigest()[:20]}"


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """The header of one readable DICOM file.

    Attributes:
        path: the file.
        tags: a pydicom data set with the tags that are needed here, without pixels or anything about the
            patient; it has no tags at all if the file is not DICOM.
    """

    path: Path
    tags: Any

    def tag_text(self, keyword: str) -> str:
        """Return the value of a tag as text; "" if it is absent or malformed."""
        try:
            value = self.tags.get(keyword)
        except Exception:
            # pydicom parses a value when it is asked for; a malformed SeriesNumber must not keep a CT closed.
            return ""
        return "" if value is None else str(value)

    @property
    def sop_class(self) -> str:
        """UID of the kind of DICOM object; anonymisers empty the tag, but hardly ever the file meta's."""
        return self.tag_text("SOPClassUID") or str(self.tags.file_meta.get("MediaStorageSOPClassUID") or "")

    @property
    def series_identity(self) -> str:
        """Key that the images of one series share, even if an anonymiser has emptied SeriesInstanceUID."""
        uid = self.tag_text("SeriesInstanceUID")
        if uid:
            return series_key(uid)
        parts = [self.tag_text(word) for word in ("SeriesNumber", "SeriesDescription", "Columns", "Rows")]
        # Hashed, because keys are kept with results and a path may name the patient.
        place = "|".join([str(self.path.parent.resolve()), *parts])
        digest = sha256(place.encode(errors="surrogateescape")).hexdigest()
        return f"{NO_UID}{digest[:16]}"

    @property
    def has_no_series_uid(self) -> bool:
        """Whether SeriesInstanceUID is absent or empty."""
        return not self.tag_text("SeriesInstanceUID")

    @property
    def is_ct_object(self) -> bool:
        """Whether this is an object of CT, though perhaps no slice; scouts are none."""
        return self.sop_class in _CT_STORAGE and not self.is_localizer

    @property
    def frame_count(self) -> int:
        """Number of images in the file."""
        return int(self.tags.get("NumberOfFrames") or 1)

    @property
    def is_localizer(self) -> bool:
        """Whether this is a scout (topogram), which is not a slice of the volume."""
        return "LOCALIZER" in str(self.tags.get("ImageType") or "").upper()

    @property
    def is_ct_slice(self) -> bool:
        """Whether the file holds slices of a CT volume."""
        is_image = bool(self.tags.get("Rows")) and int(self.tags.get("SamplesPerPixel") or 1) == 1
        # Screenshots of a CT call themselves CT, but lie nowhere.
        is_placed = self.sop_class in _CT_STORAGE or "ImagePositionPatient" in self.tags
        # Anonymisers empty the tag; what kind of object it is says the same.
        modality = self.tag_text("Modality") or ("CT" if self.sop_class in _CT_STORAGE else "")
        return modality == "CT" and is_image and is_placed and not self.is_localizer

    @property
    def is_unexplained(self) -> bool:
        """Whether this may be a slice with a damaged header: nothing says what else, or which series, it is.

        A CT image that is no slice, and an object of a kind that nobody knows, is explained only by a
        series of its own.
        """
        if self.is_ct_slice or self.is_localizer:
            return False
        kind = pydicom.uid.UID(self.sop_class)
        if self.sop_class in _CT_STORAGE:
            return not self.tag_text("SeriesInstanceUID")
        if kind in pydicom.uid.UID_dictionary:
            return False
        if not kind and self.tag_text("Modality") in _OTHER_MODALITIES:
            return False
        known = not kind or (kind.is_valid and len(kind) >= _SHORTEST_PRIVATE_UID)
        return not (known and self.tag_text("SeriesInstanceUID"))

    @property
    def foreign_unit(self) -> str:
        """Name of the unit of the first image if it is not HU; "" for HU, or if the header is malformed."""
        try:
            return _foreign_unit(self, 0)
        except Exception:
            return ""


@dataclass(frozen=True, eq=False)
class DicomSlice:
    """One image of a series.

    Attributes:
        path, frame: the file and the index of the image in it.
        shape: (rows, columns).
        position: (3,) centre of the first pixel in LPS mm.
        along_row, along_column: (3,) unit vectors in LPS, in the directions of growing column and row index.
        spacing: distance between rows and distance between columns, in mm.
        slope, intercept: HU = stored * slope + intercept.
        thickness: distance to the next slice, or else thickness, in mm as the header says; None if absent.
        padding: lowest and highest stored value that means "not scanned"; None if there is none.
        number: InstanceNumber of the file; None if absent. It says nothing about where the slice lies.
        scaled: False if the header has neither slope nor intercept, so that 1 and 0 are assumed.
    """

    path: Path
    frame: int
    shape: tuple[int, int]
    position: NDArray[np.float64]
    along_row: NDArray[np.float64]
    along_column: NDArray[np.float64]
    spacing: tuple[float, float]
    slope: float
    intercept: float
    thickness: float | None
    padding: tuple[int, int] | None
    number: int | None
    scaled: bool = True


@dataclass(frozen=True, eq=False)
class ScannedHeaders:
    """The headers that were found in files.

    Attributes:
        headers: headers of the DICOM files.
        damaged: files that begin or are named like DICOM, or like slices beside them, and cannot be parsed or
            do not say what they are.
        unread: files and folders that the operating system did not let us read.
        hidden: hidden files that begin like DICOM, which are left out.
    """

    headers: tuple[DicomHeader, ...]
    damaged: tuple[Path, ...]
    unread: tuple[UnreadPath, ...]
    hidden: tuple[Path, ...] = ()


def scan_headers(found: FolderContents, progress: ProgressCallback = no_progress) -> ScannedHeaders:
    """Read the headers of all DICOM files among the files of `found`.

    Args:
        found: the files and folders that a walk has found.
        progress: called once a file.
    """
    headers: list[DicomHeader] = []
    damaged: list[Path] = []
    foreign: list[Path] = []
    unread = list(found.unread)
    for index, path in enumerate(found.files):
        progress(index, len(found.files), "headers")
        try:
            header = _read_dicom_header(path)
        except OSError as error:
            if not path.name.lower().endswith(_NEVER_DICOM + main_suffixes()):
                unread.append(UnreadPath(path, os_error_reason(error), is_file=True))
            continue
        if header is None:
            damaged.append(path)
        elif not header.tags:
            foreign.append(path)
        elif header.sop_class != _DICOMDIR:
            headers.append(header)
    damaged += _named_like_slices(foreign, headers)
    hidden = tuple(path for path in found.hidden if _begins_like_dicom(path))
    return ScannedHeaders(tuple(headers), tuple(damaged), tuple(unread), hidden)


def _named_like_slices(paths: Sequence[Path], headers: Sequence[DicomHeader]) -> list[Path]:
    """Return the files of `paths` whose names differ from that of a slice beside them in numbers alone."""
    slices = {_name_pattern(header.path) for header in headers if header.is_ct_slice}
    return [
        path
        for path in paths
        if re.search(r"\d", path.name)
        and not path.name.lower().endswith(_NEVER_DICOM)
        and _name_pattern(path) in slices
    ]


def _name_pattern(path: Path) -> tuple[Path, str]:
    return path.parent, re.sub(r"\d+", "#", path.name)


def _begins_like_dicom(path: Path) -> bool:
    try:
        return looks_like_dicom(path)
    except OSError:
        return False


def iter_slices(header: DicomHeader) -> Iterator[DicomSlice]:
    """Yield the images in one CT file.

    Raises:
        UnreadableInput: if a tag that is needed is missing or malformed; the message names file and tag.
    """
    framed = header.tags.get("PerFrameFunctionalGroupsSequence")
    if header.frame_count == 1 and not framed:
        yield _slice_or_refusal(header, 0)
        return
    if not framed:
        raise UnreadableInput(
            f"{header.path.name} holds many images without their positions: "
            "export the series as single slices."
        )
    if header.frame_count > len(framed):
        raise _bad_tag_error(header, "NumberOfFrames", "is more than there are positions")
    for frame in range(header.frame_count):
        yield _slice_or_refusal(header, frame)


def _read_dicom_header(path: Path) -> DicomHeader | None:
    """Read the header of the file `path`.

    Returns:
        The header; one without tags if the file is not DICOM; None if it is damaged.

    Raises:
        OSError: if the operating system does not let us read the file.
    """
    try:
        if not looks_like_dicom(path):
            return None if path.name.lower().endswith(_SUFFIXES) else DicomHeader(path, pydicom.Dataset())
        if not inflates_plausibly(path):
            return None
        tags = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)
        header = DicomHeader(path, tags)
        # Values are parsed when they are asked for: ask now for those that decide what the file is, so that
        # nobody else has to expect an exception from them.
        known = (header.sop_class or header.tag_text("Modality")) and not header.is_unexplained
        cut_off = header.sop_class in _CT_STORAGE and not header.tags.get("Rows")
        usable = known and not cut_off and header.frame_count > 0 and header.is_ct_slice in (True, False)
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # The parser raises nearly anything on damaged bytes; all of it means the same.
        return None
    return header if usable else None


def _slice_or_refusal(header: DicomHeader, frame: int) -> DicomSlice:
    try:
        return _build_slice(header, frame)
    except UnreadableInput:
        raise
    except Exception as error:
        # A value is parsed when it is asked for, and the parser raises nearly anything on damaged bytes.
        raise UnreadableInput(
            f"{header.path.name} is a damaged DICOM file: copy it again or take it out."
        ) from error


def _build_slice(header: DicomHeader, frame: int) -> DicomSlice:
    """Build the record of image `frame`; `UnreadableInput` if a tag is missing, malformed or not about HU."""
    cosines = _tag_numbers(header, frame, "ImageOrientationPatient", 6)
    along_row, along_column = _direction_vectors(header, cosines)
    spacing = _tag_numbers(header, frame, "PixelSpacing", 2)
    if not (spacing > 0).all():
        raise _bad_tag_error(header, "PixelSpacing", "is not positive")
    unit = _foreign_unit(header, frame)
    if unit:
        raise UnreadableInput(
            f"{header.path.name} holds values of the kind {unit}, not Hounsfield units: open the CT they "
            "were made of."
        )
    scaled = not _may_be_hu_as_stored(header, frame)
    slope, intercept = (
        float(_tag_numbers(header, frame, f"Rescale{word}", 1)[0]) if scaled else value
        for word, value in (("Slope", 1.0), ("Intercept", 0.0))
    )
    return DicomSlice(
        path=header.path,
        frame=frame,
        shape=(
            int(_tag_numbers(header, frame, "Rows", 1)[0]),
            int(_tag_numbers(header, frame, "Columns", 1)[0]),
        ),
        position=_tag_numbers(header, frame, "ImagePositionPatient", 3),
        along_row=along_row,
        along_column=along_column,
        spacing=(float(spacing[0]), float(spacing[1])),
        slope=slope,
        intercept=intercept,
        thickness=_slice_thickness(header, frame),
        padding=_padding_range(header),
        number=_instance_number(header),
        scaled=scaled,
    )


def _may_be_hu_as_stored(header: DicomHeader, frame: int) -> bool:
    """Whether the stored values can only be HU: they are signed, and no tag says how to scale them."""
    absent = all(_tag_value(header, frame, f"Rescale{word}") in (None, "") for word in ("Slope", "Intercept"))
    signed = int(header.tags.get("PixelRepresentation") or 0) == 1
    mapped = header.tags.get("ModalityLUTSequence") or _real_world_units(header, frame)
    return absent and signed and not mapped


def _foreign_unit(header: DicomHeader, frame: int) -> str:
    """Return the name of the unit of an image if it is not HU; "" for HU and if nothing is said."""
    kind = str(_tag_value(header, frame, "RescaleType") or "").strip()
    if kind.upper() in _HU_TYPES:
        return ""
    if kind.upper() not in _UNSPECIFIED_TYPES:
        return displayable_text(kind)
    units = _real_world_units(header, frame)
    return "" if not units or set(units) & set(_HU_UNITS) else displayable_text(units[0])


def _real_world_units(header: DicomHeader, frame: int) -> list[str]:
    """Return the codes of the units in the real world value mappings of an image (PS3.3, C.7.6.16.2.11)."""
    keyword = "RealWorldValueMappingSequence"
    places = [*_functional_groups(header, frame), header.tags]
    mappings = [mapping for place in places for mapping in place.get(keyword) or ()]
    codes = [code for each in mappings for code in each.get("MeasurementUnitsCodeSequence") or ()]
    return [str(code.get("CodeValue") or code.get("CodeMeaning") or "unknown") for code in codes]


def _direction_vectors(
    header: DicomHeader, cosines: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors of row and column; `UnreadableInput` if they are not perpendicular."""
    row, column = cosines[:3], cosines[3:]
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column))) > 1e-3:
        raise _bad_tag_error(header, "ImageOrientationPatient", "is not two perpendicular directions")
    return row / lengths[0], column / lengths[1]


def _slice_thickness(header: DicomHeader, frame: int) -> float | None:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            value = abs(float(_tag_value(header, frame, keyword)))
        except (TypeError, ValueError, UnreadableInput):
            continue  # the value only matters for a single slice, which is then refused as having none
        if isfinite(value) and value > 0:
            return value
    return None


def _padding_range(header: DicomHeader) -> tuple[int, int] | None:
    values = [header.tags.get(word) for word in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    stored = [_as_stored_value(header, value) for value in values if isinstance(value, int)]
    return (min(stored), max(stored)) if stored else None


def _instance_number(header: DicomHeader) -> int | None:
    try:
        return int(header.tag_text("InstanceNumber"))
    except ValueError:
        return None


def _as_stored_value(header: DicomHeader, value: int) -> int:
    # Some scanners write a negative padding value as unsigned, or with its sign extended to BitsStored only.
    bits = int(header.tags.get("BitsStored") or header.tags.get("BitsAllocated") or 16)
    signed = int(header.tags.get("PixelRepresentation") or 0) == 1
    kept = value & ((1 << bits) - 1)
    return kept - (1 << bits) if signed and kept >> (bits - 1) else kept


def _tag_numbers(header: DicomHeader, frame: int, keyword: str, count: int) -> NDArray[np.float64]:
    """Return a tag as (count,) float64; `UnreadableInput` if it is missing or malformed."""
    value = _tag_value(header, frame, keyword)
    if value is None or value == "":
        raise _bad_tag_error(header, keyword, "is missing")
    try:
        numbers = np.array(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise _bad_tag_error(header, keyword, "is not a number") from error
    if numbers.size != count or not np.isfinite(numbers).all():
        raise _bad_tag_error(header, keyword, f"should hold {count} number{'s' * (count > 1)}")
    return numbers


def _tag_value(header: DicomHeader, frame: int, keyword: str) -> Any:
    """Return a tag of image `frame`, from its functional groups or from the header; None if it is absent."""
    try:
        for group in _tag_groups(header, frame, keyword):
            if group.get(keyword) is not None:
                return group.get(keyword)
        return header.tags.get(keyword)
    except (ValueError, TypeError, KeyError) as error:
        raise _bad_tag_error(header, keyword, "is not a number") from error


def _tag_groups(header: DicomHeader, frame: int, keyword: str) -> Iterator[Any]:
    if keyword in _GROUP_OF_TAG:
        for item in _functional_groups(header, frame):
            yield from item.get(_GROUP_OF_TAG[keyword]) or ()


def _functional_groups(header: DicomHeader, frame: int) -> list[Any]:
    per_frame = header.tags.get("PerFrameFunctionalGroupsSequence") or ()
    shared = header.tags.get("SharedFunctionalGroupsSequence") or ()
    return [*per_frame[frame : frame + 1], *shared[:1]]


def missing_rescale_error(path: Path) -> UnreadableInput:
    """Return the error for a file whose values cannot be turned into HU."""
    return _unusable_tag_error(path, "RescaleSlope", "is missing")


def _bad_tag_error(header: DicomHeader, keyword: str, fault: str) -> UnreadableInput:
    return _unusable_tag_error(header.path, keyword, fault)


def _unusable_tag_error(path: Path, keyword: str, fault: str) -> UnreadableInput:
    return UnreadableInput(
        f"{path.name}: the DICOM tag {keyword} {fault}, so the CT cannot be placed in the patient or scaled; "
        "export the series again."
    )
