"""Whether a saved mask proves anything: one that nobody changed or verified is the draft of a model."""

from __future__ import annotations

from collections.abc import Mapping

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.history import DRAFT


def is_evidence(model: str, corrected: int | None, edits: Mapping[str, int]) -> bool:
    """Whether a mask says something that the model which drafted it did not say.

    Args:
        model: that drafted it; "" if it was drawn from nothing.
        corrected: in how many slices a person changed it, or declared it right; None if that was not kept.
        edits: strokes by tool, for masks of which it was not kept.
    """
    if not model:
        return True
    if corrected is not None:
        return corrected > 0
    return any(count > 0 for tool, count in edits.items() if tool != DRAFT)


def left_out_words(judged: int, left_out: int) -> str:
    """How many masks judge and how many do not, and why; "" if all do.

    Args:
        judged: masks that judge.
        left_out: masks that somebody accepted as they were drafted.
    """
    if not left_out:
        return ""
    judge, was = noun_of(judged, "judges", "judge"), noun_of(left_out, "was", "were")
    why = noun_of(left_out, "it proves", "they prove")
    return (
        f"{counted(judged, 'corrected case')} {judge}; {left_out} {was} left out: saved without a stroke "
        f"or a verified slice, {why} nothing."
    )
