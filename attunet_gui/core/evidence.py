"""Which saved masks may judge a model: one that nobody changed or verified is the draft of a model."""

from __future__ import annotations

from collections.abc import Mapping

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.history import DRAFT


def is_evidence(model: str, corrected: int | None, edits: Mapping[str, int]) -> bool:
    """Return whether a mask holds information that does not come from the model which drafted it.

    Args:
        model: the model that drafted the mask; "" if it was drawn without a draft.
        corrected: number of slices that the annotator changed or verified; None if this was not recorded.
        edits: tool -> number of strokes; it decides where `corrected` was not recorded.
    """
    if not model:
        return True
    if corrected is not None:
        return corrected > 0
    return any(count > 0 for tool, count in edits.items() if tool != DRAFT)


def left_out_words(judged: int, left_out: int) -> str:
    """Return a sentence on how many masks judge the model and how many are left out; "" if none is.

    Args:
        judged: number of masks that judge the model.
        left_out: number of masks that were accepted as they were drafted.
    """
    if not left_out:
        return ""
    judge, was = noun_of(judged, "judges", "judge"), noun_of(left_out, "was", "were")
    why = noun_of(left_out, "it proves", "they prove")
    return (
        f"{counted(judged, 'corrected case')} {judge}; {left_out} {was} left out: saved without a stroke "
        f"or a verified slice, {why} nothing."
    )
