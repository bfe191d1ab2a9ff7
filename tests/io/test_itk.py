"""NRRD and MetaImage: LPS on disk, the same patient inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.testing import assert_allclose

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io import read
from tests.io.material import ct_like, lps_of_values

SHAPE = (6, 5, 4)  # (k, j, i), as SimpleITK hands arrays


def image() -> SimpleITK.Image:
    made = SimpleITK.GetImageFromArray(ct_like(SHAPE))
    made.SetSpacing((0.7, 0.8, 2.5))
    made.SetOrigin((-90, -120, -300))
    made.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    return made


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".nrrd", "NRRD"), (".nhdr", "NRRD"), (".mha", "MetaImage"), (".mhd", "MetaImage")],
)
def test_every_voxel_is_where_itk_says(tmp_path: Path, suffix: str, kind: str) -> None:
    made = image()
    SimpleITK.WriteImage(made, str(tmp_path / f"ct{suffix}"))
    volume = read(tmp_path / f"ct{suffix}")
    places = lps_of_values(volume)
    for k, j, i in np.ndindex(SHAPE):
        meant = made.TransformIndexToPhysicalPoint((i, j, k))
        assert_allclose(places[made.GetPixel(i, j, k)], meant, atol=1e-6)
    assert (volume.origin.kind, volume.name, volume.hu.dtype) == (kind, "ct", np.int16)
    assert not volume.notes


def nrrd(path: Path, geometry: str) -> Path:
    sizes = "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nendian: little\nencoding: raw\n"
    path.write_bytes((sizes + geometry + "\n").encode() + ct_like(SHAPE).tobytes())
    return path


def test_a_nrrd_in_ras_is_turned(tmp_path: Path) -> None:
    directions = "space directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (10,20,30)\n"
    ras = read(nrrd(tmp_path / "ras.nrrd", "space: right-anterior-superior\n" + directions))
    first = int(ct_like(SHAPE)[0, 0, 0])
    assert_allclose(lps_of_values(ras)[first], [-10, -20, 30])
    lps = read(nrrd(tmp_path / "lps.nrrd", "space: left-posterior-superior\n" + directions))
    assert_allclose(lps_of_values(lps)[first], [10, 20, 30])


@pytest.mark.parametrize(
    "geometry",
    [
        "",
        "spacings: 1 1 3\n",
        "space: scanner-xyz\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (0,0,0)\n",
    ],
)
def test_a_header_without_the_patients_axes_is_noted(tmp_path: Path, geometry: str) -> None:
    assert "how the patient lies" in read(nrrd(tmp_path / "a.nrrd", geometry)).notes[0]


def test_a_metaimage_without_matrix_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + ct_like(SHAPE).tobytes())
    assert "how the patient lies" in read(path).notes[0]


@pytest.mark.parametrize(
    ("name", "made", "words"),
    [
        ("rgb.nrrd", SimpleITK.Compose(image(), image(), image()), "colours"),
        (
            "complex.mha",
            SimpleITK.RealAndImaginaryToComplex(*[SimpleITK.Cast(image(), SimpleITK.sitkFloat32)] * 2),
            "complex",
        ),
        ("time.nrrd", SimpleITK.JoinSeries([image(), image()]), "not one 3-D image"),
        ("flat.mha", SimpleITK.GetImageFromArray(ct_like((5, 4))), "not one 3-D image"),
    ],
)
def test_what_is_not_a_ct_volume_is_refused(
    tmp_path: Path, name: str, made: SimpleITK.Image, words: str
) -> None:
    SimpleITK.WriteImage(made, str(tmp_path / name))
    with pytest.raises(UnreadableInput, match=words):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha"])
def test_a_cut_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    SimpleITK.WriteImage(image(), str(path))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableInput, match=f"{name} is damaged or incomplete"):
        read(path)


def test_a_header_without_its_voxels_is_refused(tmp_path: Path) -> None:
    SimpleITK.WriteImage(image(), str(tmp_path / "ct.mhd"))
    (tmp_path / "ct.raw").unlink()
    with pytest.raises(UnreadableInput, match="a file it names is missing"):
        read(tmp_path / "ct.mhd")
