"""`attunet worklist agreement`: table, JSON and picture of how two readers agree on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.evaluation.pair_scores import PairScores
from attunet_gui.io.result_writing import make_folder, write_json
from attunet_gui.project.project_store import Project
from attunet_gui.project.reader_agreement import (
    PUBLISHED_READERS,
    CaseAgreement,
    MeasureSpread,
    agreement_of_cases,
    draw_agreement,
    spread_of_measure,
)
from attunet_gui.system.plurals import counted
from attunet_gui.system.software_versions import software_versions, utc_timestamp

_AGREEMENT_JSON, _AGREEMENT_PICTURE = "agreement.json", "agreement.png"


def _dsc_or_none(scores: PairScores | None) -> float | None:
    """Return the DSC of a pair of masks; None for a pair that does not exist."""
    return None if scores is None else scores.dsc


_AGREEMENT_MEASURES: dict[str, Callable[[CaseAgreement], float | None]] = {
    "DSC": lambda each: each.readers.dsc,
    "HD95 mm": lambda each: each.readers.hd95_mm,
    "NSD 2 mm": lambda each: each.readers.nsd,
    "Δ ml": lambda each: each.readers.volume_error_ml,
    "draft-1 DSC": lambda each: _dsc_or_none(each.draft_first),
    "draft-2 DSC": lambda each: _dsc_or_none(each.draft_second),
    "STAPLE-1 DSC": lambda each: None if each.consensus is None else each.consensus.dsc[0],
    "STAPLE-2 DSC": lambda each: None if each.consensus is None else each.consensus.dsc[1],
}


def show_agreement(project: Project, output: Path | None) -> None:
    """Print how readers and draft agree; with a folder, also write agreement.json and agreement.png."""
    with progress_bar("agreement") as progress:
        found = agreement_of_cases(project, progress)
    if not found:
        console.print("No case was read twice yet: choose some with attunet worklist second-read.")
        return
    console.print(_agreement_table(found))
    low, high = PUBLISHED_READERS
    console.print(
        f"1 is the first reader, 2 the second; Δ is 2 less 1. Published readers: DSC {low:.2f}-{high:.2f}."
    )
    if output is not None:
        make_folder(output)
        write_json(output / _AGREEMENT_JSON, _agreement_record(found))
        draw_agreement(output / _AGREEMENT_PICTURE, found)
        console.print(f"Written to {output}.")


def _agreement_table(found: Sequence[CaseAgreement]) -> Table:
    """Return one row per case that was read twice, and the means."""
    table = Table("case", "readers", *_AGREEMENT_MEASURES)
    for each in found:
        values = (measure(each) for measure in _AGREEMENT_MEASURES.values())
        table.add_row(each.case, f"{each.first}, {each.second}", *map(_format_value, values))
    table.add_section()
    spreads = [spread_of_measure(found, measure) for measure in _AGREEMENT_MEASURES.values()]
    table.add_row("mean", f"{counted(len(found), 'case')}", *map(_format_mean, spreads))
    return table


def _format_value(value: float | None) -> str:
    """Format a value; "-" if it is undefined."""
    return "-" if value is None else f"{value:.3f}"


def _format_mean(found: MeasureSpread | None) -> str:
    """Format mean ± standard deviation; "-" if no case has a value, and no deviation for a single case."""
    if found is None:
        return "-"
    return f"{found.mean:.3f}" if found.deviation is None else f"{found.mean:.3f} ± {found.deviation:.3f}"


def _agreement_record(found: Sequence[CaseAgreement]) -> dict[str, object]:
    """Return the content of agreement.json."""
    means = {name: spread_of_measure(found, measure) for name, measure in _AGREEMENT_MEASURES.items()}
    return {
        "made_by": "attunet worklist agreement",
        "published_readers_dsc": list(PUBLISHED_READERS),
        "cases": [each.as_json() for each in found],
        "means": {name: None if each is None else vars(each) for name, each in means.items()},
        "made": utc_timestamp(),
        "versions": software_versions(),
    }
