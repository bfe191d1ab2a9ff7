"""What `napari.yaml` names: the reader, the writer, the sample data, the dock and its key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from npe2 import PluginContext, PluginManager
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.gui.controllers.case_opener import DEMO_SEED
from attunet_gui.gui.napari_adapter.layer_factory import METADATA, ct_layer_settings
from attunet_gui.gui.plugin_dock import NAME, PLUGIN, PancreasDock
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.image_format_registry import format_of_path
from attunet_gui.io.result_writing import write_mask
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError, UnwritableOutput

LayerData = tuple[Any, dict[str, Any], str]
_UNMOVED: dict[str, Any] = {"translate": 0.0, "shear": 0.0, "rotate": np.eye(3), "affine": np.eye(4)}
"""Values of the attributes of a layer that was not moved, turned or sheared."""
_ROOM = 1e-6
"""How far, in mm or without unit, a layer may be from the grid of its CT: rounding, not a move."""


def reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return npe2's reader function for `path`, or None if no reader of ours takes it."""
    if isinstance(path, list):
        return None
    try:
        format_of_path(Path(path))
    except AttunetError:
        return None
    return _read_layers


def _read_layers(path: str | list[str]) -> list[LayerData]:
    if isinstance(path, list):
        path = path[0]
    volume = read_ct_volume(Path(path))
    for note in volume.notes:
        show_info(f"{volume.name}: {note}")
    return [ct_layer_data(volume)]


def ct_layer_data(volume: Volume) -> LayerData:
    """Return `volume` as napari's layer data, with the volume in the metadata for the writer."""
    return volume.hu, ct_layer_settings(volume) | {"name": volume.name}, "image"


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer on the source grid of the CT that it was drawn on; npe2's writer hook.

    Args:
        path: file to write.
        data: labels of the layer, (z, y, x).
        attributes: the layer's attributes, as napari passes them.

    Raises:
        UnwritableOutput: if it could not be written, or what was read back differs.
        ValueError: if the layer was not drawn on a CT opened by this plugin, was moved off its grid, or holds
            more than one label.
    """
    try:
        volume = _source_volume(attributes)
        mask = _mask_on_grid(volume, np.asarray(data), attributes)
    except UnwritableOutput as error:
        # napari takes a ValueError to mean "not the right writer" and does not show its text.
        show_error(str(error))
        raise ValueError(str(error)) from error
    write_mask(Path(path), mask, volume)
    return [path]


def _source_volume(attributes: dict[str, Any]) -> Volume:
    """Return the CT that a layer was drawn on, from its metadata; raise `UnwritableOutput` without it."""
    volume = attributes.get("metadata", {}).get(METADATA)
    if not isinstance(volume, Volume):
        raise UnwritableOutput("This layer does not know its CT; draw on a CT that was opened with attunet.")
    return volume


def _mask_on_grid(volume: Volume, labels: NDArray[Any], attributes: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the layer's labels as uint8 (z, y, x) with 0 and 1 on the grid of `volume`.

    Raises:
        UnwritableOutput: if shape, scale or position are not those of the CT, or there are several labels.
    """
    if labels.shape != volume.grid.shape or not _is_on_grid(volume, attributes):
        raise UnwritableOutput(
            f"This layer does not lie on the voxels of {volume.name} any more; give it the shape, scale and "
            "place of its CT, then save it."
        )
    values = [str(value) for value in np.unique(labels) if value]
    # Which of several labels is the pancreas cannot be known here.
    if len(values) > 1:
        told = ", ".join(values[:5]) + ("…" if len(values) > 5 else "")
        raise UnwritableOutput(
            f"This layer holds the labels {told}, and a mask is one structure; leave one of them."
        )
    # Whatever the number of the one label is, a mask is saved with 1.
    mask: NDArray[np.uint8] = (labels != 0).astype(np.uint8)
    return mask


def _is_on_grid(volume: Volume, attributes: dict[str, Any]) -> bool:
    """Return whether scale, offset, rotation, shear and affine of the layer are those of its CT."""
    wanted = {"scale": volume.grid.spacing_mm, **_UNMOVED}
    return all(
        np.allclose(np.asarray(attributes[name], float), value, rtol=0, atol=_ROOM)
        for name, value in wanted.items()
        if attributes.get(name) is not None
    )


def phantom() -> list[LayerData]:
    """Return the CT of the demo as napari sample data; npe2's hook."""
    return [ct_layer_data(phantom_volume(make_phantom(PhantomRequest(DEMO_SEED))))]


def phantom_with_mask() -> list[LayerData]:
    """Return the CT of the demo with its true pancreas as napari sample data; npe2's hook."""
    made = make_phantom(PhantomRequest(DEMO_SEED))
    volume = phantom_volume(made)
    settings = {"name": "True pancreas", "scale": volume.grid.spacing_mm, "metadata": {METADATA: volume}}
    return [ct_layer_data(volume), (made.pancreas_mask, settings | {"units": ("mm", "mm", "mm")}, "labels")]


dock = PancreasDock
"""The name of the dock in earlier versions, for scripts."""


def open_dock(viewer: Viewer) -> None:
    """Show the dock in `viewer`; npe2's command. A dock that is open already is raised."""
    try:
        place, _dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    except AttunetError as error:
        show_error(str(error))
        return
    place.show()
    place.raise_()


def activate(context: PluginContext) -> None:
    """Bind the keys of the manifest; npe2 calls this before anything else of the plugin.

    napari 0.9 reads no keys from manifests. Bound by its public `bind_key`, they work in every viewer.
    """
    manifest = PluginManager.instance().get_manifest(context.plugin_key)
    for binding in manifest.contributions.keybindings or ():
        keys = _platform_keys(binding)
        Viewer.bind_key(keys, _make_command_call(binding.command), overwrite=True)
        context.register_disposable(partial(Viewer.bind_key, keys, None))


def _platform_keys(binding: Any) -> str:
    """Return the keys of `binding` for this operating system."""
    keys = {"darwin": binding.mac, "linux": binding.linux, "win32": binding.win}
    return str(keys.get(sys.platform) or binding.key)


def _make_command_call(command: str) -> Callable[[Viewer], None]:
    # napari needs a function here, not a partial: it reads the function's name.
    def execute(viewer: Viewer) -> None:
        PluginManager.instance().commands.execute(command, (viewer,))

    return execute
