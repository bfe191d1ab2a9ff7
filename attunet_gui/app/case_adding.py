"""Adding the CT of a folder to a project, for the window and the command line alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.app.project_messages import count_cases_text, first_names_text, joined_report
from attunet_gui.io.case_discovery import label_maps_sentence
from attunet_gui.project.case_import import AddedCases, add_ct_folder
from attunet_gui.project.project_store import Project
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback, no_progress


@dataclass(frozen=True, eq=False)
class AddCasesRequest:
    """Which CT are added to which project, and by whom.

    Attributes:
        project: the project.
        folder: an image file, a DICOM series, or a folder with any number of both in it and below it.
        annotator: name of who adds them.
        copy: whether copies are kept in the project.
    """

    project: Project
    folder: Path
    annotator: str
    copy: bool = False


@dataclass(frozen=True)
class AddCasesResult:
    """What was added and what was not, in sentences.

    Attributes:
        sentences: what was added, what was in the list already, and what was left out and why.
        not_added: a sentence for each file that may be a CT and was not added; first those of which nothing
            says whether they are a CT or a label map, then those that failed.
        failed: number of files that could not be added.
    """

    sentences: tuple[str, ...]
    not_added: tuple[str, ...] = ()
    failed: int = 0

    @property
    def message(self) -> str:
        """All of it in one text, with the first of the files that were not added."""
        return joined_report(self.sentences, self.not_added, "file")


def add_cases(request: AddCasesRequest, progress: ProgressCallback = no_progress) -> AddCasesResult:
    """Add every CT of a folder that is not in the list of the project yet.

    Raises:
        UnreadableInput: if there is nothing at the folder.
        ProjectError: if the database refuses.
        WorkCancelled: from `progress`; what was added by then stays.
    """
    added = add_ct_folder(
        request.project, request.folder, actor=request.annotator, copy=request.copy, progress=progress
    )
    doubtful = [f"{name} was not added. {reason}" for name, reason in added.doubtful]
    failed = [f"{name} was not added: {reason}" for name, reason in added.failed]
    return AddCasesResult(tuple(_added_sentences(added)), (*doubtful, *failed), len(failed))


def _added_sentences(added: AddedCases) -> list[str]:
    sentences = [f"{count_cases_text(len(added.added))} added, {added.known} were in the list already."]
    if added.left_out:
        left_out = counted(added.left_out, "file")
        sentences.append(f"{left_out} left out: labels, results or the project's own.")
    if added.label_maps:
        sentences.append(label_maps_sentence(added.label_maps))
    if added.moved:
        sentences.append(f"Found in another place: {first_names_text(added.moved)}.")
    if added.changed:
        names = first_names_text(added.changed)
        sentences.append(f"The file holds another image now, the case was left as it is: {names}.")
    return sentences
