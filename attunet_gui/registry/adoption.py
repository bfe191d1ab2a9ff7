"""Which model is this user's default, decided in one place, with a history that is only ever added to."""

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
    """One line of the history: `model` became the default, or the default before came back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["adopt", "rollback"]
    model: ModelRef
    time: str


class _History(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = ()


def offered_bundles() -> tuple[Bundle, ...]:
    """Every model at hand, the default first: the adopted one, else the recommended one that is shipped.

    An adopted model that is gone or was changed is passed over.
    """
    return _offered(adopted(read_history(user_data())))


def offered_before() -> Bundle | None:
    """The model that a roll-back would make the default; None if nothing was adopted or none is at hand."""
    history = read_history(user_data())
    last = adopted(history)
    if last is None:
        return None
    return next(iter(_offered(adopted((*history, Step(what="rollback", model=last, time=""))))), None)


def _offered(wanted: ModelRef | None) -> tuple[Bundle, ...]:
    found = find_bundles(model_folders())
    return tuple(sorted(found, key=lambda bundle: ref_of(bundle) != wanted))


def ref_of(bundle: Bundle) -> ModelRef:
    """Name and weights of `bundle`."""
    return ModelRef(name=bundle.card.name, sha256=bundle.card.sha256)


def read_history(folder: Path) -> tuple[Step, ...]:
    """What was adopted and rolled back, oldest first; a damaged file counts as none here.

    The window has to open whatever is in that file; `change` refuses to write over it.
    """
    try:
        return _read(folder)
    except AttunetError:
        return ()


def adopted(history: Sequence[Step]) -> ModelRef | None:
    """The model adopted last and not rolled back; None for the shipped one."""
    stack = _stack(history)
    return stack[-1] if stack else None


def adopt(bundle: Bundle, folder: Path, *, anyway: bool = False) -> None:
    """Make `bundle` the default of the user whose data lie in `folder`.

    Args:
        bundle: one of the models at hand.
        folder: of the user.
        anyway: also one that the guard held back.

    Raises:
        AttunetError: the guard held it back, or has not seen it; or the history is damaged.
        BadModel: its weights were changed.
    """
    check_adoptable(bundle, anyway=anyway)
    verify(bundle)
    history = _read(folder)
    if adopted(history) != ref_of(bundle):
        _add(folder, history, Step(what="adopt", model=ref_of(bundle), time=now()))


def check_adoptable(bundle: Bundle, *, anyway: bool = False) -> None:
    """`AttunetError` if the guard held `bundle` back or has not seen it, unless it is wanted `anyway`."""
    lineage = bundle.card.lineage
    if lineage is None or anyway:
        return
    if lineage.guard is None:
        raise AttunetError(
            f"{bundle.card.name} was never compared with its parent; let attunet finetune end."
        )
    if not lineage.guard.passed:
        raise AttunetError(f"{bundle.card.name} was held back. {lineage.guard.sentence}")


def rollback(folder: Path) -> ModelRef | None:
    """Return to the default before; None if that is the shipped model.

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
    stack: list[ModelRef] = []
    for step in history:
        if step.what == "adopt":
            stack.append(step.model)
        elif stack:
            stack.pop()
    return stack


def _read(folder: Path) -> tuple[Step, ...]:
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
    make_private_folder(folder)
    write_json(folder / HISTORY_FILE, _History(steps=(*history, step)).model_dump(mode="json"))
