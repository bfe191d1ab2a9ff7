"""A child never runs the script that started it: one that opens a window would open a second one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_BEGIN = """
import sys
from pathlib import Path

with Path(sys.argv[1]).open("a") as runs:
    runs.write(f"{__name__}\\n")
"""
_ONE_SHOT = """
from attunet_gui.system.progress import no_progress
from attunet_gui.workers.one_shot_process import run_in_process

print(run_in_process("tests.support.child_process_functions:double", 21, no_progress))
"""
_INFERENCE = """
import threading
from attunet_gui.workers.inference_process import InferenceProcess

process, heard = InferenceProcess(), threading.Event()
process.job_failed.connect(lambda job, sentence: (print(sentence), heard.set()))
process.load_bundle(Path("no-model"))
heard.wait(60)
process.close()
"""


@pytest.mark.parametrize(("script", "said"), [(_ONE_SHOT, "42"), (_INFERENCE, "no-model")])
def test_a_script_that_does_not_ask_for_its_name_runs_once(tmp_path: Path, script: str, said: str) -> None:
    program, runs = tmp_path / "script.py", tmp_path / "runs"
    program.write_text(_BEGIN + script)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(program), str(runs)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert said in done.stdout, done.stderr
    assert runs.read_text() == "__main__\n"


def test_the_main_module_is_as_it_was_afterwards() -> None:
    from attunet_gui.workers.child_process import hide_main_module

    main = sys.modules["__main__"]
    before = main.__spec__, main.__file__
    with hide_main_module():
        assert main.__spec__ is None
        assert not hasattr(main, "__file__")
    assert (main.__spec__, main.__file__) == before
