"""Nothing turns to a network: drafting, the child process, a project; OpenVINO's own reporter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attunet_gui.network.engines.engine_registry import OPENVINO
from tests.support.watched_process import watch

ATTUNET = ["-m", "attunet_gui"]
STARTER = "phantom-starter"
ROOT = Path(__file__).parents[1]

_CONNECTING = "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError: pass"
_CHILD = """
from multiprocessing import get_context
from socket import getaddrinfo
if __name__ == "__main__":
    child = get_context("spawn").Process(target=getaddrinfo, args=("127.0.0.1", 9))
    child.start(); child.join()
"""
_DRAFTING = """
import sys, threading
from pathlib import Path
from attunet_gui.workers.inference_messages import PredictRequest
from attunet_gui.workers.inference_process import InferenceProcess
from attunet_gui.network.model_bundle import find_bundles
from attunet_gui.system.paths import model_folders
from attunet_gui.app.case_session import CaseSession
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
if __name__ == "__main__":
    bundle = next(b for b in find_bundles(model_folders()) if b.card.name == "phantom-starter")
    runner, ended, failures = InferenceProcess(), threading.Event(), []
    runner.draft_finished.connect(lambda *_: ended.set())
    runner.job_failed.connect(lambda _, sentence: (failures.append(sentence), ended.set()))
    volume = phantom_volume(make_phantom(PhantomRequest(3, (24, 96, 96), (5.0, 4.0, 4.0))))
    runner.submit(PredictRequest(volume, bundle.folder))
    ended.wait(120)
    runner.close()
    sys.exit(str(failures) if failures or not ended.is_set() else 0)
"""


@pytest.mark.parametrize(("program", "processes"), [(_CONNECTING, 1), (_CHILD, 3)])
def test_an_attempt_would_be_seen_in_a_child_too(program: str, processes: int, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(program)
    seen = watch([str(script)], tmp_path / "watched")
    assert seen.attempts
    assert seen.processes == processes


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    shape = ["--shape", "24", "96", "96", "--spacing", "5", "4", "4"]
    seen = watch([*ATTUNET, "phantom", "-o", str(folder / "ct"), *shape], folder / "watched")
    assert seen.attempts == ()
    (folder / "ct" / "phantom-7_label.nii.gz").unlink()
    return folder / "ct"


def test_drafting_reaches_for_nothing(phantom: Path, tmp_path: Path) -> None:
    order = ["predict", str(phantom), "-o", str(tmp_path / "out"), "--model", STARTER, "--gates"]
    seen = watch([*ATTUNET, *order], tmp_path / "watched")
    assert (tmp_path / "out" / "phantom-7_pancreas.nii.gz").is_file()
    assert seen.attempts == ()


def test_the_child_that_drafts_reaches_for_nothing(tmp_path: Path) -> None:
    script = tmp_path / "drafting.py"
    script.write_text(_DRAFTING)
    seen = watch([str(script)], tmp_path / "watched")
    assert seen.processes > 1
    assert seen.attempts == ()


_IMPORTING = """
import sys
from attunet_gui.network.openvino_runtime import openvino
openvino.Core()
sys.exit(any("telemetry" in name and found for name, found in sys.modules.items()))
"""


@pytest.mark.skipif(not OPENVINO.is_installed, reason="there is no OpenVINO that could report")
def test_openvino_is_not_even_asked_to_report(tmp_path: Path) -> None:
    assert watch(["-c", _IMPORTING], tmp_path / "watched").attempts == ()
    assert not (tmp_path / "watched" / "intel").exists()


def test_openvino_is_imported_in_one_place_only() -> None:
    loud = re.compile(r"^\s*(import|from) openvino", re.MULTILINE)
    files = (ROOT / "attunet_gui").rglob("*.py")
    assert {path.name for path in files if loud.search(path.read_text("utf-8"))} == {"openvino_runtime.py"}
