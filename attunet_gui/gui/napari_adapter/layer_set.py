"""The napari layers of one open case, by key: which there are, in which order, and where they lie.

Layers that the annotator or another plugin adds to the viewer are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from attunet_gui.gui.napari_adapter.layer_factory import (
    ARRIVING,
    CHANGES,
    CT,
    MASK,
    OTHER,
    RING,
    is_on_voxel_grid,
    move_to_voxel_grid,
)


class LayerSet:
    """Adds, removes, orders and restores the layers of a case in a `ViewerModel`.

    Args:
        viewer: the viewer, which may live longer than this object.

    Attributes:
        spacing_mm: spacing (z, y, x) of the open case's CT, the scale of each of its layers.

    Signals:
        layer_added(layer): a layer of the case was added.
        layer_lost(name): a layer of the case was deleted from outside, and can be restored.
        foreign_layer_added(layer): an image or labels layer was added that does not belong to the case.
        layer_look_changed: visibility, opacity or HU window of a layer of the case has changed.
        look_changed: the same, or the tool, or which maps are offered.
        batch_ended: the outermost block of `batch_changes` has ended.
        refused(sentence): napari was asked for something that is not allowed on the layers of a case.
    """

    layer_added = Signal(object)
    layer_lost = Signal(str)
    foreign_layer_added = Signal(object)
    layer_look_changed = Signal()
    look_changed = Signal()
    batch_ended = Signal()
    refused = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.spacing_mm = (1.0, 1.0, 1.0)
        self._layers: dict[str, Layer] = {}
        self._batch_depth = 0
        self._is_moving_back = False
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.events.inserted.connect(self._on_layer_inserted)

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer."""
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.layers.events.inserted.disconnect(self._on_layer_inserted)

    def __contains__(self, key: str) -> bool:
        return key in self._layers

    def __getitem__(self, key: str) -> Layer:
        return self._layers[key]

    def get_layer(self, key: str) -> Layer | None:
        """Return the layer `key`; None if the case has none."""
        return self._layers.get(key)

    @property
    def layers_by_key(self) -> dict[str, Layer]:
        """A copy of the layers of the case by key."""
        return dict(self._layers)

    def are_in_viewer(self, *keys: str) -> bool:
        """Return whether the case has all layers `keys` and none of them was deleted from the viewer."""
        return all(self._layers.get(key) in self.viewer.layers for key in keys)

    def owns_layer(self, layer: Layer) -> bool:
        """Return whether `layer`, or the layer behind napari's proxy `layer`, belongs to the case."""
        return any(layer == own for own in self._layers.values())

    # Adding and removing

    def add_layer(self, key: str, layer: Layer) -> None:
        """Add a layer of the case, announce it, and watch its look and position."""
        # Before it is added, so that it is known as ours when napari announces it.
        self._layers[key] = layer
        self.viewer.add_layer(layer)
        self.layer_added.emit(layer)
        for event in (layer.events.visible, layer.events.opacity):
            event.connect(self.announce_layer_look)
        if key == CT:
            layer.events.contrast_limits.connect(self.announce_layer_look)
        for event in (layer.events.scale, layer.events.translate, layer.events.rotate, layer.events.shear,
                      layer.events.affine):  # fmt: skip
            event.connect(self._undo_layer_move)

    def add_layer_beside(self, key: str, layer: Layer) -> None:
        """Add a layer, and leave slice, camera, selected layer and tool as the annotator has them."""
        with self.preserve_view():
            self.add_layer(key, layer)
            self.raise_masks()

    def remove_layer(self, key: str) -> None:
        """Remove the layer `key`, if the case has one."""
        layer = self._layers.pop(key, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def remove_all_layers(self) -> None:
        """Remove the layers of the case; layers that the annotator added stay."""
        # Emptied first, so that layers which we remove ourselves are not reported as lost.
        layers, self._layers = self._layers, {}
        for layer in layers.values():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def restore_deleted_layers(self) -> None:
        """Add layers of the case that were deleted in napari's list again.

        Unsaved edits would go with them.
        """
        with self.preserve_view():
            for layer in self._layers.values():
                if layer not in self.viewer.layers:
                    self.viewer.layers.append(layer)
            self.raise_masks()

    def raise_masks(self) -> None:
        """Move the masks above the maps, in their order.

        Each move redraws, so a right order is left alone.
        """
        layers = self.viewer.layers
        wanted = [self._layers[key] for key in (OTHER, ARRIVING, CHANGES, RING, MASK) if key in self._layers]
        if list(layers)[-len(wanted) :] != wanted:
            for layer in wanted:
                layers.move(layers.index(layer), len(layers))

    # What napari announces

    def announce_layer_look(self) -> None:
        """Announce that a layer looks different now."""
        self.look_changed.emit()
        self.layer_look_changed.emit()

    def _undo_layer_move(self, event: Any) -> None:
        """Undo a move of a layer of the case: whoever draws on a shifted mask marks the wrong voxels."""
        layer = event.source
        if (
            self._is_moving_back
            or layer not in self._layers.values()
            or is_on_voxel_grid(layer, self.spacing_mm)
        ):
            return
        self._is_moving_back = True
        try:
            move_to_voxel_grid(layer, self.spacing_mm)
        finally:
            self._is_moving_back = False
        if not self.is_batching:
            self.refused.emit(f"{layer.name} lies where the CT was taken; it is not moved, turned or scaled.")

    def _on_layer_inserted(self, event: Any) -> None:
        layer = event.value
        if isinstance(layer, Image | Labels) and layer not in self._layers.values():
            self.foreign_layer_added.emit(layer)

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._layers.values():
            self.layer_lost.emit(event.value.name)

    # Changes that belong together

    @property
    def is_batching(self) -> bool:
        """Whether a block of `batch_changes` is open."""
        return self._batch_depth > 0

    @contextmanager
    def batch_changes(self) -> Iterator[None]:
        """Let one announcement at the end stand for all changes of layer and mode within the block."""
        self._batch_depth += 1
        try:
            yield
        finally:
            self._batch_depth -= 1
            if not self._batch_depth:
                self.batch_ended.emit()

    @contextmanager
    def preserve_view(self) -> Iterator[None]:
        """Restore selected layer, mode, slice and camera after the block.

        Napari changes them with each new layer.
        """
        with self.batch_changes():
            yield from self._restore_view_afterwards()

    def _restore_view_afterwards(self) -> Iterator[None]:
        """Yield, then restore selected layer, mode, slice, zoom and centre, also after an error."""
        viewer = self.viewer
        active, point = viewer.layers.selection.active, viewer.dims.point
        camera = (viewer.scene.camera.center, viewer.scene.camera.zoom)
        mode = None if active is None else active.mode
        try:
            yield
        finally:
            viewer.layers.selection.active = active
            if active is not None:
                active.mode = mode
            viewer.dims.point = point
            viewer.scene.camera.center, viewer.scene.camera.zoom = camera
