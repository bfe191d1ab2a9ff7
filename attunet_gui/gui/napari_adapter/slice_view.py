"""Which slice is on screen, how much of it can be seen, and what is under the cursor."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.camera_orientations import DEFAULT_ORIENTATION
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.gui.napari_adapter.layer_factory import CT, MAP_OPACITY, MASK, is_on_voxel_grid
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.review.slice_visibility import RectangleMm, SliceVisibility, is_readable


class SliceView:
    """Moves the view of a case, and describes it for the rule of seen and verified slices.

    Args:
        layer_set: the layers of the case.

    Signals:
        slice_changed: another slice is on screen.
        sight_changed: another slice, plane or zoom is on screen, or a layer was shown or hidden.
    """

    slice_changed = Signal()
    sight_changed = Signal()

    def __init__(self, layer_set: LayerSet) -> None:
        self._layers, self._viewer = layer_set, layer_set.viewer
        self._whole_zoom = 1.0
        viewer = self._viewer
        viewer.dims.events.current_step.connect(self._emit_slice_changed)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        # Whatever changes how much of the slice can be seen. Each restarts the time until it counts as seen.
        self._visibility_events = (
            camera.center, camera.zoom, camera.angles, camera.orientation, dims.order,
            dims.ndisplay, dims.current_step, viewer.canvas.events.size,
            viewer.canvas.grid.events.enabled, viewer.layers.events.reordered,
        )  # fmt: skip
        for event in self._visibility_events:
            event.connect(self._emit_sight_changed)
        layer_set.layer_look_changed.connect(self._emit_sight_changed)

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer."""
        self._viewer.dims.events.current_step.disconnect(self._emit_slice_changed)
        for event in self._visibility_events:
            event.disconnect(self._emit_sight_changed)

    def _emit_slice_changed(self) -> None:
        self.slice_changed.emit()

    def _emit_sight_changed(self) -> None:
        self.sight_changed.emit()

    # Moving

    @property
    def current_slice(self) -> int:
        """Index of the slice on screen, from 0 at the feet."""
        return int(self._viewer.dims.current_step[0])

    def begin_case(self, slices: int) -> None:
        """Go to the middle one of `slices` slices and fit it to the window."""
        self._viewer.dims.axis_labels = ("Slice", "Row", "Column")
        self.go_to_slice(slices // 2)
        self.straighten()
        # The zoom at which the whole slice fits is the base for zooming to a place.
        self._whole_zoom = self._viewer.scene.camera.zoom

    def go_to_slice(self, index: int) -> None:
        """Show the slice with index `index`."""
        self._viewer.dims.set_current_step(0, index)

    def step_slice(self, by: int) -> None:
        """Go `by` slices towards the head; a negative number goes towards the feet."""
        if CT in self._layers:
            self.go_to_slice(self._viewer.dims.current_step[0] + by)

    def step_up(self) -> None:
        """Go one slice towards the head."""
        self.step_slice(1)

    def step_down(self) -> None:
        """Go one slice towards the feet."""
        self.step_slice(-1)

    def straighten(self) -> None:
        """Show axial slices in radiological orientation and fit them to the window."""
        viewer = self._viewer
        viewer.dims.ndisplay = 2
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        # In napari's grid CT and mask are drawn beside each other, which nobody can compare.
        viewer.canvas.grid.enabled = False
        viewer.scene.camera.orientation = DEFAULT_ORIENTATION
        viewer.reset_view()

    def zoom_to(self, index: int, centre_mm: NDArray[np.float64], field_mm: float) -> None:
        """Go to slice `index` and bring a part of it close.

        Args:
            index: of the slice.
            centre_mm: (y, x) of the middle of the part.
            field_mm: edge length of the field of view that is wanted; it is never larger than the slice.
        """
        self.go_to_slice(index)
        ct, camera = self._layers[CT], self._viewer.scene.camera
        camera.center = (index * ct.scale[0], *centre_mm)
        extent = ct.extent.world
        whole = float((extent[1] - extent[0])[1:].max())
        camera.zoom = self._whole_zoom * max(1.0, whole / field_mm)

    # What can be seen

    def slice_visibility(self, window_shown: bool, box: VoxelBox | None = None) -> SliceVisibility | None:
        """Describe how much of the slice can be seen, as the input of the rule for seen and verified slices.

        Args:
            window_shown: whether the picture can be on a screen at all.
            box: voxels that have to be visible; None means the mask of the slice.

        Returns:
            the description; None if no case is open or a layer of it is missing.
        """
        if not self._layers.are_in_viewer(CT, MASK):
            return None
        ct, mask = self._layers[CT], self._layers[MASK]
        viewer, camera = self._viewer, self._viewer.scene.camera
        if box is None:
            box = _mask_bounds(mask.data[min(self.current_slice, len(mask.data) - 1)])
        whole = (slice(0, 1), slice(0, ct.data.shape[1]), slice(0, ct.data.shape[2]))
        spacing = self._layers.spacing_mm
        straight = is_on_voxel_grid(ct, spacing) and is_on_voxel_grid(mask, spacing)
        as_ever = tuple(map(str, camera.orientation)) == DEFAULT_ORIENTATION
        return SliceVisibility(
            window_shown=window_shown,
            dimensions=int(viewer.dims.ndisplay),
            order=tuple(int(axis) for axis in viewer.dims.order),
            straight=straight and as_ever and not viewer.canvas.grid.enabled,
            ct_drawn=_is_layer_visible(ct, viewer.layers),
            mask_drawn=_is_layer_visible(mask, viewer.layers),
            ct_readable=is_readable(
                ct.data[min(self.current_slice, len(ct.data) - 1)], *map(float, ct.contrast_limits)
            ),
            pixels_per_mm=float(camera.zoom),
            view=_visible_rectangle(viewer),
            judged=None if box is None else _rectangle_mm(box, spacing),
            ct=_rectangle_mm(whole, spacing),
        )

    @property
    def cursor_voxel(self) -> tuple[int, int, int] | None:
        """The voxel (z, y, x) under the cursor; None outside the CT."""
        if CT not in self._layers:
            return None
        layer = self._layers[CT]
        # napari's data coordinates have voxel centres at whole numbers.
        z, y, x = (round(float(v)) for v in layer.world_to_data(self._viewer.cursor.position))
        inside = all(0 <= index < size for index, size in zip((z, y, x), layer.data.shape, strict=True))
        return (z, y, x) if inside else None


def _rectangle_mm(box: VoxelBox, spacing_mm: tuple[float, float, float]) -> RectangleMm:
    """Return (top, left, bottom, right) of `box` in its slice, in mm, at the outer pixel edges."""
    _z, row, column = spacing_mm
    _slices, rows, columns = box
    return ((rows.start - 0.5) * row, (columns.start - 0.5) * column, (rows.stop - 0.5) * row,
            (columns.stop - 0.5) * column)  # fmt: skip


def _visible_rectangle(viewer: ViewerModel) -> RectangleMm:
    """Return the part of the slice that the canvas shows, as (top, left, bottom, right) in mm."""
    height, width = viewer.canvas.size
    zoom, (row, column) = viewer.scene.camera.zoom, viewer.scene.camera.center[-2:]
    down, across = height / zoom / 2, width / zoom / 2
    return float(row - down), float(column - across), float(row + down), float(column + across)


def _mask_bounds(mask: NDArray[np.uint8]) -> VoxelBox | None:
    """Return the bounding box of one slice of the mask, (y, x), as (1, rows, columns).

    None if it is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(0, 1), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _is_layer_visible(layer: Layer, layers: Any) -> bool:
    """Return whether `layer` is visible and no image other than one of our translucent maps covers it."""
    above = list(layers)[layers.index(layer) + 1 :]
    covered = any(
        isinstance(other, Image) and other.visible and other.opacity > MAP_OPACITY for other in above
    )
    transparent = isinstance(layer, Labels) and layer.get_color(1)[3] == 0
    # A mask that is painted in a transparent colour is visible to napari but not to an eye.
    return bool(layer.visible and layer.opacity > 0 and not transparent and not covered)
