"""Reads the next case of the worklist in advance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock

from attunet_gui.app.project_case_reading import PreparedCt, read_case_ct
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.system.background_executor import Handlers, LatestOnlyExecutor, Task, TaskProgress


class CasePrefetcher:
    """Reads the next case before it is asked for; holds one at most."""

    def __init__(self) -> None:
        self._executor = LatestOnlyExecutor("attunet-ahead", QtDelivery())
        self._lock = Lock()
        self._name = ""
        self._reading: Task[PreparedCt | None] | None = None

    @property
    def prefetched_name(self) -> str:
        """Name of the case that is read, or being read; "" for none."""
        return self._name

    def begin_prefetch(self, choose: Callable[[], CaseRow | None]) -> None:
        """Read the case that `choose` returns in the background, in place of the one that was read before."""
        with self._lock:
            self._name = ""
            self._reading = self._executor.submit_long(
                partial(self._prefetch_ct, choose), Handlers(failed=_ignore_error)
            )

    def take_prefetched(self, row: CaseRow) -> PreparedCt | None:
        """Return the CT of `case_row` if it was read in advance, else None. Waits while it is being read.

        To be called from a background thread.
        """
        with self._lock:
            reading, same = self._reading, self._name == row.name
            self._reading, self._name = None, ""
            if not same:
                self._executor.cancel_all()
                return None
        try:
            return None if reading is None else reading.result()
        except Exception:
            # The case is read again when it is opened, and the error is said then.
            return None

    def _prefetch_ct(self, choose: Callable[[], CaseRow | None], progress: TaskProgress) -> PreparedCt | None:
        """Return the CT of the case that `choose` returns; None if there is no next case."""
        row = choose()
        if row is None:
            return None
        with self._lock:
            # If it was stopped meanwhile, the name belongs to another case already.
            progress.check()
            self._name = row.name
        return read_case_ct(row, progress)

    def drop_prefetched(self) -> None:
        """Drop what was read."""
        with self._lock:
            self._executor.cancel_all()
            self._reading, self._name = None, ""

    def end_prefetch(self) -> None:
        """Stop for good."""
        self.drop_prefetched()
        self._executor.close()


def _ignore_error(_error: Exception) -> None:
    """A case that cannot be read in advance is read when it is opened, and what is wrong is told then."""
