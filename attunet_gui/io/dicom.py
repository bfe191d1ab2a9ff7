"""CT series in DICOM files -> a volume. Headers first, then the pixels in the order of the positions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from attunet_gui.core.counting import counted
from attunet_gui.core.errors import ChooseSeries, UnreadableInput
from attunet_gui.core.grid import canonicalise
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Origin, Volume
from attunet_gui.folders import Unread, Walked, beside, reason_of, walk
from attunet_gui.io.dicom_geometry import Stack, stack
from attunet_gui.io.dicom_headers import Header, Slice, missing_scale, scan, slices_of
from attunet_gui.io.dicom_pixels import ContradictingTags, decode
from attunet_gui.io.hounsfield import (
    AIR_HU,
    Hounsfield,
    fits_int16,
    hu_notes,
    may_be_hu,
    scale_slice,
    spacing_notes,
)
from attunet_gui.io.placing import source_grid
from attunet_gui.io.showable import showable

# A padding value within the range of tissue is not believed: it would punch holes into the patient.
_PADDING_BELOW_HU = -900.0
_PADDING_ABOVE_HU = 3071.0


@dataclass(frozen=True)
class Series:
    """One CT series.

    Attributes:
        key: pass it to `read` as `series`.
        number: the series number shown at the scanner, "" where absent.
        description: number, name and size, for a list on the screen.
        files: the files of its slices, sorted by name.
        doubt: why it may be incomplete, in a sentence; "" if nothing says so.
    """

    key: str
    number: str
    description: str
    files: tuple[Path, ...]
    doubt: str = ""

    @property
    def folder(self) -> Path:
        """The innermost folder that holds every file of the series."""
        return Path(os.path.commonpath([file.parent for file in self.files]))


@dataclass(frozen=True, eq=False)
class _Found:
    by_key: dict[str, list[Header]]
    others: tuple[Header, ...]
    damaged: tuple[Path, ...]
    unread: tuple[Unread, ...]


def list_series(folder: Path, progress: Progress = silent) -> tuple[Series, ...]:
    """The CT series in `folder` and below it, in the order of their numbers, without scouts.

    Files that are not DICOM, or are damaged, are passed over; `read` refuses what is damaged. A series that
    may be incomplete because something could not be read says so.
    """
    return find_series(walk(folder), progress)[0]


def find_series(walked: Walked, progress: Progress = silent) -> tuple[tuple[Series, ...], tuple[Unread, ...]]:
    """The CT series among the files of `walked`, as `list_series`, and all that could not be read."""
    found = _found(walked, progress)
    return _described(found), found.unread


def read(path: Path, series: str | None = None, progress: Progress = silent) -> Volume:
    """The CT series in the folder `path`, or the one that the file `path` belongs to.

    Args:
        path: folder, searched with all folders in it, or a single DICOM file.
        series: which of several series, by `Series.key`.
        progress: called between files.

    Raises:
        ChooseSeries: if there are several and `series` is None.
        UnreadableInput: if there is none, or it is damaged, incomplete or not on one regular grid.
    """
    several, key, headers = _series_at(path, series, progress)
    stacked = stack([each for header in headers for each in slices_of(header)])
    values_of = _Decoder()
    hu = _pixels(stacked, values_of, progress)
    notes = stacked.notes + values_of.notes + _unscaled_note(stacked, hu)
    name = (path if path.is_dir() else path.parent).resolve().name or "dicom"
    return _volume(
        replace(stacked, notes=notes),
        hu,
        f"{name}_series{headers[0].text('SeriesNumber')}" if several else name,
        Origin(path, "DICOM", series=key),
    )


def slices_in_order(path: Path, series: str | None = None, progress: Progress = silent) -> tuple[Slice, ...]:
    """The slices of the volume that `read` makes of the same arguments, along its third source axis.

    Where several show the same place, the first stands for all.

    Raises:
        ChooseSeries, UnreadableInput: as for `read`; pixels are not looked at.
    """
    _several, _key, headers = _series_at(path, series, progress)
    stacked = stack([each for header in headers for each in slices_of(header)])
    return tuple(group[0] for group in stacked.groups)


def stored_pixels(slices: Iterable[Slice]) -> Iterator[NDArray[Any]]:
    """(rows, columns) stored values of each slice, in their dtype.

    Raises:
        UnreadableInput: if they cannot be decoded.
    """
    values_of = _Decoder()
    for each in slices:
        yield values_of(each)


def _series_at(path: Path, series: str | None, progress: Progress) -> tuple[bool, str, list[Header]]:
    """Whether there are several series, and key and headers of the one that is meant."""
    found = _found(walk(path) if path.is_dir() else beside(path), progress)
    key = _chosen(found, path, series)
    headers = found.by_key[key]
    _check_undamaged(found.damaged, headers)
    doubt = _doubt(found, headers)
    if doubt:
        raise UnreadableInput(doubt)
    return len(found.by_key) > 1, key, headers


def _unscaled_note(stacked: Stack, hu: Hounsfield) -> tuple[str, ...]:
    """A sentence where stored values were taken for HU, because no header says how to scale them.

    Raises:
        UnreadableInput: if they cannot be HU, or other headers of the series say how to scale.
    """
    plain = [each for group in stacked.groups for each in group if not each.scaled]
    if not plain:
        return ()
    if len(plain) < sum(map(len, stacked.groups)) or not may_be_hu(hu):
        raise missing_scale(plain[0].path)
    span = f"from {float(hu.min()):g} to {float(hu.max()):g}"
    return (
        f"The DICOM tags RescaleSlope and RescaleIntercept are missing: the stored values, {span}, were "
        "taken for Hounsfield units.",
    )


def _volume(stacked: Stack, hu: Hounsfield, name: str, origin: Origin) -> Volume:
    first = stacked.groups[0][0]
    grid = source_grid((first.shape[1], first.shape[0], len(stacked.groups)), stacked.affine, first.path.name)
    placement = canonicalise(grid)
    notes = stacked.notes + spacing_notes(grid) + hu_notes(hu)
    np.maximum(hu, hu.dtype.type(AIR_HU), out=hu)
    turned = np.ascontiguousarray(placement.to_canonical(hu.transpose(2, 1, 0)))
    return Volume(turned, placement, name, origin, notes)


def _found(walked: Walked, progress: Progress) -> _Found:
    scanned = scan(walked, progress)
    by_key: dict[str, list[Header]] = {}
    others: list[Header] = []
    for header in scanned.headers:
        if header.is_ct_slice:
            by_key.setdefault(header.series, []).append(header)
        else:
            others.append(header)
    for key, headers in list(by_key.items()):
        # A map of iodine or of atomic numbers is no series to choose; one that mixes it with HU is refused.
        if all(header.foreign_unit for header in headers):
            others += by_key.pop(key)
    return _Found(by_key, tuple(others), scanned.damaged, scanned.unread)


def _doubt(found: _Found, headers: Sequence[Header]) -> str:
    """Why the series of `headers` may be incomplete; "" if nothing that could not be read can be of it.

    A series may go on in a folder inside or beside its own, and the only one in any that was looked at. A
    file among images of other series is taken for one of those.
    """
    folders = {header.path.parent for header in headers}
    others = {header.path.parent for header in (*found.others, *chain(*found.by_key.values()))}
    for each in found.unread:
        holder = each.path.parent
        if each.is_file and holder not in folders:
            if holder in others:
                continue
            holder = holder.parent
        near = any(folder.is_relative_to(holder) or holder.is_relative_to(folder) for folder in folders)
        if near or len(found.by_key) == 1:
            return str(each.refusal)
    return ""


def _described(found: _Found) -> tuple[Series, ...]:
    listed = [_series(key, headers, _doubt(found, headers)) for key, headers in found.by_key.items()]
    return tuple(sorted(listed, key=lambda each: (len(each.number), each.number, each.key)))


def _series(key: str, headers: Sequence[Header], doubt: str) -> Series:
    first = headers[0]
    number = first.text("SeriesNumber")
    title = " ".join(part for part in (number, first.text("SeriesDescription")) if part) or "unnamed"
    count = sum(header.frames for header in headers)
    size = f"{first.text('Columns')} x {first.text('Rows')}"
    words = showable(f"{title}: {counted(count, 'image')}, {size}")
    return Series(key, number, words, tuple(header.path for header in headers), doubt)


def _chosen(found: _Found, path: Path, series: str | None) -> str:
    if not path.is_dir():
        return _series_of_file(found, path)
    if not found.by_key:
        raise _nothing(found, path)
    if series is None and len(found.by_key) == 1:
        return next(iter(found.by_key))
    choices = tuple((each.key, each.description) for each in _described(found))
    if series is None:
        raise ChooseSeries(f"{path.name} holds {len(choices)} CT series: choose one.", choices)
    if series not in found.by_key:
        raise UnreadableInput(
            f"{path.name} does not hold the series asked for: open the folder and choose again."
        )
    return series


def _series_of_file(found: _Found, path: Path) -> str:
    for key, headers in found.by_key.items():
        if any(header.path == path for header in headers):
            return key
    here = tuple(header for header in found.others if header.path == path)
    damaged = tuple(each for each in found.damaged if each == path)
    raise _nothing(_Found({}, here, damaged, tuple(each for each in found.unread if each.path == path)), path)


def _nothing(found: _Found, path: Path) -> UnreadableInput:
    if found.damaged:
        return _damaged(found.damaged[0])
    if found.unread:
        return found.unread[0].refusal
    if not found.others:
        return UnreadableInput(
            f"{path.name} holds no DICOM images: open the folder of a CT series or an image file."
        )
    if any(header.is_localizer for header in found.others):
        return UnreadableInput(f"{path.name} holds only a scout view: open the folder of the CT slices.")
    if any(int(header.tags.get("SamplesPerPixel") or 1) > 1 for header in found.others):
        return UnreadableInput(f"{path.name} holds colour pictures, not CT slices: open the original series.")
    units = sorted({header.foreign_unit for header in found.others if header.is_ct_slice} - {""})
    if units:
        return UnreadableInput(
            f"{path.name} holds values of the kind {', '.join(units)}, not Hounsfield units: open the CT "
            "they were made of."
        )
    kinds = sorted({header.text("Modality") or "unknown" for header in found.others} - {"CT"})
    what = f"{', '.join(kinds)} images, not CT" if kinds else "no CT slices, only pictures or reports"
    return UnreadableInput(f"{path.name} holds {what}: open a CT series.")


def _check_undamaged(damaged: Sequence[Path], headers: Sequence[Header]) -> None:
    # A file that cannot be read may be the slice of this series that is missing.
    folders = {header.path.parent for header in headers}
    for path in damaged:
        if path.parent in folders:
            raise _damaged(path)


def _damaged(path: Path) -> UnreadableInput:
    return UnreadableInput(f"{path.name} is a damaged DICOM file: copy it again or take it out.")


def _pixels(stacked: Stack, values_of: _Decoder, progress: Progress) -> Hounsfield:
    rows, columns = stacked.groups[0][0].shape
    count = len(stacked.groups)
    values_of(stacked.groups[0][0])  # refuses a size that is only claimed, before memory is taken for it
    out: Hounsfield = np.empty((count, rows, columns), np.int16)
    for index, group in enumerate(stacked.groups):
        progress(index, count, "slices")
        values = _hu(group[0], values_of)
        for copy in group[1:]:
            _check_copy(group[0], copy, values, values_of)
        if out.dtype == np.int16 and not fits_int16(values):
            out = out.astype(np.float32)
        out[index] = values
    progress(count, count, "slices")
    return out


class _Decoder:
    """Stored values of a slice; keeps the last file open in memory, for files with many frames.

    Attributes:
        notes: sentences for the user on what was decoded, each once.
    """

    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()
        self._path: Path | None = None
        self._data: Any = None

    def __call__(self, each: Slice) -> NDArray[Any]:
        """(rows, columns) stored values.

        Raises:
            UnreadableInput: if they cannot be decoded.
        """
        try:
            if self._path != each.path:
                self._data = _with_syntax(pydicom.dcmread(each.path, force=True))
                self._path = each.path
            pixels, note = decode(self._data, each.frame)
        except ContradictingTags as error:
            raise UnreadableInput(
                f"{each.path.name}: the DICOM tags BitsStored and HighBit contradict each other, so nobody "
                "knows its values; export the series again."
            ) from error
        except OSError as error:
            if error.errno is None:
                raise _undecoded(each.path, self._data) from error
            raise Unread(each.path, reason_of(error)).refusal from error
        except Exception as error:
            # Decoders raise nearly anything on damaged bytes; all of it means the same to the user.
            raise _undecoded(each.path, self._data) from error
        if pixels.shape != each.shape:
            raise _damaged_pixels(each.path)
        if note and note not in self.notes:
            self.notes += (note,)
        return pixels


def _damaged_pixels(path: Path) -> UnreadableInput:
    return UnreadableInput(f"The image in {path.name} is damaged or incomplete: copy or export it again.")


def _with_syntax(data: Any) -> Any:
    # Files without the file meta group do not say how they are encoded; the parser found out.
    if "TransferSyntaxUID" not in data.file_meta:
        implicit = data.original_encoding[0]
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return data


def _undecoded(path: Path, data: Any) -> UnreadableInput:
    if data is None or _can_decode(data.file_meta.TransferSyntaxUID):
        return _damaged_pixels(path)
    syntax = data.file_meta.TransferSyntaxUID.name or "something without a name"
    return UnreadableInput(f"{path.name} is compressed as {syntax}, unknown here: export it uncompressed.")


def _can_decode(syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _hu(each: Slice, values_of: _Decoder) -> NDArray[np.float32]:
    stored = values_of(each)
    values, _missing = scale_slice(stored, each.slope, each.intercept)
    if each.padding is not None and _believable(each, each.padding):
        values[(stored >= each.padding[0]) & (stored <= each.padding[1])] = AIR_HU
    return values


def _believable(each: Slice, padding: tuple[int, int]) -> bool:
    low, high = sorted(value * each.slope + each.intercept for value in padding)
    return high <= _PADDING_BELOW_HU or low > _PADDING_ABOVE_HU


def _check_copy(first: Slice, copy: Slice, values: NDArray[np.float32], values_of: _Decoder) -> None:
    if not np.array_equal(values, _hu(copy, values_of)):
        raise UnreadableInput(
            f"{first.path.name} and {copy.path.name} show different images of the same place: the folder "
            "may mix two phases of the scan; keep one of them in a folder of its own."
        )
