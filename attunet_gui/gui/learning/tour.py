"""Takes the pictures of fine-tuning: corrected CT of another scanner, and a model that is trained on them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from attunet_gui.core.volume import Volume
from attunet_gui.gui.demo import Film
from attunet_gui.gui.learning.tasks import LearningWish
from attunet_gui.io.reading import read
from attunet_gui.io.writing import write_map, write_mask
from attunet_gui.project.adding import add_folder
from attunet_gui.project.project import Project, Review, create_project
from attunet_gui.project.status import Status
from attunet_gui.recipes.finetuning.order import Effort, Replay
from attunet_gui.synthesis.shifted import shifted_phantom, unenhanced_seeds

_CASES = 6
_FIRST_SEED = 900
_PATIENCE_S = 1200.0
_WISH = LearningWish(effort=Effort(steps=60), replay=Replay(phantoms=3, judging=2))


def show_learning(film: Film, wish: LearningWish = _WISH) -> None:
    """Fine-tune the model on accepted cases of a scanner that it does not know, and take pictures."""
    worklist, learning = film.app.desk.worklist, film.app.desk.learning
    with tempfile.TemporaryDirectory() as folder:
        _corrected(Path(folder)).close()
        worklist.show_project(Path(folder) / "cone-beam-study")
        film.until(lambda: worklist.facts.counts.get(Status.ACCEPTED) == _CASES, "opening the project")
        learning.ask()
        dialog = learning.dialog
        assert dialog is not None
        film.shoot_widget(dialog, "improve_asked")
        learning.wish = wish
        learning.begin()
        film.until(lambda: len(learning.facts.curve.scores) > 2, "learning", _PATIENCE_S)
        film.shoot_widget(dialog, "improve_learning")
        film.until(lambda: learning.facts.learnt is not None, "judging", _PATIENCE_S)
        if learning.facts.learnt is not None and learning.facts.learnt.verdict.passed:
            film.until(lambda: learning.facts.differences is not None, "comparing", _PATIENCE_S)
        film.shoot_widget(dialog, "improve_judges")
        dialog.results.setCurrentIndex(1)
        film.shoot_widget(dialog, "improve_accepted")
        dialog.close()
        worklist.close_project()
        film.until(lambda: worklist.project is None, "closing the project")


def _corrected(folder: Path) -> Project:
    """Return a new project with cases of another scanner whose true masks are accepted."""
    truth = {}
    (folder / "ct").mkdir()
    for seed in unenhanced_seeds(_FIRST_SEED, _CASES):
        volume, mask = shifted_phantom(seed)
        _write(folder / "ct" / f"{volume.name}.nii.gz", volume)
        truth[f"{volume.name}.nii.gz"] = mask
    project = create_project(folder / "cone-beam-study", who="Ada")
    add_folder(project, folder / "ct")
    for case in project.cases():
        path = project.mask_path(case)
        write_mask(path, truth[case.file_name], read(case.path))
        project.save_reviewed(case, path, Review(finished=True))
        project.accept(project.again(case))
    return project


def _write(path: Path, volume: Volume) -> None:
    write_map(path, volume.hu.astype(np.float32), volume)
