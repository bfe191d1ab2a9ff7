"""Asking for a second, blind reading of a share of the accepted cases."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseState, CaseStatus
from attunet_gui.project.database_tables import EventRecord
from attunet_gui.project.deterministic_sampling import draw_uniform
from attunet_gui.project.project_events import EventPayload, SecondReadAsked
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import ProjectError


def ask_second_reads(project: Project, share: float, reader: str = "", *, actor: str) -> tuple[str, ...]:
    """Choose a share of the accepted cases to be drawn again by another annotator.

    The draw uses the project's seed. Cases that were read twice, or wait for that, count towards the share,
    so asking again after more cases were accepted only adds what is missing. At least one case is chosen if
    `share` is above 0.

    Args:
        project: the project.
        share: share of all accepted cases, 0 to 1.
        reader: name of the second reader; "" is anybody but the first annotator.
        actor: name of the person who asks.

    Returns:
        The names of the cases that were chosen by this call.

    Raises:
        ProjectError: if no case is accepted, or the reader annotated all that could be chosen.
    """
    accepted = project.list_cases(CaseQuery(status=frozenset({CaseStatus.ACCEPTED, CaseStatus.SECOND_READ})))
    if not accepted:
        raise ProjectError("No case is accepted yet: a second read is of what the first reader accepted.")
    settings, asked = project.settings, _second_read_case_ids(project)
    wanted = max(1, round(share * len(accepted))) if share > 0 else 0
    free = [case for case in accepted if case.id not in asked and case.annotator != reader]
    free.sort(key=lambda case: draw_uniform(settings.seed, case.name, "second read"))
    chosen = free[: max(0, wanted - len(asked))]
    if wanted > len(asked) and not chosen:
        raise ProjectError(f"Every accepted case that has no second read yet was annotated by {reader}.")
    payload = SecondReadAsked(reader=reader, share=share, seed=settings.seed)

    def rule(state: CaseState) -> Sequence[EventPayload]:
        # The case may have been reopened or asked for by another process since the list was read.
        return (payload,) if state.status == CaseStatus.ACCEPTED and not state.asked else ()

    for case in chosen:
        project.apply_rule(case, rule, actor=actor)
    return tuple(case.name for case in chosen)


def _second_read_case_ids(project: Project) -> set[int]:
    ever = select(EventRecord.case_id).where(EventRecord.kind == "second read asked").distinct()
    with project.database.read_session() as session:
        return {number for number in session.scalars(ever) if number is not None}
