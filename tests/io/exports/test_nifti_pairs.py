"""NIfTI pairs: exact on every grid, and read by the product as a folder of pairs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.core.grid import Grid
from attunet_gui.io.exports import ExportCase, Order, export, export_format
from attunet_gui.io.label_values import LabelValues
from attunet_gui.io.pair_collection import find_pairs, read_pair
from tests.io.exports.material import IDENTITY, make_case
from tests.io.material import ct_like, marked, write_nifti
from tests.strategies import grids


def heights(grid: Grid) -> np.ndarray:
    """(i, j, k) -> which slice of the canonical grid it is in, counted from the feet, by nibabel."""
    order = nib.orientations.ornt_transform(
        nib.io_orientation(grid.affine), nib.orientations.axcodes2ornt("SPL")
    )
    axis = int(np.flatnonzero(order[:, 0] == 0)[0])
    count = np.arange(grid.shape[axis])
    along = count if order[axis, 1] > 0 else count[::-1]
    return np.broadcast_to(np.moveaxis(along[:, None, None], 0, axis), grid.shape)


@settings(max_examples=25)
@given(grids(), st.data())
def test_voxels_lie_where_they_lay_on_every_grid(grid: Grid, data: st.DataObject) -> None:
    hu, height = ct_like(grid.shape), heights(grid)
    verified = data.draw(st.frozensets(st.integers(0, int(height.max())), min_size=1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = write_nifti(folder / "ct.nii.gz", hu, grid.affine)
        mask = write_nifti(folder / "mask.nii.gz", marked(hu).astype(np.uint8), grid.affine)
        case = ExportCase("case", image, mask, verified)
        report = export([case], Order(folder / "out", export_format("nifti"), IDENTITY))
        assert report.refused == {}
        ct = nib.load(folder / "out" / "images" / "case.nii.gz")
        labels = nib.load(folder / "out" / "labels" / "case.nii.gz")
        assert_array_equal(np.asarray(ct.dataobj), np.maximum(hu, -1024))
        assert_array_equal(ct.affine, nib.load(image).affine)
        assert_array_equal(labels.affine, ct.affine)
        assert_allclose(ct.affine, grid.affine, rtol=1e-6, atol=1e-3)
        assert_array_equal(np.asarray(labels.dataobj), np.where(np.isin(height, [*verified]), marked(hu), 2))


def test_fractions_of_a_hounsfield_unit_are_kept(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "nifti")
    voxels = np.asarray(nib.load(case.image).dataobj).astype(np.float32) / 2
    write_nifti(case.image, voxels, nib.load(case.image).affine)
    export([case], Order(tmp_path / "out", export_format("nifti"), IDENTITY))
    written = np.asarray(nib.load(tmp_path / "out" / "images" / "case-1.nii.gz").dataobj)
    assert written.dtype == np.float32
    assert_array_equal(written, voxels)


def test_the_product_reads_them_as_pairs(tmp_path: Path) -> None:
    cases = [make_case(tmp_path / name, "dicom", name) for name in ("one", "two")]
    shared = [ExportCase(c.name, c.image, c.mask, frozenset({1, 2}), subject="somebody") for c in cases]
    export(shared, Order(tmp_path / "out", export_format("nifti"), IDENTITY))
    pairs = find_pairs(tmp_path / "out")
    assert [(pair.name, pair.people) for pair in pairs] == [("one", ("somebody",)), ("two", ("somebody",))]
    volume, ignored = read_pair(pairs[0], LabelValues((2,)))
    assert [bool(plane.all()) for plane in ignored] == [z not in (1, 2) for z in range(len(volume.hu))]
