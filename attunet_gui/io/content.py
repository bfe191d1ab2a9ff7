"""Whether an image file holds a CT or a label map: decided by its values, with its name as a hint.

Data sets keep label maps beside their CT, in files of the same formats and under names that differ from one
data set to the next. A label map that is taken for a CT is drafted, listed and counted as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput

Kind = Literal["CT", "labels", "doubtful"]

_AIR_BELOW = -500.0
"""HU. Only CT has it: labels are not negative, and logits are not so large."""

_FEW = 32
"""Values; more are in label maps of the whole body only, and in every CT."""

_SMALL = 255
_LARGE_SHARE, _LARGE_CODE = 0.25, 50
"""Few values up to a large one, over so much of the volume, may be a CT of 8 bits without noise."""

_LEAST_BODY, _BODY_ABOVE = 0.1, 0.1
"""Share of a CT that lies above so much of its range; less of a probability in per cent does."""

_LEAST_SPREAD_HU = 100.0
_EVEN, _NOISY = 0.3, 0.45
"""Share of differing neighbours: 0.11 at most in label maps of the body, 0.6 and more in CT of any window."""

_WIDEST = 1 << 16
_ENOUGH_OF_LABELS = 8 << 20
"""Bytes after which a file that is called a label map, and holds nothing else so far, is one."""

_LABEL_WORD = re.compile(
    r"label\w*|lbls?|mask\w*|segs?|segm|segment\w*|annot\w*|gt|groundtruth|truths?|contours?|rois?|structures?"
    r"|pred\w*|prob\w*|softmax|heatmaps?|gates?|attention|logits|uncertainty|entropy"
)
_IMAGE_WORD = re.compile(r"images?|imgs?|imaging|cts?|volumes?|vol|scans?")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_CHANNEL = re.compile(r"_0000(\.|$)")


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        kind: "doubtful" where it may be either.
        words: what was found in it, to go on "it holds"; empty for a CT.
    """

    kind: Kind
    words: str = ""


def content_of(path: Path, called: PurePath | None = None) -> Content:
    """What the image file `path` holds.

    A CT is known by its first slices. Of anything else all values are looked at, some megabytes at a time.
    A file whose values cannot be read is judged by its name alone.

    Args:
        path: a file of one of `READERS`, or of any other kind, which counts as CT.
        called: the part of its path whose words are a hint, such as "labelsTr/a.nii.gz"; else its name.
    """
    called = called or PurePath(path.name)
    try:
        parts = _parts(path)
    except (UnreadableInput, OSError):
        parts = iter(())
    return Content("CT") if parts is None else content_of_values(parts, called)


def content_of_values(parts: Iterator[NDArray[Any]], called: PurePath) -> Content:
    """The same of values, (n,) a part; no more parts are asked for than needed."""
    hint = _hint(called)
    values = _Values()
    try:
        for part in parts:
            values.add(part)
            if values.air or (hint == "labels" and values.bytes > _ENOUGH_OF_LABELS):
                break
    except (UnreadableInput, OSError, MemoryError):
        values = _Values()
    if not values.bytes:
        return Content("labels", "a label map by its name") if hint == "labels" else Content("CT")
    return _judged(values, hint)


def _parts(path: Path) -> Iterator[NDArray[Any]] | None:
    from attunet_gui.io.reading import reader_for

    kind = reader_for(path).kind
    if kind.startswith("NIfTI"):
        from attunet_gui.io import nifti

        return nifti.values(path)
    if kind in ("NRRD", "MetaImage"):
        from attunet_gui.io import itk

        return itk.values(path)
    return None


def _hint(called: PurePath) -> Kind:
    words = {word.lower() for word in _WORDS.findall(str(called))}
    if any(map(_LABEL_WORD.fullmatch, words)):
        return "labels"
    return "CT" if any(map(_IMAGE_WORD.fullmatch, words)) or _CHANNEL.search(called.name) else "doubtful"


@dataclass
class _Values:
    """What is known of the values so far.

    Attributes:
        lowest, highest: of the finite ones.
        whole: whether they are whole numbers.
        bytes: how many were looked at.
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
    def air(self) -> bool:
        """Whether some are as low as air, and lower than any label, and others are not."""
        return self.lowest <= _AIR_BELOW < self.highest

    @property
    def spread(self) -> float:
        """From the lowest to the highest."""
        return self.highest - self.lowest

    @property
    def distinct(self) -> int:
        """How many different ones there are; more than can be listed where they are no whole numbers."""
        return len(self._counts) if self.countable else _WIDEST

    @property
    def countable(self) -> bool:
        """Whether they are whole numbers near enough to one another to be counted."""
        return self.whole and self.spread < _WIDEST

    @property
    def share(self) -> float:
        """Of those that are not 0."""
        total = sum(self._counts.values())
        return 1 - self._counts.get(0, 0) / max(total, 1)

    @property
    def sparse(self) -> bool:
        """Whether they lie in 0..1, and most of them near 0, as in a probability."""
        return self.lowest >= 0 and self.highest <= 1 and self._above < _LEAST_BODY * self._total

    @property
    def body(self) -> float:
        """Share that lies above a tenth of the range."""
        least = self.lowest + _BODY_ABOVE * self.spread
        high = sum(count for value, count in self._counts.items() if value > least)
        return high / max(sum(self._counts.values()), 1)

    @property
    def commonest(self) -> int:
        """The value that most of them have."""
        return max(self._counts, key=lambda value: self._counts[value], default=0)

    @property
    def ends(self) -> frozenset[int]:
        """The lowest and the highest: where a window was clipped, all beyond it."""
        return frozenset((int(self.lowest), int(self.highest)))

    def unevenness(self, without: Iterable[int]) -> float:
        """Share of neighbours that differ, among those that do not both have one of the values `without`."""
        equal = sum(self._equal.values()) - sum(self._equal.get(value, 0) for value in without)
        return self._differing / max(self._differing + equal, 1)

    def add(self, part: NDArray[Any]) -> None:
        """Look at further values, (n,) in the order of the file, of any real dtype."""
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
        if self.countable:
            self._count(part)

    def _count(self, part: NDArray[Any]) -> None:
        part = part.astype(np.int16) if part.dtype == np.int8 else part
        start = int(part.min())
        codes = (part - part.dtype.type(start)).astype(np.uint16)
        same = codes[1:] == codes[:-1]
        self._differing += int(same.size - np.count_nonzero(same))
        for counts, found in ((self._counts, codes), (self._equal, codes[1:][same])):
            tally = np.bincount(found)
            for code in np.flatnonzero(tally).tolist():
                counts[code + start] = counts.get(code + start, 0) + int(tally[code])

    def listed(self) -> list[int]:
        """The different ones, where they are few whole numbers."""
        return sorted(self._counts)


def _judged(values: _Values, hint: Kind) -> Content:
    if values.air:
        return Content("CT")
    kind = _kind(values)
    if hint == "labels" and kind == "CT":
        return Content("doubtful", f"{_words(values)} under the name of a label map")
    if kind == "doubtful" and hint != "doubtful":
        kind = hint
    return Content("CT") if kind == "CT" else Content(kind, _words(values))


def _kind(values: _Values) -> Kind:
    """What the values alone say."""
    if values.spread <= 0 or not np.isfinite(values.spread):
        return "doubtful"
    if not values.whole:
        # A gate, a CT that was normalised, or any map with a scale of its own.
        return "labels" if values.sparse else "CT" if values.spread > _LEAST_SPREAD_HU else "doubtful"
    if values.lowest < -1:
        return _kind_with_negatives(values)
    return _kind_of_few(values) if values.distinct <= _FEW else _kind_of_many(values)


def _kind_with_negatives(values: _Values) -> Kind:
    if values.distinct > _FEW:
        return "CT" if values.spread > _LEAST_SPREAD_HU else "doubtful"
    # A CT without noise, in a window without air; but -100 beside labels says that nobody looked there.
    return "CT" if values.lowest <= -_LARGE_CODE and values.highest >= _LARGE_CODE else "doubtful"


def _kind_of_few(values: _Values) -> Kind:
    if values.highest > _SMALL:
        return "doubtful"
    if values.distinct == 2:
        return "labels"
    if values.highest > _LARGE_CODE and values.share > _LARGE_SHARE:
        return "doubtful"
    return "labels" if values.unevenness([values.commonest]) < _NOISY else "doubtful"


def _kind_of_many(values: _Values) -> Kind:
    if values.countable and values.body < _LEAST_BODY:
        return "doubtful"
    unevenness = values.unevenness(values.ends) if values.countable else 1.0
    if unevenness > _NOISY:
        return "CT" if values.spread > _LEAST_SPREAD_HU else "doubtful"
    return "labels" if unevenness < _EVEN else "doubtful"


def _words(values: _Values) -> str:
    """What was found, to go on "it holds"."""
    if not np.isfinite(values.spread):
        return "no numbers"
    if values.spread == 0:
        return f"the value {values.lowest:g} everywhere"
    if values.distinct <= _FEW:
        return f"the values {_series(values.listed())}"
    what = f"{values.distinct} whole numbers" if values.countable else "numbers"
    return f"{what} from {values.lowest:g} to {values.highest:g}"


def _series(numbers: Iterable[int]) -> str:
    words = [str(number) for number in numbers]
    if len(words) > 6:
        words = [*words[:3], "...", words[-1]]
        return " ".join(f"{word}," if place < 2 else word for place, word in enumerate(words))
    return " and ".join([", ".join(words[:-1]), words[-1]])
