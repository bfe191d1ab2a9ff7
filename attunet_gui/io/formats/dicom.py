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

from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import canonical_reorientation
from attunet_gui.io.formats.dicom_geometry import SliceStack
from attunet_gui.io.formats.dicom_headers import DicomSlice, iter_slices, missing_rescale_error, scan_headers
from attunet_gui.io.formats.dicom_pixels import ContradictingTags, decode_frame
from attunet_gui.io.formats.dicom_series import choose_series, offer_passes, stack_pass
from attunet_gui.io.formats.hounsfield import (
    AIR_HU,
    HounsfieldArray,
    check_not_constant,
    fits_int16,
    hu_notes,
    may_be_hounsfield,
    scale_slice,
    spacing_notes,
)
from attunet_gui.io.formats.source_grid_checks import checked_source_grid
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import FolderContents, UnreadPath, os_error_reason
from attunet_gui.system.progress import ProgressCallback, no_progress

# A padding value within the range of tissue is ignored: it would make holes in the patient.
_PADDING_BELOW_HU = -900.0
_PADDING_ABOVE_HU = 3071.0


def read_series(path: Path, series: str | None = None, progress: ProgressCallback = no_progress) -> Volume:
    """Read the CT series in the folder `path`, or the series that the file `path` belongs to.

    Args:
        path: a folder, which is searched with all folders in it, or a single DICOM file.
        series: the `DicomSeries.key` of one of several series.
        progress: called between files.

    Returns:
        The volume, whose hu is (z, y, x) int16, or float32 where int16 cannot hold the values.

    Raises:
        SeriesChoiceNeeded: if there are several series and `series` is None.
        UnreadableInput: if there is none, or it is damaged, incomplete or not on one regular grid.
    """
    chosen = choose_series(path, series, progress)
    ordered, values_of = stack_pass(chosen.one), _SliceDecoder()
    try:
        hu = _read_hu_stack(ordered, values_of, progress)
    except ConflictingDuplicates as error:
        # Two images of one place may be two passes over the patient, each of them a regular series.
        offer_passes(chosen.one, error)
        raise
    notes = chosen.notes + ordered.notes + values_of.notes + _unscaled_note(ordered, hu)
    name = (path if path.is_dir() else path.parent).resolve().name or "dicom"
    return _build_volume(
        replace(ordered, notes=notes),
        hu,
        f"{name}_{chosen.short_name}" if chosen.short_name else name,
        VolumeOrigin(path, "DICOM", series=chosen.one.key),
    )


def slices_in_order(
    path: Path, series: str | None = None, progress: ProgressCallback = no_progress
) -> tuple[DicomSlice, ...]:
    """Return the slices of the volume that `read_series` makes from the same arguments, along its third
    source axis.

    Of several slices at one position only the first is returned. Pixels are not looked at.

    Raises:
        SeriesChoiceNeeded, UnreadableInput: see `read_series`.
    """
    return tuple(group[0] for group in stack_pass(choose_series(path, series, progress).one).groups)


def iter_stored_pixels(slices: Iterable[DicomSlice]) -> Iterator[NDArray[Any]]:
    """Yield the stored values of each slice: (rows, columns), in their dtype, before scaling.

    Raises:
        UnreadableInput: if a slice cannot be decoded.
    """
    values_of = _SliceDecoder()
    for each in slices:
        yield values_of(each)


def iter_slice_values(files: Iterable[Path]) -> Iterator[NDArray[np.float32]]:
    """Yield the HU of each slice in `files` as (n,) float32, in the order of the files.

    Raises:
        UnreadableInput: if a slice cannot be decoded.
    """
    decoder = _SliceDecoder()
    for path in files:
        for header in scan_headers(FolderContents((path,), ())).headers:
            for each in iter_slices(header):
                yield _slice_hu(each, decoder).ravel()


def _unscaled_note(ordered: SliceStack, hu: HounsfieldArray) -> tuple[str, ...]:
    """Return a note for the user if stored values were taken for HU because no header says how to scale them.

    Raises:
        UnreadableInput: if the values cannot be HU, or other headers of the series say how to scale them.
    """
    plain = [each for group in ordered.groups for each in group if not each.scaled]
    if not plain:
        return ()
    if len(plain) < sum(map(len, ordered.groups)) or not may_be_hounsfield(hu):
        raise missing_rescale_error(plain[0].path)
    span = f"from {float(hu.min()):g} to {float(hu.max()):g}"
    return (
        f"The DICOM tags RescaleSlope and RescaleIntercept are missing: the stored values, {span}, were "
        "taken for Hounsfield units.",
    )


def _build_volume(ordered: SliceStack, hu: HounsfieldArray, name: str, origin: VolumeOrigin) -> Volume:
    first = ordered.groups[0][0]
    grid = checked_source_grid(
        (first.shape[1], first.shape[0], len(ordered.groups)), ordered.affine, first.path.name
    )
    placement = canonical_reorientation(grid)
    check_not_constant(hu, name)
    notes = ordered.notes + spacing_notes(grid) + hu_notes(hu)
    # In place, as a copy of the volume would take its memory twice.
    np.maximum(hu, hu.dtype.type(AIR_HU), out=hu)
    turned = np.ascontiguousarray(placement.to_canonical(hu.transpose(2, 1, 0)))
    return Volume(turned, placement, name, origin, notes)


def _read_hu_stack(
    ordered: SliceStack, values_of: _SliceDecoder, progress: ProgressCallback
) -> HounsfieldArray:
    """Return the HU of all slices, (slices, rows, columns) int16, or float32 once a value does not fit."""
    rows, columns = ordered.groups[0][0].shape
    count = len(ordered.groups)
    # Refuses a size that the headers only claim, before memory is allocated for it.
    values_of(ordered.groups[0][0])
    out: HounsfieldArray = np.empty((count, rows, columns), np.int16)
    for index, group in enumerate(ordered.groups):
        progress(index, count, "slices")
        values = _slice_hu(group[0], values_of)
        for copy in group[1:]:
            _check_duplicate_slice(group[0], copy, values, values_of)
        if out.dtype == np.int16 and not fits_int16(values):
            out = out.astype(np.float32)
        out[index] = values
    progress(count, count, "slices")
    return out


class ConflictingDuplicates(UnreadableInput):
    """Two slices of one series lie at the same position and hold different images."""


class _SliceDecoder:
    """Decodes the pixels of slices. The last file is kept in memory, for files with many frames.

    Attributes:
        notes: sentences for the user about what was decoded, each of them once.
    """

    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()
        self._path: Path | None = None
        self._data: Any = None

    def __call__(self, each: DicomSlice) -> NDArray[Any]:
        """Return the stored values of a slice: (rows, columns), in their dtype.

        Raises:
            UnreadableInput: if they cannot be decoded, or have another size than the header says.
        """
        try:
            if self._path != each.path:
                self._data = _with_transfer_syntax(pydicom.dcmread(each.path, force=True))
                self._path = each.path
            pixels, note = decode_frame(self._data, each.frame)
        except ContradictingTags as error:
            raise UnreadableInput(
                f"{each.path.name}: the DICOM tags BitsStored and HighBit contradict each other or the "
                "pixels, so nobody knows its values; export the series again."
            ) from error
        except OSError as error:
            # Decoders raise OSError as well; only the operating system sets its number.
            if error.errno is None:
                raise _decoding_error(each.path, self._data) from error
            raise UnreadPath(each.path, os_error_reason(error)).as_unreadable_input from error
        except Exception as error:
            # Decoders raise nearly anything on damaged bytes; all of it means the same to the user.
            raise _decoding_error(each.path, self._data) from error
        if pixels.shape != each.shape:
            raise _damaged_pixels(each.path)
        if note and note not in self.notes:
            self.notes += (note,)
        return pixels


def _damaged_pixels(path: Path) -> UnreadableInput:
    return UnreadableInput(f"The image in {path.name} is damaged or incomplete: copy or export it again.")


def _with_transfer_syntax(data: Any) -> Any:
    # Files without the file meta group do not say how they are encoded; the parser found out.
    if "TransferSyntaxUID" not in data.file_meta:
        implicit = data.original_encoding[0]
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return data


def _decoding_error(path: Path, data: Any) -> UnreadableInput:
    if data is None or _can_decode(data.file_meta.TransferSyntaxUID):
        return _damaged_pixels(path)
    syntax = data.file_meta.TransferSyntaxUID.name or "something without a name"
    return UnreadableInput(f"{path.name} is compressed as {syntax}, unknown here: export it uncompressed.")


def _can_decode(syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _slice_hu(each: DicomSlice, values_of: _SliceDecoder) -> NDArray[np.float32]:
    stored = values_of(each)
    values, _missing = scale_slice(stored, each.slope, each.intercept)
    if each.padding is not None and _is_believable_padding(each, each.padding):
        values[(stored >= each.padding[0]) & (stored <= each.padding[1])] = AIR_HU
    return values


def _is_believable_padding(each: DicomSlice, padding: tuple[int, int]) -> bool:
    low, high = sorted(value * each.slope + each.intercept for value in padding)
    return high <= _PADDING_BELOW_HU or low > _PADDING_ABOVE_HU


def _check_duplicate_slice(
    first: DicomSlice, copy: DicomSlice, values: NDArray[np.float32], values_of: _SliceDecoder
) -> None:
    if not np.array_equal(values, _slice_hu(copy, values_of)):
        raise ConflictingDuplicates(
            f"{first.path.name} and {copy.path.name} show different images of the same place: the folder "
            "may mix two phases of the scan; keep one of them in a folder of its own."
        )
