"""The section of the open case: name, size, volume and unsaved edits, and the buttons to open another one."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QMenu, QWidget
from superqt import QElidingLabel

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row, words
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.state import View


class CasePanel(QWidget):
    """Emits signals to open a file, a folder, a recent path, the demo or a project."""

    file_asked = Signal()
    folder_asked = Signal()
    demo_asked = Signal()
    project_asked = Signal()
    recent_asked = Signal(object)
    recent_needed = Signal()
    forget_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.name = QElidingLabel()
        font = self.name.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.15)
        self.name.setFont(font)
        self.volume = words(strong=True)
        self.volume.setToolTip("Volume of the pancreas in the current mask")
        self.details = words()
        self.notes = QElidingLabel()
        self.unsaved = words()
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self.recent_needed)
        recent = button("Recent", "CTs opened before", lambda: None)
        recent.setMenu(self.menu)
        self.project = button("List…", tip("worklist.open_project"), self.project_asked.emit)
        self.project.hide()
        layout = column(self)
        layout.addWidget(self.name)
        layout.addWidget(self.details)
        layout.addWidget(self.notes)
        layout.addLayout(row(self.volume, self.unsaved))
        layout.addLayout(
            row(
                button("File…", tip("open_file"), self.file_asked.emit),
                button("Folder…", tip("open_folder"), self.folder_asked.emit),
                recent,
                button("Demo", "Open a made-up abdomen: no patient's image", self.demo_asked.emit),
                self.project,
            )
        )

    def show_recent(self, paths: list[Path]) -> None:
        """Fill the menu of recent paths; it is filled anew each time it opens."""
        self.menu.clear()
        for path in paths:
            action = self.menu.addAction(f"{path.name}   ({path.parent})")
            # The path is bound as a default: the variable of the loop would be that of the last one.
            action.triggered.connect(lambda _checked=False, chosen=path: self.recent_asked.emit(chosen))
        if paths:
            self.menu.addSeparator()
            self.menu.addAction("Forget these", self.forget_asked.emit)
        else:
            self.menu.addAction("Nothing was opened yet").setEnabled(False)

    def show_view(self, view: View) -> None:
        """Apply `view`."""
        self.name.setText(view.case)
        self.name.setToolTip(view.case)
        self.details.setText(view.details)
        # The message of the opening is gone with the next one; these stay as long as the case is open.
        self.notes.setText(f"⚠ {view.notes}" if view.notes else "")
        self.notes.setToolTip(view.notes)
        self.notes.setVisible(bool(view.notes))
        self.volume.setText(view.volume)
        self.volume.setVisible(bool(view.volume))
        self.unsaved.setText("● not saved" if view.unsaved else "")
        self.unsaved.setToolTip("The mask has corrections that are in no file yet" if view.unsaved else "")
