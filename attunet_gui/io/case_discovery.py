"""Finding the CT below a folder, and telling them from label maps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from attunet_gui.io.image_content import ImageContent, classify_image_file, classify_voxel_values
from attunet_gui.io.image_format_registry import format_of_path, is_image_file, strip_format_suffix
from attunet_gui.system.displayable_text import displayable_errors
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import FolderContents, walk_folder
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ProgressCallback, no_progress

_NAME_LENGTH = 100


@dataclass(frozen=True)
class CaseRef:
    """One CT, which `read(path, series=series)` opens.

    Attributes:
        path: the file, or the folder of a DICOM series.
        series: key of the DICOM series; None for image files.
        name: name of the case, without suffix and fit for a file name; unique among the cases that were
            found together, where upper and lower case count as one.
        refused: why it must not be opened, in a sentence, because a part of it could not be read; usually "".
        caution: a sentence that says what a person should make sure of, because something beside the CT could
            not be read; "" if there is nothing.
    """

    path: Path
    series: str | None
    name: str
    refused: str = ""
    caution: str = ""


@dataclass(frozen=True)
class FoundImages:
    """The images in a folder.

    Attributes:
        cases: the CT, ordered by path.
        label_maps: files, and folders of DICOM series, that hold labels or a probability by their values.
        doubtful: files and folders that may hold a CT or labels, each with a sentence that says why; they are
            in neither of the other lists.
    """

    cases: tuple[CaseRef, ...]
    label_maps: tuple[Path, ...] = ()
    doubtful: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True)
class ChosenCt:
    """The CT among what a person chose or dropped together.

    Attributes:
        path: what `read_ct_volume` should open.
        label_maps: files that were given with it, or lie in the folder that was given, and hold labels.
    """

    path: Path
    label_maps: tuple[Path, ...] = ()


def find_cases(path: Path, progress: ProgressCallback = no_progress) -> tuple[CaseRef, ...]:
    """Return the CT at `path`; see `find_images`."""
    return find_images(path, progress).cases


@displayable_errors()
def find_images(path: Path, progress: ProgressCallback = no_progress) -> FoundImages:
    """Find the images at `path`: the file itself, or all image files and DICOM series in and below a folder.

    Hidden files are passed over, and `classify_image_file` tells CT from label maps; a single file that may
    be either counts as a CT. The order is that of the paths, so it is the same every time. A file or folder
    that could not be read becomes a case that is refused, and so does a DICOM series of which a part may lie
    there.

    Args:
        path: an image file, or a folder.
        progress: called once for each file and series.

    Raises:
        UnreadableInput: if there is nothing at `path`, or it is a file of an unknown kind or a label map.
    """
    if not path.is_dir():
        format_of_path(path)
        _refuse_labels(path)
        return FoundImages(_with_unique_names([CaseRef(path, None, strip_format_suffix(path.name))]))
    walked = walk_folder(path)
    found = [*_image_files(path, walked, progress), *_dicom_series_cases(path, walked, progress)]
    found.sort(key=lambda each: (str(each[0].path), each[0].name))
    return FoundImages(
        _with_unique_names([ref for ref, content in found if content.kind == "CT"]),
        tuple(ref.path for ref, content in found if content.kind == "labels"),
        tuple((ref.path, _doubt_sentence(content)) for ref, content in found if content.kind == "doubtful"),
    )


@displayable_errors()
def choose_single_ct(paths: Sequence[Path], progress: ProgressCallback = no_progress) -> ChosenCt:
    """Choose the CT that should be opened, out of `paths` that a person chose or dropped together.

    Args:
        paths: one folder, image files, or the files of a DICOM series; at least one.
        progress: called while a folder is searched.

    Returns:
        The only CT among the image files in `paths` or in the one folder there. A folder with DICOM series is
        returned as it is.

    Raises:
        UnreadableInput: if several of the image files may be CT, or none is.
    """
    first, *others = paths
    files = [path for path in paths if is_image_file(path)]
    if not others and not first.is_dir():
        return ChosenCt(first)
    has_series = False
    if not others:
        files, has_series = _search_folder(first, progress)
    contents = {path: classify_image_file(path, PurePath(path.name)) for path in files}
    labels = tuple(path for path in files if contents[path].kind == "labels")
    if has_series or not files:
        return ChosenCt(first if not others else common_location(paths), labels)
    # A file that may be CT or labels is opened only if no other one is certain to be a CT.
    for wanted in ("CT", "doubtful"):
        found = [path for path in files if contents[path].kind == wanted]
        if len(found) > 1:
            raise UnreadableInput(
                f"{found[0].name} and {found[1].name} may both be CT: open one of them, "
                "or import the folder into a project."
            )
        if found:
            return ChosenCt(found[0], labels)
    rest = [path for path in paths if path not in contents and path.is_file()]
    if rest:
        return ChosenCt(common_location(rest), labels)
    first = files[0]
    raise UnreadableInput(f"{first.name} holds {contents[first].words} and is no CT: open the CT itself.")


def label_maps_sentence(count: int, mask_name: str = "NAME_pancreas.nii.gz") -> str:
    """Return a sentence that says what can be done with `count` label maps beside CT; "" if there are none.

    Args:
        count: number of label maps.
        mask_name: name under which a mask is opened with its CT.
    """
    if not count:
        return ""
    found = f"{counted(count, 'label map')} {plural_of(count, 'was', 'were')}"
    return (
        f"{found} found and not opened: to go on with one, save the pancreas in it alone beside its CT as "
        f"{mask_name}, then open that CT."
    )


def _search_folder(folder: Path, progress: ProgressCallback) -> tuple[list[Path], bool]:
    """Return the image files below `folder`, and whether there are DICOM series too."""
    from attunet_gui.io.formats.dicom_series import find_series

    walked = walk_folder(folder)
    files = [path for path in walked.files if is_image_file(path)]
    return files, bool(files) and bool(find_series(walked, progress)[0])


def common_location(paths: Sequence[Path]) -> Path:
    """Return a single path as it is; of several files their folder if they share one, else the first."""
    if len(paths) == 1:
        return paths[0]
    folders = {path.parent for path in paths}
    return folders.pop() if len(folders) == 1 and all(path.is_file() for path in paths) else paths[0]


def _refuse_labels(path: Path) -> None:
    # Without its name as a hint: whoever chose this one file has seen its name.
    content = classify_image_file(path, PurePath())
    if content.kind == "labels":
        raise UnreadableInput(
            f"{path.name} is not a CT: it holds {content.words}, as label maps and probabilities do."
        )


def _doubt_sentence(content: ImageContent) -> str:
    return f"It holds {content.words}: if it is CT and no label map, give it by itself."


def _image_files(
    root: Path, walked: FolderContents, progress: ProgressCallback
) -> Iterator[tuple[CaseRef, ImageContent]]:
    files = [path for path in walked.files if is_image_file(path)]
    for number, path in enumerate(files):
        progress(number, len(files), "looking into files")
        inside = path.relative_to(root)
        yield (
            CaseRef(path, None, strip_format_suffix("_".join(inside.parts))),
            classify_image_file(path, inside),
        )


def _dicom_series_cases(
    root: Path, walked: FolderContents, progress: ProgressCallback
) -> Iterator[tuple[CaseRef, ImageContent]]:
    """Yield the CT series among the files of `walked`, and what could not be read, with what they hold."""
    from attunet_gui.io.formats.dicom import iter_slice_values
    from attunet_gui.io.formats.dicom_series import find_series

    listed, unread = find_series(walked, progress)
    folders = [series.common_folder for series in listed]
    for number, series in enumerate(listed):
        progress(number, len(listed), "looking into series")
        name = _folder_case_name(root, series.common_folder)
        several = folders.count(series.common_folder) > 1
        name = f"{name}_{series.short_name}" if several else name
        # Some collections store their masks as series of modality CT, so the values decide here too.
        inside = series.common_folder.relative_to(root)
        content = (
            ImageContent("CT")
            if series.doubt
            else classify_voxel_values(iter_slice_values(series.files), inside)
        )
        yield CaseRef(series.common_folder, series.key, name, series.doubt, series.caution), content
    # Of a folder in which no file can be read, one stands for all.
    first = {each.path.parent if each.is_file else each.path: each for each in reversed(unread)}
    for folder, each in first.items():
        yield (
            CaseRef(each.path, None, _folder_case_name(root, folder), str(each.as_unreadable_input)),
            ImageContent("CT"),
        )


def _folder_case_name(root: Path, folder: Path) -> str:
    return "_".join(folder.relative_to(root).parts) or root.resolve().name


def _with_unique_names(found: list[CaseRef]) -> tuple[CaseRef, ...]:
    taken: set[str] = set()
    cases = []
    for case in found:
        name = _next_free_name(_safe_case_name(case.name), taken)
        taken.add(name.lower())
        cases.append(replace(case, name=name))
    return tuple(cases)


def _safe_case_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._-")[:_NAME_LENGTH] or "case"


def _next_free_name(name: str, taken: set[str]) -> str:
    # Some file systems do not distinguish upper from lower case.
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
