"""What a person does in a day, through the real commands, in a process and a home of its own.

    python -m tests.privacy.flows CT OUT

Every command is the one that can be typed. Reviewing needs hands, so masks are drawn and saved by the modules
that the window calls.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from attunet_gui.cli import main
from attunet_gui.core.correction import Signed, sidecar
from attunet_gui.io.journal import identify
from attunet_gui.io.reading import read
from attunet_gui.io.writing import write_json, write_mask
from attunet_gui.paths import user_data
from attunet_gui.project.opening import open_case
from attunet_gui.project.project import Review, open_project
from attunet_gui.project.thumbnails import thumbnail
from attunet_gui.session import sidecar_path
from attunet_gui.work import Work

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
    project = open_project(folder, "anna")
    for case in project.cases():
        open_case(project, case)
        thumbnail(project, case)
        volume = read(case.path, series=case.series)
        mask = np.zeros(volume.grid.shape, np.uint8)
        work = Work.begin(identify(volume), mask, user_data() / "journal", "anna")
        mask[10:12, 30:50, 30:50] = 1
        work.note(mask, (slice(10, 12), slice(30, 50), slice(30, 50)), "paint", "paint", 10, True)
        path = project.mask_path(case)
        write_mask(path, mask, volume)
        write_json(sidecar_path(path), sidecar(volume, int(mask.sum()), _signed()))
        work.saved(path, mask)
        project.save_reviewed(case, path, Review())
        project.accept(project.again(case))
        work.close()
    project.close()


def _signed() -> Signed:
    return Signed(annotator="anna", when=datetime.now(UTC), versions={}, model=None, correction=None)


if __name__ == "__main__":
    day(Path(sys.argv[1]), Path(sys.argv[2]))
