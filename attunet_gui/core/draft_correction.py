"""The difference between a draft and the corrected mask, and the JSON sidecar that records it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit_stroke import DRAFT_TOOL
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.provenance import NOT_A_DEVICE_WARNING, ModelId, source_record
from attunet_gui.core.volume import Volume
from attunet_gui.system.plurals import counted, plural_of


def is_annotator_evidence(model: str, corrected: int | None, edits: Mapping[str, int]) -> bool:
    """Return whether a mask holds information that does not come from the model which drafted it.

    Args:
        model: the model that drafted the mask; "" if it was drawn without a draft.
        corrected: number of slices that the annotator changed or verified; None if this was not recorded.
        edits: tool -> number of strokes; it decides where `corrected` was not recorded.
    """
    if not model:
        return True
    if corrected is not None:
        return corrected > 0
    return any(count > 0 for tool, count in edits.items() if tool != DRAFT_TOOL)


def left_out_sentence(judged: int, left_out: int) -> str:
    """Return a sentence on how many masks judge the model and how many are left out; "" if none is.

    Args:
        judged: number of masks that judge the model.
        left_out: number of masks that were accepted as they were drafted.
    """
    if not left_out:
        return ""
    judge, was = plural_of(judged, "judges", "judge"), plural_of(left_out, "was", "were")
    why = plural_of(left_out, "it proves", "they prove")
    return (
        f"{counted(judged, 'corrected case')} {judge}; {left_out} {was} left out: saved without a stroke "
        f"or a verified slice, {why} nothing."
    )


SIDECAR_VERSION = 1


@dataclass(frozen=True)
class MaskTally:
    """Counts of a mask, cheap enough to be taken after every stroke in a background thread.

    Attributes:
        voxels: number of voxels that are set.
        busiest: index of the slice with the most of them; None for an empty mask.
        crc: CRC-32 of the voxels. Two masks of one shape with the same value are taken for equal; it is 0 for
            an empty mask.
    """

    voxels: int
    busiest: int | None
    crc: int


def tally_mask(mask: NDArray[np.uint8]) -> MaskTally:
    """Return the counts of `mask` (z, y, x); any non-zero value counts as set."""
    slices = np.array([np.count_nonzero(plane) for plane in mask])
    voxels = int(slices.sum())
    if voxels == 0:
        return MaskTally(0, None, 0)
    crc = 0
    # The mask may be a flipped view, and the checksum needs contiguous memory: a copy of one slice is small.
    for plane in mask:
        crc = zlib.crc32(np.ascontiguousarray(plane).data, crc)
    return MaskTally(voxels, int(slices.argmax()), crc)


@dataclass(frozen=True)
class DraftCorrection:
    """The difference between a draft and the corrected mask.

    Attributes:
        added, removed: number of voxels that were added to the draft and removed from it.
        dsc: DSC of draft and mask; 1.0 if nothing was changed.
    """

    added: int
    removed: int
    dsc: float


def compare_with_draft(draft: NDArray[Any], mask: NDArray[Any]) -> DraftCorrection:
    """Return how `mask` differs from `draft`; both are (z, y, x), any non-zero value counts as set."""
    before, after = draft != 0, mask != 0
    added = int(np.count_nonzero(after & ~before))
    removed = int(np.count_nonzero(before & ~after))
    return DraftCorrection(added, removed, dice_coefficient(before, after))


@dataclass(frozen=True, eq=False)
class SavedMaskRecord:
    """Who saved a mask, when, with which software, and what it was made from.

    Attributes:
        annotator: name of the annotator.
        when: time of saving, with a time zone.
        versions: name of the software -> version.
        model: the model of the draft; None if the mask was drawn without a draft.
        correction: what was changed in that draft; None without a draft.
    """

    annotator: str
    when: datetime
    versions: Mapping[str, str]
    model: ModelId | None
    correction: DraftCorrection | None


def sidecar_content(volume: Volume, voxels: int, signed: SavedMaskRecord) -> dict[str, Any]:
    """Return the content of `<case>_pancreas.json` as values that JSON can hold.

    Args:
        volume: the CT.
        voxels: number of voxels that are set in the saved mask.
        signed: who saved it and what it was made from.
    """
    return {
        "sidecar_version": SIDECAR_VERSION,
        "case": volume.name,
        "mask": {"voxels": voxels, "volume_ml": round(voxels * volume.grid.voxel_volume_ml, 4)},
        "model": None if signed.model is None else asdict(signed.model),
        "correction": None if signed.correction is None else _correction_entry(signed.correction, volume),
        "annotator": signed.annotator,
        "saved_at": signed.when.isoformat(timespec="seconds"),
        "source": source_record(volume),
        "versions": dict(signed.versions),
        "warning": NOT_A_DEVICE_WARNING,
    }


def _correction_entry(correction: DraftCorrection, volume: Volume) -> dict[str, Any]:
    voxel_ml = volume.grid.voxel_volume_ml
    return {
        "added_voxels": correction.added,
        "removed_voxels": correction.removed,
        "added_ml": round(correction.added * voxel_ml, 4),
        "removed_ml": round(correction.removed * voxel_ml, 4),
        "dsc_draft_and_mask": round(correction.dsc, 6),
    }
