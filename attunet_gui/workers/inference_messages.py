"""Messages between the window's process and the inference process. All are frozen and hold plain values and
arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_prediction import PredictedSlices, PredictionOutline


@dataclass(frozen=True)
class JobStatus:
    """The state of the inference process as the window shows it.

    Attributes:
        state: "loading" while the process starts or reads a model, "running" once slices are computed.
        job: number of the job that is reported; 0 before the first.
        done, total, stage: progress of that job.
        seconds_left: estimate; None while there is nothing to estimate it from.
    """

    state: Literal["idle", "loading", "running"] = "idle"
    job: int = 0
    done: int = 0
    total: int = 0
    stage: str = ""
    seconds_left: float | None = None


# Messages with arrays have no `==`: arrays compare element by element.
@dataclass(frozen=True, eq=False)
class PredictRequest:
    """Request: draft the pancreas in `volume` with the model in folder `bundle`.

    Attributes:
        volume: the CT; None stands for the one that the process already holds.
        bundle: folder of the model.
        first: index of the slice that is computed first, then outwards from it; None is the middle one.
    """

    volume: Volume | None
    bundle: Path
    first: int | None = None


@dataclass(frozen=True, eq=False)
class PropagateRequest:
    """Request: propagate the annotator's corrections to the slices around them.

    Attributes:
        volume: the CT; None stands for the one that the process already holds.
        bundle: folder of the model that is adapted; its weights stay as they are.
        mask: (z, y, x) uint8 0/1, the current mask; it is right in `slices`.
        before: (z, y, x) uint8 0/1, the mask that the corrections started from; None if it is not known.
        slices: indices of the corrected slices.
        budget_seconds: wall time that it should take.
        seed: the same seed and number of steps give the same result.
    """

    volume: Volume | None
    bundle: Path
    mask: NDArray[np.uint8]
    before: NDArray[np.uint8] | None
    slices: tuple[int, ...]
    budget_seconds: float = 10.0
    seed: int = 1


NetworkRequest = PredictRequest | PropagateRequest


# Parent to child


@dataclass(frozen=True)
class LoadBundle:
    """Load the model in folder `bundle`, so that the first draft need not wait for it."""

    bundle: Path


@dataclass(frozen=True)
class PrepareAdaptation:
    """Load the copy of the model in folder `bundle` that can be adapted, in a thread beside other work."""

    bundle: Path


@dataclass(frozen=True, eq=False)
class LoadVolume:
    """Keep `volume`: the requests that follow refer to it."""

    volume: Volume


@dataclass(frozen=True)
class PrioritiseSlice:
    """The annotator looks at slice `index` now, so compute the slices from there outwards."""

    index: int


@dataclass(frozen=True, eq=False)
class RunJob:
    """Do `request` as job number `job`."""

    job: int
    request: NetworkRequest


@dataclass(frozen=True)
class CancelJob:
    """Stop job `job` as soon as possible."""

    job: int


@dataclass(frozen=True)
class QuitWorker:
    """End the process."""


# Child to parent


@dataclass(frozen=True)
class JobProgressed:
    """Job `job` has done `done` of `total` steps of `stage`."""

    job: int
    done: int
    total: int
    stage: str


@dataclass(frozen=True, eq=False)
class DraftBegun:
    """Slices of the drafting job `job` will follow; `outline` is what is known before the first one."""

    job: int
    outline: PredictionOutline


@dataclass(frozen=True, eq=False)
class SlicesDrafted:
    """Slices of job `job` are complete. `drafted` is what they add to an empty mask, unprocessed."""

    job: int
    part: PredictedSlices
    drafted: MaskEdit


@dataclass(frozen=True, eq=False)
class DraftFinished:
    """All slices of job `job` were sent. `draft` is the postprocessed draft as a change of an empty mask;
    `seconds` is the time of each stage.
    """

    job: int
    draft: MaskEdit
    seconds: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class PropagationFinished:
    """The propagation job `job` is done."""

    job: int
    proposal: PropagationResult


@dataclass(frozen=True)
class JobFailed:
    """Job `job` failed; `sentence` is for the user. Job 0 stands for loading a model ahead of any job."""

    job: int
    sentence: str


@dataclass(frozen=True)
class JobCancelled:
    """Job `job` was cancelled, and no more messages of it follow."""

    job: int


ToWorker = LoadBundle | PrepareAdaptation | LoadVolume | PrioritiseSlice | RunJob | CancelJob | QuitWorker
FromWorker = (
    JobProgressed
    | DraftBegun
    | SlicesDrafted
    | DraftFinished
    | PropagationFinished
    | JobFailed
    | JobCancelled
)
