"""Parsing the header of a MetaImage: lines of `Key = value`, the last of which says where the voxels are.

Source: the MetaIO documentation, https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

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

# MET_LONG has 4 bytes in MetaIO, whatever the C compiler says.
_TYPES = {
    **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4"},
    **{"MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8"},
    **{"MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}
# Several keys mean the same; MetaIO writes the first of each tuple.
_MATRICES = ("TransformMatrix", "Rotation", "Orientation")
_ORIGINS = ("Offset", "Position", "Origin")
_MM = {"": 1.0, "?": 1.0, "mm": 1.0, "cm": 10.0, "um": 0.001}
_LAST = "ElementDataFile"
_AXES = 3

MetaImageFields = dict[str, str]


def read_metaimage_header(path: Path) -> ItkHeader:
    """Read the header of `path`.

    Raises:
        UnreadableInput: if it is damaged, or does not describe one 3-D image of real numbers.
        OSError: if the file cannot be read.
    """
    fields, rest, end = _read_fields(path)
    count = parse_dimension_count(path, fields.get("NDims", ""))
    if parse_whole_number(path, fields.get("ElementNumberOfChannels", "1")) != 1 or "_ARRAY" in fields.get(
        "ElementType", ""
    ):
        raise not_scalar_error(path)
    sizes = fields.get("DimSize", "").split()
    if len(sizes) != count:
        raise damaged_voxels_error(path)
    shape = spatial_shape(path, [parse_whole_number(path, size) for size in sizes])
    _check_binary_unscaled(path, fields)
    placed = any(name in fields for name in _MATRICES)
    return ItkHeader(
        shape,
        _voxel_dtype(path, fields),
        _header_affine(path, fields, count),
        placed,
        _voxel_blocks(path, fields, shape, (rest, end)),
    )


METAIMAGE = itk_image_format("MetaImage", (".mha", ".mhd"), read_metaimage_header)


def _read_fields(path: Path) -> tuple[MetaImageFields, list[str], int]:
    """Return the fields, the lines after the last field, and the offset at which the last field ends."""
    with path.open("rb") as file:
        raw = file.read(LONGEST_HEADER)
    fields: MetaImageFields = {}
    end = 0
    while _LAST not in fields:
        stop = raw.find(b"\n", end)
        # The name of a file may end the header without a new line.
        line, end = (raw[end:], len(raw)) if stop < 0 else (raw[end:stop], stop + 1)
        name, equals, value = line.decode("latin-1").partition("=")
        if not equals or fields.get(name.strip(), value.strip()) != value.strip():
            raise damaged_voxels_error(path)
        fields[name.strip()] = value.strip()
    return fields, raw[end:].decode(errors="surrogateescape").splitlines(), end


def _check_binary_unscaled(path: Path, fields: MetaImageFields) -> None:
    if not _parse_flag(path, fields.get("BinaryData", "True")):
        raise UnreadableInput(f"{path.name} holds its voxels as text: save it in binary form.")
    slope = fields.get("ElementToIntensityFunctionSlope", "1")
    offset = fields.get("ElementToIntensityFunctionOffset", "0")
    if (parse_numbers(path, slope, 1)[0], parse_numbers(path, offset, 1)[0]) != (1, 0):
        raise UnreadableInput(
            f"{path.name} stores its values scaled, which not all programs undo: save the values."
        )


def _voxel_dtype(path: Path, fields: MetaImageFields) -> np.dtype[Any]:
    kind = _TYPES.get(fields.get("ElementType", ""))
    if kind is None:
        raise damaged_voxels_error(path)
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    return np.dtype((">" if _parse_flag(path, big) else "<") + kind)


def _parse_flag(path: Path, text: str) -> bool:
    """Parse a truth value as MetaIO does, and refuse what it would take for "no"."""
    if text.lower() not in ("true", "t", "1", "false", "f", "0"):
        raise damaged_voxels_error(path)
    return text.lower() in ("true", "t", "1")


def _header_affine(path: Path, fields: MetaImageFields, count: int) -> NDArray[np.float64]:
    """Return the affine (4, 4), voxel (i, j, k) -> LPS mm; `UnreadableInput` if the fields make none."""
    spacing = _field_numbers(path, fields, ("ElementSpacing", "ElementSize"), np.ones(count))
    matrix = _field_numbers(path, fields, _MATRICES, np.eye(count).ravel()).reshape(count, count)
    if not (spacing > 0).all():
        raise UnreadableInput(f"{path.name} has a spacing that is not positive: convert it again.")
    affine = np.eye(4)
    # A row of the matrix is the direction of an axis of the image; in an affine that is a column.
    affine[:3, :3] = matrix[:_AXES, :_AXES].T * spacing[:_AXES]
    affine[:3, 3] = _field_numbers(path, fields, _ORIGINS, np.zeros(count))[:_AXES]
    unit = fields.get("DistanceUnits", "").strip().lower()
    if unit not in _MM:
        raise UnreadableInput(f"{path.name} gives its positions in {unit!r}, not in mm: convert it again.")
    affine[:3] *= _MM[unit]
    return affine


def _field_numbers(
    path: Path, fields: MetaImageFields, names: tuple[str, ...], default: NDArray[np.float64]
) -> NDArray[np.float64]:
    name = next((name for name in names if name in fields), None)
    return default if name is None else parse_numbers(path, fields[name], len(default))


def _voxel_blocks(
    path: Path, fields: MetaImageFields, shape: tuple[int, int, int], behind: tuple[list[str], int]
) -> tuple[VoxelBlock, ...]:
    """Return the files that hold the voxels; `behind` is the lines and the offset after the last field."""
    rest, end = behind
    packing: VoxelPacking = "zlib" if _parse_flag(path, fields.get("CompressedData", "False")) else "raw"
    # HeaderSize -1 means that the voxels are the last bytes of the file.
    skipped = parse_whole_number(path, fields.get("HeaderSize", "0"))
    local = fields[_LAST].upper() == "LOCAL"
    files = (path,) if local else named_voxel_files(path, fields[_LAST], rest)
    if skipped < 0:
        if skipped != -1 or packing != "raw":
            raise UnreadableInput(
                f"{path.name} has voxels at the end of a file of unknown layout: convert it again."
            )
        return voxel_blocks_at_file_end(files, shape, _voxel_dtype(path, fields))
    return tuple(VoxelBlock(file, end + skipped if local else skipped, packing) for file in files)
