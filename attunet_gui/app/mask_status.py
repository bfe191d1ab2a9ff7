"""Whether the mask on screen is saved, and how large it is.

The voxels of the mask belong to the viewer; they are handed over to be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.core.draft_correction import MaskTally, tally_mask
from attunet_gui.system.background_executor import SerialExecutor, Task

MaskArray = NDArray[np.uint8]

CountedSource = Literal["screen", "draft", "file"]
"""The origin of a mask that is counted: the screen, a fresh draft, or a file."""


@dataclass(frozen=True, eq=False)
class _CountRequest:
    number: int
    touches: int
    case: OpenCase | None
    what: CountedSource


class MaskStatus:
    """Follows the mask of the open case from edit to edit.

    Args:
        counter: counts masks.

    Attributes:
        edited: whether the mask holds edits that are in no file.
        tally: what was counted last; None before the first count.
        recounting: whether the mask has been replaced since it was counted.
        saved_to: the file that holds the mask; None if there is none.
        touches: number of changes so far.

    Signals:
        changed: any of these.
    """

    changed = Signal()

    def __init__(self, counter: SerialExecutor) -> None:
        self._counter = counter
        self._screen_count: Task[MaskTally] | None = None
        self._count = self.touches = self._touches_agreed = 0
        self._edits_agreed = False
        self._start(None)

    def _start(self, case: OpenCase | None) -> None:
        self._case = case
        self.tally: MaskTally | None = None
        self.recounting = self.edited = False
        self.saved_to: Path | None = None
        self._clean = 0
        self._saved_crc: int | None = None

    def begin_case(self, case: OpenCase) -> None:
        """Follow the mask of `case` from now on, which begins with the mask that was opened with it."""
        self._start(case)
        if case.found is not None:
            self.saved_to = case.found.path if case.found.saved else None
            self._submit_count(case.found.mask, "file" if case.found.saved else "draft")

    @property
    def is_saved_to_disk(self) -> bool:
        """Whether the mask on screen is known to equal the one in the file `saved_to`."""
        known = self._saved_crc is not None and not self.edited and not self.recounting
        return known and (self.tally is None or self.tally.crc == self._saved_crc)

    def agree_to_discard(self) -> None:
        """Note that the annotator agreed to discard the edits of this moment, but no later ones."""
        self._touches_agreed, self._edits_agreed = self.touches, self.edited

    @property
    def may_be_replaced(self) -> bool:
        """Whether the mask holds no edits but those that the annotator agreed to discard."""
        return not self.edited or (self._edits_agreed and self.touches == self._touches_agreed)

    def note_change(self) -> None:
        """Note that the mask was changed; `count_mask` finds out whether it is still the saved one."""
        self.touches += 1
        if not self.edited:
            self.edited = True
            self.changed.emit()

    def note_draft(self) -> None:
        """Note that a draft is about to take the place of the mask, or to lie beside it."""
        self.recounting = True

    def count_draft(self, mask: MaskArray) -> None:
        """Count a draft that replaced the mask: nothing is unsaved then."""
        self.recounting = True
        self._submit_count(mask, "draft")

    def count_mask(self, mask: MaskArray) -> None:
        """Count `mask` in the background: its volume, and whether it holds unsaved edits."""
        self._submit_count(mask, "screen")

    def note_saved(self, path: Path, crc: int, touches: int) -> None:
        """Note that the mask was saved in the file `path`.

        Args:
            path: the file.
            crc: checksum of what was saved, as in `MaskTally`.
            touches: `touches` when the mask was handed over to be saved.
        """
        self.saved_to = path
        self._clean = self._saved_crc = crc
        self.edited = touches != self.touches

    def _submit_count(self, mask: MaskArray, what: CountedSource) -> None:
        # An older count of the screen is of no use; that of a draft or file tells edits apart.
        if self._screen_count is not None:
            self._screen_count.cancel()
        self._count += 1
        ask = _CountRequest(self._count, self.touches, self._case, what)
        counting = self._counter.submit(partial(tally_mask, mask), partial(self._mask_counted, ask))
        self._screen_count = counting if what == "screen" else None

    def _mask_counted(self, ask: _CountRequest, counted: MaskTally) -> None:
        if ask.case is not self._case:
            return
        if ask.what != "screen":
            self._clean = counted.crc
        if ask.what == "file":
            self._saved_crc = counted.crc
        if ask.number == self._count:
            self.tally, self.recounting = counted, False
            if ask.touches == self.touches:
                self.edited = counted.crc != self._clean
            self.changed.emit()
