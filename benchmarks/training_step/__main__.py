"""How long a training step takes, beside MONAI: `python -m benchmarks.training_step --peers DIR/bin/python`.

The starter's network (16 filters, 160 x 208) on 12 slices of random voxels: variation, forward, loss,
backward, optimiser and average of the weights. Each row is a process of its own; all take turns, so that
other programs disturb them alike. Printed are the least and the median of the rounds: time by the clock, and
processor time over all threads, which others hardly change. `benchmarks/peers.sh DIR` makes the environment
of the peer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from attunet_gui.network.batch_sampling import BatchSampler, TrainingCase, TrainingSource
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.prediction.preprocess import PreprocessingConfig
from benchmarks.speed.machine_info import cores, describe

_SIZE, _BATCH, _FILTERS = (160, 208), 12, 16
_VIEWS = {"half": (112, 144), "third": (96, 128)}
_PEER = Path(__file__).with_name("monai_step.py")
_PRECISIONS = ("float32", "mixed_bfloat16")
_WAYS = {
    "plain": "before: enlarged, joined",
    "whole": "ours, whole slices",
    **{name: f"ours, parts of {rows} x {columns}" for name, (rows, columns) in _VIEWS.items()},
}


def main() -> None:
    """Print the table, or be one of its rows."""
    asked = _asked()
    if asked.row:
        _serve(_our_step(*asked.row))
        return
    print(describe().told)
    rows = [
        (
            f"{_WAYS[way]}, {precision}",
            [sys.executable, "-m", "benchmarks.training_step", "--row", way, precision],
        )
        for precision in _PRECISIONS
        for way in _WAYS
    ]
    if asked.peers:
        job = {
            "channels": [_FILTERS << level for level in range(5)],
            "inputs": 3,
            "size": _SIZE,
            "batch": _BATCH,
        }
        rows += [
            (
                f"MONAI AttentionUnet, {precision}",
                [asked.peers, "-I", str(_PEER), json.dumps(job | {"precision": precision, "cores": cores()})],
            )
            for precision in _PRECISIONS
        ]
    _print(rows, asked.rounds)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="Python of an environment with PyTorch and MONAI")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _print(rows: list[tuple[str, list[str]]], rounds: int) -> None:
    running = [
        subprocess.Popen(row, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _, row in rows
    ]
    took: list[list[list[float]]] = [[] for _ in rows]
    for _ in range(rounds):
        for one, found in zip(running, took, strict=True):
            assert one.stdin
            assert one.stdout
            one.stdin.write("\n")
            one.stdin.flush()
            found.append(json.loads(one.stdout.readline()))
    print(f"{'ms a slice':<44}{'clock, least':>13}{'median':>8}{'processor, least':>18}{'median':>8}")
    for (name, _), found in zip(rows, took, strict=True):
        cells = [1000 * f(each) / _BATCH for each in zip(*found, strict=True) for f in (min, median)]
        print(f"{name:<44}{cells[0]:>13.1f}{cells[1]:>8.1f}{cells[2]:>18.1f}{cells[3]:>8.1f}")
    for one in running:
        assert one.stdin
        one.stdin.close()
        one.wait()


def _serve(step: Callable[[int], object]) -> None:
    """A round for each line that comes: the least of two steps, by the clock and by the processor."""
    for number in (1, 2):
        step(number)
    for round_, _ in enumerate(sys.stdin, start=2):
        taken = []
        for number in (2 * round_, 2 * round_ + 1):
            clock, processor = time.perf_counter(), time.process_time()
            step(number)
            taken.append((time.perf_counter() - clock, time.process_time() - processor))
        print(json.dumps([min(each) for each in zip(*taken, strict=True)]), flush=True)


def _our_step(way: str, precision: str) -> Callable[[int], object]:
    from attunet_gui.network import training_loop
    from attunet_gui.network.families import encoder_decoder_keras

    if way == "plain":
        vars(encoder_decoder_keras)["UpsampleConcatConvolution"] = _enlarged_and_joined()
    view = _VIEWS.get(way)
    settings = TrainingConfig.model_validate({"precision": precision, "batch": _BATCH, "view": view})
    config = {"filters": _FILTERS, "gate_filters": 2 * _FILTERS, "size": _SIZE}
    state = training_loop._TrainingState(
        training_loop.TrainingJob("attention_unet_2d", config, PreprocessingConfig(size=_SIZE), settings)
    )
    learn = training_loop._step_function(state, view, partial=False)
    sampler = BatchSampler((_source(),), 1, settings.sampling, 1)
    return lambda number: learn(sampler.draw_batch(number, _BATCH, view), number)


def _enlarged_and_joined() -> Any:
    """What the decoder was before `UpsampleConcatConvolution`."""
    from attunet_gui.network.tensorflow_runtime import keras

    layers = keras.layers

    def made(filters: int, name: str) -> Callable[[Any], Any]:
        convolution = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)
        return lambda maps: convolution(layers.Concatenate()([layers.UpSampling2D(2)(maps[0]), maps[1]]))

    return made


def _source() -> TrainingSource:
    truth = np.zeros((30, *_SIZE), np.uint8)
    truth[:, 70:90, 90:120] = 1
    images = np.random.default_rng(0).integers(0, 255, truth.shape).astype(np.uint8)
    return TrainingSource("random", 1.0, (TrainingCase(images, truth, "random", ("nobody",)),))


if __name__ == "__main__":
    main()
