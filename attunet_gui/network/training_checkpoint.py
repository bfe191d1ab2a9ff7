"""The state of a training run in one file: arrays as safetensors, the rest as JSON in its header."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import AttunetError

CHECKPOINT_FILE = "checkpoint.safetensors"
_HEADER_KEY = "attunet-gui"
NamedArrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class RunFolder:
    """The folder in which a run keeps its checkpoint and log.

    Attributes:
        folder: made when it is needed.
        fingerprint: a digest of what the run is made of; a checkpoint with another one is refused.
    """

    folder: Path
    fingerprint: str = ""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training run has come. The fields are stored in the checkpoint under these names.

    Attributes:
        step: number of steps done.
        best_step, best_score: step and score of the best validation; step 0 if there was none.
        since_best: number of validations since then.
        last_score: score of the last validation; -1 if there was none.
        seconds, waited: time spent in training, and the part of it spent waiting for batches.
        ended: whether the run is complete.
    """

    step: int = 0
    best_step: int = 0
    best_score: float = -1.0
    since_best: int = 0
    last_score: float = -1.0
    seconds: float = 0.0
    waited: float = 0.0
    ended: bool = False


def write_checkpoint(
    path: Path, arrays: Mapping[str, NDArray[Any]], standing: TrainingProgress, run: str
) -> None:
    """Write a checkpoint of the run with fingerprint `run` to `path`, atomically.

    Raises:
        UnwritableOutput: if the disk refuses; the checkpoint that was there is as before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {_HEADER_KEY: json.dumps({"run": run, "standing": asdict(standing)})}
    stored = save({name: np.asarray(values, order="C") for name, values in arrays.items()}, header)

    def produce(file: BinaryIO) -> None:
        file.write(stored)

    def verify(part: Path) -> None:
        if part.stat().st_size != len(stored):
            raise OSError(errno.EIO, "it read back differently")

    write_atomically(path, produce, verify)


def read_checkpoint(path: Path, run: str) -> tuple[NamedArrays, TrainingProgress] | None:
    """Return arrays and progress of the checkpoint at `path`; None if there is none.

    Raises:
        AttunetError: it cannot be read, or belongs to a run with another fingerprint.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as stored:
            header = json.loads(stored.metadata()[_HEADER_KEY])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            found, standing = header["run"], TrainingProgress(**header["standing"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise AttunetError(
            f"The checkpoint {path} cannot be read ({error}); train again with --restart."
        ) from error
    if found != run:
        raise AttunetError(
            f"The run in {path.parent} was begun with another recipe, other data or another start; "
            "name another folder, or begin anew with --restart."
        )
    return arrays, standing
