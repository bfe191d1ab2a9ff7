"""The README's picture of the plugin: a plain napari with the sample CT, its draft and the merged gates.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python -m benchmarks.plugin_picture

Goes the way of a person: the sample from napari's own call, the dock from the entry of the Layers menu.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
_SIZE = (1280, 800)
_PATIENCE_S = 300.0


def main(target: Path) -> None:
    """Make it, at `target`."""
    with TemporaryDirectory() as home:
        # Neither the person's napari nor what they keep is touched.
        os.environ |= {"NAPARI_CONFIG": f"{home}/napari.yaml", "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        import napari

        from attunet_gui.gui.plugin_dock import PLUGIN, find_docks

        viewer = napari.Viewer()
        viewer.window.resize(*_SIZE)
        viewer.open_sample(PLUGIN, "phantom")
        _execute(f"{PLUGIN}.open_dock")
        (dock,) = find_docks(viewer)
        controller = dock.controller
        _until(lambda: controller.session.mask.tally is not None)
        controller.drafting.run_or_cancel()
        _until(
            lambda: (
                controller.session.inference.draft is not None
                and controller.session.inference.job.state == "idle"
            )
        )
        controller.check_draft()
        controller.layers.appearance.toggle_gates()
        _until(lambda: controller.review.is_searched)
        _live(1.0)
        viewer.window.screenshot(str(target), flash=False)
        controller.session.mask.edited = False
        controller.window.close()
        _live(0.5)
    Image.open(target).convert("RGB").quantize(256).save(target, optimize=True)


def _execute(command: str) -> None:
    from app_model import Application

    app = Application.get_app("napari")
    assert app is not None
    app.commands.execute_command(command).result()
    _live(0.5)


def _until(reached: Callable[[], object]) -> None:
    end = monotonic() + _PATIENCE_S
    while not reached():
        if monotonic() > end:
            sys.exit("The plugin did not come to that; is there a model, and a display with OpenGL?")
        _live(0.05)


def _live(seconds: float) -> None:
    from qtpy.QtCore import QCoreApplication

    end = monotonic() + seconds
    while monotonic() < end:
        QCoreApplication.processEvents()
        sleep(0.005)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "napari.png")
