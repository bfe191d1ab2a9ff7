"""The commands of `attunet worklist` with their arguments and help texts; their bodies are imported.

The docstrings of the command functions are the help texts that users read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from attunet_gui.project.project_store import Project

worklist_app = typer.Typer(
    help="A project of many CT: who does which case, what happened to it, how well people agree.",
    no_args_is_help=True,
)

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Its folder, or its database's URL.")]
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="Such as case-0012.")]
WhoOption = Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are; else this user.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@contextmanager
def _open_project(where: str) -> Iterator[Project]:
    """Open a project by its folder or its database's URL while the body runs."""
    # Imported here: SQLAlchemy would slow down every other command, and `--help` too.
    from attunet_gui.project.project_store import open_project

    project = open_project(where)
    try:
        yield project
    finally:
        project.close()


def _actor_name(who: str) -> str:
    """Return the name that the history gets: that of `--as`, else of the user of this computer."""
    from attunet_gui.system.paths import user_name

    return who or user_name()


@worklist_app.command("new")
def worklist_new(
    folder: Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of the project.")],
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="A SQLAlchemy URL; else a file in the folder.")
    ] = None,
) -> None:
    """Make an empty project."""
    from attunet_gui.cli.worklist_commands import new_project

    new_project(folder, database)


@worklist_app.command("add")
def worklist_add(
    project: ProjectArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="CT files and DICOM series below it.")],
    copy: Annotated[bool, typer.Option("--copy", help="Keep copies in the project.")] = False,
    who: WhoOption = "",
) -> None:
    """Add every CT of a folder that is not in the list yet."""
    from attunet_gui.app.case_adding import AddCasesRequest
    from attunet_gui.cli.worklist_commands import print_added_cases as command

    with _open_project(project) as opened:
        command(AddCasesRequest(opened, folder, _actor_name(who), copy))


@worklist_app.command("list")
def worklist_list(
    project: ProjectArgument,
    status: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    assigned: Annotated[str | None, typer.Option(help="Only cases of this person; '' is nobody.")] = None,
    search: Annotated[str, typer.Option(help="Words in name, file name, note, reason or person.")] = "",
    sort: Annotated[str, typer.Option(help="Such as added, status, uncertainty, effort, changed.")] = "added",
    descending: Annotated[bool, typer.Option("--descending", help="The largest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="How many to leave out before.")] = 0,
    files: Annotated[bool, typer.Option("--files", help="Show file names; may name patients.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The cases with their status."""
    from attunet_gui.cli.worklist_commands import ListCommandOptions
    from attunet_gui.cli.worklist_commands import show_list as command

    wanted = ListCommandOptions(
        tuple(status or ()), assigned, search, sort, descending, limit, offset, files, as_json
    )  # fmt: skip
    with _open_project(project) as opened:
        command(opened, wanted)


@worklist_app.command("next")
def worklist_next(
    project: ProjectArgument,
    order: Annotated[
        str, typer.Option("--by", help="effort, least-effort, uncertainty, random or file.")
    ] = "effort",
    most: Annotated[int, typer.Option("-n", min=1, help="Also what would follow.")] = 1,
    who: WhoOption = "",
) -> None:
    """Which case to do next, and why."""
    from attunet_gui.cli.worklist_commands import show_next as command

    with _open_project(project) as opened:
        command(opened, order, most, actor=_actor_name(who))


@worklist_app.command("draft")
def worklist_draft(
    project: ProjectArgument,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Name or folder of a model.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what another model drafted.")] = False,
) -> None:
    """Draft every case that has no draft; typed again after a stop, it goes on where it was."""
    from attunet_gui.cli.worklist_commands import draft_all_cases as command

    with _open_project(project) as opened:
        command(opened, model, again)


@worklist_app.command("assign")
def worklist_assign(
    project: ProjectArgument,
    cases: Annotated[list[str], typer.Argument(metavar="CASE...")],
    to: Annotated[str, typer.Option("--to", help="To whom; '' is nobody.")],
    who: WhoOption = "",
) -> None:
    """Give cases to somebody."""
    from attunet_gui.cli.worklist_commands import assign_cases as command

    with _open_project(project) as opened:
        command(opened, cases, to, actor=_actor_name(who))


@worklist_app.command("note")
def worklist_note(project: ProjectArgument, case: CaseArgument, text: str, who: WhoOption = "") -> None:
    """Keep a note with a case; an empty one takes it away."""
    from attunet_gui.project.case_commands import set_note

    with _open_project(project) as opened:
        row = set_note(opened, opened.case_named(case), text, actor=_actor_name(who))
        _print_case_status(row.name, "the note is kept")


@worklist_app.command("accept")
def worklist_accept(
    project: ProjectArgument,
    case: CaseArgument,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Also if something of it is left to look at.")
    ] = False,
    who: WhoOption = "",
) -> None:
    """Accept the saved mask of a case; asks once if slices with mask or places were not looked at."""
    from attunet_gui.cli.worklist_commands import accept_case as command

    with _open_project(project) as opened:
        if command(opened, case, anyway=yes, actor=_actor_name(who)):
            _print_case_status(case, "accepted")


@worklist_app.command("reject")
def worklist_reject(
    project: ProjectArgument,
    case: CaseArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the case.")],
    who: WhoOption = "",
) -> None:
    """Reject a case that is of no use."""
    from attunet_gui.project.case_commands import reject_case

    with _open_project(project) as opened:
        row = reject_case(opened, opened.case_named(case), reason, actor=_actor_name(who))
        _print_case_status(row.name, "rejected")


@worklist_app.command("reopen")
def worklist_reopen(project: ProjectArgument, case: CaseArgument, who: WhoOption = "") -> None:
    """Work on a case again."""
    from attunet_gui.project.case_commands import reopen_case

    with _open_project(project) as opened:
        row = reopen_case(opened, opened.case_named(case), actor=_actor_name(who))
        _print_case_status(row.name, str(row.status))


@worklist_app.command("history")
def worklist_history(project: ProjectArgument, case: CaseArgument) -> None:
    """Who did what to a case, when, with which model."""
    from attunet_gui.cli.worklist_commands import show_history

    with _open_project(project) as opened:
        show_history(opened, case)


@worklist_app.command("second-read")
def worklist_second_read(
    project: ProjectArgument,
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the accepted cases.")] = 0.1,
    reader: Annotated[str, typer.Option(help="By whom; else anybody but the first.")] = "",
    who: WhoOption = "",
) -> None:
    """Have a share of the accepted cases drawn again by another annotator, without the first mask."""
    from attunet_gui.cli.worklist_commands import request_second_reads as command

    with _open_project(project) as opened:
        command(opened, share, reader, actor=_actor_name(who))


@worklist_app.command("agreement")
def worklist_show_agreement(
    project: ProjectArgument,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for agreement.json and agreement.png.")
    ] = None,
) -> None:
    """How well two readers, and the draft, agree on the cases that were read twice."""
    from attunet_gui.cli.agreement_command import show_agreement

    with _open_project(project) as opened:
        show_agreement(opened, output)


@worklist_app.command("checks")
def worklist_checks(
    project: ProjectArgument,
    without_draft: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of cases opened without their draft.")
    ] = None,
    seeded_errors: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of drafts shown with a known error.")
    ] = None,
    as_json: JsonOption = False,
    who: WhoOption = "",
) -> None:
    """How often wrong drafts are accepted; with shares: begin, change or (with 0) end measuring it."""
    from attunet_gui.cli import worklist_commands as command

    with _open_project(project) as opened:
        if without_draft is not None or seeded_errors is not None:
            command.set_checks(opened, without_draft, seeded_errors, actor=_actor_name(who))
        else:
            command.show_checks(opened, as_json)


def _print_case_status(name: str, what: str) -> None:
    """Print what became of a case."""
    from attunet_gui.cli.console import console

    console.print(f"{name}: {what}.")
