"""Nothing of the patient leaves: marks are put wherever a file can hold them, and every byte is searched.

With `kept` identifiers the same search finds them, so it can fail.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK
from nibabel.nifti1 import Nifti1Extension
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from attunet_gui.export import EXPORT_FORMATS, ExportCase, ExportOptions, export_dataset
from attunet_gui.export.export_format import ExportFormat
from tests.support.export_cases import IDENTITY, WHEN, every_file, make_case, unpacked

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


def marked_dicom(folder: Path) -> ExportCase:
    case = make_case(folder / MARK, "dicom", "case-1")
    for number, path in enumerate(sorted(case.image.iterdir())):
        data = pydicom.dcmread(path)
        plant_in_standard_tags(data)
        plant(data)
        data.SOPInstanceUID = marked_uid(100 + number)
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.file_meta.SourceApplicationEntityTitle = MARK
        data.file_meta.ImplementationVersionName = MARK
        data.file_meta.PrivateInformationCreatorUID = generate_uid()
        data.file_meta.PrivateInformation = MARK.encode() + b"\0"
        data.preamble = (MARK * 12).encode()[:128]
        data.save_as(path.with_name(f"{MARK}-{number}.dcm"))
        path.unlink()
    return case


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


def with_comment(packed: bytes) -> bytes:
    """A gzip file with a comment in its header, after the file name."""
    end = packed.index(b"\0", 10) + 1
    assert MARK.encode() in packed[10:end]
    return packed[:3] + bytes([packed[3] | 16]) + packed[4:end] + MARK.encode() + b"\0" + packed[end:]


def marked_itk(path: Path, hu: SimpleITK.Image) -> None:
    for key in ("PatientName", "ITK_FileNotes", "Comment", "0010|0010", "AnatomicalOrientationNote"):
        hu.SetMetaData(key, f"{MARK} {NUMBER} {DATE} {ROOT}")
    SimpleITK.WriteImage(hu, str(path))
    if path.suffix == ".nrrd":
        head, rest = path.read_bytes().split(b"\n", 1)
        path.write_bytes(head + f"\n# {MARK}\ncontent: {MARK}\n".encode() + rest)


def marked_case(folder: Path, kind: str) -> ExportCase:
    """A case of somebody whose name is wherever it can be: folder, file names, headers of CT and mask."""
    if kind == "dicom":
        case = marked_dicom(folder)
    else:
        case = make_case(folder / MARK, kind, "case-1")
        named = case.image.with_name(f"{MARK}-{NUMBER}{''.join(case.image.suffixes)}")
        case.image.rename(named)
        case = replace(case, image=named)
        if kind == "nifti":
            marked_nifti(named)
        else:
            marked_itk(named, SimpleITK.ReadImage(str(named)))
    marked_nifti(case.mask)
    mask = case.mask.with_name(f"{MARK}.nii.gz")
    case.mask.rename(mask)
    model = str(folder / MARK / "starter-2")
    return replace(case, mask=mask, annotator=f"{MARK} {NUMBER}", model=model, time=WHEN)


def forms(text: str) -> Iterator[bytes]:
    """How a text can be in a file; two bytes each, and bytes of words swapped, as in OW of another order."""
    plain = text.encode()
    yield from (plain, plain.lower(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    even = plain[: len(plain) // 2 * 2]
    yield np.frombuffer(even, "<u2").byteswap().tobytes()


def found(folder: Path) -> set[str]:
    """Marks in names and content of all files in `folder`; what is compressed is looked into as well."""
    hits = set()
    for name, content in every_file(folder).items():
        looked_at = name.encode() + b"\n" + content + b"\n" + unpacked(content)
        hits |= {mark for mark in MARKS for form in forms(mark) if form in looked_at}
        hits |= {"gzip name"} & ({"gzip name"} if content[:2] == b"\x1f\x8b" and content[3] else set())
    return hits


each = pytest.mark.parametrize(
    ("form", "kind"),
    [
        (f, k)
        for f in EXPORT_FORMATS
        for k in ("dicom", "nifti", "nrrd", "mha")
        if f.name != "dicomseg" or k == "dicom"
    ],
    ids=lambda value: getattr(value, "name", value),
)


@each
def test_no_mark_of_the_patient_is_in_any_byte(tmp_path: Path, form: ExportFormat, kind: str) -> None:
    case = marked_case(tmp_path, kind)
    out = tmp_path / "out"
    report = export_dataset([case], ExportOptions(out, form, IDENTITY))
    assert (report.added, report.refused) == (("case-1",), {})
    assert found(out) == set()
    assert not any(str(tmp_path).encode() in unpacked(content) for content in every_file(out).values())


@each
def test_the_marks_were_there_and_the_search_finds_them(
    tmp_path: Path, form: ExportFormat, kind: str
) -> None:
    case = marked_case(tmp_path, kind)
    assert {MARK, DATE, ROOT} <= found(tmp_path)
    for path in case.image.iterdir() if kind == "dicom" else ():
        # The one tag that a SEG takes over and that may not hold just anything.
        data = pydicom.dcmread(path)
        data.PatientSex = "F"
        data.save_as(path)
    out = tmp_path / "out"
    export_dataset([case], ExportOptions(out, form, replace(IDENTITY, kept=True)))
    assert MARK in found(out)
    assert not any(str(tmp_path).encode() in unpacked(content) for content in every_file(out).values())


def test_every_public_text_tag_was_marked(tmp_path: Path) -> None:
    case = marked_dicom(tmp_path)
    data = pydicom.dcmread(next(case.image.iterdir()))
    assert sum(MARK in str(value) for value in texts(data)) > 300


def texts(data: Any) -> Iterator[Any]:
    for element in data.iterall():
        if element.VR != "SQ":
            yield element.value
