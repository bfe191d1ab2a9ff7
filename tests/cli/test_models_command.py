"""`attunet models` as a user types it: a model goes out, comes in, becomes the default, and goes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.cli_process import run_attunet, run_in_process


def _default(home: Path) -> str:
    listed = run_in_process("models", "list", home=home)
    assert listed.returncode == 0, listed.stderr
    return next(line.split("│")[1].strip() for line in listed.stdout.splitlines() if "│ yes" in line)


def test_a_model_is_sent_adopted_and_rolled_back(tiny_bundle: Path, tmp_path: Path) -> None:
    home, sent = tmp_path / "home", tmp_path / "sent.zip"
    shipped = _default(home)
    assert run_in_process("models", "export", tiny_bundle, "-o", sent, home=home).returncode == 0
    came = run_in_process("models", "import", sent, home=home)
    assert came.returncode == 0, came.stderr
    assert _default(home) == shipped
    assert run_in_process("models", "adopt", "tiny", home=home).returncode == 0
    assert _default(home) == "tiny"
    back = run_in_process("models", "rollback", home=home)
    assert f"{shipped} is the default now" in back.stdout
    again = run_in_process("models", "rollback", home=home)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "none to go back from" in again.stderr


def test_a_model_elsewhere_is_imported_as_it_is_adopted_unless_it_was_held_back(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    bad = Path(shutil.copytree(tiny_bundle, tmp_path / "bad"))
    lineage = {
        "ancestors": [{"name": "tiny", "sha256": "1" * 64}],
        "data_sha256": "2" * 64,
        "guard": {"passed": False, "sentence": "The old model stays: it is worse."},
    }
    card = json.loads((bad / "card.json").read_text()) | {"name": "bad", "lineage": lineage}
    (bad / "card.json").write_text(json.dumps(card))
    refused = run_in_process("models", "adopt", bad, home=home)
    assert refused.returncode == 1
    assert "The old model stays" in refused.stderr
    assert "bad" not in run_in_process("models", "list", home=home).stdout
    compared = run_attunet("models", "compare", tiny_bundle, bad, home=home).stdout
    assert "held back" in compared
    assert run_in_process("models", "adopt", bad, "--anyway", home=home).returncode == 0
    assert _default(home) == "bad"
