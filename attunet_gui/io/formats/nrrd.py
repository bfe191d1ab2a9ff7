"""Parsing the header of a NRRD file: lines of `field: value` up to an empty one.

Source: the definition of the format, https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.io.formats.itk_header import (
    LONGEST_HEADER,
    ItkHeader,
    named_voxel_files,
    not_scalar_error,
    parse_dimension_count,
    parse_numbers,
    parse_whole_number,
    spatial_shape,
    voxel_blocks_at_file_end,
)
from attunet_gui.io.formats.itk_image import itk_image_format
from attunet_gui.io.formats.voxel_blocks import VoxelBlock, VoxelPacking, damaged_voxels_error
from attunet_gui.system.errors import UnreadableInput

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long"), "i8"),
    **dict.fromkeys(("signed long long int", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int"), "u8"),
    **dict.fromkeys(("uint64", "uint64_t"), "u8"),
    **{"float": "f4", "double": "f8"},
}
_PACKINGS: dict[str, VoxelPacking] = {
    **{"raw": "raw", "gzip": "zlib", "gz": "zlib", "bzip2": "bzip2", "bz2": "bzip2"},
    **dict.fromkeys(("ascii", "text", "txt"), "text"),
}
# Spaces -> factors that turn their axes into those of LPS.
_TO_LPS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
# Values of `kinds` that make an axis one of space; with any other it is one of colours, vectors or a list.
_PLACES = ("domain", "space", "none", "???")
_MM = {
    **dict.fromkeys(("", "mm", "millimeter", "millimeters", "millimetre"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre"), 1000.0),
    # The micro sign and the Greek letter are different characters.
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer"), 0.001),
}
_DATA_FILE = "data file"

NrrdFields = dict[str, str]


def read_nrrd_header(path: Path) -> ItkHeader:
    """Read the header of `path`.

    Raises:
        UnreadableInput: if it is damaged, or does not describe one 3-D image of real numbers.
        OSError: if the file cannot be read.
    """
    fields, rest, end = _read_fields(path)
    found = _spatial_axes(path, fields)
    shape = spatial_shape(path, [each.size for each in found])
    space = fields.get("space", "").lower()
    placed = space in _TO_LPS and "space directions" in fields
    affine = np.diag([*_TO_LPS.get(space, (1.0, 1.0, 1.0)), 1.0]) @ _header_affine(path, fields, found[:3])
    return ItkHeader(
        shape, _voxel_dtype(path, fields), affine, placed, _voxel_blocks(path, fields, shape, (rest, end))
    )


NRRD = itk_image_format("NRRD", (".nrrd", ".nhdr"), read_nrrd_header)


@dataclass(frozen=True)
class _NrrdAxis:
    """What the header says about one axis of the array; None where it says nothing.

    Attributes:
        size: number of voxels along the axis.
        direction: the vector of one step along the axis in the named space, as text.
        spacing: length of one step, where no space is named.
        first, last: where the axis begins and ends, where no space is named.
        cell: whether `first` and `last` are borders of voxels and not their centres; ITK assumes borders
            where the header does not say.
        unit_mm: length in mm of the unit of `spacing`, `first` and `last`.
    """

    size: int
    direction: str | None
    spacing: float | None
    first: float | None
    last: float | None
    cell: bool
    unit_mm: float


def _spatial_axes(path: Path, fields: NrrdFields) -> list[_NrrdAxis]:
    """Return the axes of space in their order.

    An axis of another kind may have one entry only, and is then left out.
    """
    sizes = [parse_whole_number(path, size) for size in fields.get("sizes", "").split()]
    count = len(sizes)
    if count != parse_dimension_count(path, fields.get("dimension", "")):
        raise damaged_voxels_error(path)
    kinds = _words_per_axis(path, fields.get("kinds", ""), count)
    directions = _axis_directions(path, fields, count)
    spacings, firsts, lasts = (
        _numbers_per_axis(path, fields.get(name, ""), count)
        for name in ("spacings", "axis mins", "axis maxs")
    )
    centers = _words_per_axis(path, fields.get("centers", fields.get("centerings", "")), count)
    units = [_unit_in_mm(path, unit) for unit in _quoted_per_axis(path, fields.get("units", ""), count)]
    found = []
    for n, size in enumerate(sizes):
        if kinds[n].lower() not in ("", *_PLACES):
            if size != 1:
                raise not_scalar_error(path)
            continue
        found.append(
            _NrrdAxis(
                *(size, directions[n], spacings[n], firsts[n], lasts[n]),
                cell=centers[n].lower() != "node",
                unit_mm=units[n],
            )
        )
    # Where the field `kinds` is missing, an axis of one voxel without a direction is not one of space either.
    while len(found) > 3 and (left := [n for n, axis in enumerate(found) if _is_directionless(axis, fields)]):
        del found[left[0]]
    return found


def _is_directionless(axis: _NrrdAxis, fields: NrrdFields) -> bool:
    return axis.size == 1 and "space directions" in fields and axis.direction is None


def _words_per_axis(path: Path, text: str, count: int) -> list[str]:
    words = text.split() or [""] * count
    if len(words) != count:
        raise damaged_voxels_error(path)
    return words


def _numbers_per_axis(path: Path, text: str, count: int) -> list[float | None]:
    """Return a number for each axis; None where it is "nan" or the field is missing."""
    words = _words_per_axis(path, text, count)
    return [None if word.lower() in ("", "nan") else float(parse_numbers(path, word, 1)[0]) for word in words]


def _quoted_per_axis(path: Path, text: str, count: int) -> list[str]:
    """Return a text in quotes for each axis; "" where the field is missing."""
    words = re.findall(r'"([^"]*)"', text) or text.split() or [""] * count
    if len(words) != count:
        raise damaged_voxels_error(path)
    return words


def _unit_in_mm(path: Path, unit: str) -> float:
    if unit.strip().lower() not in _MM:
        raise UnreadableInput(f"{path.name} gives its positions in {unit!r}, not in mm: convert it again.")
    return _MM[unit.strip().lower()]


def _axis_directions(path: Path, fields: NrrdFields, count: int) -> list[str | None]:
    text = fields.get("space directions")
    if text is None:
        return [None] * count
    words = re.findall(r"\([^()]*\)|[^\s()]+", text)
    if len(words) != count or any(word != "none" and not word.startswith("(") for word in words):
        raise damaged_voxels_error(path)
    return [None if word == "none" else word for word in words]


def _parse_vector(path: Path, text: str) -> NDArray[np.float64]:
    return parse_numbers(path, re.sub(r"[(),]", " ", text), 3)


def _read_fields(path: Path) -> tuple[NrrdFields, list[str], int]:
    """Return the fields, the lines of a list of files, and the offset behind the empty line at the end."""
    with path.open("rb") as file:
        raw = file.read(LONGEST_HEADER)
    if not raw.startswith(b"NRRD000"):
        raise UnreadableInput(f"{path.name} is not a NRRD file: its header is not one.")
    ended = re.search(rb"\r?\n\r?\n", raw)
    lines = raw[: ended.start() if ended else None].decode(errors="surrogateescape").splitlines()
    fields: NrrdFields = {}
    for number, line in enumerate(lines[1:], 1):
        name, colon, value = line.partition(":")
        # Comments, and pairs of a key and a value for other programs, which are written with ":=".
        if line.startswith("#") or value.startswith("="):
            continue
        if not colon or fields.get(_field_name(name), value.strip()) != value.strip():
            raise damaged_voxels_error(path)
        fields[_field_name(name)] = value.strip()
        if _field_name(name) == _DATA_FILE and value.split()[:1] == ["LIST"]:
            return fields, lines[number + 1 :], len(raw)
    return fields, [], ended.end() if ended else len(raw)


def _field_name(text: str) -> str:
    name = text.strip().lower()
    return {"datafile": _DATA_FILE, "lineskip": "line skip", "byteskip": "byte skip"}.get(name, name)


def _voxel_dtype(path: Path, fields: NrrdFields) -> np.dtype[Any]:
    kind = _TYPES.get(fields.get("type", "").lower())
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower())
    needless = kind in ("i1", "u1") or _PACKINGS.get(fields.get("encoding", "").lower()) == "text"
    if kind is None or (order is None and not needless):
        raise damaged_voxels_error(path)
    return np.dtype((order or "<") + kind)


def _header_affine(path: Path, fields: NrrdFields, axes: list[_NrrdAxis]) -> NDArray[np.float64]:
    """Return the affine (4, 4), voxel -> mm in the named space, or along the axes of the array if none is."""
    affine = np.eye(4)
    if "space directions" not in fields:
        for n, axis in enumerate(axes):
            affine[n, n], affine[n, 3] = _step_and_first_centre(path, axis)
    elif any(axis.direction is None for axis in axes):
        raise damaged_voxels_error(path)
    else:
        affine[:3, :3] = np.array([_parse_vector(path, str(axis.direction)) for axis in axes]).T
    if "space origin" in fields:
        affine[:3, 3] = _parse_vector(path, fields["space origin"])
    if "space units" in fields:
        factors = [_unit_in_mm(path, unit) for unit in _quoted_per_axis(path, fields["space units"], 3)]
        affine[:3] *= np.array(factors)[:, None]
    return affine


def _step_and_first_centre(path: Path, axis: _NrrdAxis) -> tuple[float, float]:
    """Return the length of a step along `axis` and the place of the centre of its first voxel, both in mm."""
    step = axis.spacing
    if step is None and axis.first is not None and axis.last is not None:
        gaps = axis.size if axis.cell else axis.size - 1
        step = (axis.last - axis.first) / gaps if gaps else None
    step = 1.0 if step is None else step
    if not step > 0:
        raise damaged_voxels_error(path)
    first = axis.first or 0.0
    half = step / 2 if axis.cell and axis.first is not None else 0.0
    return step * axis.unit_mm, (first + half) * axis.unit_mm


def _voxel_blocks(
    path: Path, fields: NrrdFields, shape: tuple[int, int, int], behind: tuple[list[str], int]
) -> tuple[VoxelBlock, ...]:
    """Return the files that hold the voxels; `behind` is the lines and the offset after the header."""
    rest, end = behind
    packing = _PACKINGS.get(fields.get("encoding", "").lower())
    if packing is None:
        raise _unknown_encoding_error(path)
    lines, skipped = (parse_whole_number(path, fields.get(name, "0")) for name in ("line skip", "byte skip"))
    # Bytes to skip are counted in the unpacked stream, where only raw voxels can be found without unpacking.
    if lines or skipped < -1 or (skipped and packing != "raw"):
        raise _unknown_encoding_error(path)
    local = _DATA_FILE not in fields
    files = (path,) if local else named_voxel_files(path, fields[_DATA_FILE], rest)
    if skipped == -1:
        return voxel_blocks_at_file_end(files, shape, _voxel_dtype(path, fields))
    return tuple(VoxelBlock(file, end + skipped if local else skipped, packing) for file in files)


def _unknown_encoding_error(path: Path) -> UnreadableInput:
    return UnreadableInput(
        f"{path.name} holds its voxels in a form that is not read: save it as raw or gzip."
    )
