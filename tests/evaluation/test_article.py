"""The table beside the article's figures."""

from __future__ import annotations

import pytest

from attunet_gui.evaluation.article import ARTICLE, HEADINGS, VolumeScore, as_markdown, beside_the_article


def _score(patient: str, dsc: float, surface_mm: float | None) -> VolumeScore:
    return VolumeScore(
        patient=patient, case=patient, dsc=dsc, precision=dsc, recall=dsc, surface_mm=surface_mm
    )


def test_ours_stands_below_the_article() -> None:
    table = beside_the_article("this run", [_score("a", 0.7, 3.0), _score("b", 0.8, 2.0)], ["Of phantoms."])
    assert table.rows[:-1] == ARTICLE
    assert table.ours.patients == 2
    assert (table.ours.dsc.mean, table.ours.dsc.deviation) == pytest.approx((0.75, 0.05))
    assert table.ours.surface_mm is not None
    assert table.ours.surface_mm.mean == pytest.approx(2.5)
    text = as_markdown(table)
    assert f"| {' | '.join(HEADINGS)} |" in text
    assert "| this run | 2 | 0.750 ± 0.050 | 0.750 ± 0.050 | 0.750 ± 0.050 | 2.500 ± 0.500 |" in text
    assert "| Attention U-Net, the article | 21 | 0.821 ± 0.057 |" in text
    assert "Of phantoms." in text
    assert "1804.03999" in text


def test_an_empty_draft_scores_but_has_no_surface() -> None:
    table = beside_the_article("this run", [_score("a", 0.0, None), _score("b", 0.8, 2.0)])
    assert table.ours.surface_mm is not None
    assert table.ours.surface_mm.mean == 2.0
    assert table.ours.dsc.mean == pytest.approx(0.4)
    assert any("1 of 2 drafts are empty" in note for note in table.notes)
    alone = beside_the_article("this run", [_score("a", 0.0, None)])
    assert alone.ours.surface_mm is None
    assert as_markdown(alone).count("| - |") == 1
