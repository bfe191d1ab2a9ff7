"""From a click to the draft, in the child as the window uses it; the network alone; the article's way."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.network.engines.engine_registry import KERAS
from attunet_gui.network.inference import LoadedModel, load_model
from attunet_gui.network.model_bundle import load_network, read_bundle
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.prediction.preprocess import (
    PreprocessingConfig,
    apply_hu_window,
    neighbour_indices,
    network_grid_for,
    network_slices,
)
from attunet_gui.synthesis.centred_volume import centred_volume
from attunet_gui.system.errors import AttunetError
from attunet_gui.workers.inference_messages import PredictRequest
from attunet_gui.workers.inference_process import InferenceProcess
from benchmarks.speed.machine_info import peak_gb
from benchmarks.speed.speed_bench import SpeedBench, apart
from benchmarks.speed.speed_table import Runs

_PATIENCE_SECONDS = 900.0
_LOOKING_SECONDS = 2.0
"""Between opening a CT and the click: nobody is faster."""
_EVERY = 8
"""The article's way takes each slice by itself, so every eighth tells what all take."""


@dataclass(frozen=True, eq=False)
class Drafted:
    """One draft, as it came.

    Attributes:
        first: seconds until the slice in view was there.
        all: seconds until the mask was whole and on the source grid.
        prediction: with probability and gates of every slice.
    """

    first: float
    all: float
    prediction: NetworkPrediction


class WarmChild:
    """A child with its model loaded, which drafts and is waited for."""

    def __init__(self, bundle: Path) -> None:
        self.runner = InferenceProcess()
        self._bundle = bundle
        self._news: queue.SimpleQueue[tuple[str, float, tuple[Any, ...]]] = queue.SimpleQueue()
        for name in ("slices_drafted", "draft_finished", "job_failed"):
            signal = getattr(self.runner, name)
            signal.connect(lambda *told, name=name: self._news.put((name, perf_counter(), told)))
        self.runner.load_bundle(bundle)

    def draft(self, volume: Volume, index: int) -> Drafted:
        """Open `volume`, look at it for a while, and ask for its draft, slice `index` first.

        Raises:
            AttunetError: the child failed.
        """
        fresh = replace(volume)
        self.runner.load_volume(fresh)
        sleep(_LOOKING_SECONDS)
        start, first = perf_counter(), 0.0
        self.runner.submit(PredictRequest(fresh, self._bundle, index))
        while True:
            name, when, told = self._news.get(timeout=_PATIENCE_SECONDS)
            match name:
                case "slices_drafted" if not first and index in told[1]:
                    first = when - start
                case "draft_finished":
                    np.asfortranarray(volume.placement.to_source(told[2]))  # as it is written
                    return Drafted(first, perf_counter() - start, told[1])
                case "job_failed":
                    raise AttunetError(str(told[1]))

    @property
    def peak_gb(self) -> float:
        """Most memory that the child ever held."""
        return peak_gb(self.runner.child_pid or 0)


@contextmanager
def warm_child(bundle: Path, volume: Volume) -> Iterator[WarmChild]:
    """A child that has drafted the first slices of `volume` once."""
    child = WarmChild(bundle)
    try:
        child.draft(_head(volume), 0)
        yield child
    finally:
        child.runner.close()


def _head(volume: Volume) -> Volume:
    """A CT of the first slices: enough that everything has run once."""
    hu = np.ascontiguousarray(volume.hu[:8]).astype(np.int16)
    return centred_volume(hu, volume.grid.spacing_mm, "head", "phantom")


def draft(bench: SpeedBench) -> dict[str, Runs]:
    """Rows `click`, `whole`, `outside` and `article`, round by round."""
    path, volume = bench.file(bench.size.whole), bench.volume(bench.size.whole)
    slices = volume.grid.shape[0]
    drafted: list[Drafted] = []
    alone: list[float] = []
    article: list[float] = []
    with warm_child(bench.bundle, volume) as child, apart() as engine, apart() as keras:
        for run in range(bench.size.runs):
            drafted.append(child.draft(volume, slices * (run + 1) // (bench.size.runs + 1)))
            if "outside" in bench.wanted:
                alone.append(engine(engine_seconds, bench.bundle, path))
            if "article" in bench.wanted and KERAS.is_installed and run < 3:
                article.append(keras(article_seconds, bench.bundle, path))
    whole = tuple(one.all for one in drafted)
    outside = tuple(100 * (1 - net / all_) for net, all_ in zip(alone, whole, strict=False))
    stages = ", ".join(f"{stage} {took:.2f} s" for stage, took in drafted[-1].prediction.seconds.items())
    z, y, x = volume.grid.shape
    size = f"{x} x {y} x {z}, open for {_LOOKING_SECONDS:g} s before"
    return {
        "click": Runs(ours=tuple(one.first for one in drafted), note=f"{size}, never drafted"),
        "whole": Runs(ours=whole, note=f"{size}; in the child: {stages}; then the gland"),
        "outside": Runs(ours=outside, note="the rest is the same slices through the engine alone"),
        "article": Runs(
            ours=whole,
            theirs=tuple(article),
            peer="Keras float32, model.predict slice by slice, resized back",
            note=f"the article's way on every {_EVERY}th slice, times {_EVERY}; gates computed, not resized",
        ),
    }  # fmt: skip


# The network alone


@cache
def _model(bundle: Path) -> LoadedModel:
    return load_model(read_bundle(bundle))


@cache
def seen_slices(bundle: Path, path: Path) -> NDArray[np.float32]:
    """(n, channels, rows, columns) every slice of the CT at `path` as the network sees it."""
    volume, wanted = read_ct_volume(path), _model(bundle).card.preprocessing
    frame, indices = network_grid_for(volume, wanted), np.arange(volume.grid.shape[0])
    planes = network_slices(volume, frame, wanted, indices)
    return planes[neighbour_indices(indices, wanted, len(indices), frame.spacing_mm[0])]


def engine_seconds(bundle: Path, path: Path, most: int | None = None) -> float:
    """Wall time of the engine alone on every slice of the CT at `path`, or the first `most`."""
    engine, images = _model(bundle).engine, seen_slices(bundle, path)[:most]
    engine.run(images[: engine.batch])
    start = perf_counter()
    for at in range(0, len(images), engine.batch):
        engine.run(images[at : at + engine.batch])
    return perf_counter() - start


# The article's way


@cache
def _keras_network(bundle: Path) -> Any:
    return load_network(read_bundle(bundle))


def article_seconds(bundle: Path, path: Path) -> float:
    """Wall time from HU to the mask as the article's script does it, all slices of the CT at `path`."""
    volume, wanted = read_ct_volume(path), read_bundle(bundle).card.preprocessing
    network, indices = _keras_network(bundle), np.arange(0, volume.grid.shape[0], _EVERY)
    mask = np.zeros(volume.grid.shape, np.uint8)
    _article_slice(network, volume, wanted, 0)
    start = perf_counter()
    for z in indices:
        mask[z] = _article_slice(network, volume, wanted, int(z))
    return (perf_counter() - start) * len(mask) / len(indices)


def _article_slice(network: Any, volume: Volume, wanted: PreprocessingConfig, z: int) -> NDArray[np.bool_]:
    slices, apart = volume.grid.shape[0], volume.grid.spacing_mm[0]
    around = neighbour_indices(np.array([z]), wanted, slices, apart)[0]
    planes = apply_hu_window(volume.hu[around], wanted.window_hu)
    small = np.stack([_resized(plane, wanted.size) for plane in planes], axis=-1)
    found = network.predict(small[None], verbose=0)
    resized: NDArray[np.bool_] = _resized(found["probability"][0, ..., 0], planes.shape[1:]) >= 0.5
    return resized


def _resized(plane: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    scale = [new / old for new, old in zip(size, plane.shape, strict=True)]
    resized: NDArray[np.float32] = ndimage.zoom(plane, scale, order=1, grid_mode=True, mode="nearest")
    return resized


# Growth


def growth(bench: SpeedBench) -> dict[str, Runs]:
    """Rows `growth` and `growth-memory`: each size in a child of its own."""
    sizes = bench.size.growth
    rounds = [[_one_size(bench, slices) for slices in sizes] for _ in range(min(2, bench.size.runs))]
    steps = ", ".join(f"{n}: {s:.1f} s, {gb:.2f} GB" for n, (s, gb) in zip(sizes, rounds[-1], strict=True))
    half = len(sizes) // 2
    last, first = (
        [_a_slice(one[-1], sizes[-1]) for one in rounds],
        [_a_slice(one[0], sizes[0]) for one in rounds],
    )
    upper = [_memory_a_slice(one[half:], sizes[half:]) for one in rounds]
    lower = [_memory_a_slice(one[: half + 1], sizes[: half + 1]) for one in rounds]
    about = f"{sizes[0]} to {sizes[-1]} slices; {steps} (the child's peak)"
    return {
        "growth": Runs(ours=tuple(last), theirs=tuple(first), peer=f"a slice of {sizes[0]}", note=about),
        "growth-memory": Runs(
            ours=tuple(upper), theirs=tuple(lower), peer=f"a slice up to {sizes[half]}",
            note=f"what a slice adds to the child's peak from {sizes[half]} slices on, and up to there",
        ),
    }  # fmt: skip


def _one_size(bench: SpeedBench, slices: int) -> tuple[float, float]:
    volume = bench.cached(slices)
    with warm_child(bench.bundle, volume) as child:
        drafted = child.draft(volume, slices // 2)
        return drafted.all, child.peak_gb


def _a_slice(found: tuple[float, float], slices: int) -> float:
    return 1000 * found[0] / slices


def _memory_a_slice(found: list[tuple[float, float]], sizes: tuple[int, ...]) -> float:
    return 1000 * (found[-1][1] - found[0][1]) / max(1, sizes[-1] - sizes[0])
