"""Time and memory of a draft of 512 x 512 x 240 in 3-D: `python -m benchmarks.draft_in_3d` prints them.

It is drafted by the article's network. No trained one exists, so it has fresh weights, which changes neither.
"""

from __future__ import annotations

import subprocess
import sys
import time
from os import getpid
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.system.paths import shipped_recipe_path
from benchmarks.speed.machine_info import peak_gb
from benchmarks.speed.speed_bench import FULL, made

_RECIPE = "phantom-3d"


def main() -> None:
    """Draft in a process of its own, so that building the network does not count."""
    if len(sys.argv) > 1:
        _draft(Path(sys.argv[1]))
        return
    with TemporaryDirectory() as folder:
        _write_untrained(Path(folder) / "model")
        subprocess.run([sys.executable, "-m", "benchmarks.draft_in_3d", f"{folder}/model"], check=True)


def _write_untrained(folder: Path) -> None:
    """Write a bundle of the recipe's network as it is before training."""
    from attunet_gui.network.families.family_registry import family_by_name
    from attunet_gui.network.model_bundle import write_bundle
    from attunet_gui.prediction.model_card import TrainingRecord
    from attunet_gui.training.recipe_schema import card_fields, read_recipe

    recipe = read_recipe(shipped_recipe_path(_RECIPE))
    family = family_by_name(recipe.family)
    network = family.build_network(family.parse_config(recipe.config))
    untrained = TrainingRecord(command="none", seed=0, steps=0, seconds=0, data=())
    write_bundle(folder, network, card_fields(recipe, untrained))


def _draft(folder: Path) -> None:
    """Draft with the model in `folder` and print what it took."""
    from attunet_gui.network.inference import load_model, predict_volume
    from attunet_gui.network.model_bundle import read_bundle
    from attunet_gui.prediction.network_prediction import NetworkPrediction

    volume, model = made(FULL.whole, FULL.plane), load_model(read_bundle(folder))
    before, started, worked = peak_gb(getpid()), time.perf_counter(), time.process_time()
    first: list[float] = []

    def arrived(_prediction: NetworkPrediction, _slices: NDArray[np.intp]) -> None:
        first.append(time.perf_counter() - started)

    predict_volume(volume, model, order=SliceScheduler(FULL.whole, 100), arrived=arrived)
    print(f"engine                       {model.id.engine}, {getattr(model.engine, 'precision', 'f32')}")
    print(f"first slices                 {first[0]:8.1f} s")
    print(f"all slices                   {time.perf_counter() - started:8.1f} s")
    print(f"processor time               {time.process_time() - worked:8.1f} s")
    print(f"peak memory before, at end   {before:8.2f} GB, {peak_gb(getpid()):.2f} GB")


if __name__ == "__main__":
    main()
