"""Two readers, one draft: what is measured between them, and the picture of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.evaluation.pair_scores import compare_masks
from attunet_gui.project.case_commands import MaskReview, accept_case
from attunet_gui.project.project_store import Project
from attunet_gui.project.reader_agreement import (
    agreement_of_cases,
    draw_agreement,
    spread_of_measure,
    staple_consensus,
)
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.system.errors import AttunetError, UnreadableInput
from tests.support.project_cases import SPACING_MM, ball, drafted_project, save

_FIRST, _SECOND = ball(radius_mm=11), ball(radius_mm=13, off_mm=2)


def _read_twice(folder: Path, review: MaskReview | None = None) -> Project:
    project = drafted_project(folder, 2)
    for case in project.list_cases():
        save(project, case, _FIRST)
        accept_case(project, case, actor="anna")
    (name,) = ask_second_reads(project, 0.5, actor="anna")
    save(project, project.case_named(name), _SECOND, review, who="bert")
    return project


def test_what_two_readers_drew_is_compared(tmp_path: Path) -> None:
    (found,) = agreement_of_cases(_read_twice(tmp_path))
    assert (found.first, found.second, found.slices) == ("anna", "bert", 12)
    assert found.readers == compare_masks(_SECOND, _FIRST, SPACING_MM)
    assert found.draft_first == compare_masks(ball(), _FIRST, SPACING_MM)
    assert found.draft_second == compare_masks(ball(), _SECOND, SPACING_MM)
    assert found.readers.volume_error_ml > 0
    assert json.loads(json.dumps(found.as_json()))["readers"]["dsc"] == dice_coefficient(_FIRST, _SECOND)


def test_slices_that_one_of_them_has_not_verified_do_not_count(tmp_path: Path) -> None:
    (found,) = agreement_of_cases(_read_twice(tmp_path, MaskReview(verified=frozenset({5, 6}))))
    assert found.slices == 2
    assert found.readers.dsc == pytest.approx(dice_coefficient(_FIRST[5:7], _SECOND[5:7]))


def test_a_reading_that_is_not_finished_does_not_count(tmp_path: Path) -> None:
    assert agreement_of_cases(_read_twice(tmp_path, MaskReview(finished=False))) == ()
    with pytest.raises(AttunetError, match="read twice"):
        draw_agreement(tmp_path / "a.png", ())


def test_a_mask_that_was_changed_behind_our_back_is_refused(tmp_path: Path) -> None:
    project = _read_twice(tmp_path)
    twice = next(case for case in project.list_cases() if project.second_saved_mask(case))
    first, second = project.saved_mask(twice), project.second_saved_mask(twice)
    assert first is not None
    assert second is not None
    first.mask.write_bytes(second.mask.read_bytes())
    with pytest.raises(UnreadableInput, match="changed since anna"):
        agreement_of_cases(project)


def test_the_consensus_lies_between_its_readers() -> None:
    found = staple_consensus((_FIRST, _SECOND), SPACING_MM)
    assert found is not None
    inner, outer = (np.count_nonzero(side) * 12 / 1000 for side in (_FIRST & _SECOND, _FIRST | _SECOND))
    assert inner <= found.volume_ml <= outer
    assert all(share >= dice_coefficient(_FIRST, _SECOND) for share in found.dsc)
    assert max(found.dsc) > 0.95
    assert all(0 < share <= 1 for share in (*found.sensitivity, *found.specificity))


def test_three_alike_outvote_one_that_is_not() -> None:
    found = staple_consensus((_FIRST, _FIRST, _FIRST, _SECOND), SPACING_MM)
    assert found is not None
    assert found.dsc[0] == pytest.approx(1.0)
    assert found.sensitivity[0] > 0.99


def test_empty_masks_have_no_consensus_and_one_empty_mask_has() -> None:
    empty = np.zeros_like(_FIRST)
    assert staple_consensus((empty, empty), SPACING_MM) is None
    assert staple_consensus((empty, _FIRST), SPACING_MM) is not None


def test_means_leave_out_what_was_not_measured(tmp_path: Path) -> None:
    found = agreement_of_cases(_read_twice(tmp_path))
    told = spread_of_measure(found, lambda each: each.readers.dsc)
    assert told is not None
    assert (told.cases, told.mean, told.deviation) == (1, found[0].readers.dsc, None)
    assert spread_of_measure(found, lambda _each: None) is None
    both = spread_of_measure(found * 2, lambda each: each.readers.dsc)
    assert both is not None
    assert both.deviation == 0


def test_the_picture_shows_the_band_of_published_readers(tmp_path: Path) -> None:
    found = agreement_of_cases(_read_twice(tmp_path))
    draw_agreement(tmp_path / "a.png", found)
    picture = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a.png")))
    assert picture.shape[0] > 300
    blue = (picture[..., 2].astype(int) - picture[..., 0]) > 30
    assert blue.sum() > 1000
