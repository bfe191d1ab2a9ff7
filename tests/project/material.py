"""Small projects with small CT, and a model that drafts a ball."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.frame import Frame
from attunet_gui.core.prediction import GateMap, ModelId, Prediction
from attunet_gui.core.progress import Progress
from attunet_gui.core.volume import Volume
from attunet_gui.io.reading import read
from attunet_gui.io.writing import write_mask
from attunet_gui.project.adding import add_folder
from attunet_gui.project.drafting import draft_cases
from attunet_gui.project.events import model_words
from attunet_gui.project.project import Project, Review, create_project
from attunet_gui.project.rows import CaseRow

SHAPE = (12, 40, 48)
"""(z, y, x) of every CT here."""

SPACING_MM = (3.0, 2.0, 2.0)
MODEL = model_words("ball", "ab" * 32)


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
    project = create_project(folder / "project", who=who)
    if cases:
        add_folder(project, folder / "ct")
    return project


def drafted_project(folder: Path, cases: int = 3, who: str = "anna") -> Project:
    """The same, drafted by `Ball`."""
    project = new_project(folder, cases, who)
    draft_cases(project, Ball())
    return project


def ball(shape: tuple[int, ...] = SHAPE, radius_mm: float = 12.0, off_mm: float = 0.0) -> NDArray[np.uint8]:
    """(z, y, x) 0/1, in the middle but for `off_mm` along x."""
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, SPACING_MM, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (z**2 + y**2 + (x - off_mm) ** 2 <= radius_mm**2).astype(np.uint8)


class Ball:
    """Drafts a ball; may fail or do something else first."""

    def __init__(self, before: Callable[[int], None] = lambda _number: None, model: str = MODEL) -> None:
        self.model = model
        self._before, self._count = before, itertools.count()

    def draft(self, volume: Volume, progress: Progress) -> tuple[Prediction, NDArray[np.uint8]]:
        progress(0, 1, "slices")
        self._before(next(self._count))
        mask = ball(volume.grid.shape)
        frame = Frame(volume.grid, (mask.shape[1], mask.shape[2]), (0.0, 0.0), (1.0, 1.0))
        sure = np.clip(mask * 0.9, 0.05, 1).astype(np.float16)
        gate = GateMap(1, 1, sure)
        body = np.ones(sure.shape, bool)
        return Prediction(frame, sure, (gate,), body, ModelId("ball", "ab" * 32, "none"), 0.5), mask


class Refuses(Ball):
    """Fails at the case of this number."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        super().__init__(self._refuse)
        self._number, self._error = number, error or AttunetError("The network failed.")

    def _refuse(self, number: int) -> None:
        if number == self._number:
            raise self._error


def save(project: Project, case: CaseRow, mask: NDArray[np.uint8], review: Review | None = None) -> Path:
    """Save `mask` as the window would."""
    path = project.mask_path(case)
    write_mask(path, mask, read(case.path, series=case.series))
    project.save_reviewed(case, path, review or Review())
    return path


def ticking(start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Callable[[], datetime]:
    """A clock that goes on a second each time it is asked."""
    seconds = itertools.count()
    return lambda: start + timedelta(seconds=next(seconds))
