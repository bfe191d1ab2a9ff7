"""What a person changed in a draft, and the sidecar that says so beside a saved mask."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.card import NOT_A_DEVICE
from attunet_gui.core.metrics import dice
from attunet_gui.core.prediction import ModelId
from attunet_gui.core.provenance import source_entry
from attunet_gui.core.volume import Volume

SIDECAR_VERSION = 1


@dataclass(frozen=True)
class Tally:
    """What a mask holds, cheap enough to take after every stroke in a background thread.

    Attributes:
        voxels: how many voxels are set.
        busiest: the slice with the most of them; None for an empty mask.
        crc: two masks of one shape with one checksum are taken for equal; 0 for an empty mask.
    """

    voxels: int
    busiest: int | None
    crc: int


def tally(mask: NDArray[np.uint8]) -> Tally:
    """Count (z, y, x) `mask`, any non-zero value counting as set."""
    slices = np.array([np.count_nonzero(plane) for plane in mask])
    voxels = int(slices.sum())
    if voxels == 0:
        return Tally(0, None, 0)
    crc = 0
    for plane in mask:
        crc = zlib.crc32(np.ascontiguousarray(plane).data, crc)
    return Tally(voxels, int(slices.argmax()), crc)


@dataclass(frozen=True)
class Correction:
    """The difference between a draft and the mask a person made of it.

    Attributes:
        added, removed: voxels set by the person, and taken away.
        dsc: DSC of draft and mask; 1.0 if nothing was changed.
    """

    added: int
    removed: int
    dsc: float


def compare(draft: NDArray[Any], mask: NDArray[Any]) -> Correction:
    """What turned `draft` into `mask`; both (z, y, x), non-zero is set."""
    before, after = draft != 0, mask != 0
    added = int(np.count_nonzero(after & ~before))
    removed = int(np.count_nonzero(before & ~after))
    return Correction(added, removed, dice(before, after))


@dataclass(frozen=True, eq=False)
class Signed:
    """Who saved what, when and with which software.

    Attributes:
        annotator: the person's name.
        when: with a time zone.
        versions: software name -> version.
        model: the model of the draft; None where there was none and all was drawn by hand.
        correction: what was changed in that draft.
    """

    annotator: str
    when: datetime
    versions: Mapping[str, str]
    model: ModelId | None
    correction: Correction | None


def sidecar(volume: Volume, voxels: int, signed: Signed) -> dict[str, Any]:
    """What `<case>_pancreas.json` says, ready for JSON."""
    return {
        "sidecar_version": SIDECAR_VERSION,
        "case": volume.name,
        "mask": {"voxels": voxels, "volume_ml": round(voxels * volume.grid.voxel_volume_ml, 4)},
        "model": None if signed.model is None else asdict(signed.model),
        "correction": None if signed.correction is None else _correction(signed.correction, volume),
        "annotator": signed.annotator,
        "saved_at": signed.when.isoformat(timespec="seconds"),
        "source": source_entry(volume),
        "versions": dict(signed.versions),
        "warning": NOT_A_DEVICE,
    }


def _correction(correction: Correction, volume: Volume) -> dict[str, Any]:
    voxel_ml = volume.grid.voxel_volume_ml
    return {
        "added_voxels": correction.added,
        "removed_voxels": correction.removed,
        "added_ml": round(correction.added * voxel_ml, 4),
        "removed_ml": round(correction.removed * voxel_ml, 4),
        "dsc_draft_and_mask": round(correction.dsc, 6),
    }
