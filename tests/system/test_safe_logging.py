"""What is written of an unexpected error says where it was, and none of its words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attunet_gui.system.safe_logging import raise_location, redacted_traceback

SECRET = "Doe^Jane"
_ROOT = Path(__file__).parents[2]
_FAILING = f"""
import logging, sys, threading, warnings
from attunet_gui.system.safe_logging import install_redaction
install_redaction()
def fail():
    try:
        raise KeyError("{SECRET}")
    except KeyError as error:
        raise ValueError("cannot read {SECRET}") from error
warnings.warn("a strange name: {SECRET}")
logging.getLogger("pydicom").warning("invalid value {SECRET}")
logging.getLogger("attunet_gui.io").error("reading")
try:
    fail()
except ValueError:
    logging.getLogger("attunet_gui.io").exception("reading")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Dying:
    def __del__(self):
        fail()
dying = Dying(); del dying
fail()
"""


def _stderr(**environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != "ATTUNET_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", _FAILING],
        cwd=_ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_no_way_of_failing_repeats_the_words_of_an_error() -> None:
    said = _stderr()
    assert SECRET not in said
    assert said.count("ValueError in") == 4
    assert said.count("KeyError in") == 4
    assert "attunet_gui.io: reading" in said


def test_on_request_everything_is_shown() -> None:
    assert _stderr(ATTUNET_DEBUG="1").count(SECRET) >= 6


def test_an_outline_names_kinds_and_places_from_the_first_cause_on() -> None:
    def fail() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error

    with pytest.raises(ValueError, match="Jane") as caught:
        fail()
    lines = redacted_traceback(caught.value).splitlines()
    assert [line for line in lines if line.endswith(" in")] == ["KeyError in", "ValueError in"]
    assert any(line.strip().startswith(f"{Path(__file__).name}:") for line in lines)
    assert raise_location(caught.value).startswith(f"{Path(__file__).name}:")
    assert raise_location(ValueError(SECRET)) == "an unknown place"


def test_an_outline_ends_where_causes_go_in_a_circle() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert len(redacted_traceback(first).splitlines()) < 20
