"""Shows a case as napari layers. Works on a `ViewerModel`, with or without a window.

A result that arrives changes only the layers that it owns: slice, zoom, selected layer and tool stay as the
annotator has them.
"""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.gui.napari_adapter.drawing_tools import CaseKeyBindings, DrawingTools
from attunet_gui.gui.napari_adapter.layer_appearance import LayerAppearance
from attunet_gui.gui.napari_adapter.layer_factory import ARRIVING, CT, MASK, make_ct_layer, reset_ct_layer
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.gui.napari_adapter.mask_layer import MaskLayer
from attunet_gui.gui.napari_adapter.overlay_layers import DraftLayers, MarkerLayers
from attunet_gui.gui.napari_adapter.slice_view import SliceView


class CaseLayers:
    """The napari layers of one open case, as parts that each own one thing.

    Attributes:
        layer_set: which layers the case has.
        mask_layer: the voxels of the mask.
        slice_view: what is on screen.
        tools: what a click does.
        keys: our keys, in place of napari's.
        appearance: visibility, opacity, HU window, and the maps.
        drafts: a draft on its way, and one beside the mask.
        markers: proposed changes, and the ring around a place to check.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.layer_set = LayerSet(viewer)
        self.mask_layer = MaskLayer(self.layer_set)
        self.slice_view = SliceView(self.layer_set)
        self.tools = DrawingTools(self.layer_set, self.slice_view)
        self.keys = CaseKeyBindings(self.layer_set, self.tools, self.slice_view)
        self.appearance = LayerAppearance(self.layer_set)
        self.drafts = DraftLayers(self.layer_set, self.appearance, self.slice_view)
        self.markers = MarkerLayers(self.layer_set, self.slice_view)
        self._is_connected = True

    @property
    def mask(self) -> NDArray[np.uint8] | None:
        """The voxels of the mask, uint8 (z, y, x), not a copy; None if no case is open."""
        return self.mask_layer.voxels

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer, which may live longer than this object. A second call does nothing."""
        if not self._is_connected:
            return
        self._is_connected = False
        self.layer_set.disconnect_viewer()
        self.slice_view.disconnect_viewer()
        self.tools.disconnect_viewer()
        self.keys.unbind_keys()

    def show_case(self, volume: Volume, mask: NDArray[np.uint8] | None) -> None:
        """Replace the layers of the last case by those of `volume`, and go to its middle slice.

        Args:
            volume: the CT; HU in (z, y, x).
            mask: uint8 (z, y, x) with 0 and 1, which the layer keeps and changes in place; None gives an
                empty mask.
        """
        if mask is None:
            mask = np.zeros(volume.grid.shape, np.uint8)
        self.layer_set.spacing_mm = volume.grid.spacing_mm
        if self._can_reuse_layers(volume):
            self._reuse_layers(volume, mask)
        else:
            self.remove_layers()
            self.layer_set.add_layer(CT, make_ct_layer(volume))
            self.mask_layer.add_to_viewer(mask)
        self.tools.begin_case()
        self.slice_view.begin_case(volume.grid.shape[0])
        self.layer_set.look_changed.emit()

    def _can_reuse_layers(self, volume: Volume) -> bool:
        """Return whether the layers of the last case can be filled with `volume` and its mask."""
        return self.layer_set.are_in_viewer(CT, MASK) and self.layer_set[CT].data.dtype == volume.hu.dtype

    def _reuse_layers(self, volume: Volume, mask: NDArray[np.uint8]) -> None:
        """Fill the CT and mask layers of the last case with the new one, and remove its other layers."""
        self.appearance.forget_maps()
        for key in self.layer_set.layers_by_key:
            if key not in (CT, MASK, ARRIVING):
                self.layer_set.remove_layer(key)
        reset_ct_layer(self.layer_set[CT], volume)
        self.mask_layer.replace_voxels(mask)
        self.drafts.clear_arriving_layer()

    def remove_layers(self) -> None:
        """Remove the layers of the case; layers that the annotator added stay."""
        self.appearance.forget_maps()
        self.layer_set.remove_all_layers()
        self.drafts.clear_arriving_layer()
