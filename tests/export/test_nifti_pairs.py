"""NIfTI pairs: exact on every grid, and read by the product as a folder of pairs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.export import ExportCase, ExportOptions, export_dataset, export_format_named
from attunet_gui.io.datasets.pair_dataset import find_labelled_pairs, read_labelled_pair
from attunet_gui.io.label_values import LabelValues
from tests.support.ct_files import ct_like, marked, write_nifti
from tests.support.export_cases import IDENTITY, make_case
from tests.support.hypothesis_strategies import grids


def heights(grid: VoxelGrid) -> np.ndarray:
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
def test_voxels_lie_where_they_lay_on_every_grid(grid: VoxelGrid, data: st.DataObject) -> None:
    hu, height = ct_like(grid.shape), heights(grid)
    verified = data.draw(st.frozensets(st.integers(0, int(height.max())), min_size=1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = write_nifti(folder / "ct.nii.gz", hu, grid.affine)
        mask = write_nifti(folder / "mask.nii.gz", marked(hu).astype(np.uint8), grid.affine)
        case = ExportCase("case", image, mask, verified)
        report = export_dataset([case], ExportOptions(folder / "out", export_format_named("nifti"), IDENTITY))
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
    export_dataset([case], ExportOptions(tmp_path / "out", export_format_named("nifti"), IDENTITY))
    written = np.asarray(nib.load(tmp_path / "out" / "images" / "case-1.nii.gz").dataobj)
    assert written.dtype == np.float32
    assert_array_equal(written, voxels)


def test_the_product_reads_them_as_pairs(tmp_path: Path) -> None:
    cases = [make_case(tmp_path / name, "dicom", name) for name in ("one", "two")]
    shared = [ExportCase(c.name, c.image, c.mask, frozenset({1, 2}), subject="somebody") for c in cases]
    export_dataset(shared, ExportOptions(tmp_path / "out", export_format_named("nifti"), IDENTITY))
    pairs = find_labelled_pairs(tmp_path / "out")
    assert [(pair.name, pair.people) for pair in pairs] == [("one", ("somebody",)), ("two", ("somebody",))]
    volume, ignored = read_labelled_pair(pairs[0], LabelValues((2,)))
    assert [bool(plane.all()) for plane in ignored] == [z not in (1, 2) for z in range(len(volume.hu))]
