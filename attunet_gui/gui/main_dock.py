"""The dock: the sections in the order of the work, connected to the controllers."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QStyle, QVBoxLayout, QWidget

from attunet_gui.core.undo_stack import UndoStack
from attunet_gui.gui.controllers.main_controller import MainController
from attunet_gui.gui.napari_adapter.layer_factory import hu_bounds
from attunet_gui.gui.panels.case_panels import CasePanel, NextStepPanel, SavePanel, StatusLine
from attunet_gui.gui.panels.layer_panels import HuWindowPanel, LayersPanel
from attunet_gui.gui.panels.network_panels import DraftPanel, PropagationPanel
from attunet_gui.gui.panels.review_panels import PlacesPanel, StripWidget
from attunet_gui.gui.panels.tool_panels import ToolsPanel
from attunet_gui.gui.panels.widget_factory import FOCUS, FoldableSection, stack_widgets
from attunet_gui.gui.view_state import WindowView
from attunet_gui.gui.wheel_guard import guard_wheel
from attunet_gui.prediction.map_overlays import MapOverlay

WIDTH = 340
"""Narrowest width of the dock in pixels."""


class MainDock(QWidget):
    """Passes the state of the window to the panels, and what the panels ask for to the controllers."""

    def __init__(self, controller: MainController) -> None:
        super().__init__()
        self.controller = controller
        self.case, self.next_step = CasePanel(), NextStepPanel()
        self.display, self.draft, self.look = HuWindowPanel(), DraftPanel(), LayersPanel()
        self.places, self.tools, self.carry = PlacesPanel(), ToolsPanel(), PropagationPanel()
        self.save, self.footer, self.strip = SavePanel(), StatusLine(), StripWidget()
        self.bottom = stack_widgets(self.strip, self.footer)
        self._sections = QWidget()
        self.setStyleSheet(FOCUS)
        self._build_layout()
        self._connect_case_panels()
        self._connect_layer_panels()
        self._connect_review_panels()
        controller.view_changed.connect(self.show_view)
        controller.look_changed.connect(self.show_layer_states)
        controller.drafting.maps_changed.connect(self._show_maps)
        self.draft.show_draft_on_open(controller.preferences.draft_on_open)
        self.save.annotator.setText(controller.session.annotator)
        self.show_view(controller.view_state)
        self.show_review()
        self.show_layer_states()
        guard_wheel(self)

    def _build_layout(self) -> None:
        """Put the sections into a scroll area, between the case above and Save below."""
        sections = self._sections
        inner = QVBoxLayout(sections)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(2)
        for title, panel in (
            ("Draft", self.draft),
            ("Places to check", self.places),
            ("Tools", self.tools),
            ("Carry corrections on", self.carry),
            ("Display", self.display),
            ("Layers and gates", self.look),
        ):
            inner.addWidget(FoldableSection(title, panel))
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        # The minimum width fits the widest row, so nothing has to be scrolled sideways.
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(sections)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.case)
        layout.addWidget(self.next_step)
        layout.addWidget(scroll, 1)
        # Outside of the scroll area: saving stays in sight.
        layout.addWidget(FoldableSection("Save", self.save))
        self.setMinimumWidth(WIDTH)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Qt's hook. Only a widget that was shown has its style, and with it its real sizes."""
        super().showEvent(event)
        QTimer.singleShot(0, self._fit_minimum_width)

    def _fit_minimum_width(self) -> None:
        """Make the dock wide enough for the widest row and the scroll bar, whatever the font is."""
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent) + 6
        self.setMinimumWidth(max(WIDTH, self._sections.minimumSizeHint().width() + bar))

    def show_footer(self) -> None:
        """Put strip and bottom line below the sections.

        Used in plain napari, where they have no dock of their own.
        """
        layout = self.layout()
        if layout is not None:
            self.footer.narrow()
            layout.addWidget(self.bottom)

    def _connect_case_panels(self) -> None:
        """Connect the panels for opening, drafting and saving."""
        controller, case, draft, save = self.controller, self.case, self.draft, self.save
        case.file_asked.connect(controller.opener.open_file)
        case.folder_asked.connect(controller.opener.open_folder)
        case.demo_asked.connect(controller.opener.open_demo)
        case.project_asked.connect(controller.worklist.open_project)
        case.recent_asked.connect(controller.opener.open_path)
        case.recent_needed.connect(lambda: case.show_recent(controller.preferences.recent_paths))
        case.forget_asked.connect(controller.preferences.forget_recent)
        self.next_step.asked.connect(controller.next_step)
        draft.model_asked.connect(controller.dialogs.set_model)
        draft.card_asked.connect(controller.dialogs.show_model_card)
        draft.other_model_asked.connect(controller.dialogs.choose_model)
        draft.improve_asked.connect(controller.finetuning.ask)
        draft.back_asked.connect(controller.finetuning.models.return_to_previous_model)
        # A method, not a lambda: Qt disconnects it with the dock, and a run may emit after that.
        controller.finetuning.changed.connect(self._show_previous_model)
        controller.finetuning.models.find_default_model()
        draft.run_asked.connect(controller.drafting.run_or_cancel)
        draft.draft_on_open_asked.connect(controller.dialogs.set_draft_on_open)
        save.save_asked.connect(controller.saving.save)
        save.save_as_asked.connect(controller.saving.save_as)
        save.annotator_asked.connect(controller.dialogs.set_annotator)

    def _show_previous_model(self) -> None:
        self.draft.show_previous_model(self.controller.finetuning.models.default.before)

    def _connect_layer_panels(self) -> None:
        """Connect the panels for HU window, layers and tools."""
        controller, layers = self.controller, self.controller.layers
        self.display.window_asked.connect(layers.appearance.set_hu_window)
        self.look.show_asked.connect(layers.appearance.show_layer)
        self.look.opacity_asked.connect(layers.appearance.set_opacity)
        self.look.filled_asked.connect(controller.layers.appearance.toggle_filled)
        self.tools.tool_asked.connect(controller.select_tool)
        self.tools.kind_asked.connect(controller.toolbox.select_tool)
        parameter = self.tools.parameter
        parameter.value_asked.connect(controller.toolbox.set_value)
        parameter.in_3d_asked.connect(controller.toolbox.set_in_3d)
        parameter.apply_asked.connect(controller.toolbox.apply_preview)
        parameter.away_asked.connect(controller.toolbox.deselect_tool)
        controller.toolbox.changed.connect(lambda: self.tools.show_selected_tool(controller.toolbox))
        self.tools.brush_asked.connect(layers.tools.set_brush_size)
        self.tools.undo_asked.connect(controller.edits.undo)
        self.tools.redo_asked.connect(controller.edits.redo)
        self.tools.volume_asked.connect(layers.tools.set_edits_volume)
        self.tools.limits_asked.connect(controller.edits.set_hu_limits)

    def _connect_review_panels(self) -> None:
        """Connect the panels for places to check, propagation and the strip."""
        guide, carrying, layers = self.controller.review, self.controller.propagation, self.controller.layers
        self.places.next_asked.connect(guide.next_place)
        self.places.place_asked.connect(guide.go_to_place)
        self.places.accept_asked.connect(guide.accept_place)
        self.places.verify_asked.connect(guide.verify_slice)
        self.carry.asked.connect(carrying.ask)
        self.carry.take_all_asked.connect(carrying.take_all)
        self.carry.take_slice_asked.connect(carrying.take_slice)
        self.carry.reject_asked.connect(carrying.reject)
        self.strip.slice_asked.connect(layers.slice_view.go_to_slice)
        layers.slice_view.slice_changed.connect(self._show_slice)
        guide.changed.connect(self.show_review)
        carrying.changed.connect(self.show_review)
        self.controller.edits.state_changed.connect(self.show_review)

    def show_view(self, view: WindowView) -> None:
        """Apply `view` to every panel."""
        for panel in (self.case, self.next_step, self.draft, self.tools, self.save, self.footer):
            panel.show_view(view)
        self._show_slice()
        session = self.controller.session
        chosen = "" if session.models.chosen is None else session.models.chosen.card.name
        self.carry.show_state(
            self.controller.propagation.can_propagate,
            self.controller.propagation.status_text,
            self.controller.propagation.proposal is not None,
        )
        self.draft.show_models(tuple(bundle.card for bundle in session.models.bundles), chosen)

    def show_review(self) -> None:
        """Show what is left to check, and what can be undone or propagated."""
        controller = self.controller
        guide, carrying = controller.review, controller.propagation
        self.places.show_places(guide.open_places, guide.current_place_key, guide.progress_text)
        self.places.show_case(controller.session.case is not None)
        self.strip.show_strip(guide.strip_data)
        self.carry.show_state(carrying.can_propagate, carrying.status_text, carrying.proposal is not None)
        work = controller.edits.work
        self.tools.show_undo_state(UndoStack() if work is None else work.history.undo_stack)

    def _show_slice(self) -> None:
        case, index = self.controller.session.case, self.controller.layers.slice_view.current_slice
        self.strip.show_slice(index)
        self.footer.show_slice(index, 0 if case is None else case.volume.grid.shape[0])

    def show_layer_states(self) -> None:
        """Show visibility, opacity, HU window and tool of the layers."""
        case, layers = self.controller.session.case, self.controller.layers
        window = layers.appearance.window_hu
        self.display.setEnabled(window is not None)
        # Bounds first: the slider would clip a window that lies outside of its old range.
        if case is not None and window is not None:
            self.display.set_bounds(*hu_bounds(case.volume))
            self.display.show_window(*window)
        self.look.show_layer_states(layers)
        self.tools.show_brush(layers, (1.0, 1.0, 1.0) if case is None else case.volume.grid.spacing_mm)

    def _show_maps(self, overlays: tuple[MapOverlay, ...]) -> None:
        # The new rows have sliders that the wheel guard does not know yet.
        self.look.show_maps(overlays)
        self.show_layer_states()
        guard_wheel(self)
        self._fit_minimum_width()
