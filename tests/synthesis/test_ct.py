"""Synthetic CT from a small whole-tissue map made here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.synthesis.anatomy import Tissue, TissueMap
from attunet_gui.synthesis.ct import render, synthetic_volume
from attunet_gui.synthesis.deformation import draw_deformation, sources
from attunet_gui.synthesis.detail import detailed
from attunet_gui.synthesis.fields import smooth_field, stretched
from attunet_gui.synthesis.materials import IN_PANCREAS, Material, draw_palette
from tests.synthesis.bodies import small_abdomen

SPACING = (3.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def abdomen() -> TissueMap:
    return small_abdomen()


def test_equal_generators_give_equal_ct_and_others_do_not(abdomen: TissueMap) -> None:
    first, again, other = (render(abdomen, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.pancreas, again.pancreas)
    assert first.hu.shape != other.hu.shape or not np.array_equal(first.hu, other.hu)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_label_lies_in_the_body_and_keeps_a_plausible_volume(abdomen: TissueMap, seed: int) -> None:
    ct = render(abdomen, np.random.default_rng(seed))
    assert ct.hu.shape == ct.pancreas.shape
    assert ct.hu.dtype == np.int16
    assert 1.0 <= ct.spacing_mm[0] <= 5.5
    assert set(np.unique(ct.pancreas)) <= {0, 1}
    voxel = np.prod(ct.spacing_mm)
    source = (abdomen.tissue == Tissue.PANCREAS).sum() * 27
    whole = (ct.pancreas[0].sum() == 0) and (ct.pancreas[-1].sum() == 0)
    assert ct.pancreas.sum() * voxel < 3 * source
    if whole:
        assert ct.pancreas.sum() * voxel > 0.25 * source
    if ct.pancreas.any():
        assert np.median(ct.hu[ct.pancreas > 0]) > -60  # soft tissue, not the air or fat beside it


def test_hu_of_air_fat_and_bone_are_those_of_ct(abdomen: TissueMap) -> None:
    ct = render(abdomen, np.random.default_rng(5))
    assert np.percentile(ct.hu, 1) < -900
    assert ct.hu.max() > 400
    assert ct.hu.min() >= -1024


def test_detail_refines_but_moves_no_organ(abdomen: TissueMap) -> None:
    codes = detailed(abdomen, np.random.default_rng(3))
    liver = abdomen.tissue == Tissue.LIVER
    assert set(np.unique(codes[liver])) <= {Tissue.LIVER, Material.LIVER_VESSEL, Material.LIVER_LESION}
    aorta = abdomen.tissue == Tissue.AORTA
    assert set(np.unique(codes[aorta])) <= {Tissue.AORTA, Material.PLAQUE}
    assert np.array_equal(codes == 0, abdomen.tissue == 0)
    grown = np.isin(codes, IN_PANCREAS) & (abdomen.tissue != Tissue.PANCREAS)
    assert set(np.unique(abdomen.tissue[grown])) <= {Tissue.VISCERAL_FAT}


def test_bowel_is_all_wall_or_content(abdomen: TissueMap) -> None:
    codes = detailed(abdomen, np.random.default_rng(4))
    for bowel in (Tissue.SMALL_BOWEL, Tissue.DUODENUM, Tissue.STOMACH):
        assert not (codes == bowel).any()


def test_without_pancreas_portal_vein_and_bowel_a_ct_is_still_made() -> None:
    tissue = np.zeros((20, 40, 40), np.uint8)
    tissue[:, 5:35, 5:35] = Tissue.VISCERAL_FAT
    ct = render(TissueMap(tissue, SPACING, "bare"), np.random.default_rng(0))
    assert not ct.pancreas.any()


def test_palette_follows_the_phase() -> None:
    drawn = [draw_palette(np.random.default_rng(seed)) for seed in range(200)]
    aorta = {
        name: [p.mean[Tissue.AORTA] for p in drawn if p.uptake == name] for name in ("native", "arterial")
    }
    assert np.mean(aorta["arterial"]) > np.mean(aorta["native"]) + 150
    early = [p.mean for p in drawn if p.uptake == "early"]
    assert np.mean([m[Tissue.PANCREAS] for m in early]) < 60
    assert np.mean([m[Tissue.AORTA] for m in early]) > 150


def test_volume_lies_on_its_own_grid(abdomen: TissueMap) -> None:
    ct = render(abdomen, np.random.default_rng(6))
    volume = synthetic_volume(ct, "x")
    assert volume.grid.shape == ct.hu.shape
    assert volume.grid.spacing_mm == pytest.approx(ct.spacing_mm)


def test_identity_without_bends_maps_places_to_themselves() -> None:
    deformation = draw_deformation((50, 50, 50), np.random.default_rng(0))
    plain = type(deformation)(np.eye(3), ())
    axes = tuple(np.linspace(-20, 20, n) for n in (4, 5, 6))
    for found, wanted in zip(sources(plain, axes), np.meshgrid(*axes, indexing="ij"), strict=True):
        assert found == pytest.approx(wanted)


def test_fields_have_unit_variance_and_stretching_keeps_the_ends() -> None:
    field = smooth_field((30, 40, 50), 6.0, np.random.default_rng(0))
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(field, axis=2)).mean() < 0.4
    line = np.array([1.0, 3.0], np.float32)
    assert stretched(line, (5,)) == pytest.approx([1, 1.5, 2, 2.5, 3])
