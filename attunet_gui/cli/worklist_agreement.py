"""`attunet worklist agreement`: table, JSON and picture of how two readers agree on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.counting import counted
from attunet_gui.core.provenance import now, versions
from attunet_gui.evaluation.pairs import PairScores
from attunet_gui.io.writing import make_folder, write_json
from attunet_gui.project.agreement import PUBLISHED_READERS, CaseAgreement, Spread, agreement, spread
from attunet_gui.project.agreement_picture import draw_agreement
from attunet_gui.project.project import Project

_JSON, _PICTURE = "agreement.json", "agreement.png"


def _dsc(scores: PairScores | None) -> float | None:
    """Return the DSC of a pair of masks; None for a pair that does not exist."""
    return None if scores is None else scores.dsc


_MEASURES: dict[str, Callable[[CaseAgreement], float | None]] = {
    "DSC": lambda each: each.readers.dsc,
    "HD95 mm": lambda each: each.readers.hd95_mm,
    "NSD 2 mm": lambda each: each.readers.nsd,
    "Δ ml": lambda each: each.readers.volume_error_ml,
    "draft-1 DSC": lambda each: _dsc(each.draft_first),
    "draft-2 DSC": lambda each: _dsc(each.draft_second),
    "STAPLE-1 DSC": lambda each: None if each.consensus is None else each.consensus.dsc[0],
    "STAPLE-2 DSC": lambda each: None if each.consensus is None else each.consensus.dsc[1],
}


def show_agreement(project: Project, output: Path | None) -> None:
    """Print how readers and draft agree; with a folder, also write agreement.json and agreement.png."""
    with progress_bar("agreement") as progress:
        found = agreement(project, progress)
    if not found:
        console.print("No case was read twice yet: choose some with attunet worklist second-read.")
        return
    console.print(_table(found))
    low, high = PUBLISHED_READERS
    console.print(
        f"1 is the first reader, 2 the second; Δ is 2 less 1. Published readers: DSC {low:.2f}-{high:.2f}."
    )
    if output is not None:
        make_folder(output)
        write_json(output / _JSON, _record(found))
        draw_agreement(output / _PICTURE, found)
        console.print(f"Written to {output}.")


def _table(found: Sequence[CaseAgreement]) -> Table:
    """Return one row per case that was read twice, and the means."""
    table = Table("case", "readers", *_MEASURES)
    for each in found:
        values = (measure(each) for measure in _MEASURES.values())
        table.add_row(each.case, f"{each.first}, {each.second}", *map(_cell, values))
    table.add_section()
    spreads = [spread(found, measure) for measure in _MEASURES.values()]
    table.add_row("mean", f"{counted(len(found), 'case')}", *map(_mean, spreads))
    return table


def _cell(value: float | None) -> str:
    """Format a value; "-" if it is undefined."""
    return "-" if value is None else f"{value:.3f}"


def _mean(found: Spread | None) -> str:
    """Format mean ± standard deviation; "-" if no case has a value, and no deviation for a single case."""
    if found is None:
        return "-"
    return f"{found.mean:.3f}" if found.deviation is None else f"{found.mean:.3f} ± {found.deviation:.3f}"


def _record(found: Sequence[CaseAgreement]) -> dict[str, object]:
    """Return the content of agreement.json."""
    means = {name: spread(found, measure) for name, measure in _MEASURES.items()}
    return {
        "made_by": "attunet worklist agreement",
        "published_readers_dsc": list(PUBLISHED_READERS),
        "cases": [each.plain() for each in found],
        "means": {name: None if each is None else vars(each) for name, each in means.items()},
        "made": now(),
        "versions": versions(),
    }
