"""Which model drafts by default: adopting another one, and going back to the one before."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QObject

from attunet_gui.app import model_finetuning
from attunet_gui.app.case_session import CaseSession
from attunet_gui.app.model_finetuning import DefaultModel
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.system.background_executor import SerialExecutor
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel


class DefaultModelController(QObject):
    """Changes the default model in the background, and lets the session draft with it.

    Args:
        session: drafts with the model from then on.
        background: reads and writes the user's models.
        parent: owner of this object.

    Signals:
        changed: another model is the default, or it was found out which one is.
    """

    changed = Signal()

    def __init__(self, session: CaseSession, background: SerialExecutor, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._background = session, background
        self.default = DefaultModel()

    def find_default_model(self) -> None:
        """Find out which model is the default and which one was before."""
        self._background.submit(model_finetuning.find_default_model, self._set_default_model)

    def _set_default_model(self, default: DefaultModel) -> None:
        self.default = default
        self.changed.emit()

    def adopt_model(self, learnt: FinetunedModel) -> None:
        """Make the new model the default, for the next draft on."""
        self._background.submit(partial(model_finetuning.adopt_finetuned_model, learnt), self._model_adopted)

    def _model_adopted(self, bundle: ModelBundle) -> None:
        self._session.models.add_model(bundle)
        self._session.show_message(f"{bundle.card.title} drafts from now on.")
        self.find_default_model()

    def return_to_previous_model(self) -> None:
        """Make the model before the default again."""
        self._background.submit(model_finetuning.restore_previous_model, self._previous_model_restored)

    def _previous_model_restored(self, bundle: ModelBundle) -> None:
        self._session.models.add_model(bundle)
        self._session.show_message(f"Back to {bundle.card.title}; the other one stays in the list of models.")
        self.find_default_model()
