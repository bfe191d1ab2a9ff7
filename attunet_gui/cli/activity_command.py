"""`attunet activity`: what the journals hold of each case, namely time, tools and changes, and a replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.journal_replay import correction_since_draft, replay_entries
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import SUFFIX, JournalContent, read_journal
from attunet_gui.system.errors import AttunetError, UnreadableInput, UnwritableOutput
from attunet_gui.system.folders import list_folder
from attunet_gui.system.paths import user_data_folder
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback

_FRAME_MS = 400
_MAX_FRAMES = 400
"""Largest number of pictures; of a longer history only every n-th change is shown."""
# The usual window for soft tissue in the abdomen: level 40 HU, width 400 HU.
_WINDOW_HU = (-160.0, 240.0)
_MASK_COLOUR = np.array([86, 180, 233], np.float32)
_ADDED_COLOUR = np.array([230, 159, 0], np.float32)
_REMOVED_COLOUR = np.array([204, 121, 167], np.float32)
"""Colours of mask, added and removed voxels: blue, orange and purple of Okabe and Ito.

People with a colour vision deficiency can tell them apart."""


def show_activity(folder: Path | None, as_json: bool) -> None:
    """Print one row per case: active time, annotators, tools, slices, and what was changed in the draft.

    Args:
        folder: of journals; None is that of this user.
        as_json: print JSON instead of a table.
    """
    found = [_activity_record(journal) for journal in _read_journals(folder)]
    if as_json:
        console.print_json(json.dumps(found))
        return
    table = Table("case", "active", "who", "tools", "slices", "changed since the draft")
    for case in found:
        table.add_row(*_activity_row(case))
    console.print(table if found else "No work has been kept yet.")


def replay_case(name: str, target: Path, folder: Path | None) -> None:
    """Write the history of a case as an animation that shows each change on its slice.

    Args:
        name: of the case, or the stem of its journal's file.
        target: a .gif file.
        folder: of journals; None is that of this user.

    Raises:
        AttunetError: `target` is no .gif, or there is no such case, or nothing of it can be shown.
        UnwritableOutput: `target` cannot be written.
    """
    if target.suffix.lower() != ".gif":
        raise AttunetError(f"A replay is written as .gif, not as {target.name}; name another file.")
    journal = _find_journal(name, folder)
    with progress_bar(name) as progress:
        frames = list(_replay_frames(journal, progress))
    if not frames:
        raise AttunetError(f"Nothing in the history of {name} can be shown any more.")
    # Imported here: a listing of activity needs no pictures.
    from PIL import Image

    first, *others = (Image.fromarray(frame) for frame in frames)
    try:
        first.save(target, save_all=True, append_images=others, duration=_FRAME_MS, loop=0)
    except OSError as error:
        raise UnwritableOutput(
            f"{target} cannot be written ({error.strerror}); name another folder."
        ) from error
    console.print(f"{counted(len(frames), 'change')} written to {target}.")


def _read_journals(folder: Path | None) -> Iterator[JournalContent]:
    """Read every journal, those of projects too; one that is unreadable is named and passed over."""
    kept = folder or user_data_folder() / "journal"
    # The work on cases of projects lies below, apart for each project.
    projects = (below for below in list_folder(kept / "projects") if below.is_dir())
    for path in (*list_folder(kept), *(each for below in projects for each in list_folder(below))):
        if path.suffix != SUFFIX:
            continue
        try:
            yield read_journal(path)
        except UnreadableInput as error:
            console.print(str(error))


def _find_journal(name: str, folder: Path | None) -> JournalContent:
    """Find the journal of a case; `AttunetError` if there is none."""
    for journal in _read_journals(folder):
        if name in (journal.header.identity.name, journal.path.stem):
            return journal
    raise AttunetError(f"No work is kept of a case {name!r}; `attunet activity` lists those there are.")


def _activity_record(journal: JournalContent) -> dict[str, Any]:
    """Summarise one journal as a JSON object; its keys are part of the command's output."""
    identity, activity = journal.header.identity, journal.total_activity
    correction = correction_since_draft(journal.current_mask(), journal.undo_and_redo[0])
    voxel_ml = float(np.prod(identity.spacing_mm)) / 1000
    return {
        "case": identity.name,
        "active_seconds": round(activity.seconds, 1),
        "users": dict(activity.users),
        "tools": {
            tool: asdict(use) | dict(zip(("added_ml", "removed_ml"), use.changed_ml(voxel_ml), strict=True))
            for tool, use in activity.tools.items()
        },
        "slices": len(activity.slices),
        "added_ml": correction.added * voxel_ml,
        "removed_ml": correction.removed * voxel_ml,
        "dsc_with_draft": correction.dsc,
    }


def _activity_row(case: dict[str, Any]) -> tuple[str, ...]:
    """Format a summary as the cells of a row."""
    minutes, seconds = divmod(round(case["active_seconds"]), 60)
    tools = (f"{tool} {use['strokes']}" for tool, use in case["tools"].items())
    changed = f"+{case['added_ml']:.1f} -{case['removed_ml']:.1f} ml, DSC {case['dsc_with_draft']:.3f}"
    return (
        case["case"],
        f"{minutes}:{seconds:02d} min",
        ", ".join(case["users"]),
        ", ".join(tools),
        str(case["slices"]),
        changed,
    )


def _replay_frames(journal: JournalContent, progress: ProgressCallback) -> Iterator[NDArray[np.uint8]]:
    """Draw (y, x, 3) uint8 pictures, each of the slice on which a change was made."""
    hu, total = _read_hu(journal, progress), len(journal.kept) + len(journal.entries)
    every, before = max(1, total // _MAX_FRAMES), journal.base_mask()
    steps = replay_entries(journal.base_mask(), journal.entries, journal.kept, journal.ahead)
    for number, (_entry, box, mask) in enumerate(steps):
        progress(number + 1, total, "changes")
        if number % every:
            continue
        # A change may span slices: the one with the most changed voxels is shown.
        changed = (mask[box] != before[box]).sum(axis=(1, 2))
        z = box[0].start + int(np.argmax(changed))
        yield _draw_frame(None if hu is None else hu[z], mask[z], before[z])
        before = mask.copy()


def _read_hu(journal: JournalContent, progress: ProgressCallback) -> NDArray[Any] | None:
    """Read the CT of a journal, (z, y, x) HU; None if it is a phantom, was moved, or has another shape.

    The replay then shows the mask alone.
    """
    identity = journal.header.identity
    try:
        hu = read_ct_volume(identity.path, series=identity.series, progress=progress).hu
    except AttunetError:
        return None
    return hu if hu.shape == tuple(identity.shape) else None


def _draw_frame(
    hu: NDArray[Any] | None, mask: NDArray[np.uint8], before: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Draw one slice in gray with the mask, added and removed pixels in colour: (y, x, 3) uint8.

    Args:
        hu: (y, x) HU, or None for a black background.
        mask, before: (y, x) uint8 masks after and before the change.
    """
    low, high = _WINDOW_HU
    gray = np.zeros(mask.shape, np.float32) if hu is None else np.clip((hu - low) / (high - low), 0, 1) * 255
    picture = np.repeat(gray[..., None], 3, axis=2).astype(np.float32)
    added, removed = (mask != 0) & (before == 0), (mask == 0) & (before != 0)
    for where, colour in ((mask != 0, _MASK_COLOUR), (added, _ADDED_COLOUR), (removed, _REMOVED_COLOUR)):
        picture[where] = 0.5 * picture[where] + 0.5 * colour
    return picture.astype(np.uint8)
