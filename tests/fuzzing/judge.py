"""What the product makes of one input: a volume whose masks lie right, a refusal in a sentence, a fault."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.result_writing import write_mask
from attunet_gui.system.errors import AttunetError, SeriesChoiceNeeded, UnwritableOutput
from tests.fuzzing import truth
from tests.fuzzing.made import Made
from tests.support.unprivileged_process import as_nobody, closed

Kind = Literal[
    "read",
    "refused",
    "crash",
    "hang",
    "memory",
    "traceback",
    "unclear sentence",
    "wrong geometry",
    "not the original",
    "not saved",
]
FAULTS: tuple[Kind, ...] = (
    *("crash", "hang", "memory", "traceback", "unclear sentence"),
    *("wrong geometry", "not the original", "not saved"),
)
BASE_MB = 64
"""What reading may take whatever the size of the file: buffers, parsers, modules that are imported late."""

_LONGEST = 400
_ODD = re.compile(r"Traceback|<[\w.]+ |object at 0x|\b\w+(Error|Exception)\b|\bb'|\bNone\b|\[Errno")
Read = Callable[..., Volume]
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
        kind: "read", "refused" or a fault.
        words: the sentence, or what is wrong.
        checked: whether a second reader could say where the source lies.
    """

    kind: Kind
    words: str = ""
    checked: bool = True


def judge(
    made: Made, written: Path, read_ct: Read = read_ct_volume, stage: Stage = lambda _: None
) -> Outcome:
    """Open `made`, and save a mask for whatever opens; of several series, the first ones as well.

    What opens without a note and without a choice is to be what it was before anything was done to it.

    Args:
        made: the input.
        written: a `.nii.gz` that is not there yet.
        read_ct: the product's reader, or one to try this judge on.
        stage: told "reading" and "checking" when these begin.
    """
    original = _original(made)
    outcome, keys, found = _judged(made, None, written, read_ct, stage)
    if original and found and not found.notes and outcome.kind == "read":
        wrong = truth.unlike(found, original)
        outcome = Outcome("not the original", wrong) if wrong else outcome
    for key in keys:
        if outcome.kind not in FAULTS:
            outcome, _, _ = _judged(made, key, written, read_ct, stage)
    return outcome


def _original(made: Made) -> Volume | None:
    """What was there before; None where nothing is to be compared, or it is refused itself.

    It is read first: what is imported late for it, an account without rights cannot import.
    """
    if made.original is None:
        return None
    try:
        return read_ct_volume(made.original)
    except AttunetError:
        return None


def _read(made: Made, key: str | None, read_ct: Read) -> Volume:
    """As the account that `made.closed` shuts out, if anything is closed."""
    if not made.closed:
        return read_ct(made.path, series=key)
    with closed(made.closed):
        return as_nobody(lambda: read_ct(made.path, series=key))


def _judged(
    made: Made, key: str | None, written: Path, read_ct: Read, stage: Stage
) -> tuple[Outcome, tuple[str, ...], Volume | None]:
    """The outcome, the keys of the series where one has to be chosen, and what was read."""
    stage("reading")
    before = _reset_peak()
    try:
        volume = _read(made, key, read_ct)
        heavy = _too_heavy(made, before)
        stage("checking")
        return heavy or _unclear_note(volume) or _saved(made.path, volume, written), (), volume
    except SeriesChoiceNeeded as choice:
        keys = tuple(key for key, _ in choice.choices[:3])
        return _too_heavy(made, before) or _refusal(str(choice)), keys, None
    except AttunetError as error:
        return _too_heavy(made, before) or _refusal(str(error)), (), None
    except Exception:
        return Outcome("traceback", traceback.format_exc()), (), None


def _unclear_note(volume: Volume) -> Outcome | None:
    faults = [f"{fault}: {note!r}" for note in volume.notes if (fault := sentence_fault(note))]
    return Outcome("unclear sentence", faults[0]) if faults else None


def _refusal(text: str) -> Outcome:
    fault = sentence_fault(text)
    return Outcome("unclear sentence", f"{fault}: {text!r}") if fault else Outcome("refused", text)


def _saved(path: Path, volume: Volume, written: Path) -> Outcome:
    limit = truth.threshold(volume)
    try:
        write_mask(written, (volume.hu > limit).astype(np.uint8), volume)
        wrong = truth.fault(path, volume, written, limit)
    except UnwritableOutput as error:
        return Outcome("not saved", str(error))
    except truth.NoSecondOpinion:
        return Outcome("read", checked=False)
    return Outcome("wrong geometry", wrong) if wrong else Outcome("read")


def sentence_fault(text: str) -> str:
    """Why `text` is not one clear sentence for a person; "" if it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "cannot be shown"
    if not text.strip() or not text.endswith("."):
        return "no sentence"
    if not text.isprintable() or len(text) > _LONGEST:
        return "too long, or with characters that are not seen"
    if re.search(r"[.!?] [A-ZÄÖÜ]", text):
        return "several sentences"
    return "words of a programmer" if _ODD.search(text) else ""


# Memory, as Linux counts it


def _too_heavy(made: Made, before: float) -> Outcome | None:
    allowed = 2 * made.honest / 2**20 + BASE_MB
    used = _status_mb("VmHWM") - before
    return Outcome("memory", f"{used:.0f} MB where {allowed:.0f} MB are allowed") if used > allowed else None


def _reset_peak() -> float:
    """The peak of this process counts from now; MB at present."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def _status_mb(name: str) -> float:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0
