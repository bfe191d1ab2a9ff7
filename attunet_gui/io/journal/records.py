"""Converting the entries of a journal to frames and back. Everything that comes from a file is validated.

Numbers, texts and times are validated by type and range. An edit must lie inside the volume, unpack to
exactly the size of its box, which is checked without holding all of it in memory, and flip as many voxels as
it says. The names of the dataclasses' fields and the tags in `_ENTRY_TAGS` are stored and must stay as they
are; the names of the classes may change.
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

from attunet_gui.core.case_activity import CaseActivity, UnsavedChanges
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import (
    FindingsAccepted,
    JournalEntry,
    MaskWritten,
    SessionClosed,
    SessionOpened,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
)
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit
from attunet_gui.core.volume import Volume
from attunet_gui.io.journal.framing import JournalFrame, pack_frame
from attunet_gui.system.errors import UnreadableInput

_MOST_VOXELS = 1 << 32
_BLOCK = 1 << 20

COMPACTED_KINDS = ("kept", "ahead")
"""Kinds of stroke frames that compaction wrote again, for undo and for redo. The base counts them already."""

# Stored in the field "is" of every journal: tags stay as they are, whatever the classes are called.
_ENTRY_TAGS: dict[type[Any], str] = {
    StrokeUndone: "undone",
    StrokeRedone: "redone",
    SlicesVerified: "verified",
    FindingsAccepted: "accepted",
    MaskWritten: "saved",
    SessionOpened: "opened",
    SessionClosed: "closed",
}
_ENTRY_CLASSES = {tag: kind for kind, tag in _ENTRY_TAGS.items()}

VolumeShape = tuple[
    Annotated[int, Field(ge=1)],
    Annotated[int, Field(ge=1)],
    Annotated[int, Field(ge=1)],
]
_Count = Annotated[int, Field(ge=0)]
_Seconds = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class CaseIdentity:
    """The CT to which a journal belongs, and how to open it again.

    Attributes:
        name: name of the case.
        path: the file or folder that was opened; empty for a phantom.
        kind: kind of the file, as in `core.volume.VolumeOrigin`.
        series: key of the DICOM series; None for other files.
        shape: (z, y, x) of the volume.
        spacing_mm: size of a voxel, (z, y, x).
        digest: hash of the voxels, by which another CT under the same path is noticed.
    """

    name: str
    path: Path
    kind: str
    series: str | None
    shape: VolumeShape
    spacing_mm: tuple[_Positive, _Positive, _Positive]
    digest: str

    @property
    def journal_key(self) -> str:
        """Name of the journal's files without suffix: a hash, which says nothing about the patient."""
        parts = (os.fsencode(self.path), (self.series or "").encode(), self.digest.encode())
        return hashlib.blake2b(b"\0".join(parts), digest_size=10).hexdigest()


def identify_volume(volume: Volume) -> CaseIdentity:
    """Return the identity of `volume`. Every voxel is read once: 0.2 s for 512 x 512 x 300."""
    state = hashlib.blake2b(str((volume.hu.shape, volume.hu.dtype.str)).encode(), digest_size=16)
    # Slice by slice: a volume that is not contiguous would otherwise be copied whole.
    for plane in volume.hu:
        state.update(np.ascontiguousarray(plane).data)
    z, y, x = volume.grid.spacing_mm
    origin = volume.origin
    path = origin.path if origin.kind == "phantom" else origin.path.absolute()
    return CaseIdentity(
        name=_encodable_text(volume.name),
        path=path,
        kind=origin.kind,
        series=origin.series,
        shape=volume.grid.shape,
        spacing_mm=(float(z), float(y), float(x)),
        digest=state.hexdigest(),
    )


@dataclass(frozen=True)
class JournalHeader:
    """The first frame of a journal.

    Attributes:
        identity: the CT.
        made: time at which the journal was begun, in seconds since the epoch.
    """

    identity: CaseIdentity
    made: _Seconds


@dataclass(frozen=True)
class JournalBase:
    """The second frame of a journal: the state before its first stroke.

    Attributes:
        mask: the edit from an empty mask to the mask below the first stroke that can be undone.
        hand: the edit from nothing to the voxels that were drawn by hand by then.
        verified: slices that are verified after everything that was compacted.
        accepted: keys of the places that are accepted after everything that was compacted.
        since: the work that was in no saved file after everything that was compacted.
        activity: totals of everything that was compacted, and of earlier journals of the case.
    """

    mask: MaskEdit = NO_EDIT
    hand: MaskEdit = NO_EDIT
    verified: frozenset[int] = frozenset()
    accepted: frozenset[str] = frozenset()
    since: UnsavedChanges = field(default_factory=UnsavedChanges)
    activity: CaseActivity = field(default_factory=CaseActivity)


@dataclass(frozen=True)
class _EditRecord:
    start: tuple[_Count, _Count, _Count]
    shape: tuple[_Count, _Count, _Count]
    added: _Count
    removed: _Count
    size: _Count


@dataclass(frozen=True)
class _StrokeRecord:
    edit: _EditRecord
    tool: str
    words: str
    user: str
    when: _Seconds
    slice: int
    by_hand: bool


@dataclass(frozen=True)
class _BaseRecord:
    mask: _EditRecord
    hand: _EditRecord
    verified: frozenset[int]
    accepted: frozenset[str]
    since: UnsavedChanges
    activity: CaseActivity


# To frames


def header_frame(header: JournalHeader) -> bytes:
    """Return the bytes of the frame of `header`."""
    return pack_frame(_to_json_value({"is": "header", **asdict(header)}))


def base_frame(base: JournalBase) -> bytes:
    """Return the bytes of the frame of `base`; the packed voxels of its two edits follow the JSON."""
    values = {one.name: getattr(base, one.name) for one in fields(base)}
    values |= {"since": asdict(base.since), "activity": asdict(base.activity)}
    values |= {"mask": _edit_fields(base.mask), "hand": _edit_fields(base.hand)}
    return pack_frame(_to_json_value({"is": "base", **values}), base.mask.packed + base.hand.packed)


def entry_frame(entry: JournalEntry, kind: str = "stroke") -> bytes:
    """Return the bytes of the frame of `entry`; a stroke has `kind` "stroke" or one of `COMPACTED_KINDS`."""
    values = {one.name: getattr(entry, one.name) for one in fields(entry)}
    if isinstance(entry, EditStroke):
        return pack_frame(
            _to_json_value({"is": kind, **values, "edit": _edit_fields(entry.edit)}), entry.edit.packed
        )
    return pack_frame(_to_json_value({"is": _ENTRY_TAGS[type(entry)], **values}))


def _edit_fields(edit: MaskEdit) -> dict[str, Any]:
    return {
        "start": edit.start,
        "shape": edit.shape,
        "added": edit.added,
        "removed": edit.removed,
        "size": len(edit.packed),
    }


def _to_json_value(value: Any) -> Any:
    """Return `value` as JSON can hold it; the bytes of a file name, which need not be text, as Latin-1."""
    if isinstance(value, Path):
        return os.fsencode(value).decode("latin-1")
    if isinstance(value, Mapping):
        return {_to_json_value(key): _to_json_value(part) for key, part in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(_to_json_value, value))
    return _encodable_text(value) if isinstance(value, str) else value


def _encodable_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


# From frames


def parse_header(frame: JournalFrame) -> JournalHeader:
    """Return the header in `frame`.

    Raises:
        UnreadableInput: if the frame holds no header, or one that no CT can have.
    """
    header: JournalHeader = _validated(JournalHeader, _fields_of_kind(frame, "header"))
    if np.prod(header.identity.shape, dtype=object) > _MOST_VOXELS:
        raise UnreadableInput("no CT has so many voxels")
    return header


def parse_base(frame: JournalFrame, shape: VolumeShape) -> JournalBase:
    """Return the base in `frame` for a volume of `shape`; `UnreadableInput` if it holds none that fits."""
    read = _validated(_BaseRecord, _fields_of_kind(frame, "base"))
    # The packed voxels of the two edits follow one another; the size of the first one divides them.
    cut = min(read.mask.size, len(frame.data))
    _check_slices(read.verified, shape)
    return JournalBase(
        _parse_edit(read.mask, frame.data[:cut], shape),
        _parse_edit(read.hand, frame.data[cut:], shape),
        read.verified,
        read.accepted,
        read.since,
        read.activity,
    )


def record_kind(frame: JournalFrame) -> str:
    """Return the kind of `frame`, the value of its field "is"."""
    return str(frame.fields.get("is"))


def parse_entry(frame: JournalFrame, shape: VolumeShape) -> JournalEntry:
    """Return the entry in `frame` for a volume of `shape`; `UnreadableInput` if it holds none that fits."""
    if record_kind(frame) in _ENTRY_CLASSES:
        return _parse_entry_without_voxels(frame, shape)
    read = _parse_stroke(frame, shape)
    edit = _parse_edit(read.edit, frame.data, shape)
    return EditStroke(edit, read.tool, read.words, read.user, read.when, read.slice, read.by_hand)


def parse_entry_outline(frame: JournalFrame, shape: VolumeShape) -> JournalEntry:
    """Return the entry in `frame` with an empty edit, which is enough to count; voxels are not looked at."""
    if record_kind(frame) in _ENTRY_CLASSES:
        return _parse_entry_without_voxels(frame, shape)
    read = _parse_stroke(frame, shape)
    return EditStroke(NO_EDIT, read.tool, read.words, read.user, read.when, read.slice, read.by_hand)


def _parse_stroke(frame: JournalFrame, shape: VolumeShape) -> _StrokeRecord:
    if record_kind(frame) not in ("stroke", *COMPACTED_KINDS):
        raise UnreadableInput("it holds an entry of an unknown kind")
    read: _StrokeRecord = _validated(_StrokeRecord, frame.fields)
    if not 0 <= read.slice < shape[0]:
        raise UnreadableInput("an entry lies outside the CT")
    return read


def parse_since_saved(frame: JournalFrame) -> UnsavedChanges:
    """Return the unsaved work that the base in `frame` records; voxels are not looked at."""
    base: _BaseRecord = _validated(_BaseRecord, _fields_of_kind(frame, "base"))
    return base.since


def _parse_entry_without_voxels(frame: JournalFrame, shape: VolumeShape) -> JournalEntry:
    """Return the entry in `frame`, of a kind without voxels; `UnreadableInput` if it makes no sense."""
    values = dict(frame.fields)
    if "path" in values:
        values["path"] = _parse_path(values["path"])
    entry: JournalEntry = _validated(_ENTRY_CLASSES[record_kind(frame)], values)
    if not np.isfinite(entry.when):
        raise UnreadableInput("a part of it makes no sense")
    if isinstance(entry, SlicesVerified):
        _check_slices(entry.slices, shape)
    return entry


def _fields_of_kind(frame: JournalFrame, kind: str) -> dict[str, Any]:
    if record_kind(frame) != kind:
        raise UnreadableInput("a part of it is missing")
    values = dict(frame.fields)
    if isinstance(values.get("identity"), dict):
        values["identity"] = {**values["identity"], "path": _parse_path(values["identity"].get("path"))}
    return values


def _parse_path(value: Any) -> Path:
    try:
        return Path(os.fsdecode(str(value).encode("latin-1")))
    except ValueError as error:
        raise UnreadableInput("a part of it makes no sense") from error


# Built once, because building a validator takes far longer than using it.
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (JournalHeader, _BaseRecord, _StrokeRecord, *_ENTRY_TAGS)
}


def _validated(kind: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return _ADAPTERS[kind].validate_python({key: part for key, part in values.items() if key != "is"})
    except (ValidationError, RecursionError) as error:
        raise UnreadableInput("a part of it makes no sense") from error


def _check_slices(slices: frozenset[int], shape: VolumeShape) -> None:
    if slices and not 0 <= min(slices) <= max(slices) < shape[0]:
        raise UnreadableInput("an entry lies outside the CT")


def _parse_edit(read: _EditRecord, packed: bytes, shape: VolumeShape) -> MaskEdit:
    if len(packed) != read.size:
        raise UnreadableInput("a part of it is missing")
    ends = zip(read.start, read.shape, shape, strict=True)
    if any(start + size > whole for start, size, whole in ends):
        raise UnreadableInput("an entry lies outside the CT")
    flips = _count_flipped_voxels(packed, -(-int(np.prod(read.shape, dtype=object)) // 8))
    if flips != read.added + read.removed:
        raise UnreadableInput("an entry does not hold the voxels that it names")
    return MaskEdit(read.start, read.shape, packed, read.added, read.removed)


def _count_flipped_voxels(packed: bytes, expected: int) -> int:
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
