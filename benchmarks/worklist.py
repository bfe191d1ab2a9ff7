"""How long a worklist of ten thousand cases takes to answer.

    python -m benchmarks.worklist --cases 10000

Makes a project in a temporary folder, with files of a few bytes each, so indexing is timed without reading
CT; fills it with drafts, people and notes; then times what the window asks. Prints the median and the worst
of repeated calls.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from sqlalchemy import insert, update

from attunet_gui.core.provenance import ModelId
from attunet_gui.project.case_commands import set_note
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_ordering import STRATEGIES, choose_next_case, rank_cases
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.database_tables import CaseRecord, EventRecord
from attunet_gui.project.event_log import event_record, rebuild_columns
from attunet_gui.project.project_events import CaseDrafted, ProjectEvent
from attunet_gui.project.project_store import Project, create_project, open_project

_REPEATS = 15
_PAGE = 100


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    count = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), count)


def _measure(folder: Path, count: int) -> None:
    ct = folder / "ct"
    ct.mkdir()
    for number in range(count):
        (ct / f"patient{number:05}.nii.gz").write_bytes(number.to_bytes(8, "big") * 40)
    project = create_project(folder / "project")
    _once(f"add {count} files", lambda: add_ct_folder(project, ct, actor="anna"))
    _once("add them again", lambda: add_ct_folder(project, ct, actor="anna"))
    _once("(fill with drafts)", lambda: _fill(project))
    project.close()
    _repeated("open the project", lambda: open_project(folder / "project").close())
    project = open_project(folder / "project")
    for name, query in _queries(count).items():
        _repeated(name, lambda query=query: project.list_cases(query))  # type: ignore[misc]
    _repeated("count of a search", lambda: project.count_cases(CaseQuery(text="thin bert")))
    _repeated("counts of every status", project.count_by_status)
    case = project.case_named("case-0042")
    _repeated("history of a case", lambda: project.case_history(case))
    _repeated("note (synced to the disk)", lambda: set_note(project, case, "thin slices", actor="anna"))
    for strategy in STRATEGIES:
        _repeated(f"10 next by {strategy.key}", partial(rank_cases, project, strategy.key, annotator="anna"))
    _repeated("next case, logged", lambda: choose_next_case(project, actor="anna"))
    _once("(fold every case anew)", lambda: rebuild_columns(project.database))
    size = sum(path.stat().st_size for path in project.folder.glob("project.db*"))
    print(f"database: {size / 1e6:.1f} MB")


def _queries(count: int) -> dict[str, CaseQuery]:
    return {
        "first page": CaseQuery(limit=_PAGE),
        "last page": CaseQuery(limit=_PAGE, offset=count - _PAGE),
        "page by effort": CaseQuery(order="effort", descending=True, limit=_PAGE),
        "page by last change": CaseQuery(order="changed", descending=True, limit=_PAGE),
        "page in the middle, by person": CaseQuery(order="assignee", limit=_PAGE, offset=count // 2),
        "page of a search": CaseQuery(text="thin bert", limit=_PAGE),
        "page of a status": CaseQuery(status=frozenset({CaseStatus.DRAFTED}), limit=_PAGE),
        "all rows": CaseQuery(),
    }


def _fill(project: Project) -> None:
    """Two events a case more, and the columns that follow from them."""
    random, now = np.random.default_rng(1), project.now()
    with project.database.write_session() as session:
        for case in project.list_cases():
            said = CaseDrafted(
                mask=f"drafts/{case.name}.nii.gz",
                sha256="0" * 64,
                slices=90,
                volume_ml=float(random.uniform(30, 120)),
                uncertainty=float(random.uniform()),
                effort=float(random.integers(0, 90)),
                places=3,
                visible=float(random.uniform()),
            )
            record = event_record(case.id, ProjectEvent("attunet", now, ModelId("starter-2", "0" * 64), said))
            columns = ("case_id", "who", "when", "kind", "model", "payload")
            row = {name: getattr(record, name) for name in columns}
            session.execute(insert(EventRecord), [row] * 2)
            values = {"effort": said.effort, "uncertainty": said.uncertainty, "visible": said.visible}
            people = {"assignee": ("", "anna", "bert")[case.id % 3], "note": "thin" if case.id % 7 else ""}
            changed = {**values, **people, "status": "drafted", "volume_ml": said.volume_ml}
            session.execute(update(CaseRecord).where(CaseRecord.id == case.id).values(**changed))


def _once(what: str, work: Callable[[], object]) -> None:
    since = perf_counter()
    work()
    print(f"{what:32} {1000 * (perf_counter() - since):9.1f} ms", flush=True)


def _repeated(what: str, work: Callable[[], object]) -> None:
    taken = []
    for _ in range(_REPEATS):
        since = perf_counter()
        work()
        taken.append(1000 * (perf_counter() - since))
    print(f"{what:32} {median(taken):9.1f} ms, worst {max(taken):7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
