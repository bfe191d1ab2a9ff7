"""Qt's objects die in the window's thread, whichever thread has made the garbage."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication

from attunet_gui.gui.gc_guard import MainThreadGC

_GARBAGE = 50_000


@pytest.fixture
def enabled() -> Iterator[None]:
    """As in a program that has never heard of the sweep."""
    was = gc.isenabled()
    gc.enable()
    yield
    if not was:
        gc.disable()


def _lost(died_in: list[int]) -> None:
    """A Qt object that only a search for garbage can find."""

    class Widget(QObject):
        def __del__(self) -> None:
            died_in.append(threading.get_ident())

    widget = Widget()
    widget.me = widget  # type: ignore[attr-defined]


def _litter() -> None:
    for _ in range(_GARBAGE):
        ring: list[object] = []
        ring.append(ring)


def test_a_thread_that_makes_garbage_destroys_nothing_of_the_window(qt: QApplication, enabled: None) -> None:
    owner = QObject()
    sweep = MainThreadGC(owner)
    died_in: list[int] = []
    _lost(died_in)
    with ThreadPoolExecutor(1) as beside:
        beside.submit(_litter).result()
        assert died_in == []
        end = time.monotonic() + 30
        while not died_in and time.monotonic() < end:
            beside.submit(_litter).result()
            QApplication.processEvents()
    assert died_in == [threading.get_ident()]
    sweep.stop_collecting()


def test_the_sweep_leaves_python_as_it_was(qt: QApplication, enabled: None) -> None:
    owner = QObject()
    sweep = MainThreadGC(owner)
    assert not gc.isenabled()
    within = MainThreadGC(owner)
    within.stop_collecting()
    assert not gc.isenabled()
    sweep.stop_collecting()
    assert gc.isenabled()


def test_the_sweep_of_a_second_window_goes_on_when_the_first_is_closed(
    qt: QApplication, enabled: None
) -> None:
    owner = QObject()
    first, second = MainThreadGC(owner), MainThreadGC(owner)
    first.stop_collecting()
    first.stop_collecting()
    assert not gc.isenabled(), "a thread would collect what belongs to the second window"
    second.stop_collecting()
    assert gc.isenabled()
