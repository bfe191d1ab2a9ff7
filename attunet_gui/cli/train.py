"""`attunet train`: a recipe becomes a bundle."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.recipes import run_recipe


def train_by_recipe(recipe: Path, output: Path) -> None:
    """Train, measure, write, and say what came out."""
    with progress_bar(recipe.stem) as progress:
        bundle, measured = run_recipe(recipe, output, progress)
    console.print(
        f"{bundle.folder}: DSC {measured.mean:.3f} ± {measured.deviation:.3f} "
        f"on {len(measured.dsc)} phantoms of unseen seeds"
    )
