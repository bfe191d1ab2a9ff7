"""The section of the network: choice of the model, and the button that drafts or cancels."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QMenu, QWidget
from superqt.utils import signals_blocked

from attunet_gui.gui.panels.widget_factory import (
    make_button,
    make_column_layout,
    make_row_layout,
    make_wrapped_label,
)
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.gui.view_state import WindowView
from attunet_gui.network.engines.engine_registry import default_engine
from attunet_gui.prediction.model_card import ModelCard


class PropagationPanel(QWidget):
    """Emits a signal for each button.

    Ask for a proposal, accept it in all slices or in this one, reject it.
    """

    asked = Signal()
    take_all_asked = Signal()
    take_slice_asked = Signal()
    reject_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.ask = make_button("Carry my corrections on", UserCommand.PROPAGATE.tooltip, self.asked.emit)
        self.about = make_wrapped_label()
        self.take_all = make_button(
            "Accept all", UserCommand.ACCEPT_PROPOSAL.tooltip, self.take_all_asked.emit
        )
        self.take_slice = make_button(
            "This slice", UserCommand.ACCEPT_PROPOSAL_IN_SLICE.tooltip, self.take_slice_asked.emit
        )
        self.reject = make_button("Reject", UserCommand.REJECT_PROPOSAL.tooltip, self.reject_asked.emit)
        self._answers = (self.take_all, self.take_slice, self.reject)
        layout = make_column_layout(self)
        layout.addWidget(self.ask)
        layout.addWidget(self.about)
        layout.addLayout(make_row_layout(*self._answers))
        self.show_state(False, "", False)

    def show_state(self, may_ask: bool, about: str, proposed: bool) -> None:
        """Show the state of the proposal.

        Args:
            may_ask: whether a proposal can be asked for.
            about: a sentence about it; "" hides the line.
            proposed: whether a proposal waits to be accepted or rejected.
        """
        self.ask.setEnabled(may_ask)
        self.about.setText(about)
        self.about.setVisible(bool(about))
        for answer in self._answers:
            answer.setVisible(proposed)


class DraftPanel(QWidget):
    """Emits signals for the chosen model, its card, other models, a draft and its cancelling."""

    model_asked = Signal(str)
    card_asked = Signal()
    other_model_asked = Signal()
    improve_asked = Signal()
    back_asked = Signal()
    run_asked = Signal()
    draft_on_open_asked = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.models = QComboBox()
        self.models.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.models.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.models.activated.connect(lambda _index: self.model_asked.emit(self.models.currentData()))
        self.card = make_button(
            "About", "What this model was made for, trained on, and how it measured", self._emit_card_asked
        )
        self.more = make_button(
            "More", "Use another model, improve it, or go back to the one before", lambda: None
        )
        self.more.setMenu(self._make_menu())
        self.run = make_button("", UserCommand.RUN_OR_CANCEL.tooltip, self.run_asked.emit)
        self.on_open = QCheckBox("on opening")
        self.on_open.setToolTip("Draft each CT as soon as it is open")
        self.on_open.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.on_open.toggled.connect(self.draft_on_open_asked)
        layout = make_column_layout(self)
        layout.addLayout(make_row_layout(self.models, self.card, self.more, stretch=0))
        layout.addLayout(make_row_layout(self.run, self.on_open, stretch=0))

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction("Folder of another model…", self.other_model_asked.emit)
        menu.addAction(f"Improve the model…  {UserCommand.FINETUNE.keys}", self.improve_asked.emit)
        self._back = menu.addAction("", self.back_asked.emit)
        self._back.setVisible(False)
        return menu

    def show_previous_model(self, name: str) -> None:
        """Offer to go back to the model `name`; "" hides the entry of the menu."""
        self._back.setText(f"Go back to {name}")
        self._back.setVisible(bool(name))

    def _emit_card_asked(self) -> None:
        self.card_asked.emit()

    def show_models(self, cards: tuple[ModelCard, ...], chosen: str) -> None:
        """Fill the list of models with `cards`, and select the one with the name `chosen`."""
        # Filling the list selects an item, which is no choice of the annotator.
        with signals_blocked(self.models):
            self.models.clear()
            for card in cards:
                self.models.addItem(card.title, card.name)
                # Which engine runs depends on what is installed, and decides how long a draft takes.
                engine = f"Drafts with {default_engine().name}."
                tooltip = f"{card.description}\n\n{card.limits}\n\n{engine}"
                self.models.setItemData(self.models.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole)
            if not cards:
                self.models.addItem("No model was found")
            self.models.setCurrentIndex(max(0, self.models.findData(chosen)))
        self.models.setEnabled(bool(cards))
        self.card.setEnabled(bool(cards))

    def show_draft_on_open(self, wanted: bool) -> None:
        """Show whether each CT is drafted on opening, without emitting a signal."""
        with signals_blocked(self.on_open):
            self.on_open.setChecked(wanted)

    def show_view(self, view: WindowView) -> None:
        """Apply `view`."""
        self.run.setText(view.run_button)
        self.run.setEnabled(view.mode.may_run)
