"""Marks that stand for a patient's identifiers, put wherever a file can hold them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from nibabel.nifti1 import Nifti1Extension
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

MARK = "QXJANEDOEQX"
"""Fits the shortest field of all, NIfTI's intent_name, and is capitals, as CS has to be."""
NUMBER = "120815"
DATE = "19470823"

ROOT = "1.2.840.99999.4708151947"

MARKS = (MARK, NUMBER, ROOT, DATE)

TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")


def marked_uid(number: int) -> str:
    return f"{ROOT}.{number}"


def plant(data: Dataset, depth: int = 2) -> None:
    """Marks in private tags of every kind of value, and again in nested sequences, private ones too."""
    block = data.private_block(0x0099, f"{MARK} CREATOR", create=True)
    for offset, vr in enumerate(TEXT_VRS):
        block.add_new(offset, vr, MARK)
    values = {
        **{"DA": DATE, "DT": f"{DATE}120000", "TM": NUMBER, "IS": NUMBER, "DS": NUMBER, "UI": marked_uid(9)},
        **dict.fromkeys(("OB", "OW", "UN"), MARK.encode() + b"\0"),
    }
    for offset, (vr, value) in enumerate(values.items(), start=0x20):
        block.add_new(offset, vr, value)
    if depth:
        inner = Dataset()
        inner.CodeMeaning, inner.CodeValue = MARK, MARK
        inner.ReferencedSOPInstanceUID = marked_uid(8)
        plant(inner, depth - 1)
        block.add_new(0x40, "SQ", Sequence([inner]))
        data.RequestAttributesSequence = Sequence([inner])
        data.OtherPatientIDsSequence = Sequence([inner])


def plant_in_standard_tags(data: Dataset) -> None:
    """Marks in every public tag that can hold a text, a date or a UID and that the series can do with."""
    spared = {
        *("SOPClassUID", "Modality", "ImageType", "PhotometricInterpretation", "SpecificCharacterSet"),
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("RescaleSlope", "RescaleIntercept", "SpacingBetweenSlices", "NumberOfFrames"),
        # What is in no unit of CT is refused, so a name in its place goes nowhere.
        *("RescaleType",),
    }
    for tag, (vr, multiplicity, _name, _retired, keyword) in pydicom.datadict.DicomDictionary.items():
        odd_group = tag >> 16 not in (*range(0x0008, 0x0041, 2), 0x4000, 0x4008)
        if odd_group or not keyword or keyword in spared or keyword in data:
            continue
        if vr in TEXT_VRS:
            data.add_new(tag, vr, MARK)
        elif vr in ("DA", "DT"):
            data.add_new(tag, vr, DATE)
        elif vr in ("TM", "IS", "DS") and multiplicity == "1":
            data.add_new(tag, vr, NUMBER)
        elif vr == "UI":
            data.add_new(tag, vr, marked_uid(7))
    data.PatientName, data.PatientID, data.PatientBirthDate = f"{MARK}^JANE", f"{MARK}-{NUMBER}", DATE
    data.SeriesDescription = data.StudyDescription = MARK
    data.StudyInstanceUID, data.SeriesInstanceUID = marked_uid(1), marked_uid(2)
    data.FrameOfReferenceUID = marked_uid(3)
    for word in ("SeriesNumber", "InstanceNumber"):
        data[word] = pydicom.DataElement(word, "IS", NUMBER)
    # What is no number where one belongs, and an overlay with writing in it.
    data.add_new(0x60000010, "US", 8)
    data.add_new(0x60000022, "LO", MARK)
    data.add_new(0x60003000, "OW", MARK.encode() + b"\0")
    data.add_new(0xFFFCFFFC, "OB", MARK.encode() + b"\0")


def marked_nifti(path: Path) -> None:
    """Marks in every text of the header, in extensions, in the gzip header and behind the voxels."""
    image = nib.load(path)
    for name in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[name] = MARK
    for code in (0, 4, 6):
        image.header.extensions.append(Nifti1Extension(code, f"{MARK} {ROOT} {DATE}".encode()))
    plain = path.with_suffix("").with_suffix(".tmp.nii")
    nib.save(image, plain)
    content = plain.read_bytes() + MARK.encode()
    plain.unlink()
    raw = io.BytesIO()
    with gzip.GzipFile(f"{MARK}.nii", "wb", fileobj=raw) as packed:
        packed.write(content)
    path.write_bytes(with_comment(raw.getvalue()))


def forms(text: str) -> Iterator[bytes]:
    """How a text can be in a file; two bytes each, and bytes of words swapped, as in OW of another order."""
    plain = text.encode()
    yield from (plain, plain.lower(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    even = plain[: len(plain) // 2 * 2]
    yield np.frombuffer(even, "<u2").byteswap().tobytes()


def with_comment(packed: bytes) -> bytes:
    """A gzip file with a comment in its header, after the file name."""
    end = packed.index(b"\0", 10) + 1
    assert MARK.encode() in packed[10:end]
    return packed[:3] + bytes([packed[3] | 16]) + packed[4:end] + MARK.encode() + b"\0" + packed[end:]
