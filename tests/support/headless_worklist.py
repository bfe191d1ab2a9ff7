"""The main controller without a window, with a project of three drafted CT open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.gui.worklist.worklist_controller import WorklistController
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.project_store import Project
from tests.support.headless_window import HeadlessWindow, headless_window_in


@dataclass
class HeadlessWorklist:
    """A controller with a project of three drafted CT, which another process may look into."""

    world: HeadlessWindow
    outside: Project

    @property
    def worklist(self) -> WorklistController:
        return self.world.controller.worklist

    @property
    def on_screen(self) -> str:
        case = self.world.controller.session.case
        return "" if case is None else case.volume.name

    def row(self, name: str) -> CaseRow:
        return self.outside.case_named(name)

    def status(self, name: str) -> str:
        return str(self.row(name).status)

    def open(self, name: str) -> None:
        self.worklist.open_case(self.row(name))
        self.world.until(lambda: self.on_screen == name and self.worklist.project_case is not None)

    def settle(self) -> None:
        """Until nothing is read, written or recorded."""
        for _ in range(5):
            self.world.live()
        self.world.until(lambda: not self.worklist.current_facts.busy)


def headless_worklist_in(folder: Path, project: Project, who: str = "anna") -> HeadlessWorklist:
    world = headless_window_in(folder)
    world.controller.dialogs.set_annotator(who)
    world.controller.worklist.projects.show_project(project.folder)
    world.until(
        lambda: (
            world.controller.worklist.project is not None
            and world.controller.worklist.case_list.rowCount() > 0
        )
    )
    return HeadlessWorklist(world, project)
