"""Where processor time goes in a draft of 512 x 512 x 240: `python -m benchmarks.profile_draft` prints it.

Processor seconds over all threads, so that other programs on the machine hardly change them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.prediction.network_prediction import NetworkPrediction, draft_edit, draft_edit_of_slices
from attunet_gui.prediction.preprocess import network_grid_for, network_slices
from benchmarks.speed.speed_bench import FULL, made


class _FirstIsThere(Exception):
    pass


def main() -> None:
    """Print a line a stage."""
    volume = made(FULL.whole, FULL.plane)
    model = load_model(choose_model(None))
    wanted = model.card.preprocessing
    predict_volume(volume, model)

    def first() -> None:
        def stop(_prediction: NetworkPrediction, _slices: NDArray[np.intp]) -> None:
            raise _FirstIsThere

        try:
            predict_volume(volume, model, order=SliceScheduler(FULL.whole, 100), arrived=stop)
        except _FirstIsThere:
            return

    def streamed(prediction: NetworkPrediction, slices: NDArray[np.intp]) -> None:
        prediction.select_slices(slices)
        draft_edit_of_slices(prediction, slices)

    drafted: list[NetworkPrediction] = []
    frame = network_grid_for(volume, wanted)
    images = np.random.default_rng(0).random(
        (model.engine.batch, wanted.input_channels, *wanted.size), np.float32
    )
    _told("range of the CT", lambda: replace(volume).hu_range)
    _told("first slice, range known", first)
    _told("all slices, streamed", lambda: drafted.append(predict_volume(volume, model, arrived=streamed)))
    _told("gland and final cut", lambda: draft_edit(drafted[-1]))
    batches = range(0, FULL.whole, model.engine.batch)
    _told("the engine alone", lambda: [model.engine.run(images) for _ in batches])
    _told(
        "slices for the network",
        lambda: [network_slices(volume, frame, wanted, np.array([z])) for z in range(FULL.whole)],
    )


def _told(what: str, work: Callable[[], object]) -> None:
    took = []
    for _ in range(3):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    print(f"{what:<26}{min(took):>8.3f} s   (to {max(took):.3f})")


if __name__ == "__main__":
    main()
