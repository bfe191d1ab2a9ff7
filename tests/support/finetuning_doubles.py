"""A stand-in for the child that learns, and what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from threading import Event
from typing import Any

from attunet_gui.app.model_finetuning import COMPARE, LEARN
from attunet_gui.core.provenance import ModelId
from attunet_gui.evaluation.model_guard import CaseScoreChange, GuardVerdict, judge_model
from attunet_gui.network.model_bundle import ModelBundle, read_bundle, set_lineage
from attunet_gui.network.training_log import LOG_FILE
from attunet_gui.prediction.model_card import GuardRecord, ModelCard, ModelLineage
from attunet_gui.project.case_commands import MaskReview, accept_case
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig, ModelComparisonConfig
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from attunet_gui.training.finetuning.judge_choice import CaseDivision
from tests.support.model_cards import card_fields
from tests.support.project_cases import ball, save

STEPS = 4


def change(
    group: str, case: str, before: float, after: float, person: str = "", *, empty: bool = False
) -> CaseScoreChange:
    return CaseScoreChange(group, case, person or case, before, after, before - 0.1, after - 0.1, empty)


def verdict_of(*changes: CaseScoreChange) -> GuardVerdict:
    return judge_model(changes)


def learnt_of(verdict: GuardVerdict, bundle: ModelBundle | None = None) -> FinetunedModel:
    if bundle is None:
        fields = card_fields(name="better") | {"weights": {"sha256": "0" * 64, "bytes": 1}}
        bundle = ModelBundle(Path("bundle"), ModelCard.model_validate(fields))
    division = CaseDivision(("case-0001", "case-0002"), ("case-0003",))
    return FinetunedModel(bundle, verdict, division, STEPS, 90.0, "float32")


def accept(project: Project, name: str) -> None:
    """As if somebody had drawn a ball there."""
    save(project, project.case_named(name), ball(), MaskReview(finished=True))
    accept_case(project, project.case_named(name), actor="anna")


class Pupil:
    """Stands in for `run_in_process`: writes a log like the real one, and a bundle made of `tiny`.

    Attributes:
        orders: what it was asked.
        refuses: with what it fails, if not empty.
        goes_on: set, it does not wait in the middle of a lesson.
    """

    def __init__(self, tiny: Path, *, gain: float = 0.1) -> None:
        self._tiny, self._gain = tiny, gain
        self.orders: list[Any] = []
        self.refuses = ""
        self.goes_on = Event()
        self.goes_on.set()

    def __call__(self, work: str, order: Any, progress: ProgressCallback) -> Any:
        self.orders.append(order)
        if self.refuses:
            raise AttunetError(self.refuses)
        if work == LEARN:
            return self._learn(order, progress)
        assert work == COMPARE
        return self._compare(order, progress)

    def _learn(self, order: FinetuneConfig, progress: ProgressCallback) -> FinetunedModel:
        order.output.mkdir(parents=True, exist_ok=True)
        rows = [
            {"step": n, "loss": 1 / n, "seconds": 2.0 * n, "validation": {"slices": 0.2 * n, "volumes": 0.2}}
            for n in range(1, STEPS + 1)
        ]
        for row in rows:
            with (order.output / LOG_FILE).open("a") as file:
                file.write(json.dumps(row) + "\n")
            progress(int(str(row["step"])), STEPS, "training, loss 0.5")
            while row["step"] == 2 and not self.goes_on.wait(0.01):
                progress(2, STEPS, "training, loss 0.5")
        verdict = verdict_of(
            change("validation", "case-0003", 0.6, 0.6 + self._gain),
            change("phantoms", "phantom 1", 0.8, 0.8),
        )
        return learnt_of(verdict, self._bundle(order, verdict))

    def _bundle(self, order: FinetuneConfig, verdict: GuardVerdict) -> ModelBundle:
        folder = order.output / "bundle"
        shutil.copytree(self._tiny, folder, dirs_exist_ok=True)
        card = json.loads((folder / "card.json").read_text())
        told = {"name": order.name, "title": f"{card['title']}, fine-tuned"}
        (folder / "card.json").write_text(json.dumps(card | told))
        guard = GuardRecord(passed=verdict.passed, sentence=verdict.sentence)
        parent = ModelId(name="parent", sha256="1" * 64)
        lineage = ModelLineage(ancestors=(parent,), data_sha256="2" * 64, guard=guard)
        return set_lineage(read_bundle(folder), lineage)

    def _compare(
        self, order: ModelComparisonConfig, progress: ProgressCallback
    ) -> tuple[CaseScoreChange, ...]:
        progress(0, len(order.cases), "loading")
        return tuple(
            change(each.role, each.case.name, 0.7, 0.7 + 0.1 * (number - 1))
            for number, each in enumerate(order.cases)
        )
