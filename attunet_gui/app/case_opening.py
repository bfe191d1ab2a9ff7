"""Opening a case: one function that reads the CT and the mask that belongs to it.

`open_case` is called by the window, in a background job, and by the commands that draft. What is opened is
fixed in its request, so that nothing that happens while a file is read changes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.provenance import ModelId, former_mask_record_path, mask_record_path
from attunet_gui.core.volume import Volume
from attunet_gui.io.case_discovery import ChosenCt, choose_single_ct, common_location, label_maps_sentence
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import CaseIdentity, identify_volume
from attunet_gui.io.label_values import SeveralLabels
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError, UnreadableInput, failure_sentence
from attunet_gui.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from attunet_gui.app.project_case_reading import PreparedCt
    from attunet_gui.project.case_rows import CaseRow
    from attunet_gui.project.project_store import Project
    from attunet_gui.project.shown_mask import CaseOpening

MaskArray = NDArray[np.uint8]


@dataclass(frozen=True)
class CtFiles:
    """A CT in files.

    Attributes:
        paths: one file or folder, or several that a person chose together; at least one.
        series: key of the DICOM series to open, of the only path; None to find the CT among `paths`.
        caution: what a person should make sure of, for the notes of the CT; "" for nothing.
    """

    paths: tuple[Path, ...]
    series: str | None = None
    caution: str = ""

    @property
    def location(self) -> Path:
        """The file, or the folder of the files."""
        return common_location(self.paths)

    @property
    def name(self) -> str:
        """What is opened, as text for the annotator."""
        return self.location.name


@dataclass(frozen=True)
class PhantomCt:
    """The phantom of `seed`, which is made and lies in no file."""

    seed: int

    @property
    def name(self) -> str:
        """What is opened, as text for the annotator."""
        return f"phantom {self.seed}"


@dataclass(frozen=True, eq=False)
class LoadedCt:
    """A CT that has been read already."""

    volume: Volume

    @property
    def name(self) -> str:
        """What is opened, as text for the annotator."""
        return self.volume.name


@dataclass(frozen=True, eq=False)
class ProjectCt:
    """A case of a project; that `annotator` opened it goes into its history.

    Attributes:
        project: the project.
        row: the row of the case.
        annotator: name of the person who opens it.
        take_prefetched: returns the CT of the row if it was read in advance, else None.
    """

    project: Project
    row: CaseRow
    annotator: str
    take_prefetched: Callable[[CaseRow], PreparedCt | None] = lambda _row: None

    @property
    def name(self) -> str:
        """The pseudonym of the case."""
        return self.row.name


CtSource = CtFiles | PhantomCt | LoadedCt | ProjectCt


@dataclass(frozen=True, eq=False)
class OpenRequest:
    """What is opened.

    Attributes:
        ct: where the CT comes from.
        with_mask: whether the mask beside the CT is opened with it, if there is one; a case of a project
            always comes with the mask that the project shows.
    """

    ct: CtSource
    with_mask: bool = True


@dataclass(frozen=True, eq=False)
class InitialMask:
    """A mask that was opened together with the CT.

    Attributes:
        path: the file of the mask.
        mask: (z, y, x) uint8 0/1.
        model: the model of the draft that it came from, by its record; None if it was drawn without a draft.
        saved: whether an annotator saved it; otherwise it is a draft that was made in advance.
    """

    path: Path
    mask: MaskArray
    model: ModelId | None
    saved: bool = True


@dataclass(frozen=True, eq=False)
class OpenProjectCase:
    """What the project says of a case that was opened from it.

    Attributes:
        project: the project.
        opening: what the project shows with it.
        annotator: name of the person who opened it.
    """

    project: Project
    opening: CaseOpening
    annotator: str

    @property
    def case_row(self) -> CaseRow:
        """The row of the list, as it was when the case was opened or last decided on."""
        return self.opening.case


@dataclass(frozen=True, eq=False)
class OpenCase:
    """The open case.

    Attributes:
        volume: the CT.
        identity: identity of the CT, by which its journal is found.
        found: the mask that was opened with it; None if there was none.
        unusable: why a mask beside the CT was not opened with it; "" if it was, or if there is none.
        listed: what its project says of it; None if it was not opened from a project.
        label_maps: what can be done with label maps that were given with the CT, in a sentence; "" if there
            were none.
    """

    volume: Volume
    identity: CaseIdentity
    found: InitialMask | None = None
    unusable: str = ""
    listed: OpenProjectCase | None = None
    label_maps: str = ""


def open_case(request: OpenRequest, progress: ProgressCallback = no_progress) -> OpenCase:
    """Read the CT, and the mask that belongs to it.

    A mask beside the CT that cannot be used is no failure: the result says why it was left.

    Args:
        request: what is opened.
        progress: called between the steps of reading; it may raise `WorkCancelled`.

    Raises:
        SeriesChoiceNeeded: if a folder holds several CT series and the request names none.
        UnreadableInput: if there is no CT that can be read, or the mask of a project's case is damaged.
        ProjectError: if it is a second read that this person may not do.
    """
    ct = request.ct
    if isinstance(ct, ProjectCt):
        return _open_project_case(ct, progress)
    volume, label_maps = _read_volume(ct, progress)
    found, unusable = _read_mask_beside(volume) if request.with_mask else (None, "")
    told = _label_maps_text(volume, label_maps)
    return OpenCase(volume, identify_volume(volume), found, unusable, label_maps=told)


def _read_volume(
    ct: CtFiles | PhantomCt | LoadedCt, progress: ProgressCallback
) -> tuple[Volume, tuple[Path, ...]]:
    """Return the CT, and the label maps that were given with it."""
    match ct:
        case LoadedCt(volume):
            return volume, ()
        case PhantomCt(seed):
            return phantom_volume(make_phantom(PhantomRequest(seed), progress)), ()
        case CtFiles(paths, series, caution):
            chosen = ChosenCt(ct.location) if series is not None else choose_single_ct(paths, progress)
            volume = read_ct_volume(chosen.path, series=series, progress=progress)
            if not caution or caution in volume.notes:
                return volume, chosen.label_maps
            return replace(volume, notes=(*volume.notes, caution)), chosen.label_maps


def _label_maps_text(volume: Volume, label_maps: tuple[Path, ...]) -> str:
    """Return what can be done with `label_maps`, of which the mask beside `volume` is told elsewhere."""
    mask = mask_path_beside(volume)
    if mask is None:
        return ""
    others = [path for path in label_maps if not (mask.exists() and path.samefile(mask))]
    return label_maps_sentence(len(others), mask.name)


def _open_project_case(ct: ProjectCt, progress: ProgressCallback) -> OpenCase:
    # Slow to load, with the database, and not needed by `attunet predict`.
    from attunet_gui.app.project_case_reading import read_case_ct
    from attunet_gui.project.shown_mask import begin_case

    read = ct.take_prefetched(ct.row) or read_case_ct(ct.row, progress)
    # The opening is recorded only now, when the CT was read and can be shown.
    opening = begin_case(ct.project, ct.row, actor=ct.annotator)
    found = None
    if opening.mask is not None:
        shown = ct.project.case_state(ct.row).shown
        saved = shown is not None and shown.shown == "saved"
        found = InitialMask(opening.mask, _read_only_mask(opening.mask, read.volume), opening.model, saved)
    listed = OpenProjectCase(ct.project, opening, ct.annotator)
    return OpenCase(read.volume, read.identity, found, listed=listed)


def opening_message(case: OpenCase) -> str:
    """Return what was opened, in sentences."""
    words = [f"{case.volume.name} is open."]
    if case.unusable:
        words = [f"{case.volume.name} is open, without the mask beside it. {case.unusable}"]
    if case.found is not None and not case.found.saved:
        words.append("Its draft was opened with it.")
    elif case.found is not None:
        words.append(f"Its saved mask {case.found.path.name} was opened with it.")
    return " ".join(filter(None, [*words, case.label_maps, *case.volume.notes]))


def not_opened_message(request: OpenRequest, error: Exception) -> str:
    """Return why `open_case` did not open what was asked for, in a sentence."""
    return failure_sentence(error, f"opening {request.ct.name}")


def mask_path_beside(volume: Volume) -> Path | None:
    """Return the path of the mask of `volume`, whether or not it may be written; None for a phantom.

    It lies beside the file, or beside the folder of a DICOM series.
    """
    if volume.origin.kind == "phantom":
        return None
    path = volume.origin.path
    folder = path if path.is_dir() else path.parent
    if volume.origin.kind == "DICOM":
        folder = folder.parent
    return folder / f"{volume.name}_pancreas.nii.gz"


def _read_mask_beside(volume: Volume) -> tuple[InitialMask | None, str]:
    """Return the mask beside `volume` if there is a usable one, and why an existing one is not usable."""
    path = mask_path_beside(volume)
    # `lexists` is also true for a link that leads nowhere: such a file is reported and not taken for missing.
    if path is None or not os.path.lexists(path):
        return None, ""
    try:
        return InitialMask(path, _read_only_mask(path, volume), _recorded_model(path)), ""
    except AttunetError as error:
        return None, str(error)


def _read_only_mask(path: Path, volume: Volume) -> MaskArray:
    """Read the mask in `path` as `read_mask` does; what is said of several labels fits a window.

    Raises:
        UnreadableInput: if it is no mask on the grid of `volume`.
    """
    try:
        return read_mask(path, volume)
    except SeveralLabels as error:
        # The window has no option that names a value.
        raise UnreadableInput(
            f"{path.name} holds several labels ({error.labels}): save the pancreas alone under this name, "
            "then open the CT again."
        ) from error


def _recorded_model(mask: Path) -> ModelId | None:
    for record in (mask_record_path(mask), former_mask_record_path(mask)):
        try:
            return ModelId(**json.loads(record.read_text("utf-8"))["model"])
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            break
    return None
