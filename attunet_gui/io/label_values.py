"""Deciding which voxels of a label file are the pancreas. Only this module gives label values a meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.plurals import abbreviated_list

_CHUNK = 1 << 20
# TotalSegmentator has 117 labels; a file with more different values than this does not hold labels.
_MOST_LABELS = 1000
_MOST_NAMED = 8
# Relative error of a whole number after a scaling in float32.
_ROUNDING = 1e-5

# Gray values up to and from which a pixel counts as black and white.
_WHITE, _BLACK = 207, 48
# How many pixels between them the blurred outline of a mask may have, of all that are lit, and in addition.
_GRAY_SHARE, _GRAY_PIXELS = 0.2, 50


class SeveralLabels(UnreadableInput):
    """A file holds several labels, and nothing says which of them is the pancreas.

    Attributes:
        labels: the values, as text.
    """

    def __init__(self, message: str, labels: str) -> None:
        # Both are arguments, so that a child process can send the error.
        super().__init__(message, labels)
        self.labels = labels

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class LabelValues:
    """The meaning of the values in label files; 0 is background.

    Attributes:
        organ: values of the pancreas, with the lesions in it; () if nothing says which they are, and then the
            only value beside 0 is the pancreas.
        ignore: value of the voxels that nobody has judged; None if there are none.
        named: all values that the description of the data set names; empty if there is no description.
    """

    organ: tuple[int, ...] = ()
    ignore: int | None = None
    named: frozenset[int] = field(default=frozenset(), compare=False)


def with_chosen_label(label: int | None, described: LabelValues | None = None) -> LabelValues:
    """Return `described` with the pancreas at the value `label`, which a person chose.

    A `label` of None returns it unchanged. A value that is chosen does not mean `ignore` any more.
    """
    found = described or LabelValues()
    if label is None:
        return found
    return LabelValues((label,), None if found.ignore == label else found.ignore)


def pancreas_mask(values: NDArray[Any], meant: LabelValues, name: str) -> NDArray[np.bool_]:
    """Return where label values are pancreas.

    Args:
        values: array of any shape and real dtype.
        meant: the meaning of the values.
        name: name of the file, for messages.

    Returns:
        Array of bool in the same shape.

    Raises:
        UnreadableInput: if the values are not whole numbers, there are several and nothing says which of them
            is the pancreas, or the description of the data set does not name them.
    """
    found = [value for value in distinct_labels(values, name) if value != meant.ignore]
    if meant.named:
        _check_described_labels(found, meant, name)
    if meant.organ:
        return np.asarray(np.isin(_rounded_values(values), meant.organ))
    if len(found) > 1:
        labels = _abbreviated_list(found)
        raise SeveralLabels(
            f"{name} holds several labels ({labels}): name the pancreas with --label VALUE, or save it alone "
            "as a mask.",
            labels,
        )
    return np.asarray(_rounded_values(values) == found[0]) if found else np.zeros(values.shape, bool)


def distinct_labels(values: NDArray[Any], name: str) -> tuple[int, ...]:
    """Return the different values beside 0 in `values`, in ascending order.

    Args:
        values: array of any shape and real dtype.
        name: name of the file, for messages.

    Raises:
        UnreadableInput: if they are not whole numbers, or there are more than 1000 of them.
    """
    # In the order of the memory, which needs no copy, and in chunks, of which only labels are copied.
    flat = values.ravel(order="K")
    found: set[int] = set()
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        inside = part[part != 0]
        _check_whole_numbers(inside, name)
        found.update(int(value) for value in np.unique(_rounded_values(inside)))
        if len(found) > _MOST_LABELS:
            raise UnreadableInput(
                f"{name} holds more than {_MOST_LABELS} different values, as an image does and labels do "
                "not: choose the file of the labels."
            )
    return tuple(sorted(found))


def threshold_white_mask(gray: NDArray[np.uint8], name: str) -> NDArray[np.bool_]:
    """Return where a picture of a mask is white.

    JPEG compression blurs the outline of a mask, so the middle gray value divides white from black. A picture
    without white, or with areas of gray, is not a mask.

    Args:
        gray: gray values of any shape, 0 to 255.
        name: name of the file, for the message.

    Returns:
        Array of bool in the same shape.

    Raises:
        UnreadableInput: if the picture is not white on black.
    """
    lit = int(np.count_nonzero(gray > _BLACK // 2))
    between = int(np.count_nonzero((gray > _BLACK) & (gray < _WHITE)))
    if gray.any() and (gray.max() < _WHITE or between > _GRAY_SHARE * lit + _GRAY_PIXELS):
        raise UnreadableInput(
            f"The mask {name} has values up to {int(gray.max())} that are neither black nor white: save it "
            "as 0 and 255."
        )
    return np.asarray(gray > 127)


def _check_whole_numbers(inside: NDArray[Any], name: str) -> None:
    if inside.dtype.kind != "f":
        return
    with np.errstate(invalid="ignore"):
        broken = inside[~(abs(inside - np.rint(inside)) <= _ROUNDING * np.maximum(abs(inside), 1))]
    if broken.size:
        raise UnreadableInput(
            f"{name} holds values that are not whole numbers, such as {float(broken[0]):.3g}: it is a map, "
            "not a mask; save it as 0 and 1."
        )


def _rounded_values(values: NDArray[Any]) -> NDArray[Any]:
    """Return floating-point values rounded: the scaling of a header makes whole numbers a little inexact."""
    return np.rint(values) if values.dtype.kind == "f" else values


def _check_described_labels(found: list[int], meant: LabelValues, name: str) -> None:
    unknown = [value for value in found if value not in meant.named]
    if found and not meant.organ:
        raise UnreadableInput(
            f"{name} holds labels ({_abbreviated_list(found)}), and the description of its data set names "
            "none of them "
            "the pancreas: name it with --label VALUE."
        )
    if unknown:
        raise UnreadableInput(
            f"{name} holds {_abbreviated_list(unknown)}, and the description of its data set names only "
            f"{_abbreviated_list(sorted(meant.named))}: mend one of them, or name the pancreas with --label "
            "VALUE."
        )


def _abbreviated_list(values: Iterable[int]) -> str:
    """Return a list for a message, of at most `_MOST_NAMED` values."""
    return abbreviated_list([str(value) for value in values], _MOST_NAMED)
