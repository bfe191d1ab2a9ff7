"""What a person does in a day, through the real commands, in a process and a home of its own.

    python -m tests.support.privacy_flows CT OUT

Every command is the one that can be typed. Reviewing needs hands, so masks are drawn and saved by the modules
that the window calls.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from attunet_gui.cli import main
from attunet_gui.core.draft_correction import SavedMaskRecord, sidecar_content
from attunet_gui.core.provenance import mask_record_path
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import identify_volume
from attunet_gui.io.result_writing import write_json, write_mask
from attunet_gui.project.case_commands import MaskReview, accept_case, record_saved_mask
from attunet_gui.project.project_store import open_project
from attunet_gui.project.shown_mask import begin_case
from attunet_gui.project.thumbnails import ensure_thumbnail
from attunet_gui.system.paths import user_data_folder

MODEL = "phantom-starter"


def typed(*words: object) -> int:
    """Do what `attunet WORDS` does; its exit code."""
    sys.argv = ["attunet", *map(str, words)]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def day(ct: Path, out: Path) -> None:
    """From the first draft to the export."""
    project = out / "project"
    orders = (
        ("predict", ct, "-o", out / "drafts", "--model", MODEL),
        ("predict", ct, "-o", out / "maps", "--model", MODEL, "--gates", "--probability"),
        ("worklist", "new", project),
        ("worklist", "add", project, ct, "--as", "anna"),
        ("worklist", "draft", project, "--model", MODEL),
        ("worklist", "list", project, "--json"),
        ("worklist", "next", project),
    )
    for order in orders:
        assert typed(*order) == 0, order
    review(project)
    drafts = out / "drafts"
    orders = (
        ("worklist", "list", project),
        ("worklist", "history", project, "case-0001"),
        ("export", project, "--format", "nnunet", "-o", out / "nnunet"),
        ("activity", "--json"),
        ("activity",),
        ("activity", "--replay", "scan", "-o", out / "replay.gif"),
        ("evaluate", "--pred", drafts, "--truth", drafts, "-o", out / "report"),
    )
    for order in orders:
        typed(*order)


def review(folder: Path) -> None:
    """Open, correct, save and accept every case of the project."""
    project = open_project(folder)
    for case in project.list_cases():
        begin_case(project, case, actor="anna")
        ensure_thumbnail(project, case)
        volume = read_ct_volume(case.path, series=case.series)
        mask = np.zeros(volume.grid.shape, np.uint8)
        work = EditSession.begin_session(
            identify_volume(volume), mask, user_data_folder() / "journal", "anna"
        )
        mask[10:12, 30:50, 30:50] = 1
        work.record_change(mask, (slice(10, 12), slice(30, 50), slice(30, 50)), "paint", "paint", 10, True)
        path = project.new_mask_path(case)
        write_mask(path, mask, volume)
        write_json(mask_record_path(path), sidecar_content(volume, int(mask.sum()), _signed()))
        work.record_saved(path, mask)
        record_saved_mask(project, case, path, MaskReview(), actor="anna")
        accept_case(project, project.reload_case(case), actor="anna")
        work.close_journal()
    project.close()


def _signed() -> SavedMaskRecord:
    return SavedMaskRecord(annotator="anna", when=datetime.now(UTC), versions={}, model=None, correction=None)


if __name__ == "__main__":
    day(Path(sys.argv[1]), Path(sys.argv[2]))
