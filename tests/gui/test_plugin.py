"""What napari gets through the manifest, asked for as napari asks: by npe2."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import nibabel as nib
import npe2
import numpy as np
import pytest

from attunet_gui.core.volume import Volume
from attunet_gui.gui import plugin
from attunet_gui.gui.napari_adapter.layer_factory import METADATA
from attunet_gui.io.ct_reading import read_ct_volume
from tests.support.ct_files import ct_like, write_nifti

PLUGIN = "attunet-gui"
AFFINE = np.array([[0, 2.1, 0.3, 10], [1.9, 0.1, -0.2, -20], [0.1, -0.2, 4.0, 30], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> npe2.PluginManager:
    """A plugin manager that knows this plugin alone."""
    manager = npe2.PluginManager()
    manager.register(npe2.PluginManifest.from_file(resources.files("attunet_gui") / "napari.yaml"))
    monkeypatch.setattr(npe2.PluginManager, "instance", lambda: manager)
    return manager


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    return write_nifti(tmp_path / "ct.nii.gz", ct_like((5, 6, 7)), AFFINE)


def _open(path: Path) -> tuple[np.ndarray, dict, str]:
    (layer,) = npe2.read([str(path)], stack=False, plugin_name=PLUGIN)
    return layer


def test_a_ct_is_an_image_layer_in_millimetres(ct: Path) -> None:
    data, settings, kind = _open(ct)
    assert kind == "image"
    volume = settings["metadata"][METADATA]
    assert isinstance(volume, Volume)
    assert data.shape == volume.grid.shape
    assert tuple(settings["scale"]) == volume.grid.spacing_mm


def test_a_mask_goes_back_onto_the_grid_of_its_ct(ct: Path, tmp_path: Path) -> None:
    data, settings, _kind = _open(ct)
    mask = (data > np.median(data)).astype(np.uint8) * 3
    target = tmp_path / "mask.nii.gz"
    layer = (mask, {"name": "x", "metadata": settings["metadata"]}, "labels")
    assert npe2.write(str(target), [layer], plugin_name=PLUGIN) == [str(target)]
    written, source = nib.load(target), nib.load(ct)
    assert np.array_equal(written.affine, source.affine)
    placed = np.asarray(source.dataobj) > np.median(data)
    assert np.array_equal(np.asarray(written.dataobj), placed)


def test_a_mask_without_a_ct_is_refused_in_a_sentence(tmp_path: Path) -> None:
    layer = (np.ones((2, 3, 4), np.uint8), {"name": "x", "metadata": {}}, "labels")
    with pytest.raises(ValueError, match="does not know its CT"):
        npe2.write(str(tmp_path / "mask.nii.gz"), [layer], plugin_name=PLUGIN)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"scale": (4.0, 2.0, 2.0)}, "does not lie on the voxels of ct any more"),
        ({"translate": (0.0, 4.0, 0.0)}, "does not lie on the voxels of ct any more"),
        ({"affine": np.diag([1.0, 1.0, -1.0, 1.0])}, "does not lie on the voxels of ct any more"),
        ({"data": np.ones((2, 3, 4), np.uint8)}, "does not lie on the voxels of ct any more"),
        ({"labels": (1, 3, 7)}, "holds the labels 1, 3, 7, and a mask is one structure"),
    ],
)
def test_a_mask_that_could_land_elsewhere_or_is_several_is_refused_aloud(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict, sentence: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(plugin, "show_error", said.append)
    data, settings, _kind = _open(ct)
    mask = changed.pop("data", np.zeros(data.shape, np.uint8))
    for index, label in enumerate(changed.pop("labels", ())):
        mask[index] = label
    unmoved = {"translate": (0, 0, 0), "rotate": np.eye(3), "shear": (0, 0, 0), "affine": np.eye(4)}
    attributes = {"metadata": settings["metadata"], "scale": settings["scale"], **unmoved, **changed}
    target = tmp_path / "mask.nii.gz"
    with pytest.raises(ValueError, match=sentence):
        npe2.write(str(target), [(mask, attributes, "labels")], plugin_name=PLUGIN)
    assert not target.exists()
    assert len(said) == 1
    assert sentence in said[0]


def test_what_was_unusual_of_a_ct_is_said_in_napari(ct: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(plugin, "show_info", said.append)
    noted = replace(read_ct_volume(ct), notes=("One thing is odd.",))
    monkeypatch.setattr(plugin, "read_ct_volume", lambda _path: noted)
    _open(ct)
    assert said == ["ct: One thing is odd."]


def test_what_is_no_ct_is_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a CT")
    with pytest.raises(ValueError, match="refused the file"):
        npe2.read([str(path)], stack=False, plugin_name=PLUGIN)


def test_sample_data_show_the_pancreas(plugins: npe2.PluginManager) -> None:
    manifest = plugins.get_manifest(PLUGIN)
    samples = {sample.key: sample for sample in manifest.contributions.sample_data or ()}
    assert set(samples) == {"phantom", "phantom_mask"}
    image, labels = samples["phantom_mask"].open()
    assert image[0].shape == labels[0].shape
    inside = image[0][labels[0] > 0]
    assert 20 < np.median(inside) < 140
