"""What is measured on: sizes, volumes, and processes apart."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.result_writing import make_folder, write_ct
from attunet_gui.synthesis.centred_volume import centred_volume
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom
from benchmarks.speed.machine_info import NICENESS

_COARSE = PhantomRequest(7, (60, 128, 128), (6.0, 3.0, 3.0))
_SLICE_MM, _NOISE_HU = 1.5, 12.0


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        plane: rows and columns of a slice.
        whole: slices of the volume that is drafted.
        opened: slices of the volume that is opened, and whose memory counts.
        growth: slices of volumes that grow, rising.
        runs: rounds of each measure.
        scroll_seconds: how long is scrolled without a draft.
    """

    plane: int
    whole: int
    opened: int
    growth: tuple[int, ...]
    runs: int
    scroll_seconds: float


FULL = Size(512, 240, 300, (60, 120, 240, 480, 960), 5, 6.0)
QUICK = Size(128, 12, 14, (8, 16), 1, 0.5)
"""Whether the bench works, not how fast the product is."""


@dataclass(frozen=True)
class SpeedBench:
    """What every measure gets.

    Attributes:
        bundle: folder of the model.
        folder: where volumes are kept; one that is there already is used again.
        size: how much is measured.
        wanted: keys of the rows.
        peers: Python of an environment with PyTorch and MONAI; None for none.
    """

    bundle: Path
    folder: Path
    size: Size
    wanted: frozenset[str]
    peers: Path | None = None

    def file(self, slices: int) -> Path:
        """A CT of so many slices as `.nii.gz`."""
        path = self.folder / f"speed-{slices}x{self.size.plane}.nii.gz"
        if not path.exists():
            make_folder(self.folder)
            write_ct(path, made(slices, self.size.plane))
        return path

    def cached(self, slices: int) -> Volume:
        """A CT of so many slices, kept without compression."""
        path = self.folder / f"speed-{slices}x{self.size.plane}.npy"
        if not path.exists():
            make_folder(self.folder)
            np.save(path, made(slices, self.size.plane).hu)
        return _placed(np.load(path))

    def volume(self, slices: int) -> Volume:
        """The CT of `file(slices)`."""
        return read_ct_volume(self.file(slices))


def made(slices: int, plane: int) -> Volume:
    """A phantom of `slices` x `plane` x `plane` voxels, 1.5 mm from slice to slice.

    Sampled coarsely, drawn larger and given noise: a hundredth of the time that a phantom of that size
    takes. Where the patient ends she goes on in a mirror.
    """
    coarse = make_phantom(_COARSE).hu.astype(np.float32)
    rng = np.random.default_rng(0)
    hu = np.empty((slices, plane, plane), np.int16)
    for z in range(slices):
        near = ndimage.zoom(
            _between(coarse, z), plane / coarse.shape[1], order=1, grid_mode=True, mode="nearest"
        )
        noise = _NOISE_HU * rng.standard_normal(near.shape, np.float32)
        hu[z] = np.clip(near + noise, -1024, 3071)
    return _placed(hu)


def _placed(hu: NDArray[np.int16]) -> Volume:
    slices, plane, _ = hu.shape
    side = _COARSE.shape[1] * _COARSE.spacing_mm[1] / plane
    return centred_volume(hu, (_SLICE_MM, side, side), f"speed-{slices}", "phantom")


def _between(coarse: NDArray[np.float32], z: int) -> NDArray[np.float32]:
    """The plane `z` fine slices above the first, mirrored beyond the last."""
    last = len(coarse) - 1
    at = z * _SLICE_MM / _COARSE.spacing_mm[0] % (2 * last)
    at = min(at, 2 * last - at)
    below = min(int(at), last - 1)
    mixed: NDArray[np.float32] = coarse[below] + np.float32(at - below) * (coarse[below + 1] - coarse[below])
    return mixed


Call = Callable[..., Any]


@contextmanager
def apart() -> Iterator[Call]:
    """Calls functions in one process of its own, as nice as the child that drafts."""
    with ProcessPoolExecutor(1, get_context("spawn"), _begin_apart) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def _begin_apart() -> None:
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process would wait for work forever if the bench was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def printed(command: list[str], nice: bool = False) -> str:
    """What `command` prints; its error text goes to ours.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    prefix = ["nice", "-n", str(NICENESS)] if nice else []
    return subprocess.run([*prefix, *command], stdout=subprocess.PIPE, text=True, check=True).stdout


def seconds(work: Callable[[], object]) -> float:
    """Wall time of `work`."""
    start = perf_counter()
    work()
    return perf_counter() - start
