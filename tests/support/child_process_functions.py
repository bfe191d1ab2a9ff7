"""What the children of `test_one_shot_process` do."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path
from time import sleep

from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback


def double(order: int, progress: ProgressCallback) -> tuple[int, int, int]:
    for done in range(1, 4):
        progress(done, 3, "doubling")
    return 2 * order, os.getpid(), os.nice(0)


def refuse(order: str, _progress: ProgressCallback) -> None:
    raise AttunetError(order)


def stumble(_order: object, _progress: ProgressCallback) -> None:
    raise ZeroDivisionError("by nothing")


def die(_order: object, _progress: ProgressCallback) -> None:
    os._exit(9)


def go_on(order: Path, progress: ProgressCallback) -> None:
    """Until told to stop, which is noted in the file `order`."""
    try:
        while True:
            progress(1, 0, "going on")
            sleep(0.01)
    finally:
        order.write_text("stopped")


def hang(_order: object, progress: ProgressCallback) -> None:
    progress(0, 0, "hanging")
    sleep(3600)


def share_out(order: list[int], _progress: ProgressCallback) -> list[int]:
    with get_context("spawn").Pool(1) as pool:
        return pool.map(abs, order)
