"""The section of the open case: name, size, volume and unsaved edits, and the buttons to open another one."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten

from qtpy.QtWidgets import QBoxLayout, QLabel, QLineEdit, QMenu, QProgressBar, QSizePolicy, QWidget
from superqt import QElidingLabel

from attunet_gui.gui.panels.widget_factory import (
    make_button,
    make_column_layout,
    make_row_layout,
    make_wrapped_label,
)
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.gui.view_state import ProgressBarState, WindowView

# Characters of notes that are shown; on a small screen they may not take the room of the tools.
_LONGEST_NOTES = 150

NOTICE = "Research use. Not a medical device."


class StatusLine(QWidget):
    """Shows the message, values, slice number and notice in one line, or in three."""

    def __init__(self) -> None:
        super().__init__()
        self.message = QElidingLabel()
        self.message.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slice, self.values = QLabel(), QLabel()
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(8, 2, 8, 4)
        self._layout.setSpacing(18)
        self._layout.addWidget(self.message, 1)
        self._layout.addLayout(make_row_layout(self.values, self.slice, stretch=0))
        self._layout.addWidget(QLabel(NOTICE))

    def narrow(self) -> None:
        """Give the message a line of its own, as a dock has no room for all of it side by side."""
        self._layout.setDirection(QBoxLayout.Direction.TopToBottom)
        self._layout.setSpacing(2)

    def show_view(self, view: WindowView) -> None:
        """Apply `view`."""
        text = view.message.text
        self.message.setText(f"⚠ {text}" if view.message.problem else text)
        self.message.setToolTip(text)

    def show_slice(self, index: int, count: int) -> None:
        """Show the number of the slice, counted from one, out of `count`; without a case `count` is 0."""
        self.slice.setText(f"Slice {index + 1} of {count}" if count else "")


class SavePanel(QWidget):
    """Emits signals to save, and the name of the annotator for the record."""

    save_asked = Signal()
    save_as_asked = Signal()
    annotator_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.save = make_button("Save the mask", UserCommand.SAVE.tooltip, self.save_asked.emit)
        self.save_as = make_button("Save as…", UserCommand.SAVE_AS.tooltip, self.save_as_asked.emit)
        self.annotator = QLineEdit()
        self.annotator.setToolTip("This name goes into the record beside the mask")
        self.annotator.textEdited.connect(self.annotator_asked.emit)
        layout = make_column_layout(self)
        layout.addLayout(make_row_layout(self.save, self.save_as))
        layout.addLayout(make_row_layout(QLabel("Annotator"), self.annotator, stretch=1))

    def show_view(self, view: WindowView) -> None:
        """Apply `view`."""
        self.save.setEnabled(view.mode.may_save)
        self.save_as.setEnabled(view.mode.may_save)
        self.save.setToolTip(f"{UserCommand.SAVE.tooltip}. {view.save_hint}")


_BUTTON_HEIGHT = 34
_BUTTON_STYLE = """
QPushButton { background: #0072b2; color: white; font-weight: bold; padding: 9px; border-radius: 4px; }
QPushButton:hover { background: #0084cc; }
QPushButton:focus { border: 2px solid #e69f00; padding: 7px; }
QPushButton:disabled { background: #5a6070; color: #d0d4dc; }
"""


class NextStepPanel(QWidget):
    """Shows the button, the sentence below it, and the progress of the running job."""

    asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.button = make_button("", UserCommand.NEXT_STEP.tooltip, self.asked.emit)
        self.button.setStyleSheet(_BUTTON_STYLE)
        self.button.setMinimumHeight(_BUTTON_HEIGHT)
        self.hint = make_wrapped_label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar_text = make_wrapped_label()
        layout = make_column_layout(self)
        for widget in (self.button, self.hint, self.bar, self.bar_text):
            layout.addWidget(widget)

    def show_view(self, view: WindowView) -> None:
        """Apply `view`."""
        self.button.setText(view.step.button)
        self.button.setEnabled(view.step.command != "nothing")
        self.hint.setText(view.step.hint)
        self._show_bar(view.bar)

    def _show_bar(self, bar: ProgressBarState | None) -> None:
        """Show the progress bar; None hides it."""
        self.bar.setVisible(bar is not None)
        self.bar_text.setVisible(bar is not None)
        if bar is not None:
            # Qt would draw the bar, and with it the whole window, at each change: as long as a slice takes.
            self.bar.setUpdatesEnabled(False)
            self.bar.setMaximum(bar.total)
            self.bar.setValue(bar.done)
            self.bar.setUpdatesEnabled(True)
            self.bar_text.setText(bar.text)


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
        self.volume = make_wrapped_label(strong=True)
        self.volume.setToolTip("Volume of the pancreas in the current mask")
        self.details = make_wrapped_label()
        self.notes = make_wrapped_label()
        self.unsaved = make_wrapped_label()
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self.recent_needed)
        recent = make_button("Recent", "CTs opened before", lambda: None)
        recent.setMenu(self.menu)
        self.project = make_button("List…", UserCommand.OPEN_PROJECT.tooltip, self.project_asked.emit)
        self.project.hide()
        layout = make_column_layout(self)
        layout.addWidget(self.name)
        layout.addWidget(self.details)
        layout.addWidget(self.notes)
        layout.addLayout(make_row_layout(self.volume, self.unsaved))
        layout.addLayout(
            make_row_layout(
                make_button("File…", UserCommand.OPEN_FILE.tooltip, self.file_asked.emit),
                make_button("Folder…", UserCommand.OPEN_FOLDER.tooltip, self.folder_asked.emit),
                recent,
                make_button("Demo", "Open a made-up abdomen: no patient's image", self.demo_asked.emit),
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

    def show_view(self, view: WindowView) -> None:
        """Apply `view`."""
        self.name.setText(view.case)
        self.name.setToolTip(view.case)
        self.details.setText(view.details)
        # The message of the opening is gone with the next one; these stay as long as the case is open.
        self.notes.setText(f"⚠ {shorten(view.notes, _LONGEST_NOTES, placeholder=' …')}" if view.notes else "")
        self.notes.setToolTip(view.notes)
        self.notes.setVisible(bool(view.notes))
        self.volume.setText(view.volume)
        self.volume.setVisible(bool(view.volume))
        self.unsaved.setText("● not saved" if view.unsaved else "")
        self.unsaved.setToolTip("The mask has corrections that are in no file yet" if view.unsaved else "")
