"""Writes the journal of a case entry by entry, and rewrites it where it is damaged or has grown too long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attunet_gui.core.journal_entries import JournalEntry
from attunet_gui.io.journal.journal import Journal, JournalSnapshot
from attunet_gui.system.errors import UnwritableOutput

# After a failed write the journal is tried again after this many seconds only, so that a full disk does not
# delay every stroke.
_RETRY_INTERVAL_S = 5.0


class JournalWriter:
    """The journal of the open case, or the reason why there is none.

    Args:
        journal: the open journal; None if there is no place to write.
        clock: returns the time in seconds since the epoch.
        problem: one sentence on why there is no journal; "" with one.
    """

    def __init__(
        self,
        journal: Journal | None,
        clock: Callable[[], float],
        problem: str = "",
    ) -> None:
        self._journal, self._clock, self._problem = journal, clock, problem
        self._asked_at = float("-inf")

    @property
    def path(self) -> Path | None:
        """The file of the journal; None if there is no place to write, or it is closed."""
        return None if self._journal is None else self._journal.path

    @property
    def problem(self) -> str:
        """One sentence on why strokes would be lost in a crash; "" if the journal is written."""
        if self._journal is not None and self._journal.is_broken and not self._problem:
            self._problem = "The last stroke did not reach the disk; save the mask now."
        return self._problem

    def append_entry(self, entry: JournalEntry, make_snapshot: Callable[[], JournalSnapshot]) -> None:
        """Write `entry`; a failure becomes `problem`.

        Args:
            entry: what happened last.
            make_snapshot: returns the whole content of the journal as it is in memory, with `entry`; it is
                called if the file has to be rewritten.
        """
        journal = self._journal
        if journal is None:
            return
        try:
            if journal.is_broken:
                self._rewrite_broken_journal(journal, make_snapshot)
            elif not (journal.wants_compaction and self._try_compaction(journal, make_snapshot)):
                journal.append_entry(entry)
                self._problem = ""
        except UnwritableOutput as error:
            self._problem = str(error)

    def close(self) -> None:
        """Close the journal and release it for other windows. Nothing can be written afterwards."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _rewrite_broken_journal(self, journal: Journal, make_snapshot: Callable[[], JournalSnapshot]) -> None:
        if abs(self._clock() - self._asked_at) < _RETRY_INTERVAL_S:
            return
        self._asked_at = self._clock()
        journal.rewrite_file(make_snapshot())
        self._problem, self._asked_at = "", float("-inf")

    def _try_compaction(self, journal: Journal, make_snapshot: Callable[[], JournalSnapshot]) -> bool:
        # Compaction writes a second file. A disk without room for it may still have room for one more entry.
        try:
            journal.rewrite_file(make_snapshot())
        except UnwritableOutput:
            return False
        return True
