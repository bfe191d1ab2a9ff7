"""Whole-tissue maps from label maps: nothing is missing, own organs stay, the spine stays whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from attunet_gui.core.volume import LabelMap
from attunet_gui.synthesis.label_map_ct.abdomen_completion import complete_abdomen
from attunet_gui.synthesis.label_map_ct.label_grid import LabelGrid, resample_label_grid
from attunet_gui.synthesis.label_map_ct.label_map_registration import fit_affine, register_donor
from attunet_gui.synthesis.label_map_ct.label_structures import (
    CODE_OF,
    STRUCTURES,
    tissue_of,
    to_common_codes,
)
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode, TissueMap
from tests.support.body_label_maps import STEP_MM, organs_only, whole
from tests.support.external_data import LABEL_MAPS


@pytest.fixture(scope="module")
def own() -> TissueMap:
    return complete_abdomen(whole(), seed=1)


@pytest.fixture(scope="module")
def borrowed() -> TissueMap:
    return complete_abdomen(organs_only(shift_mm=(8, -6, 10)), whole(), seed=1)


def _volume_ml(tissue_map: TissueMap, tissue: TissueCode) -> float:
    return float(np.count_nonzero(tissue_map.tissue == tissue) * np.prod(tissue_map.spacing_mm) / 1000)


def _drawn_ml(name: str) -> float:
    drawn = organs_only()
    code = next(code for code, other in drawn.names.items() if other == name)
    return float(np.count_nonzero(drawn.codes == code) * STEP_MM**3 / 1000)


@pytest.mark.parametrize("kind", ["own", "borrowed"])
def test_the_body_is_one_piece_without_air(kind: str, request: pytest.FixtureRequest) -> None:
    tissue = request.getfixturevalue(kind).tissue
    body = tissue > 0
    assert ndimage.label(body)[1] == 1
    for level in body:
        assert np.array_equal(ndimage.binary_fill_holes(level), level)


@pytest.mark.parametrize("kind", ["own", "borrowed"])
@pytest.mark.parametrize("name", ["pancreas", "liver", "spleen", "gallbladder"])
def test_drawn_organs_keep_their_volume(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    tissue = tissue_of(name)
    assert tissue is not None
    volume = _volume_ml(request.getfixturevalue(kind), tissue)
    assert volume == pytest.approx(_drawn_ml(name), rel=0.04)


def test_layers_lie_in_order_from_the_skin_inwards(own: TissueMap) -> None:
    middle = own.tissue[own.tissue.shape[0] // 2]
    row = middle[middle.shape[0] // 2]
    seen = [TissueCode(code) for code in row[np.flatnonzero(row)[:40]]]
    order = [kind for place, kind in enumerate(seen) if place == 0 or seen[place - 1] != kind][:3]
    assert order[0] is TissueCode.SUBCUTANEOUS_FAT
    assert order[1] in (TissueCode.MUSCLE, TissueCode.BONE)


def test_discs_fill_the_gaps_between_vertebrae(own: TissueMap) -> None:
    disc, bone = own.tissue == TissueCode.DISC, own.tissue == TissueCode.BONE
    assert 2 < _volume_ml(own, TissueCode.DISC) < 60
    z, _, _ = np.nonzero(disc)
    assert bone[: z.min()].any()
    assert bone[z.max() + 1 :].any()


def test_borrowed_parts_come_along(borrowed: TissueMap) -> None:
    assert borrowed.donors == ("whole",)
    for tissue in (
        TissueCode.BONE,
        TissueCode.DUODENUM,
        TissueCode.SMALL_BOWEL,
        TissueCode.COLON,
        TissueCode.LUNG,
    ):
        assert _volume_ml(borrowed, tissue) > 3, tissue


def test_the_donor_leaves_no_second_organ_behind(borrowed: TissueMap) -> None:
    for tissue in (TissueCode.PANCREAS, TissueCode.LIVER, TissueCode.SPLEEN, TissueCode.AORTA):
        assert ndimage.label(borrowed.tissue == tissue, np.ones((3, 3, 3)))[1] == 1, tissue


def test_the_same_seed_gives_the_same_map_and_another_a_different_one(own: TissueMap) -> None:
    again, other = (complete_abdomen(whole(), seed=seed) for seed in (1, 2))
    assert np.array_equal(own.tissue, again.tissue)
    assert own.tissue.shape != other.tissue.shape or (own.tissue != other.tissue).any()


def test_a_shift_is_found_and_the_body_not_turned() -> None:
    target, donor = _grid(organs_only(shift_mm=(8, -6, 10))), _grid(whole())
    affine = fit_affine(target, donor)
    np.testing.assert_allclose(affine.matrix, np.eye(3), atol=0.04)
    middle = np.array([140.0, 100.0, 165.0])
    np.testing.assert_allclose(affine(middle + np.array([8, -6, 10])), middle, atol=3)


def test_the_warp_neither_folds_nor_tears() -> None:
    stretch = register_donor(_grid(organs_only(shift_mm=(8, -6, 10))), _grid(whole())).stretch_factors()
    assert stretch.min() > 0.2
    assert stretch.max() < 3


def test_resampling_keeps_volume_and_place() -> None:
    source = _grid(organs_only())
    fine = resample_label_grid(
        source, LabelGrid(np.zeros((132, 112, 160), np.uint8), np.full(3, 2.0), np.zeros(3))
    )
    for name in ("pancreas", "spleen"):
        before, after = source.codes == CODE_OF[name], fine.codes == CODE_OF[name]
        assert after.sum() / 8 == pytest.approx(before.sum(), rel=0.03)
        centres = [
            grid.points_mm(np.argwhere(mask).mean(axis=0)) for grid, mask in ((source, before), (fine, after))
        ]
        np.testing.assert_allclose(centres[0], centres[1], atol=1.0)


def test_every_structure_has_a_tissue() -> None:
    assert all(tissue_of(name) is not None for name in STRUCTURES)
    assert tissue_of("skull") is None


def test_a_map_without_pancreas_is_refused() -> None:
    label_map = organs_only()
    names = {code: "humerus_left" if name == "pancreas" else name for code, name in label_map.names.items()}
    with pytest.raises(ValueError, match="no pancreas"):
        complete_abdomen(type(label_map)(label_map.codes, names, label_map.spacing_mm, "x"))


@pytest.mark.skipif(not LABEL_MAPS.is_dir(), reason="no label maps beside the checkout")
def test_a_real_organ_map_is_completed() -> None:
    from attunet_gui.io.label_maps import read_label_map

    drawn = read_label_map(LABEL_MAPS / "btcv" / "label_0.nii.gz")
    result = complete_abdomen(drawn, read_label_map(LABEL_MAPS / "s0328.nii.gz"))
    before = np.count_nonzero(drawn.codes == 11) * np.prod(drawn.spacing_mm) / 1000
    assert _volume_ml(result, TissueCode.PANCREAS) == pytest.approx(before, rel=0.03)
    assert 200 < _volume_ml(result, TissueCode.BONE) < 1500
    assert 20 < _volume_ml(result, TissueCode.DUODENUM) < 130


def _grid(label_map: LabelMap) -> LabelGrid:
    return LabelGrid(to_common_codes(label_map), np.array(label_map.spacing_mm), np.zeros(3))
