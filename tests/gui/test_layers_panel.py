"""The rows of the layers: one for each map, reached with the keyboard in the order in which they stand."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QCheckBox, QPushButton, QVBoxLayout, QWidget

from attunet_gui.gui.panels.layer_panels import LayersPanel
from attunet_gui.prediction.map_overlays import make_overlays
from attunet_gui.synthesis.phantom.abdomen_phantom import make_phantom, phantom_volume
from tests.support.scripted_network import SMALL_PHANTOM, prediction_of


def _stops(window: QWidget) -> list[str]:
    """What Tab goes through, sliders left out."""
    widget, found = window.nextInFocusChain(), []
    while widget is not window:
        named = isinstance(widget, QCheckBox | QPushButton)
        if named and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            found.append(widget.text())
        widget = widget.nextInFocusChain()
    return found


def test_rows_come_and_go_and_tab_follows_them(qt: QApplication) -> None:
    window, panel = QWidget(), LayersPanel()
    layout = QVBoxLayout(window)
    for widget in (QPushButton("above"), panel, QPushButton("below")):
        layout.addWidget(widget)
    fixed = ["CT", "Pancreas mask"]
    last = ["Mask as an area, not a contour", "below"]
    assert _stops(window) == ["above", *fixed, *last]
    made = make_overlays(prediction_of(phantom_volume(make_phantom(SMALL_PHANTOM))))
    for shown in (made, made[:2], (), made):
        panel.show_maps(shown)
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        assert list(panel.rows) == ["CT", "Pancreas", *(overlay.key for overlay in shown)]
        assert [row.switch.text() for row in panel.rows.values()][2:] == [each.title for each in shown]
        stops = [
            stop for stop in _stops(window) if stop in {row.switch.text() for row in panel.rows.values()}
        ]
        assert stops == [*fixed, *(overlay.title for overlay in shown)]
        assert _stops(window)[-2:] == last
