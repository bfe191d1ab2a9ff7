"""The dock: the sections in the order of the work, joined to the desk."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QStyle, QVBoxLayout, QWidget

from attunet_gui.core.overlay import Overlay
from attunet_gui.gui.desk import Desk
from attunet_gui.gui.panels.case import CasePanel
from attunet_gui.gui.panels.display import DisplayPanel
from attunet_gui.gui.panels.draft import DraftPanel
from attunet_gui.gui.panels.footer import Footer
from attunet_gui.gui.panels.look import LookPanel
from attunet_gui.gui.panels.next_step import NextStepPanel
from attunet_gui.gui.panels.parts import Section
from attunet_gui.gui.panels.save import SavePanel
from attunet_gui.gui.panels.tools import ToolsPanel
from attunet_gui.gui.state import View
from attunet_gui.gui.viewer import hu_bounds

WIDTH = 364


class Dock(QWidget):
    """Shows what the desk says, and hands it what the panels ask for."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.case, self.next_step = CasePanel(), NextStepPanel()
        self.display, self.draft, self.look = DisplayPanel(), DraftPanel(), LookPanel()
        self.tools, self.save, self.footer = ToolsPanel(), SavePanel(), Footer()
        self._sections = QWidget()
        self._lay_out()
        self._join_work()
        self._join_picture()
        desk.view_changed.connect(self.show_view)
        desk.look_changed.connect(self.show_look)
        desk.maps_changed.connect(self._show_maps)
        self.draft.show_draft_on_open(desk.preferences.draft_on_open)
        self.save.annotator.setText(desk.session.annotator)
        self.show_view(desk.view)
        self.show_look()

    def _lay_out(self) -> None:
        sections = self._sections
        inner = QVBoxLayout(sections)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(2)
        for title, panel in (
            ("Display", self.display),
            ("Draft", self.draft),
            ("Layers and gates", self.look),
            ("Tools", self.tools),
            ("Save", self.save),
        ):
            inner.addWidget(Section(title, panel))
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(sections)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.case)
        layout.addWidget(self.next_step)
        layout.addWidget(scroll, 1)
        self.setMinimumWidth(WIDTH)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Qt's hook: only a shown widget has its style, and so its true sizes."""
        super().showEvent(event)
        QTimer.singleShot(0, self._widen)

    def _widen(self) -> None:
        """Leave room for the widest row and the scroll bar, whatever the font."""
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent) + 6
        self.setMinimumWidth(max(WIDTH, self._sections.minimumSizeHint().width() + bar))

    def show_footer(self) -> None:
        """Put the bottom line below the sections, where no window has a place for it."""
        layout = self.layout()
        if layout is not None:
            layout.addWidget(self.footer)

    def _join_work(self) -> None:
        desk, case, draft, save = self.desk, self.case, self.draft, self.save
        case.file_asked.connect(desk.open_file)
        case.folder_asked.connect(desk.open_folder)
        case.demo_asked.connect(desk.open_demo)
        case.recent_asked.connect(desk.open_path)
        case.recent_needed.connect(lambda: case.show_recent(desk.preferences.recent))
        case.forget_asked.connect(desk.preferences.forget_recent)
        self.next_step.asked.connect(desk.next_step)
        draft.model_asked.connect(desk.set_model)
        draft.card_asked.connect(desk.show_card)
        draft.other_model_asked.connect(desk.choose_model)
        draft.run_asked.connect(desk.run_or_cancel)
        draft.draft_on_open_asked.connect(desk.set_draft_on_open)
        save.save_asked.connect(desk.save)
        save.save_as_asked.connect(desk.save_as)
        save.annotator_asked.connect(desk.set_annotator)

    def _join_picture(self) -> None:
        desk, layers = self.desk, self.desk.layers
        self.display.window_asked.connect(layers.set_window)
        self.look.show_asked.connect(layers.show)
        self.look.opacity_asked.connect(layers.set_opacity)
        self.look.filled_asked.connect(desk.toggle_filled)
        self.tools.tool_asked.connect(desk.take_tool)
        self.tools.brush_asked.connect(layers.set_brush_size)
        self.tools.undo_asked.connect(desk.undo)
        self.tools.redo_asked.connect(desk.redo)

    def show_view(self, view: View) -> None:
        """Apply `view` to every panel."""
        for panel in (self.case, self.next_step, self.draft, self.tools, self.save, self.footer):
            panel.show_view(view)
        session = self.desk.session
        chosen = "" if session.bundle is None else session.bundle.card.name
        self.draft.show_models(tuple(bundle.card for bundle in session.bundles), chosen)

    def show_look(self) -> None:
        """Show what the layers look like."""
        case, layers = self.desk.session.case, self.desk.layers
        window = layers.window_hu
        self.display.setEnabled(window is not None)
        if case is not None and window is not None:
            self.display.set_bounds(*hu_bounds(case.volume))
            self.display.show_window(*window)
        self.look.show_look(layers)
        self.tools.show_look(layers, 1.0 if case is None else case.volume.grid.spacing_mm[2])

    def _show_maps(self, overlays: tuple[Overlay, ...]) -> None:
        self.look.show_maps(overlays)
        self.show_look()
        self._widen()
