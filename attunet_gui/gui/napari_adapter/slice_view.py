"""Which slice is on screen, how much of it can be seen, and what is under the cursor."""

from __future__ import annotations

from functools import lru_cache
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

_FITTED_SHARE = 0.95
"""Share of the window that a fitted slice fills, as napari's."""


class SliceView:
    """Moves the view of a case, and describes it for the rule of seen and verified slices.

    The slider has one step for each slice of the CT, whatever other layers are in the viewer: napari makes
    one range of all of them, in which step and first place are those of any layer.

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
        self._place_before_mm = 0.0
        # Number of axes, and units of length in 1 mm: another layer may change both.
        self._world = (3, 1.0)
        viewer = self._viewer
        for event in (viewer.dims.events.range, viewer.dims.events.units):
            event.connect(self._hold_ct_range)
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
        for event in (self._viewer.dims.events.range, self._viewer.dims.events.units):
            event.disconnect(self._hold_ct_range)
        self._viewer.dims.events.current_step.disconnect(self._emit_slice_changed)
        for event in self._visibility_events:
            event.disconnect(self._emit_sight_changed)

    def _emit_slice_changed(self) -> None:
        self._remember_place()
        self.slice_changed.emit()

    def _emit_sight_changed(self) -> None:
        self.sight_changed.emit()

    # Moving

    @property
    def current_slice(self) -> int:
        """Index of the slice on screen, from 0 at the feet."""
        if CT not in self._layers:
            return int(self._viewer.dims.current_step[self._slice_axis])
        # Not napari's step, which counts from where the first of all layers begins.
        index = round(self._slice_place_mm / self._layers.spacing_mm[0])
        return min(max(index, 0), len(self._layers[CT].data) - 1)

    @property
    def _slice_axis(self) -> int:
        """The axis of the viewer along which the slices of the CT lie; a layer with time adds axes before."""
        return max(int(self._viewer.dims.ndim) - 3, 0)

    @property
    def _slice_place_mm(self) -> float:
        return float(self._viewer.dims.point[self._slice_axis]) / self._units_per_mm

    @property
    def _units_per_mm(self) -> float:
        units = self._viewer.dims.units
        return 1.0 if units is None else _units_per_mm(units[-1])

    def _hold_ct_range(self) -> None:
        """Give the sliders of the CT's three axes the range of the CT, if another layer changed it.

        Where another layer changed axes or units as well, the slice is shown again as it was.
        """
        dims = self._viewer.dims
        if CT not in self._layers or dims.ndim < 3:
            return
        steps = np.multiply(self._layers.spacing_mm, self._units_per_mm)
        held = [_axis_range(*axis) for axis in zip(self._layers[CT].data.shape, steps, strict=True)]
        dims.range = (*dims.range[:-3], *held)
        if self._world != self._world_now:
            self._world = self._world_now
            dims.set_point(self._slice_axis, self._place_before_mm * self._units_per_mm)
            self._fit_ct()

    @property
    def _world_now(self) -> tuple[int, float]:
        return int(self._viewer.dims.ndim), self._units_per_mm

    def _remember_place(self) -> None:
        # While napari changes its units, the place is in the old ones, and is cut to the new range.
        settled = self._viewer.dims.units == self._viewer.layers.units and self._world == self._world_now
        if CT in self._layers and settled:
            self._place_before_mm = self._slice_place_mm

    def begin_case(self, slices: int) -> None:
        """Go to the middle one of `slices` slices and fit it to the window."""
        self._hold_ct_range()
        dims = self._viewer.dims
        dims.axis_labels = (*dims.axis_labels[: self._slice_axis], "Slice", "Row", "Column")
        self.go_to_slice(slices // 2)
        self._remember_place()
        self.straighten()

    def go_to_slice(self, index: int) -> None:
        """Show the slice with index `index`."""
        place = index * self._layers.spacing_mm[0] * self._units_per_mm
        self._viewer.dims.set_point(self._slice_axis, place)

    def step_slice(self, by: int) -> None:
        """Go `by` slices towards the head; a negative number goes towards the feet."""
        if CT in self._layers:
            self.go_to_slice(self.current_slice + by)

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
        if CT in self._layers:
            self._fit_ct()
        else:
            viewer.reset_view()

    def _fit_ct(self) -> None:
        """Fit the slice to the window; napari would fit all layers, however far from the CT they lie."""
        spacing = np.multiply(self._layers.spacing_mm[1:], self._units_per_mm)
        pixels = np.array(self._layers[CT].data.shape[1:])
        camera = self._viewer.scene.camera
        camera.center = (0.0, *((pixels - 1) * spacing / 2))
        camera.zoom = _FITTED_SHARE * float(np.min(np.array(self._viewer.canvas.size) / (pixels * spacing)))
        # The zoom at which the whole slice fits is the base for zooming to a place.
        self._whole_zoom = camera.zoom

    def zoom_to(self, index: int, centre_mm: NDArray[np.float64], field_mm: float) -> None:
        """Go to slice `index` and bring a part of it close.

        Args:
            index: of the slice.
            centre_mm: (y, x) of the middle of the part.
            field_mm: edge length of the field of view that is wanted; it is never larger than the slice.
        """
        self.go_to_slice(index)
        ct, camera = self._layers[CT], self._viewer.scene.camera
        camera.center = (index * ct.scale[0], *(np.asarray(centre_mm) * self._units_per_mm))
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
            # Axes that another layer adds come first as long as the CT's are drawn as axial slices.
            order=tuple(int(axis) - self._slice_axis for axis in viewer.dims.order[self._slice_axis :]),
            straight=straight and as_ever and not viewer.canvas.grid.enabled,
            ct_drawn=_is_layer_visible(ct, viewer.layers),
            mask_drawn=_is_layer_visible(mask, viewer.layers),
            ct_readable=is_readable(
                ct.data[min(self.current_slice, len(ct.data) - 1)], *map(float, ct.contrast_limits)
            ),
            pixels_per_mm=float(camera.zoom) * self._units_per_mm,
            view=_visible_rectangle(viewer, self._units_per_mm),
            judged=None if box is None else _rectangle_mm(box, spacing),
            ct=_rectangle_mm(whole, spacing),
        )

    @property
    def cursor_voxel(self) -> tuple[int, int, int] | None:
        """The voxel (z, y, x) under the cursor; None outside the CT."""
        if CT not in self._layers:
            return None
        layer = self._layers[CT]
        position = np.array(self._viewer.cursor.position) / self._units_per_mm
        # napari's data coordinates have voxel centres at whole numbers.
        z, y, x = (round(float(v)) for v in layer.world_to_data(position))
        inside = all(0 <= index < size for index, size in zip((z, y, x), layer.data.shape, strict=True))
        return (z, y, x) if inside else None


def _axis_range(count: int, step_mm: float) -> tuple[float, float, float]:
    """Return napari's range (start, stop, step) of an axis with `count` voxels of `step_mm`."""
    # napari rounds the number of steps down: a stop that is exact but for rounding would hide the last one.
    return 0.0, (count - 1) * step_mm * (1 + 1e-9), step_mm


@lru_cache
def _units_per_mm(unit: Any) -> float:
    """Return how many of napari's `unit` are 1 mm: 1000 for micrometres, 1 for a unit that is no length."""
    one = 1 * unit
    return 1 / float(one.to("mm").magnitude) if one.check("[length]") else 1.0


def _rectangle_mm(box: VoxelBox, spacing_mm: tuple[float, float, float]) -> RectangleMm:
    """Return (top, left, bottom, right) of `box` in its slice, in mm, at the outer pixel edges."""
    _z, row, column = spacing_mm
    _slices, rows, columns = box
    return ((rows.start - 0.5) * row, (columns.start - 0.5) * column, (rows.stop - 0.5) * row,
            (columns.stop - 0.5) * column)  # fmt: skip


def _visible_rectangle(viewer: ViewerModel, units_per_mm: float) -> RectangleMm:
    """Return the part of the slice that the canvas shows, as (top, left, bottom, right) in mm."""
    height, width = viewer.canvas.size
    zoom = viewer.scene.camera.zoom * units_per_mm
    row, column = np.array(viewer.scene.camera.center[-2:]) / units_per_mm
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
