"""Somebody whose name is wherever a file can hold one, and a search for it in everything that was written."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from attunet_gui.io.journal.framing import read_frames
from attunet_gui.io.result_writing import write_ct
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from tests.support.ct_files import write_series
from tests.support.planted_identifiers import (
    DATE,
    MARK,
    MARKS,
    NUMBER,
    forms,
    marked_nifti,
    marked_uid,
    plant,
    plant_in_standard_tags,
)

SHAPE, SPACING_MM = (24, 96, 96), (5.0, 4.0, 4.0)


def write_patient(folder: Path) -> None:
    """`folder`/scan, a DICOM series, and `folder`/thin.nii.gz, whose names say nothing of him."""
    volume = phantom_volume(make_phantom(PhantomRequest(7, SHAPE, SPACING_MM)))
    folder.mkdir(parents=True, exist_ok=True)
    write_ct(folder / "thin.nii.gz", volume)
    marked_nifti(folder / "thin.nii.gz")
    stored = (np.clip(volume.hu, -1024, 3000) + 1024).astype(np.uint16)
    z, y, x = SPACING_MM
    for number, path in enumerate(
        write_series(folder / "scan", stored, (0, 0, z), PixelSpacing=[y, x], SliceThickness=z)
    ):
        data = pydicom.dcmread(path, force=True)
        plant_in_standard_tags(data)
        plant(data)
        data.PatientName, data.AccessionNumber, data.InstitutionName = f"{MARK}^JANE", NUMBER, MARK
        data.PatientBirthDate = DATE
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = marked_uid(100 + number)
        data.SeriesNumber = 3
        data.save_as(path)


def marks_in(folder: Path, spared: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """Paths within `folder` and the marks that are in their name or content, unpacked as far as can be.

    Args:
        folder: searched with everything below it.
        spared: parts of paths that are not looked into.
    """
    hits = set()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        if not any(part in name for part in spared):
            content = b"\n".join([name.encode(), *unpacked(path.read_bytes(), path)])
            hits |= {(name, mark) for mark in marks(content)}
    return hits


def marks(content: bytes) -> set[str]:
    """Marks in `content`, in any form."""
    return {mark for mark in MARKS for form in forms(mark) if form in content}


def unpacked(content: bytes, path: Path | None = None) -> Iterator[bytes]:
    """`content`, and whatever is packed in it."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name))
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        yield repr(Image.open(io.BytesIO(content)).info).encode()
    elif content[:16] == b"SQLite format 3\0" and path is not None:
        with sqlite3.connect(path) as connection:
            yield "\n".join(connection.iterdump()).encode()
    elif path is not None and path.suffix == ".journal":
        with path.open("rb") as file:
            frames = list(read_frames(file))
        for frame in frames:
            yield repr(frame).encode()
            yield zlib.decompress(frame.data) if frame.data[:1] == b"\x78" else frame.data
