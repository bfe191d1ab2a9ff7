"""The header of a NRRD file: lines of `field: value` up to an empty one.

Source: the definition of the format, https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io.described import (
    LONGEST_HEADER,
    Described,
    colours,
    dimensions,
    files_named,
    numbers,
    spatial,
    whole,
)
from attunet_gui.io.stored import Packing, Piece, damaged

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
_PACKINGS: dict[str, Packing] = {"raw": "raw", "gzip": "zlib", "gz": "zlib", "bzip2": "bzip2", "bz2": "bzip2"}
_TO_LPS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
_PLACES = ("domain", "space", "none", "???")
_DATA_FILE = "data file"

Fields = dict[str, str]


def header(path: Path) -> Described:
    """What the header of `path` says.

    Raises:
        UnreadableInput: if it is damaged, or not one 3-D image of real numbers.
        OSError: if it cannot be read.
    """
    fields, rest, end = _fields(path)
    sizes = fields.get("sizes", "").split()
    if len(sizes) != dimensions(path, fields.get("dimension", "")):
        raise damaged(path)
    if any(kind.lower() not in (*_PLACES, "time") for kind in fields.get("kinds", "").split()):
        raise colours(path)
    shape = spatial(path, [whole(path, size) for size in sizes])
    axes = fields.get("space", "").lower()
    placed = axes in _TO_LPS and "space directions" in fields
    affine = np.diag([*_TO_LPS.get(axes, (1.0, 1.0, 1.0)), 1.0]) @ _affine(path, fields, len(sizes))
    return Described(shape, _dtype(path, fields), affine, placed, _pieces(path, fields, rest, end))


def _fields(path: Path) -> tuple[Fields, list[str], int]:
    """The fields, the lines behind a list of files, and where an empty line ends the header."""
    with path.open("rb") as file:
        raw = file.read(LONGEST_HEADER)
    if not raw.startswith(b"NRRD000"):
        raise UnreadableInput(f"{path.name} is not a NRRD file: its header is not one.")
    ended = re.search(rb"\r?\n\r?\n", raw)
    lines = raw[: ended.start() if ended else None].decode(errors="surrogateescape").splitlines()
    fields: Fields = {}
    for number, line in enumerate(lines[1:], 1):
        name, colon, value = line.partition(":")
        if line.startswith("#") or value.startswith("="):
            continue
        if not colon or fields.get(_name(name), value.strip()) != value.strip():
            raise damaged(path)
        fields[_name(name)] = value.strip()
        if _name(name) == _DATA_FILE and value.split()[:1] == ["LIST"]:
            return fields, lines[number + 1 :], len(raw)
    return fields, [], ended.end() if ended else len(raw)


def _name(text: str) -> str:
    name = text.strip().lower()
    return {"datafile": _DATA_FILE, "lineskip": "line skip", "byteskip": "byte skip"}.get(name, name)


def _dtype(path: Path, fields: Fields) -> np.dtype[Any]:
    kind = _TYPES.get(fields.get("type", "").lower())
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower())
    if kind is None or (order is None and kind not in ("i1", "u1")):
        raise damaged(path)
    return np.dtype((order or "<") + kind)


def _affine(path: Path, fields: Fields, count: int) -> NDArray[np.float64]:
    affine = np.eye(4)
    if "space directions" in fields:
        affine[:3, :3] = _vectors(path, fields["space directions"], 3).T
    elif "spacings" in fields:
        words = fields["spacings"].split()
        spacing = numbers(path, " ".join(words[:3]), 3)
        if len(words) != count or not (spacing > 0).all():
            raise damaged(path)
        affine[:3, :3] = np.diag(spacing)
    if "space origin" in fields:
        affine[:3, 3] = _vectors(path, fields["space origin"], 1)[0]
    return affine


def _vectors(path: Path, text: str, count: int) -> NDArray[np.float64]:
    found = re.findall(r"\(([^()]*)\)", text)
    left = re.sub(r"\([^()]*\)", "", text).split()
    # Of further axes, which are one voxel long, nothing is asked.
    if len(found) < count or any(word != "none" for word in left) or text.strip().startswith("none"):
        raise damaged(path)
    return np.array([numbers(path, part.replace(",", " "), 3) for part in found[:count]])


def _pieces(path: Path, fields: Fields, rest: list[str], end: int) -> tuple[Piece, ...]:
    packing = _PACKINGS.get(fields.get("encoding", "").lower())
    if packing is None:
        raise _unknown_form(path)
    lines, skipped = (whole(path, fields.get(name, "0")) for name in ("line skip", "byte skip"))
    if lines or skipped < 0 or (skipped and packing != "raw"):
        raise _unknown_form(path)
    if _DATA_FILE not in fields:
        return (Piece(path, end + skipped, packing),)
    return tuple(Piece(file, skipped, packing) for file in files_named(path, fields[_DATA_FILE], rest))


def _unknown_form(path: Path) -> UnreadableInput:
    return UnreadableInput(
        f"{path.name} holds its voxels in a form that is not read: save it as raw or gzip."
    )
