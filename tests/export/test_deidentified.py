"""Nothing of the patient leaves: marks are put wherever a file can hold them, and every byte is searched.

With `kept` identifiers the same search finds them, so it can fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
import SimpleITK
from pydicom.uid import generate_uid

from attunet_gui.export import EXPORT_FORMATS, ExportCase, ExportOptions, export_dataset
from attunet_gui.export.export_format import ExportFormat
from tests.support.export_cases import IDENTITY, WHEN, every_file, make_case, unpacked
from tests.support.planted_identifiers import (
    DATE,
    MARK,
    MARKS,
    NUMBER,
    ROOT,
    forms,
    marked_nifti,
    marked_uid,
    plant,
    plant_in_standard_tags,
)


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
