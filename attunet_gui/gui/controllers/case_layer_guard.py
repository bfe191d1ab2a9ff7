"""Keeps the layers of the case together: what is deleted comes back; our own window takes no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import QObject, QTimer

from attunet_gui.app.case_session import CaseSession
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.gui.napari_adapter.napari_overrides import NO_SECOND_CASE, claim_commands, release_commands


class CaseLayerGuard(QObject):
    """Restores deleted layers of the case, and removes foreign ones where the window holds one case only.

    Args:
        session: says what was done, and why.
        layer_set: the layers of the case.
        is_closed: tells whether the window is closed, and its layers may go.
        parent: owner of this object.
    """

    def __init__(
        self, session: CaseSession, layer_set: LayerSet, is_closed: Callable[[], bool], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._layers, self._is_closed = session, layer_set, is_closed
        self._owns_window = False
        layer_set.layer_lost.connect(self._layer_lost)
        layer_set.foreign_layer_added.connect(self._foreign_layer_added)

    def claim_window(self, viewer: object, commands: Mapping[str, Callable[[], object]]) -> None:
        """Take over a window of our own: it holds one case, and napari's `commands` lead to our methods."""
        self._owns_window = True
        claim_commands(viewer, commands, self._session.show_message)

    def release_window(self) -> None:
        """Give the commands of napari back."""
        release_commands(self._layers.viewer)

    def _layer_lost(self, name: str) -> None:
        # Not at once: napari is in the middle of removing, and removes everything when it closes.
        QTimer.singleShot(0, lambda: self._restore_layer(name))

    def _restore_layer(self, name: str) -> None:
        if self._is_closed():
            return
        self._layers.restore_deleted_layers()
        self._session.show_message(f"{name} belongs to the case and was put back; hide it instead.")

    def _foreign_layer_added(self, layer: object) -> None:
        # In plain napari any layer may be added; in our window a second CT could be taken for the case.
        if self._owns_window:
            QTimer.singleShot(0, self, lambda: self._remove_foreign_layer(layer))

    def _remove_foreign_layer(self, layer: object) -> None:
        layers = self._layers.viewer.layers
        if layer in layers:
            layers.remove(layer)
            self._session.show_message(NO_SECOND_CASE)
