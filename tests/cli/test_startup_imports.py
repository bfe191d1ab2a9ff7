"""What a start of the command line leaves unloaded."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(code: str) -> set[str]:
    """Modules of a new Python after `code`."""
    show = f"{code}\nimport sys\nprint(' '.join(name for name, module in sys.modules.items() if module))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_loads_neither_arrays_nor_colours() -> None:
    code = (
        "import sys\nsys.argv = ['attunet', '--help']\n"
        "from attunet_gui.cli.command_line import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass"
    )
    assert not loaded_by(code) & {
        "numpy",
        "scipy",
        "rich",
        "rich.markdown",
        "pydantic",
        "attunet_gui.prediction.model_card",
    }


@pytest.mark.parametrize("later", ["", "import pydicom\n"])
def test_a_prediction_starts_without_pydicom_and_may_load_it_later(later: str) -> None:
    code = (
        "from attunet_gui.system.nibabel_import import import_nibabel_without_pydicom\n"
        "import_nibabel_without_pydicom()\nimport attunet_gui.cli.predict_command\n"
    )
    loaded = loaded_by(code + later)
    assert "nibabel" in loaded
    assert ("pydicom" in loaded) == bool(later)
    assert "sqlalchemy" not in loaded, "there is no project to read"


def test_a_pydicom_that_is_there_stays() -> None:
    code = (
        "import pydicom\n"
        "from attunet_gui.system.nibabel_import import import_nibabel_without_pydicom\n"
        "import_nibabel_without_pydicom()"
    )
    loaded = loaded_by(code)
    assert "pydicom" in loaded
    assert "nibabel" not in loaded
