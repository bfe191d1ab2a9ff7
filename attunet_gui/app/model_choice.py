"""The models that are offered, and the one that drafts."""

from __future__ import annotations

from psygnal import Signal

from attunet_gui.app.network_jobs import InferenceClient
from attunet_gui.network.model_bundle import ModelBundle


class ModelChoice:
    """Knows the models on offer; the chosen one is loaded in advance.

    Args:
        process: loads models.
        bundles: the models on offer, the default first.

    Attributes:
        bundles: the models on offer.
        chosen: the model of the next draft; None if there is none.

    Signals:
        changed: another model is chosen or offered.
    """

    changed = Signal()

    def __init__(self, process: InferenceClient, bundles: tuple[ModelBundle, ...]) -> None:
        self._process, self.bundles = process, bundles
        self.chosen: ModelBundle | None = bundles[0] if bundles else None

    def choose_model(self, name: str) -> None:
        """Use the model called `name` for the next draft, and load it in advance."""
        self.chosen = next((each for each in self.bundles if each.card.name == name), self.chosen)
        self.load_chosen()
        self.changed.emit()

    def add_model(self, bundle: ModelBundle) -> None:
        """Add a model bundle to those that are offered, and choose it."""
        others = (each for each in self.bundles if each.card.name != bundle.card.name)
        self.bundles = (*others, bundle)
        self.choose_model(bundle.card.name)

    def load_chosen(self) -> None:
        """Load the chosen model in advance."""
        if self.chosen is not None:
            self._process.load_bundle(self.chosen.folder)
