"""Which voxels of a label file are the pancreas. The one place that gives label values a meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput

_CHUNK = 1 << 20
_MOST_LABELS = 1000
"""TotalSegmentator has 117; more different values are no labels."""
_MOST_NAMED = 8
_ROUNDING = 1e-5
"""What float32 and a scaling leave of a whole number."""

_WHITE, _BLACK = 207, 48
_GRAY_SHARE, _GRAY_PIXELS = 0.2, 50
"""How much of a mask its blurred outline may be."""


@dataclass(frozen=True)
class LabelValues:
    """What the values in label files mean; 0 is background.

    Attributes:
        organ: the pancreas, with lesions within it; () if nobody says which values it has: then it is the one
            value beside 0.
        ignore: voxels nobody has judged; None if there are none.
        named: every value that the description of the data set names; empty without a description.
    """

    organ: tuple[int, ...] = ()
    ignore: int | None = None
    named: frozenset[int] = field(default=frozenset(), compare=False)


def chosen_label(label: int | None, described: LabelValues | None = None) -> LabelValues:
    """`described` with the pancreas at `label`, as somebody chose it; None leaves it as it is."""
    found = described or LabelValues()
    if label is None:
        return found
    return LabelValues((label,), None if found.ignore == label else found.ignore)


def pancreas_in(values: NDArray[Any], meant: LabelValues, name: str) -> NDArray[np.bool_]:
    """Where `values`, the voxels of the file called `name`, are pancreas: bool of the same shape.

    Raises:
        UnreadableInput: the values are no whole numbers, are more than one where nobody says which is meant,
            or are others than the description of the data set names.
    """
    found = [value for value in label_values_in(values, name) if value != meant.ignore]
    if meant.named:
        _check_named(found, meant, name)
    if meant.organ:
        return np.asarray(np.isin(_whole(values), meant.organ))
    if len(found) > 1:
        raise UnreadableInput(
            f"{name} holds several labels ({_listed(found)}): name the pancreas with --label VALUE, or save "
            "it alone as a mask."
        )
    return np.asarray(_whole(values) == found[0]) if found else np.zeros(values.shape, bool)


def label_values_in(values: NDArray[Any], name: str) -> tuple[int, ...]:
    """The different values beside 0 in `values`, the voxels of the file called `name`, in order.

    Raises:
        UnreadableInput: they are no whole numbers, or more than there can be labels.
    """
    flat = values.ravel(order="K")
    found: set[int] = set()
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        inside = part[part != 0]
        _check_whole(inside, name)
        found.update(int(value) for value in np.unique(_whole(inside)))
        if len(found) > _MOST_LABELS:
            raise UnreadableInput(
                f"{name} holds more than {_MOST_LABELS} different values, as an image does and labels do "
                "not: choose the file of the labels."
            )
    return tuple(sorted(found))


def white_on_black(gray: NDArray[np.uint8], name: str) -> NDArray[np.bool_]:
    """Where the mask in the picture called `name`, of gray values 0 to 255, is white.

    The packing of a JPEG blurs the outline, so the middle divides the two; a picture that has no white, or
    areas of gray as well, is no such mask.

    Raises:
        UnreadableInput: the picture is anything but white on black.
    """
    lit = int(np.count_nonzero(gray > _BLACK // 2))
    between = int(np.count_nonzero((gray > _BLACK) & (gray < _WHITE)))
    if gray.any() and (gray.max() < _WHITE or between > _GRAY_SHARE * lit + _GRAY_PIXELS):
        raise UnreadableInput(
            f"The mask {name} has values up to {int(gray.max())} that are neither black nor white: save it "
            "as 0 and 255."
        )
    return np.asarray(gray > 127)


def _check_whole(inside: NDArray[Any], name: str) -> None:
    if inside.dtype.kind != "f":
        return
    with np.errstate(invalid="ignore"):
        broken = inside[~(abs(inside - np.rint(inside)) <= _ROUNDING * np.maximum(abs(inside), 1))]
    if broken.size:
        raise UnreadableInput(
            f"{name} holds values that are not whole numbers, such as {float(broken[0]):.3g}: it is a map, "
            "not a mask; save it as 0 and 1."
        )


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers that a scaling in the header has made fractions, as whole numbers."""
    return np.rint(values) if values.dtype.kind == "f" else values


def _check_named(found: list[int], meant: LabelValues, name: str) -> None:
    unknown = [value for value in found if value not in meant.named]
    if found and not meant.organ:
        raise UnreadableInput(
            f"{name} holds labels ({_listed(found)}), and the description of its data set names none of them "
            "the pancreas: name it with --label VALUE."
        )
    if unknown:
        raise UnreadableInput(
            f"{name} holds {_listed(unknown)}, and the description of its data set names only "
            f"{_listed(sorted(meant.named))}: mend one of them, or name the pancreas with --label VALUE."
        )


def _listed(values: Iterable[int]) -> str:
    """At most `_MOST_NAMED` of them."""
    words = [str(value) for value in values]
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
