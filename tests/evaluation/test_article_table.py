"""The table beside the article's figures."""

from __future__ import annotations

import pytest

from attunet_gui.evaluation.article_table import (
    ARTICLE_ROWS,
    TABLE_HEADINGS,
    VolumeScore,
    article_table_markdown,
    compare_with_article,
)


def _score(patient: str, dsc: float, surface_mm: float | None) -> VolumeScore:
    return VolumeScore(
        patient=patient, case=patient, dsc=dsc, precision=dsc, recall=dsc, surface_mm=surface_mm
    )


def test_ours_stands_below_the_article() -> None:
    table = compare_with_article("this run", [_score("a", 0.7, 3.0), _score("b", 0.8, 2.0)], ["Of phantoms."])
    assert table.rows[:-1] == ARTICLE_ROWS
    assert table.our_row.patients == 2
    assert (table.our_row.dsc.mean, table.our_row.dsc.deviation) == pytest.approx((0.75, 0.05))
    assert table.our_row.surface_mm is not None
    assert table.our_row.surface_mm.mean == pytest.approx(2.5)
    text = article_table_markdown(table)
    assert f"| {' | '.join(TABLE_HEADINGS)} |" in text
    assert "| this run | 2 | 0.750 ± 0.050 | 0.750 ± 0.050 | 0.750 ± 0.050 | 2.500 ± 0.500 |" in text
    assert "| Attention U-Net, the article | 21 | 0.821 ± 0.057 |" in text
    assert "Of phantoms." in text
    assert "1804.03999" in text


def test_an_empty_draft_scores_but_has_no_surface() -> None:
    table = compare_with_article("this run", [_score("a", 0.0, None), _score("b", 0.8, 2.0)])
    assert table.our_row.surface_mm is not None
    assert table.our_row.surface_mm.mean == 2.0
    assert table.our_row.dsc.mean == pytest.approx(0.4)
    assert any("1 of 2 drafts are empty" in note for note in table.notes)
    alone = compare_with_article("this run", [_score("a", 0.0, None)])
    assert alone.our_row.surface_mm is None
    assert article_table_markdown(alone).count("| - |") == 1
