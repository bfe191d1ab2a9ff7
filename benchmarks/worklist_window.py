"""How long the worklist in the window takes to open with ten thousand cases, and whether scrolling blocks.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.worklist_window --cases 10000

Makes a project in a temporary folder, with files of a few bytes and small pictures as drafting leaves them,
and shows it in the panel of the window. "Opens" is from the click to the first lines drawn. Scrolling goes
through the whole list in steps, as by dragging; each step is timed until the window is idle again, by the
clock and by what the thread of the window itself computed, which a busy machine does not change.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, sleep, thread_time

import numpy as np
import SimpleITK
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QDockWidget
from sqlalchemy import update

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.controllers.main_controller import MainController
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.worklist.worklist_panel import WorklistPanel
from attunet_gui.gui.worklist.worklist_presenter import WorklistPresenter
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.database_tables import CaseRecord
from attunet_gui.project.project_store import create_project
from attunet_gui.workers.inference_process import InferenceProcess

_STEPS = 300
_SLOW_MS = 50.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    count = parser.parse_args().cases
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        made = _make(Path(folder), count)
        _measure(made, count)
    app.quit()


def _make(folder: Path, count: int) -> Path:
    ct = folder / "ct"
    ct.mkdir()
    for number in range(count):
        (ct / f"patient{number:05}.nii.gz").write_bytes(number.to_bytes(8, "big") * 40)
    project = create_project(folder / "project")
    add_ct_folder(project, ct, actor="anna")
    with project.database.write_session() as session:
        numbers = {"effort": CaseRecord.id % 90, "volume_ml": 30.0 + CaseRecord.id % 80}
        session.execute(update(CaseRecord).values(status="drafted", uncertainty=0.2, places=3, **numbers))
    _draw(project.thumbnail_path(project.case_named("case-0001")), project.list_cases())
    project.close()
    return project.folder


def _draw(first: Path, rows: tuple[object, ...]) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (96, 96)).astype(np.uint8)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(grey), str(first))
    for number in range(2, len(rows) + 1):
        shutil.copyfile(first, first.with_name(f"case-{number:04}.png"))


def _measure(folder: Path, count: int) -> None:
    session = CaseSession(InferenceProcess(), ())
    controller = MainController(
        session, CaseLayers(ViewerModel()), WindowPreferences(folder / "window.ini"), folder / "journal"
    )
    panel, place = WorklistPanel(controller.worklist.case_list), QDockWidget()
    place.setWidget(panel)
    place.resize(280, 800)
    WorklistPresenter(controller.worklist, panel, place, place)
    shown = controller.worklist.case_list
    since = perf_counter()
    controller.worklist.projects.show_project(folder)
    _until(lambda: shown.rowCount() == count and shown.row_at(0) is not None and panel.isVisible())
    panel.list.viewport().repaint()
    print(f"opens with {count} cases            {1000 * (perf_counter() - since):8.0f} ms")
    _scroll(panel, "scrolls, a step")
    _scroll(panel, "scrolls a second time, a step")
    for name, query in (
        ("search", CaseQuery(text="patient0999")),
        ("order by effort", CaseQuery(order="effort", descending=True)),
    ):
        answered: list[bool] = []
        shown.page_loaded.connect(partial(answered.append, True))
        since = perf_counter()
        controller.worklist.projects.show_query(query)
        blocked = 1000 * (perf_counter() - since)
        _until(lambda answered=answered: answered)  # type: ignore[misc]
        whole = 1000 * (perf_counter() - since)
        print(f"{name:34} {whole:8.0f} ms, of these blocked {blocked:.1f} ms")
    controller.end_background_work()
    session.close_session()


def _scroll(panel: WorklistPanel, what: str) -> None:
    bar, taken, busy = panel.list.verticalScrollBar(), [], []
    for step in range(_STEPS):
        since, computed = perf_counter(), thread_time()
        bar.setValue(bar.maximum() * step // (_STEPS - 1))
        QApplication.processEvents()
        taken.append(1000 * (perf_counter() - since))
        busy.append(1000 * (thread_time() - computed))
        sleep(0.01)
    for kind, times in ((what, taken), ("  computed", busy)):
        slow = sum(each > _SLOW_MS for each in times)
        above = f"{slow} of {_STEPS} above {_SLOW_MS:.0f} ms"
        print(f"{kind:34} {median(times):8.1f} ms, worst {max(times):.1f} ms, {above}", flush=True)
    row = panel.list.indexAt(panel.list.viewport().rect().center()).row()
    since = perf_counter()
    _until(lambda: panel.list.model().data(panel.list.model().index(row, 0)) != "…")
    print(f"{'  lines where it stopped, after':34} {1000 * (perf_counter() - since):8.0f} ms")


def _until(reached: Callable[[], object]) -> None:
    while not reached():
        QApplication.processEvents()
        sleep(0.001)


if __name__ == "__main__":
    main()
