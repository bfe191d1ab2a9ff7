"""What parent and child say to each other. All frozen; plain values and arrays only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit import Edit
from attunet_gui.core.prediction import Outline, Part
from attunet_gui.core.proposal import Proposal
from attunet_gui.core.volume import Volume


@dataclass(frozen=True)
class JobStatus:
    """A snapshot of the runner for the window.

    Attributes:
        state: "loading" while the child starts or reads a model, "running" once slices are computed.
        job: number of the job the snapshot speaks of; 0 before the first.
        done, total, stage: progress of that job.
        seconds_left: estimate, None while there is nothing to go by.
    """

    state: Literal["idle", "loading", "running"] = "idle"
    job: int = 0
    done: int = 0
    total: int = 0
    stage: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True, eq=False)
class Predict:
    """Request: draft the pancreas in `volume` with the model in folder `bundle`.

    Attributes:
        first: the slice that is wanted first, then outwards; None is the middle one.
        volume: on the way to the child None, which stands for the one that it holds.
    """

    volume: Volume | None
    bundle: Path
    first: int | None = None


@dataclass(frozen=True, eq=False)
class Adapt:
    """Request: learn from slices a person has corrected and propose what to change in the others.

    Attributes:
        volume: the CT; None as in `Predict`.
        bundle: folder of the model that is adapted; its weights stay as they are.
        mask: (z, y, x) uint8 0/1 as it is now, right in the corrected slices.
        before: (z, y, x) uint8 0/1, what the corrections began with; None where nobody knows.
        slices: the corrected ones.
        budget_seconds: wall time it should take.
        seed: the same seed and as many steps give the same proposal.
    """

    volume: Volume | None
    bundle: Path
    mask: NDArray[np.uint8]
    before: NDArray[np.uint8] | None
    slices: tuple[int, ...]
    budget_seconds: float = 10.0
    seed: int = 1


Request = Predict | Adapt


# Parent to child


@dataclass(frozen=True)
class Warm:
    """Load the model in folder `bundle`, so that the first draft need not wait for it."""

    bundle: Path


@dataclass(frozen=True)
class Prepare:
    """Make ready to learn with the model in folder `bundle`, beside whatever else is done."""

    bundle: Path


@dataclass(frozen=True, eq=False)
class Hold:
    """Keep `volume`: the requests that follow are about it."""

    volume: Volume


@dataclass(frozen=True)
class Look:
    """The person looks at slice `index` now: draft from there outwards."""

    index: int


@dataclass(frozen=True, eq=False)
class Run:
    """Do `request` as job number `job`."""

    job: int
    request: Request


@dataclass(frozen=True)
class Cancel:
    """Stop job `job` at the next chance."""

    job: int


@dataclass(frozen=True)
class Quit:
    """End the child."""


# Child to parent


@dataclass(frozen=True)
class Progressed:
    """`done` of `total` steps of `stage` of job `job`."""

    job: int
    done: int
    total: int
    stage: str


@dataclass(frozen=True, eq=False)
class Begun:
    """Slices of job `job`, a `Predict`, will arrive."""

    job: int
    outline: Outline


@dataclass(frozen=True, eq=False)
class Arrived:
    """Slices of job `job` are done; `drafted` is what they add to an empty mask, every piece of it."""

    job: int
    part: Part
    drafted: Edit


@dataclass(frozen=True, eq=False)
class Finished:
    """All slices of job `job` have arrived; `draft`, the gland alone, is a change of an empty mask."""

    job: int
    draft: Edit
    seconds: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Proposed:
    """Job `job`, an `Adapt`, is done."""

    job: int
    proposal: Proposal


@dataclass(frozen=True)
class Failed:
    """Job `job` failed; `sentence` is for the user. Job 0 is a failed `Warm`."""

    job: int
    sentence: str


@dataclass(frozen=True)
class Stopped:
    """Job `job` was cancelled, and nothing of it remains."""

    job: int


ToChild = Warm | Prepare | Hold | Look | Run | Cancel | Quit
ToParent = Progressed | Begun | Arrived | Finished | Proposed | Failed | Stopped
