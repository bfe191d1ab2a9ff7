"""NRRD and MetaImage: LPS on disk, the same patient inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.io import read_ct_volume
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import ct_like, lps_of_values

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
    volume = read_ct_volume(tmp_path / f"ct{suffix}")
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
    ras = read_ct_volume(nrrd(tmp_path / "ras.nrrd", "space: right-anterior-superior\n" + directions))
    first = int(ct_like(SHAPE)[0, 0, 0])
    assert_allclose(lps_of_values(ras)[first], [-10, -20, 30])
    lps = read_ct_volume(nrrd(tmp_path / "lps.nrrd", "space: left-posterior-superior\n" + directions))
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
    assert "how the patient lies" in read_ct_volume(nrrd(tmp_path / "a.nrrd", geometry)).notes[0]


LPS = "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (10,20,30)\n"


@pytest.mark.parametrize(
    ("units", "factor"),
    [('"mm" "mm" "mm"', 1), ('"cm" "cm" "cm"', 10), ('"um" "um" "um"', 0.001), ("cm cm cm", 10)],
)
def test_the_units_of_the_space_become_millimetres(tmp_path: Path, units: str, factor: float) -> None:
    volume = read_ct_volume(nrrd(tmp_path / "a.nrrd", f"{LPS}space units: {units}\n"))
    assert_allclose(volume.grid.spacing_mm, np.array((2, 1, 1)) * factor)
    assert_allclose(lps_of_values(volume)[int(ct_like(SHAPE)[0, 0, 0])], np.array((10, 20, 30)) * factor)


def test_a_unit_of_the_space_along_each_of_its_axes(tmp_path: Path) -> None:
    volume = read_ct_volume(nrrd(tmp_path / "a.nrrd", f'{LPS}space units: "mm" "mm" "cm"\n'))
    assert_allclose(volume.grid.spacing_mm, (20, 1, 1))
    assert_allclose(lps_of_values(volume)[int(ct_like(SHAPE)[0, 0, 0])], (10, 20, 300))


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    for line in ('space units: "mm" "mm" "inches"', 'units: "inches" "mm" "mm"'):
        with pytest.raises(UnreadableInput, match=r"a\.nrrd gives its positions in 'inches', not in mm"):
            read_ct_volume(nrrd(tmp_path / "a.nrrd", LPS + line + "\n"))


@pytest.mark.parametrize(
    ("geometry", "spacing", "first"),
    [
        ("spacings: 1 2 3\naxis mins: -40 -50 60\n", (3, 2, 1), (-39.5, -49, 61.5)),
        ("spacings: 1 2 3\naxis mins: -40 -50 60\ncenters: node node node\n", (3, 2, 1), (-40, -50, 60)),
        ("spacings: 1 2 3\naxis mins: -40 -50 60\ncenters: cell cell cell\n", (3, 2, 1), (-39.5, -49, 61.5)),
        ('spacings: 1 2 3\naxis mins: -4 -5 6\nunits: "cm" "cm" "cm"\n', (30, 20, 10), (-35, -40, 75)),
        ("spacings: 1 2 3\naxis mins: nan -50 60\n", (3, 2, 1), (0, -49, 61.5)),
        ("axis mins: -3 0 0\naxis maxs: 0 8 10\ncenters: node node node\n", (2, 2, 1), (-3, 0, 0)),
        ("axis mins: 0 0 0\naxis maxs: 4 10 12\n", (2, 2, 1), (0.5, 1, 1)),
    ],
)
def test_where_the_axes_begin_is_kept(
    tmp_path: Path, geometry: str, spacing: tuple[float, ...], first: tuple[float, ...]
) -> None:
    volume = read_ct_volume(nrrd(tmp_path / "a.nrrd", geometry))
    assert_allclose(volume.grid.spacing_mm, spacing)
    assert_allclose(lps_of_values(volume)[int(ct_like(SHAPE)[0, 0, 0])], first)
    assert "how the patient lies" in volume.notes[0]
    if "nan" not in geometry and "units" not in geometry:
        assert_allclose(SimpleITK.ReadImage(str(tmp_path / "a.nrrd")).GetOrigin(), first)


def with_list(path: Path, sizes: str, kinds: str, directions: str) -> Path:
    lines = [
        *("NRRD0004", "type: short", "dimension: 4", f"sizes: {sizes}", "endian: little", "encoding: raw"),
        *("space: left-posterior-superior", f"space directions: {directions}", "space origin: (10,20,30)"),
        *([f"kinds: {kinds}"] if kinds else []),
    ]
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + ct_like(SHAPE).tobytes())
    return path


THREE = "(1,0,0) (0,1,0) (0,0,2)"


@pytest.mark.parametrize("kinds", ["", "list domain domain domain", "vector space space space"])
def test_a_list_of_one_is_no_axis(tmp_path: Path, kinds: str) -> None:
    plain = read_ct_volume(nrrd(tmp_path / "plain.nrrd", LPS))
    first = read_ct_volume(with_list(tmp_path / "first.nrrd", "1 4 5 6", kinds, f"none {THREE}"))
    kinds = " ".join([*kinds.split()[1:], *kinds.split()[:1]])
    last = read_ct_volume(with_list(tmp_path / "last.nrrd", "4 5 6 1", kinds, f"{THREE} none"))
    for volume in (first, last):
        assert_array_equal(volume.hu, plain.hu)
        assert_allclose(volume.grid.affine, plain.grid.affine)
        assert not volume.notes


def test_a_list_of_several_is_refused(tmp_path: Path) -> None:
    path = with_list(tmp_path / "a.nrrd", "2 2 5 6", "list domain domain domain", f"none {THREE}")
    with pytest.raises(UnreadableInput, match="colours, vectors"):
        read_ct_volume(path)


def as_text(path: Path, values: np.ndarray, kind: str = "short", encoding: str = "ascii") -> Path:
    sizes = " ".join(map(str, reversed(values.shape)))
    head = f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: {sizes}\nencoding: {encoding}\n{LPS}\n"
    rows = values.reshape(-1, values.shape[-1])
    path.write_text(head + "\n".join(" ".join(map(str, row)) for row in rows) + "\n")
    return path


@pytest.mark.parametrize("encoding", ["ascii", "text", "TXT"])
@pytest.mark.parametrize("kind", ["short", "int", "float", "double"])
def test_voxels_written_as_words(tmp_path: Path, encoding: str, kind: str) -> None:
    plain = read_ct_volume(nrrd(tmp_path / "plain.nrrd", LPS))
    path = as_text(tmp_path / "a.nrrd", ct_like(SHAPE), kind, encoding)
    assert_array_equal(read_ct_volume(path).hu, plain.hu)
    assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), ct_like(SHAPE))


def test_words_across_the_parts_they_are_read_in(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(-1000, 1500, (40, 60, 50)).astype(np.int16)
    volume = read_ct_volume(as_text(tmp_path / "a.nrrd", values))
    assert (tmp_path / "a.nrrd").stat().st_size > 3 << 17
    assert_array_equal(volume.placement.to_source(volume.hu), values.T)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-30],
        lambda text: text + "7 7\n",
        lambda text: text.replace(" -993 ", " x ", 1),
        lambda text: text.replace(" -993 ", " 1.5 ", 1),
        lambda text: text.replace(" -993 ", " 40000 ", 1),
        lambda text: text.replace(" -993 ", f" {'9' * 5000} ", 1),
    ],
)
def test_words_that_are_not_the_voxels_are_refused(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = as_text(tmp_path / "a.nrrd", ct_like(SHAPE))
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    with pytest.raises(UnreadableInput, match=r"a\.nrrd is damaged or incomplete"):
        read_ct_volume(path)


def from_the_end(path: Path, local: bool) -> Path:
    """A header that says of its voxels that they are the last bytes."""
    if path.suffix == ".mha":
        head = (
            "NDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\nElementSpacing = 1 1 2\nOffset = 10 20 30\n"
        )
        head += "TransformMatrix = 1 0 0 0 1 0 0 0 1\nHeaderSize = -1\n"
        head += f"ElementDataFile = {'LOCAL' if local else 'a.raw'}\n"
    else:
        head = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nendian: little\nencoding: raw\n{LPS}"
        head += "byte skip: -1\n" + ("\n" if local else "data file: a.raw\n")
    voxels = b"unknown" * 9 + ct_like(SHAPE).tobytes()
    path.write_bytes(head.encode() + (voxels if local else b""))
    path.with_name("a.raw").write_bytes(voxels)
    return path


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_voxels_at_the_end_of_a_file_of_unknown_beginning(tmp_path: Path, suffix: str, local: bool) -> None:
    path = from_the_end(tmp_path / f"a{suffix}", local)
    plain, volume = read_ct_volume(nrrd(tmp_path / "plain.nrrd", LPS)), read_ct_volume(path)
    assert_array_equal(volume.hu, plain.hu)
    assert_allclose(volume.grid.affine, plain.grid.affine)
    if not local:
        (tmp_path / "a.raw").write_bytes(ct_like(SHAPE).tobytes()[:-1])
        with pytest.raises(UnreadableInput, match="damaged or incomplete"):
            read_ct_volume(path)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("cm", 10), ("um", 0.001), ("?", 1)])
def test_the_unit_of_a_metaimage(tmp_path: Path, unit: str, factor: float) -> None:
    path = tmp_path / "a.mha"
    head = "NDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\nElementSpacing = 1 1 2\nOffset = 10 20 30\n"
    head += f"DistanceUnits = {unit}\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nElementDataFile = LOCAL\n"
    path.write_bytes(head.encode() + ct_like(SHAPE).tobytes())
    volume = read_ct_volume(path)
    assert_allclose(volume.grid.spacing_mm, np.array((2, 1, 1)) * factor)
    assert_allclose(lps_of_values(volume)[int(ct_like(SHAPE)[0, 0, 0])], np.array((10, 20, 30)) * factor)
    path.write_bytes(path.read_bytes().replace(f"Units = {unit}".encode(), b"Units = ft"))
    with pytest.raises(UnreadableInput, match="gives its positions in 'ft', not in mm"):
        read_ct_volume(path)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_nothing_measured_is_refused_here_too(tmp_path: Path, ending: str) -> None:
    for values in (np.full(SHAPE, 3, np.int16), np.full(SHAPE, np.nan, np.float32)):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / f"a.{ending}"))
        with pytest.raises(UnreadableInput, match="nothing that was measured"):
            read_ct_volume(tmp_path / f"a.{ending}")


def test_a_metaimage_without_matrix_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + ct_like(SHAPE).tobytes())
    assert "how the patient lies" in read_ct_volume(path).notes[0]


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
        read_ct_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha"])
def test_a_cut_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    SimpleITK.WriteImage(image(), str(path))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableInput, match=f"{name} is damaged or incomplete"):
        read_ct_volume(path)


def test_a_header_without_its_voxels_is_refused(tmp_path: Path) -> None:
    SimpleITK.WriteImage(image(), str(tmp_path / "ct.mhd"))
    (tmp_path / "ct.raw").unlink()
    with pytest.raises(UnreadableInput, match="a file it names is missing"):
        read_ct_volume(tmp_path / "ct.mhd")


def _contradicted(raw: bytes, packed: bool) -> bytes:
    """With a header that says of packed voxels that they are not, or of others that they are."""
    fields = ((b"CompressedData = False", b"CompressedData = True"), (b"encoding: raw", b"encoding: gzip"))
    for unpacked, of_packed in fields:
        raw = raw.replace(of_packed, unpacked) if packed else raw.replace(unpacked, of_packed)
    return raw


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr"])
def test_voxels_that_are_not_packed_as_the_header_says_are_refused(
    tmp_path: Path, suffix: str, packed: bool
) -> None:
    made = SimpleITK.GetImageFromArray(np.random.default_rng(1).integers(-1000, 1500, (3, 3, 5)).astype("i2"))
    SimpleITK.WriteImage(made, str(tmp_path / f"ct{suffix}"), useCompression=packed)
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(_contradicted(path.read_bytes(), packed))
    with pytest.raises(UnreadableInput, match="packed voxels or text although" if packed else "damaged"):
        read_ct_volume(path)


def test_numbers_as_text_under_a_header_of_raw_voxels_are_refused(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", LPS)
    head = path.read_bytes()[: -ct_like(SHAPE).nbytes]
    path.write_bytes(head + " ".join(map(str, ct_like(SHAPE).ravel())).encode())
    with pytest.raises(UnreadableInput, match=r"a\.nrrd holds packed voxels or text although"):
        read_ct_volume(path)


@pytest.mark.parametrize("more", [1, 5000])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_more_than_the_header_describes_is_said(tmp_path: Path, suffix: str, more: int) -> None:
    SimpleITK.WriteImage(image(), str(tmp_path / f"ct{suffix}"))
    held = tmp_path / ("ct.raw" if suffix in (".nhdr", ".mhd") else f"ct{suffix}")
    held.write_bytes(held.read_bytes() + bytes(more))
    volume = read_ct_volume(tmp_path / f"ct{suffix}")
    assert volume.notes == (
        f"ct{suffix} holds more than the voxels that its header describes: make sure that the picture is not "
        "shifted or torn.",
    )


@pytest.mark.parametrize("said", ["True", "true", "1", "T"])
def test_truth_values_of_a_metaimage_are_those_of_metaio(tmp_path: Path, said: str) -> None:
    SimpleITK.WriteImage(image(), str(tmp_path / "ct.mha"), useCompression=True)
    raw = (tmp_path / "ct.mha").read_bytes()
    (tmp_path / "ct.mha").write_bytes(
        raw.replace(b"CompressedData = True", b"CompressedData = " + said.encode())
    )
    assert_array_equal(
        np.sort(read_ct_volume(tmp_path / "ct.mha").hu.ravel()), np.sort(ct_like(SHAPE).ravel())
    )


@pytest.mark.parametrize("key", ["CompressedData", "BinaryData", "BinaryDataByteOrderMSB"])
def test_a_truth_value_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    SimpleITK.WriteImage(image(), str(tmp_path / "ct.mha"))
    raw = (tmp_path / "ct.mha").read_bytes()
    for said in (b"False", b"True"):
        raw = raw.replace(f"{key} = ".encode() + said, f"{key} = gzip".encode())
    (tmp_path / "ct.mha").write_bytes(raw)
    with pytest.raises(UnreadableInput, match="damaged"):
        read_ct_volume(tmp_path / "ct.mha")
