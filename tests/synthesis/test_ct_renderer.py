"""Synthetic CT from a small whole-tissue map made here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.synthesis.label_map_ct.anatomical_detail import paint_details
from attunet_gui.synthesis.label_map_ct.ct_materials import IN_PANCREAS, MaterialCode, draw_palette
from attunet_gui.synthesis.label_map_ct.ct_renderer import render_ct, synthetic_volume
from attunet_gui.synthesis.label_map_ct.random_deformation import draw_deformation, source_positions
from attunet_gui.synthesis.label_map_ct.smooth_fields import smooth_field, upsample_linearly
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap
from tests.support.body_label_maps import small_abdomen

SPACING = (3.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def abdomen() -> TissueMap:
    return small_abdomen()


def test_equal_generators_give_equal_ct_and_others_do_not(abdomen: TissueMap) -> None:
    first, again, other = (render_ct(abdomen, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.pancreas_mask, again.pancreas_mask)
    assert first.hu.shape != other.hu.shape or not np.array_equal(first.hu, other.hu)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_label_lies_in_the_body_and_keeps_a_plausible_volume(abdomen: TissueMap, seed: int) -> None:
    ct = render_ct(abdomen, np.random.default_rng(seed))
    assert ct.hu.shape == ct.pancreas_mask.shape
    assert ct.hu.dtype == np.int16
    assert 1.0 <= ct.spacing_mm[0] <= 5.5
    assert set(np.unique(ct.pancreas_mask)) <= {0, 1}
    voxel = np.prod(ct.spacing_mm)
    source = (abdomen.tissue == TissueCode.PANCREAS).sum() * 27
    whole = (ct.pancreas_mask[0].sum() == 0) and (ct.pancreas_mask[-1].sum() == 0)
    assert ct.pancreas_mask.sum() * voxel < 3 * source
    if whole:
        assert ct.pancreas_mask.sum() * voxel > 0.25 * source
    if ct.pancreas_mask.any():
        assert np.median(ct.hu[ct.pancreas_mask > 0]) > -60  # soft tissue, not the air or fat beside it


def test_hu_of_air_fat_and_bone_are_those_of_ct(abdomen: TissueMap) -> None:
    ct = render_ct(abdomen, np.random.default_rng(5))
    assert np.percentile(ct.hu, 1) < -900
    assert ct.hu.max() > 400
    assert ct.hu.min() >= -1024


def test_detail_refines_but_moves_no_organ(abdomen: TissueMap) -> None:
    codes = paint_details(abdomen, np.random.default_rng(3))
    liver = abdomen.tissue == TissueCode.LIVER
    assert set(np.unique(codes[liver])) <= {
        TissueCode.LIVER,
        MaterialCode.LIVER_VESSEL,
        MaterialCode.LIVER_LESION,
    }
    aorta = abdomen.tissue == TissueCode.AORTA
    assert set(np.unique(codes[aorta])) <= {TissueCode.AORTA, MaterialCode.PLAQUE}
    assert np.array_equal(codes == 0, abdomen.tissue == 0)
    grown = np.isin(codes, IN_PANCREAS) & (abdomen.tissue != TissueCode.PANCREAS)
    assert set(np.unique(abdomen.tissue[grown])) <= {TissueCode.VISCERAL_FAT}


def test_bowel_is_all_wall_or_content(abdomen: TissueMap) -> None:
    codes = paint_details(abdomen, np.random.default_rng(4))
    for bowel in (TissueCode.SMALL_BOWEL, TissueCode.DUODENUM, TissueCode.STOMACH):
        assert not (codes == bowel).any()


def test_without_pancreas_portal_vein_and_bowel_a_ct_is_still_made() -> None:
    tissue = np.zeros((20, 40, 40), np.uint8)
    tissue[:, 5:35, 5:35] = TissueCode.VISCERAL_FAT
    ct = render_ct(TissueMap(tissue, SPACING, "bare"), np.random.default_rng(0))
    assert not ct.pancreas_mask.any()


def test_palette_follows_the_phase() -> None:
    drawn = [draw_palette(np.random.default_rng(seed)) for seed in range(200)]
    aorta = {
        name: [p.mean_hu[TissueCode.AORTA] for p in drawn if p.uptake == name]
        for name in ("native", "arterial")
    }
    assert np.mean(aorta["arterial"]) > np.mean(aorta["native"]) + 150
    early = [p.mean_hu for p in drawn if p.uptake == "early"]
    assert np.mean([m[TissueCode.PANCREAS] for m in early]) < 60
    assert np.mean([m[TissueCode.AORTA] for m in early]) > 150


def test_volume_lies_on_its_own_grid(abdomen: TissueMap) -> None:
    ct = render_ct(abdomen, np.random.default_rng(6))
    volume = synthetic_volume(ct, "x")
    assert volume.grid.shape == ct.hu.shape
    assert volume.grid.spacing_mm == pytest.approx(ct.spacing_mm)


def test_identity_without_bends_maps_places_to_themselves() -> None:
    deformation = draw_deformation((50, 50, 50), np.random.default_rng(0))
    plain = type(deformation)(np.eye(3), ())
    axes = tuple(np.linspace(-20, 20, n) for n in (4, 5, 6))
    for found, wanted in zip(source_positions(plain, axes), np.meshgrid(*axes, indexing="ij"), strict=True):
        assert found == pytest.approx(wanted)


def test_fields_have_unit_variance_and_stretching_keeps_the_ends() -> None:
    field = smooth_field((30, 40, 50), 6.0, np.random.default_rng(0))
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(field, axis=2)).mean() < 0.4
    line = np.array([1.0, 3.0], np.float32)
    assert upsample_linearly(line, (5,)) == pytest.approx([1, 1.5, 2, 2.5, 3])
