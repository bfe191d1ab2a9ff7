"""Finding the CT series among DICOM headers, and selecting one of them. Pixels are not read.

The images of a series share a SeriesInstanceUID. If a series holds several passes over the patient, each pass
is offered separately, by AcquisitionNumber or by the folder it lies in. Slices that each have a UID of their
own are offered as one series if their positions form one regular grid.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, combinations
from pathlib import Path

import numpy as np

from attunet_gui.io.formats.dicom_geometry import SliceStack, stack_slices
from attunet_gui.io.formats.dicom_headers import NO_UID, DicomHeader, iter_slices, scan_headers
from attunet_gui.system.displayable_text import displayable_text
from attunet_gui.system.errors import SeriesChoiceNeeded, UnreadableInput
from attunet_gui.system.folders import FolderContents, UnreadPath, files_beside, walk_folder
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ProgressCallback, no_progress

# Parts of the keys of series. Keys are stored with results, so these must not change.
_ACQUISITION, _FOLDER, _TOGETHER = "acquisition-", "folder-", "together-"
# Any two slices are evenly spaced; from three on, a regular grid is evidence that slices belong together.
_FEWEST_TOGETHER = 3
_MOST_PASSES = 12
_SAME_PLACE_MM = 0.01


@dataclass(frozen=True)
class DicomSeries:
    """One CT series, or one of several passes in it, as it is offered to the user.

    Attributes:
        key: identifies the series; `read` takes it as `series`.
        number: the series number shown at the scanner; "" if absent.
        description: number, name and size, for a list on the screen.
        files: the files of its slices, sorted by name.
        acquisition: its AcquisitionNumber if that distinguishes it from other passes of the series, else "".
        doubt: a sentence that says why it may be incomplete; "" if there is no reason to think so.
        caution: a sentence that says what a person should make sure of although the series counts as
            complete; "" if there is nothing.
    """

    key: str
    number: str
    description: str
    files: tuple[Path, ...]
    acquisition: str = ""
    doubt: str = ""
    caution: str = ""

    @property
    def common_folder(self) -> Path:
        """The innermost folder that holds every file of the series."""
        return _common_folder([file.parent for file in self.files])

    @property
    def short_name(self) -> str:
        """A name that distinguishes it from other series in the same folder, fit for a file name."""
        return f"series{self.number}" + (f"_acquisition{self.acquisition}" if self.acquisition else "")


@dataclass(frozen=True, eq=False)
class SeriesPass:
    """The headers that are opened as one CT: a series, or one pass of it.

    Attributes:
        key: key of the series, followed by that of the pass.
        headers: headers of its files.
        acquisition: see `DicomSeries`.
        folder: name of its folder if that distinguishes it from other passes of the series, else "".
    """

    key: str
    headers: tuple[DicomHeader, ...]
    acquisition: str = ""
    folder: str = ""


@dataclass(frozen=True, eq=False)
class ChosenSeries:
    """The CT that was selected.

    Attributes:
        one: the series or pass.
        short_name: see `DicomSeries`; "" if there is no other series.
        notes: sentences for the user.
    """

    one: SeriesPass
    short_name: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _FoundSeries:
    """CT headers by the key of their series, other DICOM headers, damaged, unreadable and hidden files."""

    by_key: dict[str, list[DicomHeader]]
    others: tuple[DicomHeader, ...]
    damaged: tuple[Path, ...]
    unread: tuple[UnreadPath, ...]
    hidden: tuple[Path, ...] = ()

    @property
    def all_passes(self) -> list[SeriesPass]:
        return [each for key, headers in self.by_key.items() for each in split_into_passes(key, headers)]


def list_series(folder: Path, progress: ProgressCallback = no_progress) -> tuple[DicomSeries, ...]:
    """Return the CT series in `folder` and below it, in the order of their numbers, without scouts.

    Files that are not DICOM, or are damaged, are passed over; `read` refuses a series with damaged files. If
    a series may be incomplete because something could not be read, its `doubt` says so.
    """
    return find_series(walk_folder(folder), progress)[0]


def find_series(
    walked: FolderContents, progress: ProgressCallback = no_progress
) -> tuple[tuple[DicomSeries, ...], tuple[UnreadPath, ...]]:
    """Return the CT series among the files of `walked`, see `list_series`, and what could not be read."""
    found = _collect_series(walked, progress)
    return _describe_passes(found, found.all_passes), found.unread


def choose_series(path: Path, series: str | None, progress: ProgressCallback) -> ChosenSeries:
    """Select the series that `dicom.read` reads for the same arguments.

    Raises:
        SeriesChoiceNeeded: if there are several and `series` is None.
        UnreadableInput: if there is none, or it may be incomplete.
    """
    found = _collect_series(walk_folder(path) if path.is_dir() else files_beside(path), progress)
    one = _select_pass(found, path, series)
    _check_undamaged(found.damaged, one.headers)
    doubt = _series_doubt(found, one.headers)
    if doubt.refusal:
        raise UnreadableInput(doubt.refusal)
    named = len(found.by_key) > 1 or bool(one.acquisition or one.folder)
    short_name = _describe_series(one).short_name if named else ""
    if one.folder:
        short_name += f"_{one.folder}"
    notes = _joined_series_note(one) + _left_out_note(found, one) + _beside_notes(found, one)
    return ChosenSeries(one, short_name, notes + ((doubt.caution,) if doubt.caution else ()))


def stack_pass(one: SeriesPass) -> SliceStack:
    """Return the slices of `one` in the order of their positions.

    Raises:
        UnreadableInput: if they do not lie on one regular grid.
        SeriesChoiceNeeded: if they are several passes over the patient, each of which lies on a regular grid.
    """
    try:
        return _stack_headers(one.headers)
    except UnreadableInput as error:
        offer_passes(one, error)
        raise


def series_files(path: Path, series: str | None) -> tuple[Path, ...]:
    """Return the files of a series, from which a copy can be made that the key `series` still finds.

    Args:
        path: a folder, or one file of the series.
        series: the key of the series; None for the only one in the folder, or the one of the file.

    Raises:
        UnreadableInput: if there is no such series, it may be incomplete, or only its folder distinguishes it
            from others, which a copy would not preserve.
    """
    # With a key of a folder no header needs to be read.
    one = None if f".{_FOLDER}" in (series or "") else choose_series(path, series, no_progress).one
    if one is None or one.folder:
        raise UnreadableInput(f"{path.name} shares its series with another folder: add it without copying.")
    return tuple(header.path for header in one.headers)


def offer_passes(one: SeriesPass, error: UnreadableInput) -> None:
    """Raise `SeriesChoiceNeeded` from `error` if `one` can be split into passes that are each regular."""
    for split in _candidate_splits(one.key, one.headers):
        if _are_all_regular(split):
            described = _describe_passes(_FoundSeries({}, (), (), ()), split)
            choices = tuple((each.key, each.description) for each in described)
            folder = _common_folder([header.path.parent for header in one.headers])
            raise SeriesChoiceNeeded(
                f"{folder.name} holds {len(choices)} CT series: choose one.", choices
            ) from error


def split_into_passes(key: str, headers: Sequence[DicomHeader]) -> list[SeriesPass]:
    """Return the series of `headers`, or its passes if they cover the same part of the patient."""
    whole = SeriesPass(key, tuple(headers))
    by_acquisition, by_folder = _candidate_splits(key, headers)
    if len(by_acquisition) > 1 and _are_all_regular(by_acquisition) and _passes_overlap(by_acquisition):
        return by_acquisition
    # A regular series stays one CT even if somebody has spread its files over several folders.
    if (
        len(by_folder) > 1
        and not _is_regular(whole)
        and _are_all_regular(by_folder)
        and _passes_overlap(by_folder)
    ):
        return by_folder
    return [whole]


def _candidate_splits(key: str, headers: Sequence[DicomHeader]) -> tuple[list[SeriesPass], list[SeriesPass]]:
    """Split `headers` by AcquisitionNumber, and by the folders directly below their common folder.

    A result with fewer than two passes is not a split.
    """
    common = _common_folder([header.path.parent for header in headers])
    numbers = _group_headers(headers, _acquisition_number)
    folders = _group_headers(headers, lambda header: str(_subfolder_of(header, common)))
    by_number = [
        SeriesPass(f"{key}.{_acquisition_token(number)}", numbers[number], number)
        for number in sorted(numbers, key=lambda number: (len(number), number))
        if "" not in numbers
    ]
    by_folder = [
        SeriesPass(f"{key}.{_folder_token(Path(folder))}", folders[folder], folder=Path(folder).name)
        for folder in sorted(folders)
        if len(folders) > 1
    ]
    return by_number, by_folder


def _group_headers(
    headers: Sequence[DicomHeader], by: Callable[[DicomHeader], str]
) -> dict[str, tuple[DicomHeader, ...]]:
    found: dict[str, list[DicomHeader]] = {}
    for header in headers:
        found.setdefault(by(header), []).append(header)
    return {name: tuple(each) for name, each in found.items()}


def _acquisition_number(header: DicomHeader) -> str:
    return header.tag_text("AcquisitionNumber").strip()


def _subfolder_of(header: DicomHeader, common: Path) -> Path:
    """Return the folder directly in `common` in which `header` lies, or `common` itself."""
    parts = header.path.parent.relative_to(common).parts
    return common / parts[0] if parts else common


def _acquisition_token(number: str) -> str:
    return f"{_ACQUISITION}{sha256(number.encode()).hexdigest()[:8]}"


def _folder_token(folder: Path) -> str:
    # Hashed, because keys are kept with results and a path may name the patient.
    return f"{_FOLDER}{sha256(str(folder.resolve()).encode(errors='surrogateescape')).hexdigest()[:16]}"


def _are_all_regular(split: Sequence[SeriesPass]) -> bool:
    several = 1 < len(split) <= _MOST_PASSES
    return several and all(
        sum(h.frame_count for h in each.headers) > 1 and _is_regular(each) for each in split
    )


def _is_regular(one: SeriesPass) -> bool:
    try:
        _stack_headers(one.headers)
    except UnreadableInput:
        return False
    return True


def _stack_headers(headers: Sequence[DicomHeader]) -> SliceStack:
    return stack_slices([each for header in headers for each in iter_slices(header)])


def _passes_overlap(split: Sequence[SeriesPass]) -> bool:
    """Whether two of several regular passes cover the same part of the patient, or differ in direction.

    Passes that do neither are parts of one volume that was scanned in steps.
    """
    firsts = [next(iter_slices(each.headers[0])) for each in split]
    normal = np.cross(firsts[0].along_row, firsts[0].along_column)
    if any(np.abs(np.cross(each.along_row, each.along_column) - normal).max() > 1e-3 for each in firsts):
        return True
    spans = []
    for each in split:
        heights = [float(one.position @ normal) for header in each.headers for one in iter_slices(header)]
        spans.append((min(heights), max(heights)))
    return any(min(a[1], b[1]) - max(a[0], b[0]) > -_SAME_PLACE_MM for a, b in combinations(spans, 2))


def _common_folder(folders: Sequence[Path]) -> Path:
    return Path(os.path.commonpath(folders))


# What is there


def _collect_series(walked: FolderContents, progress: ProgressCallback) -> _FoundSeries:
    """Read the headers of `walked` and sort them by series; images that are not CT in HU are kept apart."""
    scanned = scan_headers(walked, progress)
    by_key: dict[str, list[DicomHeader]] = {}
    others: list[DicomHeader] = []
    for header in scanned.headers:
        if header.is_ct_slice:
            by_key.setdefault(header.series_identity, []).append(header)
        else:
            others.append(header)
    for key, headers in list(by_key.items()):
        # A map of iodine or of atomic numbers is no series to choose; one that mixes it with HU is refused.
        if all(header.foreign_unit for header in headers):
            others += by_key.pop(key)
    return _FoundSeries(
        _join_single_slices(by_key), tuple(others), scanned.damaged, scanned.unread, scanned.hidden
    )


def _join_single_slices(by_key: dict[str, list[DicomHeader]]) -> dict[str, list[DicomHeader]]:
    """Return `by_key` where slices that each have a UID of their own are one series if they form a grid."""
    single = {key: each[0] for key, each in by_key.items() if len(each) == 1 and each[0].frame_count == 1}
    if len(single) < _FEWEST_TOGETHER:
        return by_key
    folders = Counter(header.path.parent for header in single.values())
    groups: dict[tuple[object, ...], list[str]] = {}
    for key, header in single.items():
        folder = header.path.parent
        tags = ("SeriesNumber", "SeriesDescription", "Rows", "Columns", "PixelSpacing")
        # Archives give each series a folder of its own.
        place = folder if folders[folder] > 1 else folder.parent
        groups.setdefault((place, *map(header.tag_text, tags)), []).append(key)
    kept = dict(by_key)
    for keys in groups.values():
        headers = [single[key] for key in keys]
        if len(keys) >= _FEWEST_TOGETHER and _has_no_duplicates(headers):
            for key in keys:
                del kept[key]
            kept[_TOGETHER + sha256("|".join(sorted(keys)).encode()).hexdigest()[:20]] = headers
    return kept


def _has_no_duplicates(headers: Sequence[DicomHeader]) -> bool:
    try:
        return all(len(group) == 1 for group in _stack_headers(headers).groups)
    except UnreadableInput:
        return False


def _joined_series_note(one: SeriesPass) -> tuple[str, ...]:
    if not one.key.startswith(_TOGETHER):
        return ()
    return (
        f"Each of the {len(one.headers)} slices has a series number of its own (SeriesInstanceUID): they "
        "were put together because their positions fit.",
    )


def _left_out_note(found: _FoundSeries, one: SeriesPass) -> tuple[str, ...]:
    """Images of the series that cannot be slices, scouts aside: a slice may have become one of them."""
    key = one.key.split(".")[0]
    left = [each for each in found.others if each.series_identity == key and not each.is_localizer]
    if not left:
        return ()
    some = f"{counted(len(left), 'image')} of this series {plural_of(len(left), 'is', 'are')}"
    name = displayable_text(left[0].path.name)
    return (
        f"{some} left out as no slice of a CT, beginning with {name}: make sure that no slice is missing.",
    )


def _beside_notes(found: _FoundSeries, one: SeriesPass) -> tuple[str, ...]:
    """Notes about images that may be slices of `one`, which no number of a series holds together with it."""
    folders = {header.path.parent for header in one.headers}
    near = [path for path in found.hidden if path.parent in folders]
    notes = [_beside_note(near, "hidden file", "begins as DICOM", "begin as DICOM")] if near else []
    key = one.key.split(".")[0]
    if key.startswith((_TOGETHER, NO_UID)):
        around = {folder.parent for folder in folders} if len(folders) > 1 else folders
        apart = [
            each
            for name, others in found.by_key.items()
            if name != key and (len(others) == 1 or key.startswith(NO_UID))
            for each in others
        ]
        apart += [each for each in found.others if each.is_ct_object]
        paths = [
            each.path
            for each in apart
            if {each.path.parent, each.path.parent.parent} & around and _may_continue(each, one)
        ]
        notes += [_beside_note(paths, "image", "may belong to it", "may belong to it")] if paths else []
    return tuple(notes)


def _beside_note(paths: Sequence[Path], what: str, does: str, do: str) -> str:
    return (
        f"{counted(len(paths), what)} beside this CT {plural_of(len(paths), does, do)} and "
        f"{plural_of(len(paths), 'was', 'were')} left out, beginning with "
        f"{displayable_text(min(paths).name)}: make sure that no slice is missing."
    )


def _may_continue(header: DicomHeader, one: SeriesPass) -> bool:
    """Whether `header` of another series may be a slice of `one`, by the number and name that people see."""
    alike = ("SeriesNumber", "SeriesDescription")
    return header.has_no_series_uid == one.key.startswith(NO_UID) and all(
        "" in (header.tag_text(word), one.headers[0].tag_text(word))
        or header.tag_text(word) == one.headers[0].tag_text(word)
        for word in alike
    )


@dataclass(frozen=True)
class _SeriesDoubt:
    """Why a series may be incomplete, and what a person should make sure of: a sentence each, or ""."""

    refusal: str = ""
    caution: str = ""


def _series_doubt(found: _FoundSeries, headers: Sequence[DicomHeader]) -> _SeriesDoubt:
    """Return what is to be said about the series of `headers` because of what could not be read.

    A series may continue in a folder inside or beside its own, and if it is the only series, in any folder
    that was searched. An unreadable file among images of other series is taken for one of those. Where each
    of the folders side by side holds a series of its own, an unreadable one among them is taken for another
    series, and only a caution is given.
    """
    caution = ""
    folders = {header.path.parent for header in headers}
    others = {header.path.parent for header in (*found.others, *chain(*found.by_key.values()))}
    for each in found.unread:
        holder = each.path.parent
        if each.is_file and holder not in folders:
            if holder in others:
                continue
            holder = holder.parent
        near = any(folder.is_relative_to(holder) or holder.is_relative_to(folder) for folder in folders)
        if near and _holds_one_each(found, holder):
            caution = (
                f"{displayable_text(each.path.name)} lies beside this CT and could not be read, "
                f"{each.reason}: make "
                "sure that no images of this CT are in it."
            )
        elif near or len(found.by_key) == 1:
            return _SeriesDoubt(str(each.as_unreadable_input))
    return _SeriesDoubt("", caution)


def _holds_one_each(found: _FoundSeries, holder: Path) -> bool:
    """Whether two folders or more in `holder` hold CT, none lies beside them, and no series is in two."""
    series: dict[Path, set[str]] = {}
    for key, headers in found.by_key.items():
        for header in headers:
            if header.path.is_relative_to(holder):
                series.setdefault(_subfolder_of(header, holder), set()).add(key)
    apart = not any(one & other for one, other in combinations(series.values(), 2))
    return len(series) > 1 and holder not in series and apart


def _describe_passes(found: _FoundSeries, passes: Sequence[SeriesPass]) -> tuple[DicomSeries, ...]:
    listed = [_describe_series(each, _series_doubt(found, each.headers)) for each in passes]
    # Numbers are text: by length first, or 10 would come before 9.
    listed.sort(
        key=lambda each: (len(each.number), each.number, len(each.acquisition), each.acquisition, each.key)
    )
    return tuple(_with_distinct_descriptions(listed))


def _with_distinct_descriptions(listed: Sequence[DicomSeries]) -> Iterator[DicomSeries]:
    """Yield `listed`, with the folder or a file appended where several descriptions are the same."""
    same = Counter(each.description for each in listed)
    alike = [each for each in listed if same[each.description] > 1]
    root = _common_folder([each.common_folder for each in alike]) if alike else Path()
    ways: tuple[Callable[[DicomSeries], str], ...] = (
        lambda each: (
            f"in {each.common_folder.relative_to(root) if each.common_folder != root else root.name}"
        ),
        lambda each: f"in {each.common_folder.name}, beginning with {each.files[0].name}",
    )
    folders = Counter((each.description, each.common_folder) for each in alike)
    for each in listed:
        if each not in alike:
            yield each
            continue
        way = ways[folders[each.description, each.common_folder] > 1]
        yield replace(each, description=displayable_text(f"{each.description}, {way(each)}"))


def _describe_series(one: SeriesPass, doubt: _SeriesDoubt = _SeriesDoubt()) -> DicomSeries:
    first = one.headers[0]
    number = first.tag_text("SeriesNumber")
    title = " ".join(part for part in (number, first.tag_text("SeriesDescription")) if part) or "unnamed"
    count = sum(header.frame_count for header in one.headers)
    size = f"{first.tag_text('Columns')} x {first.tag_text('Rows')}"
    part = f", acquisition {one.acquisition}" if one.acquisition else ""
    words = displayable_text(f"{title}{part}: {counted(count, 'image')}, {size}")
    files = tuple(header.path for header in one.headers)
    return DicomSeries(one.key, number, words, files, one.acquisition, doubt.refusal, doubt.caution)


# Which is meant


def _select_pass(found: _FoundSeries, path: Path, series: str | None) -> SeriesPass:
    if not path.is_dir():
        return _pass_of_file(found, path)
    if not found.by_key:
        raise _no_series_error(found, path)
    if series is not None:
        return _pass_by_key(found, path, series)
    passes = found.all_passes
    if len(passes) == 1:
        return passes[0]
    choices = tuple((each.key, each.description) for each in _describe_passes(found, passes))
    raise SeriesChoiceNeeded(f"{path.name} holds {len(choices)} CT series: choose one.", choices)


def _pass_by_key(found: _FoundSeries, path: Path, series: str) -> SeriesPass:
    """Return the series or pass with the key `series`.

    A pass is also found in a folder that does not hold the other passes.
    """
    whole, *tokens = series.split(".")
    headers = found.by_key.get(whole, [])
    chosen = tuple(header for header in headers if not tokens or set(tokens) <= _pass_tokens(header, path))
    if not chosen:
        raise UnreadableInput(
            f"{path.name} does not hold the series asked for: open the folder and choose again."
        )
    by_number = any(token.startswith(_ACQUISITION) for token in tokens)
    inside = [
        each for each in _folders_of_header(chosen[0], path) if each != path and _folder_token(each) in tokens
    ]
    acquisition = _acquisition_number(chosen[0]) if by_number else ""
    return SeriesPass(series, chosen, acquisition, inside[0].name if inside else "")


def _folders_of_header(header: DicomHeader, path: Path) -> list[Path]:
    return [folder for folder in header.path.parents if folder.is_relative_to(path)]


def _pass_tokens(header: DicomHeader, path: Path) -> set[str]:
    return {
        _acquisition_token(_acquisition_number(header)),
        *map(_folder_token, _folders_of_header(header, path)),
    }


def _pass_of_file(found: _FoundSeries, path: Path) -> SeriesPass:
    for one in found.all_passes:
        if any(header.path == path for header in one.headers):
            return one
    here = tuple(header for header in found.others if header.path == path)
    damaged = tuple(each for each in found.damaged if each == path)
    raise _no_series_error(
        _FoundSeries({}, here, damaged, tuple(each for each in found.unread if each.path == path)), path
    )


def _no_series_error(found: _FoundSeries, path: Path) -> UnreadableInput:
    """Return the error that says why there is no CT series at `path`, the most specific reason first."""
    if found.damaged:
        return _damaged_file_error(found.damaged[0])
    if found.unread:
        return found.unread[0].as_unreadable_input
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
    kinds = sorted({header.tag_text("Modality") or "unknown" for header in found.others} - {"CT"})
    what = f"{', '.join(kinds)} images, not CT" if kinds else "no CT slices, only pictures or reports"
    return UnreadableInput(f"{path.name} holds {what}: open a CT series.")


def _check_undamaged(damaged: Sequence[Path], headers: Sequence[DicomHeader]) -> None:
    # A file that cannot be read may be the slice of this series that is missing.
    folders = {header.path.parent for header in headers}
    for path in damaged:
        if path.parent in folders:
            raise _damaged_file_error(path)


def _damaged_file_error(path: Path) -> UnreadableInput:
    return UnreadableInput(f"{path.name} is a damaged DICOM file: copy it again or take it out.")
