"""Decides which model is the user's default, with a history to which lines are only ever appended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from attunet_gui.core.provenance import ModelId
from attunet_gui.io.result_writing import make_private_folder, write_json
from attunet_gui.network.model_bundle import ModelBundle, find_bundles, verify_weights
from attunet_gui.prediction.model_card import StoredModelId
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.paths import model_folders, user_data_folder
from attunet_gui.system.software_versions import utc_timestamp

HISTORY_FILE = "adopted.json"


class AdoptionStep(BaseModel):
    """One line of the history: `model` became the default, or its adoption was rolled back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["adopt", "rollback"]
    model: StoredModelId
    time: str


class _AdoptionHistory(BaseModel):
    """The contents of the history file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[AdoptionStep, ...] = ()


def offered_bundles() -> tuple[ModelBundle, ...]:
    """Return every available model, the default first: the adopted one, else the recommended one of the
    program.

    An adopted model that is missing or was changed is passed over.
    """
    return _bundles_default_first(adopted_model(read_history(user_data_folder())))


def rollback_target() -> ModelBundle | None:
    """Return the model that a roll-back would make the default; None if nothing was adopted or no model is
    available.
    """
    history = read_history(user_data_folder())
    last = adopted_model(history)
    if last is None:
        return None
    return next(
        iter(
            _bundles_default_first(
                adopted_model((*history, AdoptionStep(what="rollback", model=last, time="")))
            )
        ),
        None,
    )


def _bundles_default_first(wanted: ModelId | None) -> tuple[ModelBundle, ...]:
    """Return the available models with `wanted` first."""
    found = find_bundles(model_folders())
    return tuple(sorted(found, key=lambda bundle: bundle.card.model_id != wanted))


def read_history(folder: Path) -> tuple[AdoptionStep, ...]:
    """Return the adoptions and roll-backs, oldest first; a damaged file counts as empty here.

    The window has to open whatever is in that file. `adopt_bundle` and `roll_back_model` refuse to overwrite
    it.
    """
    try:
        return _read_history_file(folder)
    except AttunetError:
        return ()


def adopted_model(history: Sequence[AdoptionStep]) -> ModelId | None:
    """Return the model that was adopted last and not rolled back; None stands for the shipped model."""
    stack = _adoption_stack(history)
    return stack[-1] if stack else None


def adopt_bundle(bundle: ModelBundle, folder: Path, *, anyway: bool = False) -> None:
    """Make `bundle` the default of the user whose data are in `folder`.

    Args:
        bundle: one of the available models.
        folder: the user's data folder.
        anyway: also adopt a model that the guard held back.

    Raises:
        AttunetError: the guard held the model back or has not compared it, or the history is damaged.
        InvalidModelBundle: its weights were changed.
    """
    check_adoptable(bundle, anyway=anyway)
    verify_weights(bundle)
    history = _read_history_file(folder)
    # Adopting the default once more would make a roll-back return to the same model.
    if adopted_model(history) != bundle.card.model_id:
        _append_step(
            folder, history, AdoptionStep(what="adopt", model=bundle.card.model_id, time=utc_timestamp())
        )


def check_adoptable(bundle: ModelBundle, *, anyway: bool = False) -> None:
    """Raise `AttunetError` if the guard held `bundle` back or has not compared it, unless `anyway` is set."""
    lineage = bundle.card.lineage
    # A model without a lineage was not fine-tuned here, so there is no parent to compare it with.
    if lineage is None or anyway:
        return
    if lineage.guard is None:
        raise AttunetError(
            f"{bundle.card.name} was never compared with its parent; let attunet finetune end."
        )
    if not lineage.guard.passed:
        raise AttunetError(f"{bundle.card.name} was held back. {lineage.guard.sentence}")


def roll_back_model(folder: Path) -> ModelId | None:
    """Return to the previous default and return it; None if that is the model of the program.

    Raises:
        AttunetError: nothing was adopted, or the history is damaged.
    """
    history = _read_history_file(folder)
    last = adopted_model(history)
    if last is None:
        raise AttunetError("No model was adopted, so there is none to go back from.")
    _append_step(folder, history, AdoptionStep(what="rollback", model=last, time=utc_timestamp()))
    return adopted_model(_read_history_file(folder))


def _adoption_stack(history: Sequence[AdoptionStep]) -> list[ModelId]:
    """Return the adopted models that were not rolled back, the current one last."""
    stack: list[ModelId] = []
    for step in history:
        if step.what == "adopt":
            stack.append(step.model)
        elif stack:
            stack.pop()
    return stack


def _read_history_file(folder: Path) -> tuple[AdoptionStep, ...]:
    """Return the history; () if there is none.

    Raises:
        AttunetError: the file is damaged.
    """
    path = folder / HISTORY_FILE
    try:
        return _AdoptionHistory.model_validate(json.loads(path.read_text("utf-8"))).steps
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise AttunetError(
            f"{path} says which model was adopted, and cannot be read; move it away to begin anew."
        ) from error


def _append_step(folder: Path, history: Sequence[AdoptionStep], step: AdoptionStep) -> None:
    """Append `step` and write the history."""
    make_private_folder(folder)
    write_json(folder / HISTORY_FILE, _AdoptionHistory(steps=(*history, step)).model_dump(mode="json"))
