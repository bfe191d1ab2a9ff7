"""Small projects with small CT, and a model that drafts a ball."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.worklist_drafting import draft_waiting_cases
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.result_writing import write_mask
from attunet_gui.prediction.network_grid import NetworkGrid
from attunet_gui.prediction.network_prediction import GateMap, NetworkPrediction
from attunet_gui.project.case_commands import MaskReview, record_saved_mask
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project, create_project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback

SHAPE = (12, 40, 48)
"""(z, y, x) of every CT here."""

SPACING_MM = (3.0, 2.0, 2.0)
MODEL = ModelId("ball", "ab" * 32)


def write_ct(path: Path, seed: int) -> Path:
    """Noise, a different one for each seed, lying as usual in NIfTI."""
    noise = np.random.default_rng(seed).integers(-200, 300, SHAPE[::-1]).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(noise, np.diag([*SPACING_MM[::-1], 1.0])), path)
    return path


def new_project(folder: Path, cases: int = 3, who: str = "anna") -> Project:
    """A project with so many CT in it, added from `folder`/ct."""
    for number in range(cases):
        write_ct(folder / "ct" / f"ct{number}.nii.gz", number)
    project = create_project(folder / "project")
    if cases:
        add_ct_folder(project, folder / "ct", actor=who)
    return project


def drafted_project(folder: Path, cases: int = 3, who: str = "anna") -> Project:
    """The same, drafted by `Ball`."""
    project = new_project(folder, cases, who)
    draft_waiting_cases(project, Ball())
    return project


def ball(shape: tuple[int, ...] = SHAPE, radius_mm: float = 12.0, off_mm: float = 0.0) -> NDArray[np.uint8]:
    """(z, y, x) 0/1, in the middle but for `off_mm` along x."""
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, SPACING_MM, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (z**2 + y**2 + (x - off_mm) ** 2 <= radius_mm**2).astype(np.uint8)


class Ball:
    """Drafts a ball; may fail or do something else first."""

    def __init__(self, before: Callable[[int], None] = lambda _number: None, model: ModelId = MODEL) -> None:
        self.draft_model = model
        self._before, self._count = before, itertools.count()

    def draft(self, volume: Volume, progress: ProgressCallback) -> CaseDraft:
        progress(0, 1, "slices")
        self._before(next(self._count))
        mask = ball(volume.grid.shape)
        frame = NetworkGrid(volume.grid, (mask.shape[1], mask.shape[2]), (0.0, 0.0), (1.0, 1.0))
        sure = np.clip(mask * 0.9, 0.05, 1).astype(np.float16)
        gate = GateMap(1, 1, sure)
        body = np.ones(sure.shape, bool)
        model = ModelId("ball", "ab" * 32, "none")
        return CaseDraft(NetworkPrediction(frame, sure, (gate,), body, model, 0.5), mask)

    def close(self) -> None:
        """It holds nothing."""


class Refuses(Ball):
    """Fails at the case of this number."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        super().__init__(self._refuse)
        self._number, self._error = number, error or AttunetError("The network failed.")

    def _refuse(self, number: int) -> None:
        if number == self._number:
            raise self._error


def save(
    project: Project,
    case: CaseRow,
    mask: NDArray[np.uint8],
    review: MaskReview | None = None,
    who: str = "anna",
) -> Path:
    """Save `mask` as the window would."""
    path = project.new_mask_path(case)
    write_mask(path, mask, read_ct_volume(case.path, series=case.series))
    record_saved_mask(project, case, path, review or MaskReview(), actor=who)
    return path


def ticking(start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Callable[[], datetime]:
    """A clock that goes on a second each time it is asked."""
    seconds = itertools.count()
    return lambda: start + timedelta(seconds=next(seconds))
