"""`attunet worklist`: the bodies of its commands, for a project of many CT.

Cases are named by their pseudonyms; file names, which may name patients, are shown only on request.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.prompt import Confirm
from rich.table import Table

from attunet_gui.app import project_messages
from attunet_gui.app.case_accepting import AcceptRequest, not_accepted_message
from attunet_gui.app.case_accepting import accept_case as accept
from attunet_gui.app.case_adding import AddCasesRequest, add_cases
from attunet_gui.app.worklist_drafting import WorklistDraftRequest, draft_worklist
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.project import case_commands
from attunet_gui.project.case_ordering import choose_next_case as choose
from attunet_gui.project.case_ordering import rank_cases, strategy_named
from attunet_gui.project.case_rows import ORDERS, CaseQuery, CaseRow, OrderKey
from attunet_gui.project.case_state import parse_status
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import Project, create_project
from attunet_gui.project.quality_checks import quality_by_annotator
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted

_WHY_CHECKS = (
    "So many drafts are hidden, or shown with a known error, to learn how often wrong drafts are accepted. "
    "Who accepts an error is told at once, and the case is done again: no such mask becomes accepted."
)


@dataclass(frozen=True)
class ListCommandOptions:
    """Which cases `attunet worklist list` shows, and how.

    Attributes:
        status: names of statuses; empty for all.
        assignee: only cases of this annotator; "" is nobody, None is everybody.
        text: words to search for.
        order: name of the column to sort by.
        descending: the largest first.
        limit, offset: size and start of the page; a limit of None shows all.
        show_files: show file names.
        as_json: print JSON instead of a table.
    """

    status: Sequence[str] = ()
    assignee: str | None = None
    text: str = ""
    order: str = "added"
    descending: bool = False
    limit: int | None = 50
    offset: int = 0
    show_files: bool = False
    as_json: bool = False


def new_project(folder: Path, url: str | None) -> None:
    """Make a project in `folder`, with its database at the SQLAlchemy URL `url`, or else in the folder."""
    create_project(folder, url).close()
    console.print(f"The project is in {folder}; add CT with: attunet worklist add {folder} FOLDER")


def print_added_cases(request: AddCasesRequest) -> None:
    """Add every CT of a folder to a project, and print what became of each file.

    Raises:
        AttunetError: some files could not be added; all others are in the list then.
    """
    with progress_bar("adding") as progress:
        result = add_cases(request, progress)
    for sentence in (*result.sentences, *result.not_added):
        console.print(sentence)
    if result.failed:
        raise AttunetError(f"{result.failed} of the files were not added; the others are in the list.")


def accept_case(project: Project, name: str, *, anyway: bool, actor: str) -> bool:
    """Accept the saved mask of a case.

    If something of the case was not reviewed, a terminal is asked once; without a terminal it is refused.

    Args:
        project: an open project.
        name: of the case.
        anyway: accept without asking.
        actor: name of the person who accepts it.

    Returns:
        Whether the case was accepted.
    """
    case = project.case_named(name)
    left = "" if anyway else case_commands.remaining_review(project, case)
    if left and sys.stdin.isatty():
        console.print(f"{name} is not reviewed: {left}.")
        anyway = Confirm.ask("Accept it all the same?", console=console, default=False)
        if not anyway:
            console.print(not_accepted_message(name))
            return False
    # Without a terminal nobody can confirm: the project itself then refuses what is not reviewed.
    accept(AcceptRequest(project, case, actor, anyway))
    return True


def show_list(project: Project, wanted: ListCommandOptions) -> None:
    """Print a page of the list, and how many cases of each status the project has."""
    query = CaseQuery(
        status=frozenset(parse_status(name) for name in wanted.status),
        assignee=wanted.assignee,
        text=wanted.text,
        order=_order_key(wanted.order),
        descending=wanted.descending,
        limit=wanted.limit,
        offset=wanted.offset,
    )
    rows, total = project.list_cases(query), project.count_cases(query)
    if wanted.as_json:
        console.print_json(data=[_case_record(row, wanted.show_files) for row in rows])
        return
    console.print(_case_table(rows, wanted.show_files))
    of_each = [f"{count} {status}" for status, count in project.count_by_status().items() if count]
    console.print(
        f"{len(rows)} of {counted(total, 'case')} shown; in the project {', '.join(of_each) or 'none'}."
    )


def _case_table(rows: Sequence[CaseRow], files: bool) -> Table:
    """Return a table of cases; with `show_files`, also their file names."""
    table = Table()
    for title in ("case", "status", "ml", "unsure", "slices", "assigned", "annotator"):
        table.add_column(title, no_wrap=True)
    table.add_column("note")
    if files:
        table.add_column("file")
    for row in rows:
        words = " · ".join(filter(None, (row.reason, row.failure, row.note)))
        cells = [
            *(row.name, row.status, _format_number(row.volume_ml, 1), _format_number(row.uncertainty, 2)),
            *(_format_number(row.effort, 0), row.assignee, row.annotator, words),
        ]
        table.add_row(*cells, *([row.file_name] if files else []))
    return table


def _format_number(value: float | None, digits: int) -> str:
    """Format a number; an unknown one is empty."""
    return "" if value is None else f"{value:.{digits}f}"


def _case_record(row: CaseRow, files: bool) -> dict[str, Any]:
    """Return a case as a JSON object; file and series only with `show_files`: they may name a patient."""
    # Status and time are added below as text, and what may name a patient only on request.
    hidden = {"id", "changed", "status", "path", "series", "file_name"}
    plain = {name: getattr(row, name) for name in CaseRow.__dataclass_fields__ if name not in hidden}
    plain |= {"model": str(row.model or ""), "status": row.status.value, "changed": row.changed.isoformat()}
    return plain | ({"file": str(row.path), "series": row.series} if files else {})


def show_next(project: Project, strategy: str, most: int, *, actor: str) -> None:
    """Print the next case and why it is next; the choice is recorded in the case's history.

    Args:
        project: an open project.
        strategy: name of the order in which cases are chosen.
        most: with a number above 1, also print the cases that would follow.
        actor: name of the annotator whose next case this is.
    """
    strategy_named(strategy)
    chosen = choose(project, strategy, actor=actor)
    if chosen is None:
        console.print("Nothing waits: every case is reviewed, accepted or rejected.")
        return
    console.print(f"{chosen.case.name}: {chosen.reason} ({chosen.case.status}).")
    shown = frozenset({chosen.case.name})
    for choice in rank_cases(project, strategy, most - 1, shown, annotator=actor):
        console.print(f"then {choice.case.name}: {choice.reason}")


def draft_all_cases(project: Project, model_name: str | None, again: bool) -> None:
    """Draft every case that has no draft, in a child process.

    Args:
        project: an open project.
        model_name: name of a model, or the folder of a bundle; None is the default.
        again: also draft cases that another model drafted.

    Raises:
        AttunetError: some cases could not be drafted; all others are drafted then.
    """
    bundle = choose_model(model_name)
    with progress_bar(bundle.card.name) as progress:
        result = draft_worklist(WorklistDraftRequest(project, bundle, again), progress)
    for sentence in (*result.sentences, *result.not_drafted):
        console.print(sentence)
    if result.not_drafted:
        failed = counted(len(result.not_drafted), "case")
        raise AttunetError(f"{failed} could not be drafted; the others are.")


def assign_cases(project: Project, names: Sequence[str], to: str, *, actor: str) -> None:
    """Assign cases to an annotator; "" assigns them to nobody."""
    # All names are looked up before the first case changes: a wrong one changes nothing.
    cases = [project.case_named(name) for name in names]
    case_commands.assign_cases(project, cases, to, actor=actor)
    console.print(project_messages.assigned_message([case.name for case in cases], to))


def show_history(project: Project, name: str) -> None:
    """Print what happened to a case, when, by whom, and with which model."""
    table = Table()
    table.add_column("when (UTC)", no_wrap=True)
    for title in ("who", "what", "model"):
        table.add_column(title)
    for line in project.case_history(project.case_named(name)):
        model = "" if line.model is None else f"{line.model.name[:12]} {line.model.sha256[:12]}"
        table.add_row(f"{line.when:%Y-%m-%d %H:%M:%S}", line.who, line.words, model)
    console.print(table)


def request_second_reads(project: Project, share: float, reader: str, *, actor: str) -> None:
    """Choose a share of the accepted cases for a second read.

    Args:
        project: an open project.
        share: of the accepted cases, 0 to 1, that are to be read twice in total.
        reader: the second annotator; "" is anybody but the first.
        actor: name of the person who asks.
    """
    chosen = ask_second_reads(project, share, reader, actor=actor)
    console.print(project_messages.second_reads_message(chosen, reader))


def set_checks(
    project: Project, without_draft: float | None, seeded_errors: float | None, *, actor: str
) -> None:
    """Change how many cases serve to measure the acceptance of wrong drafts, and print what that means.

    Args:
        project: an open project.
        without_draft: share of cases that open without their draft; None leaves it.
        seeded_errors: share of drafts that are shown with a known error; None leaves it.
        actor: name of the person who changes it.
    """
    before = project.settings
    changed = {"without_draft": without_draft, "seeded_errors": seeded_errors}
    wanted = {name: value for name, value in changed.items() if value is not None}
    settings = ProjectSettings.model_validate(before.model_dump() | wanted)
    case_commands.set_settings(project, settings, actor=actor)
    console.print(f"{project_messages.settings_message(settings)} {_WHY_CHECKS}")


def show_checks(project: Project, as_json: bool) -> None:
    """Print how often seeded errors were accepted, by annotator."""
    found = quality_by_annotator(project)
    if as_json:
        console.print_json(data=[_checks_record(each) for each in found])
        return
    console.print(f"Settings: {project.settings.history_text}.")
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
            f"{_format_minutes(each.seconds_with)} / {_format_minutes(each.seconds_without)}",
        )
    console.print(table)


def _checks_record(each: Any) -> dict[str, Any]:
    """Return one annotator's checks as a JSON object."""
    return {
        "annotator": each.who,
        "errors": [vars(check) for check in each.errors],
        "accepted_share": each.accepted_share,
        "open_errors": each.open_errors,
        "without_draft": each.without_draft,
        "median_seconds_with_draft": each.seconds_with,
        "median_seconds_without_draft": each.seconds_without,
    }


def _format_minutes(seconds: float | None) -> str:
    """Format seconds as minutes; "-" if they are unknown."""
    return "-" if seconds is None else f"{seconds / 60:.1f}"


def _order_key(name: str) -> OrderKey:
    """Return the name as an order of the list; `AttunetError` if the list has no such order."""
    for key in ORDERS:
        if key == name:
            return key
    raise AttunetError(f"The list cannot be ordered by {name!r}; it can by {', '.join(ORDERS)}.")
