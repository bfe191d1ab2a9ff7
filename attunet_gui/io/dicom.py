"""Reading a CT series in DICOM files into a volume: all headers first, then the pixels by position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import canonicalise
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Origin, Volume
from attunet_gui.folders import Unread, Walked, reason_of
from attunet_gui.io.dicom_geometry import Stack
from attunet_gui.io.dicom_headers import Slice, missing_scale, scan, slices_of
from attunet_gui.io.dicom_pixels import ContradictingTags, decode
from attunet_gui.io.dicom_series import choose, offer_passes, stacked
from attunet_gui.io.hounsfield import (
    AIR_HU,
    Hounsfield,
    check_measured,
    fits_int16,
    hu_notes,
    may_be_hu,
    scale_slice,
    spacing_notes,
)
from attunet_gui.io.placing import source_grid

# A padding value within the range of tissue is ignored: it would make holes in the patient.
_PADDING_BELOW_HU = -900.0
_PADDING_ABOVE_HU = 3071.0


def read(path: Path, series: str | None = None, progress: Progress = silent) -> Volume:
    """Read the CT series in the folder `path`, or the series that the file `path` belongs to.

    Args:
        path: a folder, which is searched with all folders in it, or a single DICOM file.
        series: the `Series.key` of one of several series.
        progress: called between files.

    Returns:
        The volume, whose hu is (z, y, x) int16, or float32 where int16 cannot hold the values.

    Raises:
        ChooseSeries: if there are several series and `series` is None.
        UnreadableInput: if there is none, or it is damaged, incomplete or not on one regular grid.
    """
    chosen = choose(path, series, progress)
    ordered, values_of = stacked(chosen.one), _Decoder()
    try:
        hu = _pixels(ordered, values_of, progress)
    except DifferentImages as error:
        # Two images of one place may be two passes over the patient, each of them a regular series.
        offer_passes(chosen.one, error)
        raise
    notes = chosen.notes + ordered.notes + values_of.notes + _unscaled_note(ordered, hu)
    name = (path if path.is_dir() else path.parent).resolve().name or "dicom"
    return _volume(
        replace(ordered, notes=notes),
        hu,
        f"{name}_{chosen.short_name}" if chosen.short_name else name,
        Origin(path, "DICOM", series=chosen.one.key),
    )


def slices_in_order(path: Path, series: str | None = None, progress: Progress = silent) -> tuple[Slice, ...]:
    """Return the slices of the volume that `read` makes from the same arguments, along its third source axis.

    Of several slices at one position only the first is returned. Pixels are not looked at.

    Raises:
        ChooseSeries, UnreadableInput: see `read`.
    """
    return tuple(group[0] for group in stacked(choose(path, series, progress).one).groups)


def stored_pixels(slices: Iterable[Slice]) -> Iterator[NDArray[Any]]:
    """Yield the stored values of each slice: (rows, columns), in their dtype, before scaling.

    Raises:
        UnreadableInput: if a slice cannot be decoded.
    """
    values_of = _Decoder()
    for each in slices:
        yield values_of(each)


def values(files: Iterable[Path]) -> Iterator[NDArray[np.float32]]:
    """Yield the HU of each slice in `files` as (n,) float32, in the order of the files.

    Raises:
        UnreadableInput: if a slice cannot be decoded.
    """
    decoder = _Decoder()
    for path in files:
        for header in scan(Walked((path,), ())).headers:
            for each in slices_of(header):
                yield _hu(each, decoder).ravel()


def _unscaled_note(ordered: Stack, hu: Hounsfield) -> tuple[str, ...]:
    """Return a note for the user if stored values were taken for HU because no header says how to scale them.

    Raises:
        UnreadableInput: if the values cannot be HU, or other headers of the series say how to scale them.
    """
    plain = [each for group in ordered.groups for each in group if not each.scaled]
    if not plain:
        return ()
    if len(plain) < sum(map(len, ordered.groups)) or not may_be_hu(hu):
        raise missing_scale(plain[0].path)
    span = f"from {float(hu.min()):g} to {float(hu.max()):g}"
    return (
        f"The DICOM tags RescaleSlope and RescaleIntercept are missing: the stored values, {span}, were "
        "taken for Hounsfield units.",
    )


def _volume(ordered: Stack, hu: Hounsfield, name: str, origin: Origin) -> Volume:
    first = ordered.groups[0][0]
    grid = source_grid((first.shape[1], first.shape[0], len(ordered.groups)), ordered.affine, first.path.name)
    placement = canonicalise(grid)
    check_measured(hu, name)
    notes = ordered.notes + spacing_notes(grid) + hu_notes(hu)
    # In place, as a copy of the volume would take its memory twice.
    np.maximum(hu, hu.dtype.type(AIR_HU), out=hu)
    turned = np.ascontiguousarray(placement.to_canonical(hu.transpose(2, 1, 0)))
    return Volume(turned, placement, name, origin, notes)


def _pixels(ordered: Stack, values_of: _Decoder, progress: Progress) -> Hounsfield:
    """Return the HU of all slices, (slices, rows, columns) int16, or float32 once a value does not fit."""
    rows, columns = ordered.groups[0][0].shape
    count = len(ordered.groups)
    # Refuses a size that the headers only claim, before memory is allocated for it.
    values_of(ordered.groups[0][0])
    out: Hounsfield = np.empty((count, rows, columns), np.int16)
    for index, group in enumerate(ordered.groups):
        progress(index, count, "slices")
        values = _hu(group[0], values_of)
        for copy in group[1:]:
            _check_copy(group[0], copy, values, values_of)
        if out.dtype == np.int16 and not fits_int16(values):
            out = out.astype(np.float32)
        out[index] = values
    progress(count, count, "slices")
    return out


class DifferentImages(UnreadableInput):
    """Two slices of one series lie at the same position and hold different images."""


class _Decoder:
    """Decodes the pixels of slices. The last file is kept in memory, for files with many frames.

    Attributes:
        notes: sentences for the user about what was decoded, each of them once.
    """

    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()
        self._path: Path | None = None
        self._data: Any = None

    def __call__(self, each: Slice) -> NDArray[Any]:
        """Return the stored values of a slice: (rows, columns), in their dtype.

        Raises:
            UnreadableInput: if they cannot be decoded, or have another size than the header says.
        """
        try:
            if self._path != each.path:
                self._data = _with_syntax(pydicom.dcmread(each.path, force=True))
                self._path = each.path
            pixels, note = decode(self._data, each.frame)
        except ContradictingTags as error:
            raise UnreadableInput(
                f"{each.path.name}: the DICOM tags BitsStored and HighBit contradict each other or the "
                "pixels, so nobody knows its values; export the series again."
            ) from error
        except OSError as error:
            # Decoders raise OSError as well; only the operating system sets its number.
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
        raise DifferentImages(
            f"{first.path.name} and {copy.path.name} show different images of the same place: the folder "
            "may mix two phases of the scan; keep one of them in a folder of its own."
        )
