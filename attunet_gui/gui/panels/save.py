"""The section for saving the mask with its record."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QLineEdit, QWidget

from attunet_gui.gui.actions import tip
from attunet_gui.gui.panels.parts import button, column, row
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.state import View


class SavePanel(QWidget):
    """Emits signals to save, and the name of the annotator for the record."""

    save_asked = Signal()
    save_as_asked = Signal()
    annotator_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.save = button("Save the mask", tip("save"), self.save_asked.emit)
        self.save_as = button("Save as…", tip("save_as"), self.save_as_asked.emit)
        self.annotator = QLineEdit()
        self.annotator.setToolTip("This name goes into the record beside the mask")
        self.annotator.textEdited.connect(self.annotator_asked.emit)
        layout = column(self)
        layout.addLayout(row(self.save, self.save_as))
        layout.addLayout(row(QLabel("Annotator"), self.annotator, stretch=1))

    def show_view(self, view: View) -> None:
        """Apply `view`."""
        self.save.setEnabled(view.save_enabled)
        self.save_as.setEnabled(view.save_enabled)
        self.save.setToolTip(f"{tip('save')}. {view.save_hint}")
