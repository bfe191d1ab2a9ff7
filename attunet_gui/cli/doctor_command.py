"""`attunet doctor`: check whether this installation has everything that the program needs."""

from __future__ import annotations

import json
import os
import platform
from typing import Any

from attunet_gui.cli.console import console
from attunet_gui.cli.model_commands import bundle_folders, find_bundle_fault
from attunet_gui.cli.window_launcher import QtProbe, has_display, missing_library
from attunet_gui.system.plurals import counted
from attunet_gui.system.software_versions import software_versions


def print_diagnosis(as_json: bool) -> int:
    """Print the findings, as JSON if asked for; the exit code is 1 if something is missing or damaged."""
    found = collect_findings()
    if as_json:
        console.print_json(json.dumps(found))
    else:
        _print_findings(found)
    return int(bool(found["problems"]))


def collect_findings() -> dict[str, Any]:
    """Collect versions, machine, display, TensorFlow and models, with a sentence for each problem.

    The keys are part of the command's JSON output.
    """
    display = _check_display()  # first, since it forks: TensorFlow starts threads, which a fork does not copy
    tensorflow = _check_tensorflow()
    models = {folder.name: find_bundle_fault(folder) or "unchanged" for folder in bundle_folders()}
    report: dict[str, Any] = {
        "versions": software_versions(),
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "display": display,
        "tensorflow": tensorflow,
        "models": models,
    }
    problems = [f"Model {name}: {state}" for name, state in models.items() if state != "unchanged"]
    if not models:
        problems.append("No model is installed.")
    if "error" in tensorflow:
        problems.append(f"TensorFlow does not work here: {tensorflow['error']}")
    if not report["display"]["window"]:
        problems.append(f"The window's libraries do not load: {report['display']['error']}")
    return {**report, "problems": problems}


def _check_tensorflow() -> dict[str, Any]:
    """Describe TensorFlow and its GPUs, and how Keras is set up; or the error with which it fails to load."""
    # Whatever the import raises, a broken installation is what doctor is asked about.
    try:
        from attunet_gui.network.tensorflow_runtime import active_keras_settings, overruled_user_settings, tf
    except Exception as error:
        return {"error": str(error)}
    return {
        "version": tf.__version__,
        "gpus": [gpu.name for gpu in tf.config.list_physical_devices("GPU")],
        "keras": active_keras_settings(),
        "overruled": list(overruled_user_settings()),
    }


def _check_display() -> dict[str, Any]:
    """Describe the display and whether the window's libraries load; no window opens, Qt starts in a fork."""
    result: dict[str, Any] = {"present": has_display(), "window": True}
    try:
        if result["present"]:
            QtProbe().raise_if_failed()
        import qtpy.QtWidgets  # noqa: F401

        missing = missing_library()
        if missing is not None:
            raise missing
    except Exception as error:
        return result | {"window": False, "error": str(error)}
    return result


def _print_findings(found: dict[str, Any]) -> None:
    """Print the findings line by line, problems last."""
    for name, value in found["versions"].items():
        console.print(f"{name:<20} {value}")
    console.print(
        f"{'machine':<20} {found['machine']['system']}, {counted(found['machine']['cores'], 'core')}"
    )
    console.print(f"{'display':<20} {'yes' if found['display']['present'] else 'none'}")
    console.print(f"{'GPU':<20} {', '.join(found['tensorflow'].get('gpus', [])) or 'none (CPU is used)'}")
    if "keras" in found["tensorflow"]:
        console.print(
            f"{'Keras computes with':<20} {', '.join(map(str, found['tensorflow']['keras'].values()))}"
        )
    for setting in found["tensorflow"].get("overruled", []):
        console.print(f"note: your setting of Keras, {setting}, is not followed here")
    for name, state in found["models"].items():
        console.print(f"{'model ' + name:<20} {state}")
    for problem in found["problems"]:
        console.print(f"problem: {problem}")
    if not found["problems"]:
        console.print("everything needed is here")
