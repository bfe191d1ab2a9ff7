"""The log of a training run, `log.jsonl`, with one line for each step."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attunet_gui.network.training_checkpoint import TrainingProgress
from attunet_gui.network.validation_scores import ValidationScores

LOG_FILE = "log.jsonl"


class TrainingLog:
    """Writes the log in `folder`; with None nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / LOG_FILE if folder else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def drop_rows_after(self, step: int) -> None:
        """Drop the lines after `step`: these steps are done again after a run was stopped between two
        checkpoints.
        """
        if self._path is None:
            return
        lines = [row for row in read_log(self._path) if row["step"] <= step]
        self._path.write_text("".join(json.dumps(row) + "\n" for row in lines), "utf-8")

    def add_step(
        self, standing: TrainingProgress, loss: float, rate: float, found: ValidationScores | None
    ) -> None:
        """Add the line of a step.

        Args:
            standing: the progress after it.
            loss: of its batch.
            rate: the learning rate.
            found: scores, if the step was validated.
        """
        if self._path is None:
            return
        row: dict[str, Any] = {"step": standing.step, "loss": round(loss, 5), "rate": float(f"{rate:.4g}")}
        row |= {"seconds": round(standing.seconds, 2)} | ({"validation": asdict(found)} if found else {})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the log at `path`; an incomplete last line of a killed run is left out."""
    rows: list[dict[str, Any]] = []
    if not path.is_file():
        return rows
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
