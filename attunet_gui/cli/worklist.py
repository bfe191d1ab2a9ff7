"""`attunet worklist`: a project of many CT at the terminal. Cases go by their pseudonyms."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.prompt import Confirm
from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.models import choose_model
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.jobs.runner import Runner
from attunet_gui.project.adding import add_folder
from attunet_gui.project.checks import checks_by_annotator
from attunet_gui.project.drafting import ChildDrafter, draft_cases
from attunet_gui.project.events import ProjectSettings
from attunet_gui.project.ordering import choose_next as choose
from attunet_gui.project.ordering import ranked, strategy_named
from attunet_gui.project.project import Project, create_project
from attunet_gui.project.rows import ORDERS, CaseQuery, CaseRow, OrderKey
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.project.status import status_called

_WHY_CHECKS = (
    "So many drafts are hidden, or shown with a known error, to learn how often wrong drafts are accepted. "
    "Who accepts an error is told at once, and the case is done again: no such mask becomes accepted."
)


@dataclass(frozen=True)
class Wanted:
    """Which cases `list` shows, and how."""

    status: Sequence[str] = ()
    assignee: str | None = None
    text: str = ""
    order: str = "added"
    descending: bool = False
    limit: int | None = 50
    offset: int = 0
    files: bool = False
    as_json: bool = False


def new_project(folder: Path, url: str | None) -> None:
    """Make a project in `folder`."""
    create_project(folder, url).close()
    console.print(f"The project is in {folder}; add CT with: attunet worklist add {folder} FOLDER")


def add(project: Project, folder: Path, copy: bool) -> None:
    """Add every CT at `folder`, and say what became of it."""
    with progress_bar("adding") as progress:
        done = add_folder(project, folder, copy=copy, progress=progress)
    console.print(f"{counted(len(done.added), 'case')} added, {done.known} were in the list already.")
    if done.left_out:
        left_out = counted(done.left_out, "file")
        console.print(f"{left_out} left out: labels, results or the project's own.")
    for name, reason in done.doubtful:
        console.print(f"{name} was not added. {reason}")
    if done.moved:
        console.print(f"Found in another place: {_few(done.moved)}.")
    if done.changed:
        console.print(f"The file holds another image now, the case was left as it is: {_few(done.changed)}.")
    for name, reason in done.failed:
        console.print(f"{name} was not added: {reason}")
    if done.failed:
        raise AttunetError(f"{len(done.failed)} of the files were not added; the others are in the list.")


def accept(project: Project, name: str, *, anyway: bool) -> bool:
    """Accept a case; whether it was. Asks at a terminal if something is left; elsewhere that is refused."""
    case = project.case(name)
    left = "" if anyway else project.left(case)
    if left and sys.stdin.isatty():
        console.print(f"{name} is not reviewed: {left}.")
        anyway = Confirm.ask("Accept it all the same?", console=console, default=False)
        if not anyway:
            console.print(f"{name} was not accepted.")
            return False
    project.accept(case, anyway=anyway)
    return True


def show_list(project: Project, wanted: Wanted) -> None:
    """A page of the list."""
    query = CaseQuery(
        status=frozenset(status_called(name) for name in wanted.status),
        assignee=wanted.assignee,
        text=wanted.text,
        order=_order(wanted.order),
        descending=wanted.descending,
        limit=wanted.limit,
        offset=wanted.offset,
    )
    rows, total = project.cases(query), project.count(query)
    if wanted.as_json:
        console.print_json(data=[_plain(row, wanted.files) for row in rows])
        return
    console.print(_table(rows, wanted.files))
    of_each = [f"{count} {status}" for status, count in project.counts().items() if count]
    console.print(
        f"{len(rows)} of {counted(total, 'case')} shown; in the project {', '.join(of_each) or 'none'}."
    )


def _table(rows: Sequence[CaseRow], files: bool) -> Table:
    table = Table()
    for title in ("case", "status", "ml", "unsure", "slices", "assigned", "annotator"):
        table.add_column(title, no_wrap=True)
    table.add_column("note")
    if files:
        table.add_column("file")
    for row in rows:
        words = " · ".join(filter(None, (row.reason, row.failure, row.note)))
        cells = [
            *(row.name, row.status, _number(row.volume_ml, 1), _number(row.uncertainty, 2)),
            *(_number(row.effort, 0), row.assignee, row.annotator, words),
        ]
        table.add_row(*cells, *([row.file_name] if files else []))
    return table


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _plain(row: CaseRow, files: bool) -> dict[str, Any]:
    hidden = {"id", "changed", "status", "path", "series", "file_name"}
    plain = {name: getattr(row, name) for name in CaseRow.__dataclass_fields__ if name not in hidden}
    plain |= {"status": row.status.value, "changed": row.changed.isoformat()}
    return plain | ({"file": str(row.path), "series": row.series} if files else {})


def show_next(project: Project, strategy: str, most: int) -> None:
    """Name the next case, kept in its history; with `most` above 1 show what would follow."""
    strategy_named(strategy)
    chosen = choose(project, strategy)
    if chosen is None:
        console.print("Nothing waits: every case is reviewed, accepted or rejected.")
        return
    console.print(f"{chosen.case.name}: {chosen.reason} ({chosen.case.status}).")
    for choice in ranked(project, strategy, most - 1, frozenset({chosen.case.name})):
        console.print(f"then {choice.case.name}: {choice.reason}")


def draft(project: Project, model_name: str | None, again: bool) -> None:
    """Draft the whole list in a child process."""
    bundle = choose_model(model_name)
    drafter = ChildDrafter(Runner(), bundle.folder, (bundle.card.name, bundle.card.sha256))
    try:
        with progress_bar(bundle.card.name) as progress:
            outcome = draft_cases(project, drafter, progress, again)
    finally:
        drafter.close()
    console.print(f"{counted(len(outcome.done), 'case')} drafted by {bundle.card.name}.")
    for name, reason in outcome.failed:
        console.print(f"{name} was not drafted: {reason}")
    if outcome.failed:
        raise AttunetError(f"{counted(len(outcome.failed), 'case')} could not be drafted; the others are.")


def assign(project: Project, names: Sequence[str], to: str) -> None:
    """Give cases to somebody."""
    cases = [project.case(name) for name in names]
    project.assign(cases, to)
    console.print(f"{_few([case.name for case in cases])}: {f'assigned to {to}' if to else 'nobody has it'}.")


def show_history(project: Project, name: str) -> None:
    """What happened to a case."""
    table = Table()
    table.add_column("when (UTC)", no_wrap=True)
    for title in ("who", "what", "model"):
        table.add_column(title)
    for line in project.history(project.case(name)):
        model = " ".join(part[:12] for part in line.model.split())
        table.add_row(f"{line.when:%Y-%m-%d %H:%M:%S}", line.who, line.words, model)
    console.print(table)


def second_read(project: Project, share: float, reader: str) -> None:
    """Choose cases for a second read."""
    chosen = ask_second_reads(project, share, reader)
    if chosen:
        by = f"by {reader}" if reader else "by anybody but their first annotator"
        console.print(f"To be drawn again {by}: {_few(chosen)}.")
    else:
        console.print("So many cases are read twice already: none was added.")


def set_checks(project: Project, without_draft: float | None, seeded_errors: float | None) -> None:
    """Change what is opted into, and say what it means."""
    before = project.settings
    changed = {"without_draft": without_draft, "seeded_errors": seeded_errors}
    wanted = {name: value for name, value in changed.items() if value is not None}
    settings = ProjectSettings.model_validate(before.model_dump() | wanted)
    project.set_settings(settings)
    console.print(f"From now on {settings.words}. {_WHY_CHECKS}")


def show_checks(project: Project, as_json: bool) -> None:
    """How often seeded errors were accepted, by annotator."""
    found = checks_by_annotator(project)
    if as_json:
        console.print_json(data=[_checks_plain(each) for each in found])
        return
    console.print(f"Settings: {project.settings.words}.")
    table = Table(
        "annotator", "errors shown", "accepted", "still open", "without draft", "min with / without"
    )
    for each in found:
        share = each.accepted_share
        accepted = sum(check.accepted for check in each.errors)
        table.add_row(
            each.who,
            str(len(each.errors)),
            "" if share is None else f"{accepted} ({share:.0%})",
            str(each.open_errors),
            str(each.without_draft),
            f"{_minutes(each.seconds_with)} / {_minutes(each.seconds_without)}",
        )
    console.print(table)


def _checks_plain(each: Any) -> dict[str, Any]:
    return {
        "annotator": each.who,
        "errors": [vars(check) for check in each.errors],
        "accepted_share": each.accepted_share,
        "open_errors": each.open_errors,
        "without_draft": each.without_draft,
        "median_seconds_with_draft": each.seconds_with,
        "median_seconds_without_draft": each.seconds_without,
    }


def _minutes(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds / 60:.1f}"


def _order(name: str) -> OrderKey:
    for key in ORDERS:
        if key == name:
            return key
    raise AttunetError(f"The list cannot be ordered by {name!r}; it can by {', '.join(ORDERS)}.")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
