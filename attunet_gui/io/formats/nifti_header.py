"""Reading the header of a NIfTI file, of a pair of .hdr and .img, or of Analyze 7.5.

Sources: the definition in nifti1.h; the Analyze 7.5 file format, Mayo Foundation.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.analyze import AnalyzeHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import list_folder

SINGLE_SUFFIXES = (".nii", ".nii.gz")
HEADER_SUFFIXES, VOXEL_SUFFIXES = (".hdr", ".hdr.gz"), (".img", ".img.gz")
PAIR_SUFFIXES = (".hdr", ".img", ".hdr.gz", ".img.gz")

# By the first field of a header, which is its own size.
_HEADERS = {348: Nifti1Header, 540: Nifti2Header}
# vox_units of Analyze -> the code of NIfTI; there is none for cm, which are converted.
_ANALYZE_UNITS = {b"": 2, b"mm": 2, b"cm": 0, b"m": 1, b"um": 3, b"micron": 3}
_UNIT_MM = 2

# nibabel logs what it corrects in a header through a handler of its own, which writes to the terminal.
_SILENT_LOGGER = logging.getLogger("attunet_gui.nibabel")
_SILENT_LOGGER.propagate = False
_SILENT_LOGGER.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class NiftiHeaderFields:
    """The header of a NIfTI or Analyze file in the fields of NIfTI.

    Attributes:
        raw: a nibabel header with the fields as stored.
        checked: a nibabel header with the fields as nibabel corrects them.
        pair: whether the voxels are in a file of their own.
    """

    raw: Any
    checked: Any
    pair: bool


def is_pair(path: Path) -> bool:
    """Whether `path` is one of a pair of files, by its suffix."""
    return path.name.lower().endswith(PAIR_SUFFIXES)


def find_pair_files(path: Path) -> tuple[Path, Path]:
    """Return the file of the header and the file of the voxels, one of which is `path`.

    Upper and lower case of the names do not matter.

    Raises:
        UnreadableInput: if the other file is missing.
    """
    stem = path.name[: path.name.lower().rindex(".hdr" if ".hdr" in path.name.lower()[-7:] else ".img")]
    beside = {each.name.lower(): each for each in list_folder(path.parent, hidden=True)}
    found = [
        next((beside[name] for ending in endings if (name := f"{stem}{ending}".lower()) in beside), None)
        for endings in (HEADER_SUFFIXES, VOXEL_SUFFIXES)
    ]
    if found[0] is None or found[1] is None:
        raise UnreadableInput(
            f"{path.name} is one of a pair of .hdr and .img, and the other is missing: copy both files."
        )
    return found[0], found[1]


def looks_like_nifti_header(path: Path) -> bool:
    """Whether the header of the pair of `path` begins like NIfTI or Analyze.

    Other programs use the suffixes .hdr and .img as well.

    Raises:
        OSError: if the header cannot be read.
    """
    try:
        start = find_pair_files(path)[0].open("rb")
    except UnreadableInput:
        return True  # so that opening it says which file is missing
    with start as file:
        found = file.read(4)
    packed = found[:2] == b"\x1f\x8b"
    return packed or any(int.from_bytes(found, order) in _HEADERS for order in ("little", "big"))


def read_header(stream: BinaryIO, path: Path) -> NiftiHeaderFields:
    """Read the header at the beginning of `stream`, which is left at the byte after it.

    Args:
        stream: unpacked bytes.
        path: the file, whose suffix says whether it belongs to a pair.

    Raises:
        UnreadableInput: if the header is damaged, or is not one.
    """
    start = stream.read(4)
    size = int.from_bytes(start, "little")
    if size not in _HEADERS:
        size = int.from_bytes(start, "big")
    if size not in _HEADERS:
        raise UnreadableInput(f"{path.name} is not a NIfTI file: its header is not one.")
    block = start + stream.read(size - 4)
    if len(block) < size:
        raise damaged_nifti_error(path)
    magic = block[344:348] if size == 348 else block[4:8]
    # A header of 348 bytes without the magic of NIfTI is Analyze 7.5, which has no magic.
    if is_pair(path) and size == 348 and not magic.startswith((b"n+", b"ni")):
        return _parse_header(_analyze_to_nifti(block, path), size, path, pair=True)
    if not magic.startswith(b"ni" if is_pair(path) else b"n+"):
        raise UnreadableInput(f"{path.name} is not a single-file NIfTI image: convert it to .nii.gz.")
    return _parse_header(block, size, path, pair=is_pair(path))


def _parse_header(block: bytes, size: int, path: Path, *, pair: bool) -> NiftiHeaderFields:
    kind = _HEADERS[size]
    try:
        raw = kind(block, check=False)
        checked = raw.copy()
        checked.check_fix(logger=_SILENT_LOGGER)
    except (HeaderDataError, ValueError, KeyError) as error:
        raise UnreadableInput(f"The header of {path.name} is damaged: copy or convert it again.") from error
    return NiftiHeaderFields(raw, checked, pair)


def _analyze_to_nifti(block: bytes, path: Path) -> bytes:
    """Return the binary NIfTI header for a header of Analyze 7.5, without any orientation.

    Analyze says too little of it: its left and right depend on the program that wrote the file.

    Raises:
        UnreadableInput: if the values are scaled, the unit is unknown, or the slices are not axial.
    """
    order = "<" if int.from_bytes(block[:4], "little") == len(block) else ">"
    old = np.frombuffer(block, AnalyzeHeader.template_dtype.newbyteorder(order))[0]
    # funused1, which SPM uses as a scale factor.
    factor = float(np.frombuffer(block, f"{order}f4", 1, 112)[0])
    if factor not in (0.0, 1.0):
        raise UnreadableInput(
            f"{path.name} stores its values scaled, which not all programs undo: save the values."
        )
    unit = bytes(old["vox_units"]).split(b"\0")[0].strip().lower()
    if unit not in _ANALYZE_UNITS:
        raise UnreadableInput(
            f"{path.name} gives its spacing in {unit.decode('latin-1')!r}, not in mm: convert it again."
        )
    if int(old["orient"][0] if old["orient"] else 0) not in (0, ord("0")):
        raise UnreadableInput(
            f"{path.name} is stored in coronal or sagittal slices, of which Analyze does not say enough: "
            "convert it to .nii.gz."
        )
    new = Nifti1Header(endianness=order)
    new["dim"], new["datatype"], new["bitpix"] = old["dim"], old["datatype"], old["bitpix"]
    centimetres = 10 if unit == b"cm" else 1
    new["pixdim"] = old["pixdim"] * centimetres
    new["vox_offset"], new["magic"], new["scl_slope"] = old["vox_offset"], b"ni1", 1
    new["xyzt_units"] = _ANALYZE_UNITS[unit] or _UNIT_MM
    return bytes(new.binaryblock)


def damaged_nifti_error(path: Path) -> UnreadableInput:
    """Return the error for a file that does not hold what its header says."""
    return UnreadableInput(f"{path.name} is damaged or incomplete: copy or download it again.")
