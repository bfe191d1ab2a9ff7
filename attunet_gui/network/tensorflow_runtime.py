"""TensorFlow and Keras, imported only here: with our settings, and with their start-up messages suppressed.

TensorFlow's C++ library writes to the terminal before any log level applies. A user who asked for a mask, or
who reads one sentence about an error, should not have to look for it between those lines.

Keras takes its backend, number format and order of axes from the environment and from a file in the user's
home. The user's other programs may need those settings; the networks here were trained and measured with
ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STDERR = 2

KERAS_SETTINGS: dict[str, Any] = {
    "backend": "tensorflow",
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
"""The settings that Keras computes with here, by the names of its own file `keras.json`."""

# A folder that cannot exist, so that Keras neither reads a `keras.json` nor writes one.
_NO_KERAS_HOME = str(Path(os.devnull) / "keras")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to the null device; errors of the import itself still come as exceptions."""
    # The descriptor, because the C++ library does not write through `sys.stderr`.
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _own_keras_settings() -> Iterator[None]:
    """Hide the user's KERAS_ variables while the context lasts; afterwards the environment is as before."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("KERAS_")}
    for name in kept:
        del os.environ[name]
    os.environ |= {"KERAS_BACKEND": KERAS_SETTINGS["backend"], "KERAS_HOME": _NO_KERAS_HOME}
    try:
        yield
    finally:
        del os.environ["KERAS_BACKEND"], os.environ["KERAS_HOME"]
        os.environ |= kept


def _configure_loaded_keras() -> None:
    """Apply our settings where something else imported Keras before this module.

    Raises:
        ImportError: Keras runs on another backend, which cannot be changed in a running process.
    """
    if keras.config.backend() != KERAS_SETTINGS["backend"]:
        raise ImportError(
            f"Keras was loaded with the backend {keras.config.backend()} before: start attunet by itself."
        )
    keras.config.set_floatx(KERAS_SETTINGS["floatx"])
    keras.config.set_epsilon(KERAS_SETTINGS["epsilon"])
    keras.config.set_image_data_format(KERAS_SETTINGS["image_data_format"])


def active_keras_settings() -> dict[str, Any]:
    """Return the settings that Keras reports, by the names of `KERAS_SETTINGS`."""
    return {name: getattr(keras.config, name)() for name in KERAS_SETTINGS}


def overruled_user_settings() -> tuple[str, ...]:
    """Return the user's Keras settings that differ from ours and are not followed, such as
    "KERAS_BACKEND=jax".
    """
    found = []
    if os.environ.get("KERAS_BACKEND", KERAS_SETTINGS["backend"]) != KERAS_SETTINGS["backend"]:
        found.append(f"KERAS_BACKEND={os.environ['KERAS_BACKEND']}")
    file = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser() / "keras.json"
    return (*found, *(f"{name} {value} in {file.name}" for name, value in _read_user_settings(file).items()))


def _read_user_settings(file: Path) -> dict[str, Any]:
    """Return the settings in the user's `keras.json` that differ from ours; {} if it cannot be read."""
    try:
        said = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    words = said.items() if isinstance(said, dict) else ()
    return {name: value for name, value in words if name in KERAS_SETTINGS and value != KERAS_SETTINGS[name]}


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent_stderr(), _own_keras_settings():
    import keras
    import tensorflow as tf

    # The library writes its remaining messages at the first operation.
    tf.constant(0.0) + 1.0

_configure_loaded_keras()

__all__ = ["keras", "tf"]
