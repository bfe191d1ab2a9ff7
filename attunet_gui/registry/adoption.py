"""Decides which model is the user's default, with a history to which lines are only ever appended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from attunet_gui.core.card import ModelRef
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.provenance import now
from attunet_gui.io.writing import make_private_folder, write_json
from attunet_gui.network.bundle import Bundle, find_bundles, verify
from attunet_gui.paths import model_folders, user_data

HISTORY_FILE = "adopted.json"


class Step(BaseModel):
    """One line of the history: `model` became the default, or its adoption was rolled back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["adopt", "rollback"]
    model: ModelRef
    time: str


class _History(BaseModel):
    """The contents of the history file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = ()


def offered_bundles() -> tuple[Bundle, ...]:
    """Return every available model, the default first: the adopted one, else the recommended one of the
    program.

    An adopted model that is missing or was changed is passed over.
    """
    return _offered(adopted(read_history(user_data())))


def offered_before() -> Bundle | None:
    """Return the model that a roll-back would make the default; None if nothing was adopted or no model is
    available.
    """
    history = read_history(user_data())
    last = adopted(history)
    if last is None:
        return None
    return next(iter(_offered(adopted((*history, Step(what="rollback", model=last, time=""))))), None)


def _offered(wanted: ModelRef | None) -> tuple[Bundle, ...]:
    """Return the available models with `wanted` first."""
    found = find_bundles(model_folders())
    return tuple(sorted(found, key=lambda bundle: ref_of(bundle) != wanted))


def ref_of(bundle: Bundle) -> ModelRef:
    """Return the name and the sha256 of `bundle`."""
    return ModelRef(name=bundle.card.name, sha256=bundle.card.sha256)


def read_history(folder: Path) -> tuple[Step, ...]:
    """Return the adoptions and roll-backs, oldest first; a damaged file counts as empty here.

    The window has to open whatever is in that file. `adopt_bundle` and `roll_back_model` refuse to overwrite
    it.
    """
    try:
        return _read(folder)
    except AttunetError:
        return ()


def adopted(history: Sequence[Step]) -> ModelRef | None:
    """Return the model that was adopted last and not rolled back; None stands for the shipped model."""
    stack = _stack(history)
    return stack[-1] if stack else None


def adopt(bundle: Bundle, folder: Path, *, anyway: bool = False) -> None:
    """Make `bundle` the default of the user whose data are in `folder`.

    Args:
        bundle: one of the available models.
        folder: the user's data folder.
        anyway: also adopt a model that the guard held back.

    Raises:
        AttunetError: the guard held the model back or has not compared it, or the history is damaged.
        BadModel: its weights were changed.
    """
    check_adoptable(bundle, anyway=anyway)
    verify(bundle)
    history = _read(folder)
    # Adopting the default once more would make a roll-back return to the same model.
    if adopted(history) != ref_of(bundle):
        _add(folder, history, Step(what="adopt", model=ref_of(bundle), time=now()))


def check_adoptable(bundle: Bundle, *, anyway: bool = False) -> None:
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


def rollback(folder: Path) -> ModelRef | None:
    """Return to the previous default and return it; None if that is the model of the program.

    Raises:
        AttunetError: nothing was adopted, or the history is damaged.
    """
    history = _read(folder)
    last = adopted(history)
    if last is None:
        raise AttunetError("No model was adopted, so there is none to go back from.")
    _add(folder, history, Step(what="rollback", model=last, time=now()))
    return adopted(_read(folder))


def _stack(history: Sequence[Step]) -> list[ModelRef]:
    """Return the adopted models that were not rolled back, the current one last."""
    stack: list[ModelRef] = []
    for step in history:
        if step.what == "adopt":
            stack.append(step.model)
        elif stack:
            stack.pop()
    return stack


def _read(folder: Path) -> tuple[Step, ...]:
    """Return the history; () if there is none.

    Raises:
        AttunetError: the file is damaged.
    """
    path = folder / HISTORY_FILE
    try:
        return _History.model_validate(json.loads(path.read_text("utf-8"))).steps
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise AttunetError(
            f"{path} says which model was adopted, and cannot be read; move it away to begin anew."
        ) from error


def _add(folder: Path, history: Sequence[Step], step: Step) -> None:
    """Append `step` and write the history."""
    make_private_folder(folder)
    write_json(folder / HISTORY_FILE, _History(steps=(*history, step)).model_dump(mode="json"))
