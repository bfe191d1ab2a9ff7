"""Keras computes as we need it, whatever the user has set for their other programs, in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_OURS = {"backend": "tensorflow", "floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
_SCRIPT = """
import json, sys
from multiprocessing import get_context
from tests.network.test_keras_backend import measured

if __name__ == "__main__":
    found = measured()
    with get_context("spawn").Pool(1) as pool:
        print(json.dumps([found, pool.apply(measured)]))
"""


def measured() -> dict[str, object]:
    """The settings in use, what is overruled, and what a convolution of 3 channels gives."""
    import numpy as np

    from attunet_gui.network import tensorflow_runtime

    layer = tensorflow_runtime.keras.layers.Conv2D(5, 3, padding="same")
    answer = layer(np.zeros((1, 8, 6, 3), np.float32))
    return {
        "in use": tensorflow_runtime.active_keras_settings(),
        "overruled": list(tensorflow_runtime.overruled_user_settings()),
        "answer": [list(answer.shape), tensorflow_runtime.keras.backend.standardize_dtype(answer.dtype)],
        "environment": {name: value for name, value in os.environ.items() if name.startswith("KERAS_")},
    }


_NO_SUCH = {"backend": "jax", "floatx": "float16", "epsilon": 0.001, "image_data_format": "channels_first"}


_OTHER = {"backend": "jax", "floatx": "float16", "epsilon": 0.001, "image_data_format": "channels_first"}


@pytest.mark.parametrize(
    ("environment", "filed", "overruled"),
    [
        ({"KERAS_BACKEND": "jax"}, None, ["KERAS_BACKEND=jax"]),
        ({"KERAS_BACKEND": "none such", "KERAS_MAX_EPOCHS": "x"}, "[]", ["KERAS_BACKEND=none such"]),
        ({}, json.dumps(_OTHER), [f"{name} {value} in keras.json" for name, value in _OTHER.items()]),
        ({}, json.dumps({"floatx": "float8", "other": 1}), ["floatx float8 in keras.json"]),
    ],
)
def test_what_the_user_set_for_keras_is_neither_followed_nor_changed(
    tmp_path: Path, environment: dict[str, str], filed: str | None, overruled: list[str]
) -> None:
    home = tmp_path / "keras"
    home.mkdir()
    settings = environment | {"KERAS_HOME": str(home)}
    if filed is not None:
        (home / "keras.json").write_text(filed)
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")}
    inherited["PYTHONPATH"] = str(_ROOT)
    done = subprocess.run(
        [sys.executable, script], env=inherited | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = {
        **{"in use": _OURS, "overruled": overruled, "answer": [[1, 8, 6, 5], "float32"]},
        "environment": settings,
    }
    assert json.loads(done.stdout) == [expected, expected]
    assert [path.read_text() for path in home.iterdir()] == ([] if filed is None else [filed])
