"""Converting the entries of a journal to frames and back. Everything that comes from a file is validated.

Numbers, texts and times are validated by type and range. An edit must lie inside the volume, unpack to
exactly the size of its box, which is checked without holding all of it in memory, and flip as many voxels as
it says. The names of the dataclasses' fields and the values of "is" are stored and must stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from attunet_gui.core.activity import (
    Accepted,
    Activity,
    Closed,
    Entry,
    Opened,
    Redone,
    Saved,
    SinceSaved,
    Undone,
    Verified,
)
from attunet_gui.core.edit import NOTHING, Edit
from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.history import Stroke
from attunet_gui.core.volume import Volume
from attunet_gui.io.frames import Frame, pack

_MOST_VOXELS = 1 << 32
_BLOCK = 1 << 20

COMPACTED = ("kept", "ahead")
"""Kinds of stroke frames that compaction wrote again, for undo and for redo. The base counts them already."""

# The tag of an entry in a journal is the name of its class in lower case: these classes cannot be renamed
# without spelling the tags out.
_MARKS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Undone, Redone, Verified, Accepted, Saved, Opened, Closed)
}

Shape = tuple[
    Annotated[int, Field(ge=1)],
    Annotated[int, Field(ge=1)],
    Annotated[int, Field(ge=1)],
]
_Count = Annotated[int, Field(ge=0)]
_Seconds = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Identity:
    """The CT to which a journal belongs, and how to open it again.

    Attributes:
        name: name of the case.
        path: the file or folder that was opened; empty for a phantom.
        kind: kind of the file, as in `core.volume.Origin`.
        series: key of the DICOM series; None for other files.
        shape: (z, y, x) of the volume.
        spacing_mm: size of a voxel, (z, y, x).
        digest: hash of the voxels, by which another CT under the same path is noticed.
    """

    name: str
    path: Path
    kind: str
    series: str | None
    shape: Shape
    spacing_mm: tuple[_Positive, _Positive, _Positive]
    digest: str

    @property
    def key(self) -> str:
        """Name of the journal's files without suffix: a hash, which says nothing about the patient."""
        parts = (os.fsencode(self.path), (self.series or "").encode(), self.digest.encode())
        return hashlib.blake2b(b"\0".join(parts), digest_size=10).hexdigest()


def identify(volume: Volume) -> Identity:
    """Return the identity of `volume`. Every voxel is read once: 0.2 s for 512 x 512 x 300."""
    state = hashlib.blake2b(str((volume.hu.shape, volume.hu.dtype.str)).encode(), digest_size=16)
    # Slice by slice: a volume that is not contiguous would otherwise be copied whole.
    for plane in volume.hu:
        state.update(np.ascontiguousarray(plane).data)
    z, y, x = volume.grid.spacing_mm
    origin = volume.origin
    path = origin.path if origin.kind == "phantom" else origin.path.absolute()
    return Identity(
        name=_plain(volume.name),
        path=path,
        kind=origin.kind,
        series=origin.series,
        shape=volume.grid.shape,
        spacing_mm=(float(z), float(y), float(x)),
        digest=state.hexdigest(),
    )


@dataclass(frozen=True)
class Header:
    """The first frame of a journal.

    Attributes:
        identity: the CT.
        made: time at which the journal was begun, in seconds since the epoch.
    """

    identity: Identity
    made: _Seconds


@dataclass(frozen=True)
class Base:
    """The second frame of a journal: the state before its first stroke.

    Attributes:
        mask: the edit from an empty mask to the mask below the first stroke that can be undone.
        hand: the edit from nothing to the voxels that were drawn by hand by then.
        verified: slices that are verified after everything that was compacted.
        accepted: keys of the places that are accepted after everything that was compacted.
        since: the work that was in no saved file after everything that was compacted.
        activity: totals of everything that was compacted, and of earlier journals of the case.
    """

    mask: Edit = NOTHING
    hand: Edit = NOTHING
    verified: frozenset[int] = frozenset()
    accepted: frozenset[str] = frozenset()
    since: SinceSaved = field(default_factory=SinceSaved)
    activity: Activity = field(default_factory=Activity)


@dataclass(frozen=True)
class _Edit:
    start: tuple[_Count, _Count, _Count]
    shape: tuple[_Count, _Count, _Count]
    added: _Count
    removed: _Count
    size: _Count


@dataclass(frozen=True)
class _Stroke:
    edit: _Edit
    tool: str
    words: str
    user: str
    when: _Seconds
    slice: int
    by_hand: bool


@dataclass(frozen=True)
class _Base:
    mask: _Edit
    hand: _Edit
    verified: frozenset[int]
    accepted: frozenset[str]
    since: SinceSaved
    activity: Activity


# To frames


def header_frame(header: Header) -> bytes:
    """Return the bytes of the frame of `header`."""
    return pack(_plainly({"is": "header", **asdict(header)}))


def base_frame(base: Base) -> bytes:
    """Return the bytes of the frame of `base`; the packed voxels of its two edits follow the JSON."""
    values = {one.name: getattr(base, one.name) for one in fields(base)}
    values |= {"since": asdict(base.since), "activity": asdict(base.activity)}
    values |= {"mask": _edit_fields(base.mask), "hand": _edit_fields(base.hand)}
    return pack(_plainly({"is": "base", **values}), base.mask.packed + base.hand.packed)


def entry_frame(entry: Entry, kind: str = "stroke") -> bytes:
    """Return the bytes of the frame of `entry`; a stroke is of `kind` "stroke" or one of `COMPACTED`."""
    values = {one.name: getattr(entry, one.name) for one in fields(entry)}
    if isinstance(entry, Stroke):
        return pack(_plainly({"is": kind, **values, "edit": _edit_fields(entry.edit)}), entry.edit.packed)
    return pack(_plainly({"is": type(entry).__name__.lower(), **values}))


def _edit_fields(edit: Edit) -> dict[str, Any]:
    return {
        "start": edit.start,
        "shape": edit.shape,
        "added": edit.added,
        "removed": edit.removed,
        "size": len(edit.packed),
    }


def _plainly(value: Any) -> Any:
    """Return `value` as JSON can hold it; the bytes of a file name, which need not be text, as Latin-1."""
    if isinstance(value, Path):
        return os.fsencode(value).decode("latin-1")
    if isinstance(value, Mapping):
        return {_plainly(key): _plainly(part) for key, part in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(_plainly, value))
    return _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


# From frames


def header_of(frame: Frame) -> Header:
    """Return the header in `frame`.

    Raises:
        UnreadableInput: if the frame holds no header, or one that no CT can have.
    """
    header: Header = _checked(Header, _of_kind(frame, "header"))
    if np.prod(header.identity.shape, dtype=object) > _MOST_VOXELS:
        raise UnreadableInput("no CT has so many voxels")
    return header


def base_of(frame: Frame, shape: Shape) -> Base:
    """Return the base in `frame` for a volume of `shape`; `UnreadableInput` if it holds none that fits."""
    read = _checked(_Base, _of_kind(frame, "base"))
    # The packed voxels of the two edits follow one another; the size of the first one divides them.
    cut = min(read.mask.size, len(frame.data))
    _check_slices(read.verified, shape)
    return Base(
        _edit_of(read.mask, frame.data[:cut], shape),
        _edit_of(read.hand, frame.data[cut:], shape),
        read.verified,
        read.accepted,
        read.since,
        read.activity,
    )


def kind_of(frame: Frame) -> str:
    """Return the kind of `frame`, the value of its field "is"."""
    return str(frame.fields.get("is"))


def entry_of(frame: Frame, shape: Shape) -> Entry:
    """Return the entry in `frame` for a volume of `shape`; `UnreadableInput` if it holds none that fits."""
    if kind_of(frame) in _MARKS:
        return mark_of(frame, shape)
    read = _stroke_of(frame, shape)
    edit = _edit_of(read.edit, frame.data, shape)
    return Stroke(edit, read.tool, read.words, read.user, read.when, read.slice, read.by_hand)


def outline_of(frame: Frame, shape: Shape) -> Entry:
    """Return the entry in `frame` with an empty edit, which is enough to count; voxels are not looked at."""
    if kind_of(frame) in _MARKS:
        return mark_of(frame, shape)
    read = _stroke_of(frame, shape)
    return Stroke(NOTHING, read.tool, read.words, read.user, read.when, read.slice, read.by_hand)


def _stroke_of(frame: Frame, shape: Shape) -> _Stroke:
    if kind_of(frame) not in ("stroke", *COMPACTED):
        raise UnreadableInput("it holds an entry of an unknown kind")
    read: _Stroke = _checked(_Stroke, frame.fields)
    if not 0 <= read.slice < shape[0]:
        raise UnreadableInput("an entry lies outside the CT")
    return read


def since_of(frame: Frame) -> SinceSaved:
    """Return the unsaved work that the base in `frame` records; voxels are not looked at."""
    base: _Base = _checked(_Base, _of_kind(frame, "base"))
    return base.since


def mark_of(frame: Frame, shape: Shape) -> Entry:
    """Return the entry in `frame`, of a kind without voxels; `UnreadableInput` if it makes no sense."""
    values = dict(frame.fields)
    if "path" in values:
        values["path"] = _path(values["path"])
    entry: Entry = _checked(_MARKS[kind_of(frame)], values)
    if not np.isfinite(entry.when):
        raise UnreadableInput("a part of it makes no sense")
    if isinstance(entry, Verified):
        _check_slices(entry.slices, shape)
    return entry


def _of_kind(frame: Frame, kind: str) -> dict[str, Any]:
    if kind_of(frame) != kind:
        raise UnreadableInput("a part of it is missing")
    values = dict(frame.fields)
    if isinstance(values.get("identity"), dict):
        values["identity"] = {**values["identity"], "path": _path(values["identity"].get("path"))}
    return values


def _path(value: Any) -> Path:
    try:
        return Path(os.fsdecode(str(value).encode("latin-1")))
    except ValueError as error:
        raise UnreadableInput("a part of it makes no sense") from error


# Built once, because building a validator takes far longer than using it.
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Header, _Base, _Stroke, *_MARKS.values())
}


def _checked(kind: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return _ADAPTERS[kind].validate_python({key: part for key, part in values.items() if key != "is"})
    except (ValidationError, RecursionError) as error:
        raise UnreadableInput("a part of it makes no sense") from error


def _check_slices(slices: frozenset[int], shape: Shape) -> None:
    if slices and not 0 <= min(slices) <= max(slices) < shape[0]:
        raise UnreadableInput("an entry lies outside the CT")


def _edit_of(read: _Edit, packed: bytes, shape: Shape) -> Edit:
    if len(packed) != read.size:
        raise UnreadableInput("a part of it is missing")
    ends = zip(read.start, read.shape, shape, strict=True)
    if any(start + size > whole for start, size, whole in ends):
        raise UnreadableInput("an entry lies outside the CT")
    flips = _flips(packed, -(-int(np.prod(read.shape, dtype=object)) // 8))
    if flips != read.added + read.removed:
        raise UnreadableInput("an entry does not hold the voxels that it names")
    return Edit(read.start, read.shape, packed, read.added, read.removed)


def _flips(packed: bytes, expected: int) -> int:
    """Count the bits that are set in `packed`, which must unpack to `expected` bytes.

    At most one block of the unpacked bytes is held in memory.

    Raises:
        UnreadableInput: if it does not unpack to exactly that many bytes.
    """
    unpacker, count, total = zlib.decompressobj(), 0, 0
    try:
        while not unpacker.eof and total <= expected:
            block = unpacker.decompress(packed, _BLOCK)
            packed = unpacker.unconsumed_tail
            if not block and not packed:
                break
            total += len(block)
            count += int(np.bitwise_count(np.frombuffer(block, np.uint8)).sum())
    except zlib.error as error:
        raise UnreadableInput("a part of it cannot be unpacked") from error
    if not unpacker.eof or unpacker.unused_data or total != expected:
        raise UnreadableInput("an entry does not hold the voxels that it names")
    return count
