"""Telling a CT from a label map by the values in the file, with its name as a hint.

Data sets keep label maps beside their CT, in files of the same formats and under names that differ from one
data set to the next. A label map that is taken for a CT would be drafted, listed and counted as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.io.image_format_registry import format_of_path
from attunet_gui.system.errors import UnreadableInput

ContentKind = Literal["CT", "labels", "doubtful"]

# HU. Only a CT has values on both sides of it: labels are not negative, and logits are not so large.
_AIR_BELOW = -500.0

# Number of different values. Every CT has more, and of the label maps only those of the whole body have.
_FEW = 32

# Few values up to a code this large, not 0 over this share of the volume, may be an 8-bit CT without noise.
_SMALL = 255
_LARGE_SHARE, _LARGE_CODE = 0.25, 50

# At least this share of a CT lies above this share of its range; of a probability in per cent less does.
_LEAST_BODY, _BODY_ABOVE = 0.1, 0.1

# A CT spans more than this, even in a narrow window.
_LEAST_SPREAD_HU = 100.0
# Share of neighbours that differ: at most 0.11 in label maps of the body, 0.6 and more in CT of any window.
_EVEN, _NOISY = 0.3, 0.45

# Widest range of whole numbers that are counted one by one: differences within it fit uint16.
_WIDEST = 1 << 16
# Bytes after which a file that is named like a label map, and so far holds nothing else, counts as one.
_ENOUGH_OF_LABELS = 8 << 20

_LABEL_WORD = re.compile(
    r"label\w*|lbls?|mask\w*|segs?|segm|segment\w*|annot\w*|gt|groundtruth|truths?|contours?|rois?|structures?"
    r"|pred\w*|prob\w*|softmax|heatmaps?|gates?|attention|logits|uncertainty|entropy"
)
_IMAGE_WORD = re.compile(r"images?|imgs?|imaging|cts?|volumes?|vol|scans?")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# nnU-Net appends the number of the channel to the names of images, and not to those of labels.
_CHANNEL = re.compile(r"_0000(\.|$)")


@dataclass(frozen=True)
class ImageContent:
    """What an image file holds.

    Attributes:
        kind: "CT", "labels", or "doubtful" if it may be either.
        words: what was found in it, a phrase that continues "it holds"; "" for a CT.
    """

    kind: ContentKind
    words: str = ""


def classify_image_file(path: Path, called: PurePath | None = None) -> ImageContent:
    """Decide what the image file `path` holds.

    A CT is recognised after its first slices. Otherwise all values are looked at, a few megabytes at a time.
    A file whose values cannot be read is judged by its name alone.

    Args:
        path: a file of one of `IMAGE_FORMATS`; DICOM counts as CT here.
        called: the part of its path whose words are used as a hint, such as "labelsTr/a.nii.gz"; None uses
            the file name.
    """
    called = called or PurePath(path.name)
    try:
        parts = _iter_stored_values(path)
    except (UnreadableInput, OSError):
        parts = iter(())
    return ImageContent("CT") if parts is None else classify_voxel_values(parts, called)


def classify_voxel_values(parts: Iterator[NDArray[Any]], called: PurePath) -> ImageContent:
    """Decide what an image holds from its values.

    Args:
        parts: arrays (n,) of any real dtype, in the order of the file; no more of them are taken than needed.
        called: see `classify_image_file`.
    """
    hint = _hint_from_name(called)
    values = _VoxelStatistics()
    try:
        for part in parts:
            values.add_values(part)
            if values.has_air or (hint == "labels" and values.bytes > _ENOUGH_OF_LABELS):
                break
    except (UnreadableInput, OSError, MemoryError):
        values = _VoxelStatistics()
    if not values.bytes:
        return ImageContent("labels", "a label map by its name") if hint == "labels" else ImageContent("CT")
    return _combine_with_hint(values, hint)


def _iter_stored_values(path: Path) -> Iterator[NDArray[Any]] | None:
    """Return the stored values of `path` in parts; None for a format whose files count as CT."""
    iter_values = format_of_path(path).iter_values
    return None if iter_values is None else iter_values(path)


def _hint_from_name(called: PurePath) -> ContentKind:
    """Return what the words of a path suggest: CT, labels, or neither."""
    words = {word.lower() for word in _WORDS.findall(str(called))}
    if any(map(_LABEL_WORD.fullmatch, words)):
        return "labels"
    return "CT" if any(map(_IMAGE_WORD.fullmatch, words)) or _CHANNEL.search(called.name) else "doubtful"


@dataclass
class _VoxelStatistics:
    """Statistics of the values that were looked at so far.

    Attributes:
        lowest, highest: range of the finite values.
        whole: whether all finite values are whole numbers.
        bytes: number of bytes that were looked at.
    """

    lowest: float = np.inf
    highest: float = -np.inf
    whole: bool = True
    bytes: int = 0
    _counts: dict[int, int] = field(default_factory=dict)
    _equal: dict[int, int] = field(default_factory=dict)
    _differing: int = 0
    _total: int = 0
    _above: int = 0

    @property
    def has_air(self) -> bool:
        """Whether some values are as low as air, which no label is, and others are not."""
        return self.lowest <= _AIR_BELOW < self.highest

    @property
    def value_range(self) -> float:
        """Difference between the highest and the lowest value."""
        return self.highest - self.lowest

    @property
    def distinct_count(self) -> int:
        """Number of different values; `_WIDEST` if they are not counted."""
        return len(self._counts) if self.is_countable else _WIDEST

    @property
    def is_countable(self) -> bool:
        """Whether all values are whole numbers in a range that is narrow enough to count them."""
        return self.whole and self.value_range < _WIDEST

    @property
    def nonzero_share(self) -> float:
        """Share of the values that are not 0."""
        total = sum(self._counts.values())
        return 1 - self._counts.get(0, 0) / max(total, 1)

    @property
    def is_sparse(self) -> bool:
        """Whether all values lie in 0..1 and most of them near 0, as in a probability map."""
        return self.lowest >= 0 and self.highest <= 1 and self._above < _LEAST_BODY * self._total

    @property
    def share_above_floor(self) -> float:
        """Share of the values that lie above a tenth of the range."""
        least = self.lowest + _BODY_ABOVE * self.value_range
        high = sum(count for value, count in self._counts.items() if value > least)
        return high / max(sum(self._counts.values()), 1)

    @property
    def commonest_value(self) -> int:
        """The value that occurs most often."""
        return max(self._counts, key=lambda value: self._counts[value], default=0)

    @property
    def extreme_values(self) -> frozenset[int]:
        """The lowest and the highest value; in a CT clipped to a window they stand for all beyond it."""
        return frozenset((int(self.lowest), int(self.highest)))

    def neighbour_difference(self, without: Iterable[int]) -> float:
        """Share of neighbouring values that differ, leaving out pairs that both have a value in `without`."""
        equal = sum(self._equal.values()) - sum(self._equal.get(value, 0) for value in without)
        return self._differing / max(self._differing + equal, 1)

    def add_values(self, part: NDArray[Any]) -> None:
        """Add further values: (n,) of any real dtype, in the order of the file."""
        self.bytes += part.nbytes
        if part.dtype.kind == "f":
            part = part[np.isfinite(part)]
        if not part.size:
            return
        self.lowest, self.highest = (
            min(self.lowest, float(part.min())),
            max(self.highest, float(part.max())),
        )
        if part.dtype.kind == "f":
            self.whole = self.whole and bool((part == np.rint(part)).all())
            self._total += part.size
            self._above += int(np.count_nonzero(part > _BODY_ABOVE))
        if self.is_countable:
            self._count_values(part)

    def _count_values(self, part: NDArray[Any]) -> None:
        # int8 cannot hold the difference of its own ends.
        part = part.astype(np.int16) if part.dtype == np.int8 else part
        start = int(part.min())
        codes = (part - part.dtype.type(start)).astype(np.uint16)
        same = codes[1:] == codes[:-1]
        self._differing += int(same.size - np.count_nonzero(same))
        for counts, found in ((self._counts, codes), (self._equal, codes[1:][same])):
            tally = np.bincount(found)
            for code in np.flatnonzero(tally).tolist():
                counts[code + start] = counts.get(code + start, 0) + int(tally[code])

    def sorted_values(self) -> list[int]:
        """The different values in ascending order, as far as they were counted."""
        return sorted(self._counts)


def _combine_with_hint(values: _VoxelStatistics, hint: ContentKind) -> ImageContent:
    """Combine what the values say with the hint of the name, which decides only where they leave it open."""
    if values.has_air:
        return ImageContent("CT")
    kind = _kind_by_values(values)
    if hint == "labels" and kind == "CT":
        return ImageContent("doubtful", f"{_describe_values(values)} under the name of a label map")
    if kind == "doubtful" and hint != "doubtful":
        kind = hint
    return ImageContent("CT") if kind == "CT" else ImageContent(kind, _describe_values(values))


def _kind_by_values(values: _VoxelStatistics) -> ContentKind:
    """Decide by the values alone."""
    if values.value_range <= 0 or not np.isfinite(values.value_range):
        return "doubtful"
    if not values.whole:
        # A gate, a CT that was normalised, or any map with a scale of its own.
        return "labels" if values.is_sparse else "CT" if values.value_range > _LEAST_SPREAD_HU else "doubtful"
    if values.lowest < -1:
        return _kind_with_negatives(values)
    return _kind_of_few(values) if values.distinct_count <= _FEW else _kind_of_many(values)


def _kind_with_negatives(values: _VoxelStatistics) -> ContentKind:
    if values.distinct_count > _FEW:
        return "CT" if values.value_range > _LEAST_SPREAD_HU else "doubtful"
    # A CT without noise, in a window without air; but -100 beside labels says that nobody looked there.
    return "CT" if values.lowest <= -_LARGE_CODE and values.highest >= _LARGE_CODE else "doubtful"


def _kind_of_few(values: _VoxelStatistics) -> ContentKind:
    if values.highest > _SMALL:
        return "doubtful"
    if values.distinct_count == 2:
        # Background and one organ: no CT has only two values.
        return "labels"
    if values.highest > _LARGE_CODE and values.nonzero_share > _LARGE_SHARE:
        return "doubtful"
    return "labels" if values.neighbour_difference([values.commonest_value]) < _NOISY else "doubtful"


def _kind_of_many(values: _VoxelStatistics) -> ContentKind:
    if values.is_countable and values.share_above_floor < _LEAST_BODY:
        return "doubtful"
    unevenness = values.neighbour_difference(values.extreme_values) if values.is_countable else 1.0
    if unevenness > _NOISY:
        return "CT" if values.value_range > _LEAST_SPREAD_HU else "doubtful"
    return "labels" if unevenness < _EVEN else "doubtful"


def _describe_values(values: _VoxelStatistics) -> str:
    """Describe the values in a phrase that continues "it holds"."""
    if not np.isfinite(values.value_range):
        return "no numbers"
    if values.value_range == 0:
        return f"the value {values.lowest:g} everywhere"
    if values.distinct_count <= _FEW:
        return f"the values {_abbreviate_numbers(values.sorted_values())}"
    what = f"{values.distinct_count} whole numbers" if values.is_countable else "numbers"
    return f"{what} from {values.lowest:g} to {values.highest:g}"


def _abbreviate_numbers(numbers: Iterable[int]) -> str:
    words = [str(number) for number in numbers]
    if len(words) > 6:
        words = [*words[:3], "...", words[-1]]
        return " ".join(f"{word}," if place < 2 else word for place, word in enumerate(words))
    return " and ".join([", ".join(words[:-1]), words[-1]])
