"""Takes the picture of the worklist: a project of phantoms, drafted, with annotators at work."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from attunet_gui.gui.demo import Film
from attunet_gui.io.writing import write_map
from attunet_gui.project.status import Status
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom, phantom_volume

_SEEDS = range(11, 17)
_SHAPE, _SPACING_MM = (64, 176, 176), (3.5, 2.1, 2.1)


def show_worklist(film: Film) -> None:
    """Import phantoms, draft them, accept one and show the next; the project is closed afterwards."""
    app = film.app
    worklist = app.desk.worklist
    with tempfile.TemporaryDirectory() as folder:
        ct, project = Path(folder) / "ct", Path(folder) / "pancreas-study"
        _write_phantoms(ct)
        worklist.show_project(project, make=True)
        film.until(lambda: worklist.project is not None, "making the project")
        worklist.import_folder(ct, copy=False)
        film.until(lambda: worklist.facts.found == len(_SEEDS), "importing")
        film.shoot("worklist_imported")
        worklist.draft_list()
        film.until(lambda: worklist.facts.counts.get(Status.DRAFTED) == len(_SEEDS), "drafting the list")
        _work(film)
        film.shoot("worklist")
        worklist.close_project()
        film.until(lambda: worklist.project is None, "closing the project")


def _write_phantoms(folder: Path) -> None:
    folder.mkdir()
    for seed in _SEEDS:
        volume = phantom_volume(make_phantom(PhantomRequest(seed, _SHAPE, _SPACING_MM)))
        write_map(folder / f"phantom-{seed}.nii.gz", volume.hu.astype(np.float32), volume)


def _work(film: Film) -> None:
    """Assign, note and reject cases, accept the first case and open the second."""
    worklist, session = film.app.desk.worklist, film.app.session
    project = worklist.project
    assert project is not None
    rows = project.cases()
    worklist.assign(rows[3:5], "Berta")
    worklist.note(rows[1], "fatty pancreas")
    worklist.reject(rows[5], "liver only")
    before = session.case
    worklist.next_case()
    film.until(lambda: session.case is not before and film.app.desk.guide.known, "the first case")
    first = session.case
    # There is no annotator who could answer the question.
    worklist.may_accept = lambda _name, _left, _unseen: True
    worklist.accept_case()
    film.until(lambda: session.case is not first and film.app.desk.guide.known, "the second case")
    film.app.desk.go_to_pancreas()
    film.until(lambda: worklist.facts.counts.get(Status.ACCEPTED) == 1, "the list")
    film.until(lambda: bool(session.overlays) and not session.looking, "the maps")
    film.until(lambda: film.app.desk.guide.known, "the places")
