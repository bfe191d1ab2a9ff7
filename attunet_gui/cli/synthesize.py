"""`attunet synthesize`: label maps become synthetic CT with pancreas labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.errors import UnreadableInput
from attunet_gui.recipes.synthetic import write_pairs


def write_synthetic(label_maps: tuple[Path, ...], output: Path, count: int, seed: int) -> None:
    """Write the pairs and say what they show."""
    for path in label_maps:
        if not path.exists():
            raise UnreadableInput(f"There is no label map at {path}.")
    with progress_bar("synthetic CT") as progress:
        cases = write_pairs(label_maps, output, count, seed, progress)
    subjects = len({case.subject for case in cases})
    phases = ", ".join(f"{number} {name}" for name, number in Counter(case.uptake for case in cases).items())
    console.print(f"{output}: {len(cases)} synthetic CT of {subjects} subjects ({phases})")
