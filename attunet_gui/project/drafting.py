"""Drafting all cases of a project, one after the other.

A run that was stopped is resumed by the next one, and a case that fails does not stop the others.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.discretion import place_of
from attunet_gui.core.errors import AttunetError, Cancelled, UnreadableInput, UnwritableOutput
from attunet_gui.core.prediction import Prediction
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.io.cases import CaseRef
from attunet_gui.io.exclusive import HeldElsewhere, hold
from attunet_gui.io.reading import read
from attunet_gui.io.writing import write_mask
from attunet_gui.jobs.messages import Predict
from attunet_gui.jobs.runner import Runner
from attunet_gui.project.errors import ProjectError
from attunet_gui.project.events import Drafted, DraftFailed, Payload, model_words
from attunet_gui.project.fingerprint import fingerprint
from attunet_gui.project.masks import sha256_of
from attunet_gui.project.outlook import outlook
from attunet_gui.project.project import BY_ITSELF, Project
from attunet_gui.project.rows import CaseQuery, CaseRow
from attunet_gui.project.status import Status
from attunet_gui.project.thumbnails import keep_thumbnail

_LOCK_FILE = "drafting.lock"
# Time between two looks at the progress of the child, which is also how long a cancel may go unnoticed.
_LISTEN_S = 0.2
# Digits of the model's sha256 in the name of a draft, so that drafts of two models lie side by side.
_MARK = 8


class Drafter(Protocol):
    """A model that drafts one volume after the other.

    Attributes:
        model: name and sha256 of the model, as `events.model_words` formats them.
    """

    @property
    def model(self) -> str:
        """Name and sha256 of the model, as `events.model_words` formats them."""

    def draft(self, volume: Volume, progress: Progress) -> tuple[Prediction, NDArray[np.uint8]]:
        """Draft `volume`.

        Returns:
            The prediction on the network's grid; the draft (z, y, x) uint8, 0 or 1, on the canonical grid.

        Raises:
            AttunetError: if drafting fails.
            Cancelled: if `progress` raises it.
        """


@dataclass
class DraftedCases:
    """The result of drafting a list. It is filled while the list is being drafted.

    Attributes:
        done: names of the cases that have a new draft now.
        failed: for each case that could not be drafted, its name and a sentence that says why.
    """

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def waiting_for_draft(project: Project, model: str, again: bool = False) -> tuple[CaseRow, ...]:
    """Return the cases that `draft_cases` would draft, in the order in which they were added.

    These are the cases without a draft that nobody has begun; with `again`, also those that nobody has begun
    and that a model other than `model` drafted.
    """
    wanted = {Status.NEW, Status.DRAFTED} if again else {Status.NEW}
    found = project.cases(CaseQuery(status=frozenset(wanted)))
    return tuple(case for case in found if case.model != model)


def draft_cases(
    project: Project, drafter: Drafter, progress: Progress = silent, again: bool = False
) -> DraftedCases:
    """Draft every case that `waiting_for_draft` returns. This is slow: call it from a thread.

    A draft is written to the disk, read back and recorded before the next case begins, so a run that was
    stopped or killed goes on where it was. A case that fails is recorded as failed, and the next run tries it
    again.

    Args:
        project: the project whose cases are drafted.
        drafter: the model.
        progress: called for slices and for cases; it may raise `Cancelled`.
        again: whether to replace the drafts of other models.

    Returns:
        Which cases were drafted and which failed.

    Raises:
        ProjectError: if another process is drafting this project.
        UnwritableOutput: if the folder of the project cannot be written to.
    """
    outcome = DraftedCases()
    with _alone(project):
        cases = waiting_for_draft(project, drafter.model, again)
        for number, case in enumerate(cases):
            progress(number, len(cases), "cases")
            failure = _draft(project, case, drafter, partial(_of_case, progress, case.name))
            if failure is None:
                outcome.done.append(case.name)
            else:
                outcome.failed.append((case.name, failure))
        progress(len(cases), len(cases), "cases")
    return outcome


def _of_case(progress: Progress, name: str, done: int, total: int, stage: str) -> None:
    progress(done, total, f"{stage} of {name}")


@contextmanager
def _alone(project: Project) -> Iterator[None]:
    try:
        held = hold(project.folder / _LOCK_FILE)
    except HeldElsewhere as error:
        raise ProjectError("Another program drafts this project already: let it finish.") from error
    except OSError as error:
        raise UnwritableOutput(f"The project's folder cannot be written to ({error.strerror}).") from error
    try:
        yield
    finally:
        held.release()


def _draft(project: Project, case: CaseRow, drafter: Drafter, progress: Progress) -> str | None:
    """Draft one case and record the result; return why it failed, or None if it did not."""
    payload: Payload
    try:
        payload, failure = _drafted(project, case, drafter, progress), None
    except Cancelled:
        raise
    except AttunetError as error:
        failure = str(error)
    except MemoryError:
        failure = "There was not enough memory for this CT; close other programs."
    except Exception as error:
        # Whatever one CT provokes, the other cases of a night's run are still to be drafted.
        failure = f"An unexpected {type(error).__name__} at {place_of(error)} stopped this case."
    if failure is not None:
        # The name of the file may be the patient's, and this sentence is shown everywhere.
        failure = failure.replace(case.file_name, case.name)
        payload = DraftFailed(reason=failure)
    project.decide(case, lambda _state: (payload,), drafter.model, BY_ITSELF)
    return failure


def _drafted(project: Project, case: CaseRow, drafter: Drafter, progress: Progress) -> Drafted:
    """Draft one case, write draft and thumbnail, and return the event to record."""
    since = perf_counter()
    _check_unchanged(project, case)
    volume = read(case.path, series=case.series, progress=progress)
    prediction, mask = drafter.draft(volume, progress)
    path = project.draft_path(case, drafter.model.split()[-1][:_MARK])
    write_mask(path, mask, volume)
    with suppress(UnwritableOutput):  # a picture more or less stops nothing
        keep_thumbnail(project.thumbnail_path(case), volume)
    seen = outlook(volume, prediction, mask)
    return Drafted(
        mask=project.relative(path),
        sha256=sha256_of(path),
        slices=volume.grid.shape[0],
        volume_ml=seen.volume_ml,
        uncertainty=seen.uncertainty,
        effort=seen.effort,
        places=seen.places,
        visible=seen.visible,
        seconds=perf_counter() - since,
    )


def _check_unchanged(project: Project, case: CaseRow) -> None:
    """Raise `UnreadableInput` if the CT of `case` is missing or is no longer the one that was added."""
    if not case.path.exists():
        raise UnreadableInput(f"The CT of {case.name} is not where it was: add its folder again.")
    if fingerprint(CaseRef(case.path, case.series, case.name)) != project.fingerprint(case):
        raise UnreadableInput(f"The file of {case.name} holds another image now: put the first one back.")


class ChildDrafter:
    """A drafter that uses the child process of a `Runner`. Nothing else may use that runner meanwhile.

    Attributes:
        model: name and sha256 of the model, as `events.model_words` formats them.
    """

    def __init__(self, runner: Runner, bundle: Path, model: tuple[str, str]) -> None:
        self.model = model_words(*model)
        self._runner, self._bundle = runner, bundle
        self._heard: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)

    def draft(self, volume: Volume, progress: Progress) -> tuple[Prediction, NDArray[np.uint8]]:
        """See `Drafter.draft`."""
        job = self._runner.submit(Predict(volume=volume, bundle=self._bundle))
        try:
            while True:
                status = self._runner.status
                progress(status.done, status.total, status.stage or "loading")
                with suppress(queue.Empty):
                    number, said = self._heard.get(timeout=_LISTEN_S)
                    if number == job:
                        return _answer(said)
        except BaseException:
            # `Cancelled`, or Ctrl+C: the child must not go on computing a draft that nobody waits for.
            self._runner.cancel()
            raise

    def close(self) -> None:
        """Disconnect from the runner and end its child process."""
        self._runner.finished.disconnect(self._finished)
        self._runner.failed.disconnect(self._failed)
        self._runner.close()

    def _finished(self, job: int, prediction: Prediction, draft: NDArray[np.uint8]) -> None:
        self._heard.put((job, (prediction, draft)))

    def _failed(self, job: int, sentence: str) -> None:
        self._heard.put((job, sentence))


def _answer(said: Any) -> tuple[Prediction, NDArray[np.uint8]]:
    if isinstance(said, str):
        raise AttunetError(said)
    prediction, draft = said
    return prediction, draft
