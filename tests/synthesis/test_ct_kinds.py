"""Every kind of CT shows what its name says, in HU, millimetres and labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from attunet_gui.synthesis.label_map_ct.anatomical_detail import paint_details
from attunet_gui.synthesis.label_map_ct.ct_kinds import (
    CT_KINDS,
    CTKind,
    check_kind_weights,
    draw_kinds,
    find_kind,
    parse_kind_weights,
    settings_for_kinds,
)
from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, MaterialCode, draw_palette
from attunet_gui.synthesis.label_map_ct.ct_renderer import SyntheticCT, render_ct
from attunet_gui.synthesis.label_map_ct.ct_scanner import (
    ArtefactStrength,
    ThinPlanes,
    compute_streaks,
    scan_slices,
)
from attunet_gui.synthesis.label_map_ct.patient_setup import apply_body_build
from attunet_gui.synthesis.label_map_ct.random_deformation import look_up_codes
from attunet_gui.synthesis.label_map_ct.render_settings import USUAL_SETTINGS, RenderSettings
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap
from attunet_gui.system.errors import AttunetError
from tests.support.body_label_maps import small_abdomen

_PHASES = {
    "no-contrast": "native",
    "early-arterial": "early",
    "late-arterial": "arterial",
    "portal-venous": "portal",
    "delayed": "late",
}


@pytest.fixture(scope="module")
def abdomen() -> TissueMap:
    return small_abdomen()


def _settings(name: str) -> RenderSettings:
    return settings_for_kinds((find_kind(name),))


def _materials(abdomen: TissueMap, name: str, seed: int, *, prone: bool = False) -> np.ndarray:
    return paint_details(abdomen, np.random.default_rng(seed), _settings(name), prone=prone)


def _rendered(abdomen: TissueMap, name: str, seed: int = 0) -> SyntheticCT:
    return render_ct(abdomen, np.random.default_rng(seed), _settings(name))


def test_every_kind_has_a_name_of_its_own_and_changes_something() -> None:
    assert len({kind.name for kind in CT_KINDS}) == len(CT_KINDS)
    for kind in CT_KINDS:
        assert settings_for_kinds((kind,)) != USUAL_SETTINGS
        assert not kind.fits_beside((kind,))


def test_a_kind_replaces_its_groups_and_leaves_the_others() -> None:
    both = settings_for_kinds((find_kind("prone"), find_kind("low-dose")))
    assert both.position.prone_share == 1
    assert both.scanner == _settings("low-dose").scanner
    assert both.gland == USUAL_SETTINGS.gland


def test_weights_are_read_and_all_stands_for_every_kind() -> None:
    assert parse_kind_weights("prone=2, mass,usual=0.5") == {"prone": 2.0, "mass": 1.0, "usual": 0.5}
    everything = check_kind_weights({"all": 1.0, "prone": 3.0})
    assert everything == {kind.name: 1.0 for kind in CT_KINDS} | {"prone": 3.0}


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("upside-down", "no kind of CT called 'upside-down'"),
        ("prone=much", "weight 'much'"),
        ("prone=0", "above 0"),
        ("prone=nan", "above 0"),
    ],
)
def test_weights_that_make_no_sense_are_refused(told: str, says: str) -> None:
    with pytest.raises(AttunetError, match=says):
        parse_kind_weights(told)


def test_kinds_of_a_training_follow_their_weights_and_never_change_the_same_twice() -> None:
    weights = {"prone": 3.0, "off-centre": 1.0, "mass": 1.0}
    drawn = [draw_kinds(weights, np.random.default_rng([seed, 1])) for seed in range(1500)]
    first = [kinds[0].name for kinds in drawn]
    assert first.count("prone") / len(first) == pytest.approx(0.6, abs=0.05)
    assert any(len(kinds) > 1 for kinds in drawn)
    for kinds in drawn:
        groups = [type(group) for kind in kinds for group in kind.groups]
        assert len(set(groups)) == len(groups)
    assert draw_kinds({}, np.random.default_rng(0)) == ()
    assert draw_kinds({"usual": 1.0}, np.random.default_rng(0)) == ()


@pytest.mark.parametrize("name", _PHASES)
def test_a_phase_is_that_phase(name: str) -> None:
    assert {draw_palette(np.random.default_rng(s), _settings(name)).uptake for s in range(20)} == {
        _PHASES[name]
    }


def test_oral_contrast_is_as_bright_as_told_and_lies_below_gas(abdomen: TissueMap) -> None:
    settings = _settings("oral-contrast")
    for seed in range(20):
        hu = draw_palette(np.random.default_rng(seed), settings).mean_hu[MaterialCode.ORAL_CONTRAST]
        assert 300 <= hu <= 1000
    stomach = abdomen.tissue == TissueCode.STOMACH
    for prone in (False, True):
        levels = [
            _levels(_materials(abdomen, "oral-contrast", seed, prone=prone), stomach) for seed in range(12)
        ]
        found = [level for level in levels if level]
        assert len(found) > 3
        assert all((gas < contrast) != prone for gas, contrast in found)


def _levels(codes: np.ndarray, stomach: np.ndarray) -> tuple[float, float] | None:
    """Mean rows of gas and of contrast in the stomach, rows growing to the back."""
    gas, contrast = (
        np.argwhere(stomach & (codes == code))[:, 1]
        for code in (MaterialCode.GAS, MaterialCode.ORAL_CONTRAST)
    )
    return (float(gas.mean()), float(contrast.mean())) if len(gas) and len(contrast) else None


@pytest.mark.parametrize(
    ("name", "content"),
    [("water", MaterialCode.FLUID), ("food", MaterialCode.FOOD), ("air", MaterialCode.GAS)],
)
def test_the_stomach_holds_what_the_kind_says_and_no_contrast(
    abdomen: TissueMap, name: str, content: MaterialCode
) -> None:
    stomach, shares = abdomen.tissue == TissueCode.STOMACH, []
    for seed in range(8):
        codes = _materials(abdomen, name, seed)
        shares.append((codes[stomach] == content).mean())
        assert not (codes == MaterialCode.ORAL_CONTRAST).any()
    assert np.mean(shares) > 0.15


def test_an_empty_stomach_has_no_lumen_to_speak_of(abdomen: TissueMap) -> None:
    stomach = abdomen.tissue == TissueCode.STOMACH
    for seed in range(5):
        codes = _materials(abdomen, "empty-stomach", seed)[stomach]
        assert (codes == MaterialCode.COLLAPSED).mean() > 0.7


def test_jejunal_loops_lie_against_the_gland(abdomen: TissueMap) -> None:
    def bowel_beside(name: str) -> float:
        counts = []
        for seed in range(6):
            codes = _materials(abdomen, name, seed)
            near = ndimage.binary_dilation(np.isin(codes, IN_PANCREAS), iterations=3)
            bowel = (
                MaterialCode.WALL,
                MaterialCode.COLLAPSED,
                MaterialCode.FLUID,
                MaterialCode.GAS,
                MaterialCode.FOOD,
            )
            counts.append(np.isin(codes[near], bowel).sum())
        return float(np.mean(counts))

    assert bowel_beside("jejunum-at-tail") > 1.3 * bowel_beside("prone")


def test_the_third_part_of_the_duodenum_crosses_in_front_of_the_aorta(abdomen: TissueMap) -> None:
    fat = abdomen.tissue == TissueCode.VISCERAL_FAT
    aorta = np.argwhere(abdomen.tissue == TissueCode.AORTA)
    before = np.zeros(fat.shape, bool)
    before[:, 25 : aorta[:, 1].min(), aorta[:, 2].min() : aorta[:, 2].max()] = True
    low = np.argwhere(abdomen.tissue == TissueCode.PANCREAS)[:, 0].min()
    before[low:] = False
    for seed in range(4):
        codes = _materials(abdomen, "third-duodenum", seed)
        bowel = np.isin(
            codes,
            (
                MaterialCode.WALL,
                MaterialCode.COLLAPSED,
                MaterialCode.FLUID,
                MaterialCode.GAS,
                MaterialCode.FOOD,
            ),
        )
        assert (bowel & before & fat).sum() > 20


@pytest.mark.parametrize(
    ("name", "organ"), [("antrum-and-fundus", TissueCode.STOMACH), ("duodenum-at-head", TissueCode.DUODENUM)]
)
def test_an_organ_that_has_grown_touches_the_gland(abdomen: TissueMap, name: str, organ: TissueCode) -> None:
    tissue = abdomen.tissue.copy()
    gland = tissue == TissueCode.PANCREAS
    tissue[tissue == organ] = TissueCode.VISCERAL_FAT
    near = ndimage.distance_transform_edt(~gland, sampling=3.0)
    tissue[(near > 4) & (near < 8) & (tissue == TissueCode.VISCERAL_FAT)] = organ
    apart = TissueMap(tissue, abdomen.spacing_mm, "apart")
    plane = (near > 0) & (near < 4)
    grown = paint_details(apart, np.random.default_rng(1), _settings(name))
    plain = paint_details(apart, np.random.default_rng(1), USUAL_SETTINGS)
    kept = [
        np.isin(codes[plane], (TissueCode.VISCERAL_FAT, MaterialCode.STRAND)).mean()
        for codes in (grown, plain)
    ]
    assert kept[0] < 0.5 * kept[1]


def test_wide_veins_lie_behind_the_gland(abdomen: TissueMap) -> None:
    gland = np.argwhere(abdomen.tissue == TissueCode.PANCREAS)
    codes = _materials(abdomen, "veins", 2)
    vein = np.argwhere((codes == TissueCode.PORTAL_VEIN) & (abdomen.tissue != TissueCode.PORTAL_VEIN))
    assert len(vein) * 0.027 > 0.5  # ml
    assert vein[:, 1].mean() > gland[:, 1].mean()


@pytest.mark.parametrize(("name", "low", "high"), [("thin-slices", 0.5, 1.0), ("thick-slices", 5.0, 10.0)])
def test_slices_are_as_thick_as_told(abdomen: TissueMap, name: str, low: float, high: float) -> None:
    found = [_rendered(abdomen, name, seed).spacing_mm[0] for seed in range(2)]
    assert all(low <= thickness <= high for thickness in found)


def test_the_scan_ends_within_the_gland(abdomen: TissueMap) -> None:
    cut = [_rendered(abdomen, "cut-gland", seed).pancreas_mask for seed in range(4)]
    assert sum(bool(mask[0].any() or mask[-1].any()) for mask in cut) >= 3


def test_atrophic_usual_and_large_glands_differ_in_volume(abdomen: TissueMap) -> None:
    mean = {
        name: np.mean([np.isin(_materials(abdomen, name, seed), IN_PANCREAS).sum() for seed in range(5)])
        for name in ("atrophic-gland", "prone", "large-gland")
    }
    assert mean["atrophic-gland"] < 0.85 * mean["prone"]
    assert mean["large-gland"] > 1.2 * mean["prone"]


@pytest.mark.parametrize(
    ("name", "material"),
    [
        ("cysts", MaterialCode.CYST),
        ("mass", MaterialCode.MASS),
        ("dilated-duct", MaterialCode.DILATED_DUCT),
        ("fatty-gland", MaterialCode.PANCREATIC_FAT),
    ],
)
def test_what_is_in_the_gland_is_part_of_its_label(
    abdomen: TissueMap, name: str, material: MaterialCode
) -> None:
    assert material in IN_PANCREAS
    counts = [(_materials(abdomen, name, seed) == material).sum() for seed in range(4)]
    assert min(counts) > 3


def test_a_fatty_gland_is_darker() -> None:
    usual, fatty = (
        np.mean(
            [draw_palette(np.random.default_rng(s), settings).mean_hu[TissueCode.PANCREAS] for s in range(40)]
        )
        for settings in (USUAL_SETTINGS, _settings("fatty-gland"))
    )
    assert 10 < usual - fatty < 50


def test_a_thin_person_has_hardly_any_fat_and_the_same_gland(abdomen: TissueMap) -> None:
    thin = apply_body_build(abdomen, _settings("thin-person").build, np.random.default_rng(0)).tissue
    for fat, most in ((TissueCode.SUBCUTANEOUS_FAT, 0.6), (TissueCode.VISCERAL_FAT, 0.9)):
        assert (thin == fat).sum() < most * (abdomen.tissue == fat).sum()
    assert np.array_equal(thin == TissueCode.PANCREAS, abdomen.tissue == TissueCode.PANCREAS)


def test_an_obese_person_is_wider_by_fat_alone_and_the_picture_cuts_them(abdomen: TissueMap) -> None:
    wide = apply_body_build(abdomen, _settings("obese-person").build, np.random.default_rng(0)).tissue
    assert (wide == TissueCode.SUBCUTANEOUS_FAT).sum() > 1.5 * (
        abdomen.tissue == TissueCode.SUBCUTANEOUS_FAT
    ).sum()
    for code in set(np.unique(abdomen.tissue)) - {0, TissueCode.SUBCUTANEOUS_FAT}:
        assert (wide == code).sum() == (abdomen.tissue == code).sum()
    ct = _rendered(abdomen, "obese-person")
    assert ct.hu.shape[2] * ct.spacing_mm[2] <= 400


def test_arms_lie_beside_the_body(abdomen: TissueMap) -> None:
    ct = _rendered(abdomen, "arms-down")
    level = ct.hu[len(ct.hu) // 2]
    pieces, _ = ndimage.label(ndimage.binary_opening(level > -250, iterations=3))
    sizes = np.sort(np.bincount(pieces.ravel())[1:] * ct.spacing_mm[1] ** 2)
    assert (sizes > 1500).sum() >= 2  # mm2; an arm may touch the flank


def test_prone_puts_the_table_in_front() -> None:
    tissue = np.zeros((20, 50, 60), np.uint8)
    tissue[:, 12:38, 10:50] = TissueCode.MUSCLE
    body = TissueMap(tissue, (3.0, 3.0, 3.0), "block")
    settings = settings_for_kinds((find_kind("table-and-lines"),))
    prone = settings.replace_groups((find_kind("prone").groups[0],))
    rows = {}
    for name, wanted in (("back", settings), ("front", prone)):
        found = []
        for seed in range(6):
            ct = render_ct(body, np.random.default_rng(seed), wanted)
            muscle = np.flatnonzero((ct.hu > 0).mean(axis=(0, 2)) > 0.3)
            found.append(muscle.mean() / ct.hu.shape[1])
        rows[name] = np.mean(found)
    assert rows["back"] < 0.5 < rows["front"]


def test_off_centre_moves_the_patient_out_of_the_middle(abdomen: TissueMap) -> None:
    away = []
    for seed in range(3):
        ct = _rendered(abdomen, "off-centre", seed)
        body = np.argwhere(ct.hu[len(ct.hu) // 2] > -300).mean(axis=0)
        away.append(np.linalg.norm((body - np.array(ct.hu.shape[1:]) / 2) * ct.spacing_mm[1]))
    assert np.median(away) > 35


def test_exported_gray_values_are_few_and_ranges_are_kept(abdomen: TissueMap) -> None:
    gray = _rendered(abdomen, "window-8bit").hu
    low, high = int(gray.min()), int(gray.max())
    assert (low, high) in {(-160, 240), (0, 255), (-100, 240), (-200, 300), (-125, 275)}
    assert len(np.unique(gray)) <= 256
    clipped = _rendered(abdomen, "clipped").hu
    assert (clipped.min(), clipped.max()) in {(-200, 250), (-100, 200), (-1000, 400), (-79, 304)}


def _scan(name: str, hu: np.ndarray, seed: int = 0) -> np.ndarray:
    return scan_slices(
        ThinPlanes(hu.astype(np.float32), (2.0, 1.0, 1.0), 1),
        _settings(name).scanner,
        np.random.default_rng(seed),
    )


def test_dose_and_kernel_show_in_noise_and_edges() -> None:
    flat = np.full((6, 96, 96), 60.0)
    edge = np.where(np.arange(96) < 48, -100.0, 100.0) * np.ones((6, 96, 1))
    noise = {name: _scan(name, flat).std() for name in ("soft-kernel", "low-dose", "sharp-kernel")}
    assert noise["soft-kernel"] < 15 < 30 < noise["low-dose"]
    rise = {
        name: np.diff(np.mean([_scan(name, edge, s).mean(axis=(0, 1)) for s in range(4)], axis=0)).max()
        for name in ("soft-kernel", "sharp-kernel")
    }
    assert rise["sharp-kernel"] > 1.5 * rise["soft-kernel"]


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("stent", (MaterialCode.PLASTIC_IN_PANCREAS, MaterialCode.MESH_IN_PANCREAS)),
        ("drain", (MaterialCode.PLASTIC_IN_PANCREAS,)),
        ("clips", (MaterialCode.METAL, MaterialCode.METAL_IN_PANCREAS)),
    ],
)
def test_devices_are_there_and_leave_the_label_as_it_is(
    abdomen: TissueMap, name: str, inside: tuple[int, ...]
) -> None:
    seen = 0
    for seed in range(5):
        codes = _materials(abdomen, name, seed)
        seen += np.isin(codes, inside).sum()
        gone = (abdomen.tissue == TissueCode.PANCREAS) & np.isin(
            codes, (MaterialCode.PLASTIC, MaterialCode.METAL_MESH, MaterialCode.METAL)
        )
        # What reshaping took from the gland may hold a device; nothing else of it may.
        assert gone.sum() < 0.1 * (abdomen.tissue == TissueCode.PANCREAS).sum()
    assert seen > 10


def test_streaks_are_dark_between_two_dense_things_and_none_without_strength() -> None:
    y, x = np.mgrid[:120, :120]
    body = np.where(np.hypot((y - 60) / 0.8, x - 60) < 55, 40.0, -1000.0)
    for column in (40, 80):
        body[np.hypot(y - 60, x - column) < 5] = 3000
    hu = body[None].astype(np.float32)
    added = compute_streaks(hu, 3.0, ArtefactStrength(1.0, 0.0), np.random.default_rng(0))[0]
    assert added.shape == body.shape
    assert added[58:63, 55:66].mean() < -30
    assert abs(added[20:30, 20:30].mean()) < abs(added[58:63, 55:66].mean()) / 3
    assert np.allclose(compute_streaks(hu, 3.0, ArtefactStrength(0.0, 0.0), np.random.default_rng(0)), 0)


def test_codes_between_voxels_are_those_of_most_weight() -> None:
    codes = np.zeros((3, 4, 4), np.uint8)
    codes[:, :, 2:] = 7
    grids = np.meshgrid(*((np.arange(n) - (n - 1) / 2) for n in codes.shape), indexing="ij")
    places = tuple(grid.astype(np.float32) for grid in grids)
    assert np.array_equal(look_up_codes(codes, (1.0, 1.0, 1.0), places), codes)
    x = np.linspace(-2, 2, 41, dtype=np.float32)
    line = tuple(
        np.broadcast_to(a, (1, 1, 41)).astype(np.float32) for a in (np.float32(0), np.float32(0.3), x)
    )
    found = look_up_codes(codes, (1.0, 1.0, 1.0), line)[0, 0]
    assert np.array_equal(found[(x > 0.05) & (x < 1.95)], np.full(19, 7))
    assert not found[x < -0.05].any()


@pytest.mark.parametrize("kind", CT_KINDS, ids=lambda kind: kind.name)
def test_a_ct_of_every_kind_can_be_made_from_a_bare_map(kind: CTKind) -> None:
    tissue = np.zeros((16, 30, 30), np.uint8)
    tissue[:, 5:25, 5:25] = TissueCode.VISCERAL_FAT
    ct = render_ct(
        TissueMap(tissue, (4.0, 4.0, 4.0), "bare"), np.random.default_rng(0), settings_for_kinds((kind,))
    )
    assert ct.hu.shape == ct.pancreas_mask.shape
    assert not ct.pancreas_mask.any()
