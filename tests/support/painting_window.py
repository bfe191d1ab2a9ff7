"""A window of its own that paints with the mouse and tells after each stroke; made to be killed."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

from qtpy.QtWidgets import QApplication

from attunet_gui.gui.main_window import build_window
from attunet_gui.gui.preferences import WindowPreferences
from tests.support.scripted_network import ScriptedNetwork
from tests.support.window_control import drag_in_canvas, live, mask_of, until


def main(ct: Path, folder: Path) -> None:
    """Open `ct` and paint until killed; a line a stroke: its number and the checksum of the mask."""
    QApplication([])
    network = ScriptedNetwork()
    app = build_window(network, (), WindowPreferences(folder / "painter.ini"), folder / "journal")  # type: ignore[arg-type]
    live(0.3)
    app.controller.opener.open_path(ct)
    until(lambda: app.session.case is not None)
    live(0.3)
    for number in range(1000):
        app.controller.layers.slice_view.go_to_slice(100 + number)
        app.controller.select_tool("paint")
        drag_in_canvas(app)
        sys.stdout.write(f"{number + 1} {zlib.crc32(mask_of(app))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
