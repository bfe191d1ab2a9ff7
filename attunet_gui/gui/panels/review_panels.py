"""The strip below the slices: one column a slice, from the feet at the left to the head at the right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QToolTip, QWidget
from superqt.utils import signals_blocked

from attunet_gui.gui import theme
from attunet_gui.gui.panels.widget_factory import (
    make_button,
    make_column_layout,
    make_row_layout,
    make_wrapped_label,
)
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.review.findings import Finding
from attunet_gui.review.slice_strip import SliceStrip

_LIST_HEIGHT = 132


class PlacesPanel(QWidget):
    """Emits signals for the next place, one of the list, its acceptance and the verification of a slice."""

    next_asked = Signal()
    place_asked = Signal(str)
    accept_asked = Signal()
    verify_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.summary = make_wrapped_label(strong=True)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setFixedHeight(_LIST_HEIGHT)
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(lambda item: self.place_asked.emit(item.data(Qt.ItemDataRole.UserRole)))
        self.next = make_button("Next place  N", UserCommand.NEXT_PLACE.tooltip, self.next_asked.emit)
        self.accept = make_button("It is right  A", UserCommand.ACCEPT_PLACE.tooltip, self.accept_asked.emit)
        self.verify = make_button("Verify slice  Q", UserCommand.VERIFY_SLICE.tooltip, self.verify_asked.emit)
        layout = make_column_layout(self)
        layout.addWidget(self.summary)
        layout.addWidget(self.list)
        layout.addLayout(make_row_layout(self.next, self.accept, self.verify))

    def show_places(self, places: Sequence[Finding], current: str, summary: str) -> None:
        """Show the open places.

        Args:
            places: in the order of the list.
            current: key of the selected one; "" for none.
            summary: how far the review is, as a sentence.
        """
        self.summary.setText(summary)
        self.list.setVisible(bool(places))
        self.next.setEnabled(bool(places))
        self.accept.setEnabled(any(place.key == current for place in places))
        # Filling the list must not look like a choice of the annotator.
        with signals_blocked(self.list):
            self.list.clear()
            for place in places:
                item = QListWidgetItem(f"{'+' if place.missing else '−'}  {_first_sentence(place.reason)}")
                item.setData(Qt.ItemDataRole.UserRole, place.key)
                item.setToolTip(place.reason)
                self.list.addItem(item)
                if place.key == current:
                    self.list.setCurrentItem(item)

    def show_case(self, is_open: bool) -> None:
        """Enable what needs an open case."""
        self.verify.setEnabled(is_open)


def _first_sentence(reason: str) -> str:
    return reason.split(". ")[0].rstrip(".")


_STRIP_HEIGHT = 58
"""Height of the strip in pixels, marks included."""
_MARK_HEIGHT = 6
"""Height of a row of marks, in pixels."""
_MARGIN = 8
"""Free pixels at the left and right of the columns."""


class StripWidget(QWidget):
    """Draws area of the mask, uncertainty, and which slices were edited, seen or verified.

    A click or drag emits the slice under the mouse.
    """

    slice_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._strip: SliceStrip | None = None
        self._slice = 0
        self.setFixedHeight(_STRIP_HEIGHT)
        self.setMinimumWidth(200)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setToolTip(
            "One column a slice. Blue: area of the mask; grey line: of the draft; orange: where the network "
            "is unsure.\nBelow: yellow was corrected, pale was seen, green is verified. Click to go there."
        )

    def show_strip(self, strip: SliceStrip | None) -> None:
        """Show the values of `strip`; None hides the widget, as there is no case."""
        self._strip = strip
        self.setVisible(strip is not None)
        self.update()

    def show_slice(self, index: int) -> None:
        """Draw the frame of the slice on screen around the column `index`."""
        self._slice = index
        self.update()

    def slice_at(self, x: float) -> int | None:
        """Return the index of the slice at the pixel `x`, clipped to the strip; None without a case."""
        if self._strip is None:
            return None
        count = len(self._strip.area_mm2)
        width = max(1, self.width() - 2 * _MARGIN)
        return int(np.clip((x - _MARGIN) * count / width, 0, count - 1))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's hook."""
        self._go_to_slice_at(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's hook."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go_to_slice_at(event)
            return
        index = self.slice_at(event.position().x())
        if index is not None and self._strip is not None:
            QToolTip.showText(event.globalPosition().toPoint(), describe_slice(self._strip, index), self)

    def _go_to_slice_at(self, event: QMouseEvent) -> None:
        index = self.slice_at(event.position().x())
        if index is not None:
            self.slice_asked.emit(index)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Qt's hook."""
        strip = self._strip
        if strip is None:
            return
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        count = len(strip.area_mm2)
        width = (self.width() - 2 * _MARGIN) / count
        floor = self.height() - 2 * _MARK_HEIGHT - 2
        # Mask and draft share one scale, so that their heights can be compared.
        top = max(float(strip.area_mm2.max(initial=0)), float(strip.draft_area_mm2.max(initial=0)), 1.0)
        for z in range(count):
            # A gap between columns where there is room for one; with many slices it would thin them out.
            column = QRectF(_MARGIN + z * width, 0, max(width - (1 if width > 4 else 0), 1), floor)
            self._draw_bar(painter, column, float(strip.area_mm2[z]) / top, theme.MASK)
            # Half the height, so that the uncertainty does not hide the area of the mask.
            self._draw_bar(painter, column, float(strip.uncertainty[z]) * 0.5, theme.UNSURE)
            self._draw_level(painter, column, float(strip.draft_area_mm2[z]) / top)
            self._draw_marks(painter, column, strip, z)
        self._draw_slice_cursor(painter, width)

    def _draw_bar(self, painter: QPainter, column: QRectF, share: float, colour: str) -> None:
        if share > 0:
            height = max(1.0, share * (column.height() - 2))
            painter.fillRect(
                QRectF(column.x(), column.bottom() - height, column.width(), height), QColor(colour)
            )

    def _draw_level(self, painter: QPainter, column: QRectF, share: float) -> None:
        if share > 0:
            y = column.bottom() - share * (column.height() - 2)
            colour = self.palette().color(QPalette.ColorRole.WindowText)
            painter.fillRect(QRectF(column.x(), y, column.width(), 1), colour)

    def _draw_marks(self, painter: QPainter, column: QRectF, strip: SliceStrip, z: int) -> None:
        """Draw the marks of slice `z` below its column.

        Edited in the first row, verified or seen in the second.
        """
        rows: tuple[tuple[NDArray[np.bool_], str], ...] = ((strip.edited, theme.EDITED),)
        for marked, colour in rows:
            if marked[z]:
                painter.fillRect(
                    QRectF(column.x(), column.bottom() + 1, column.width(), _MARK_HEIGHT), QColor(colour)
                )
        below = theme.VERIFIED if strip.verified[z] else theme.SEEN if strip.seen[z] else None
        if below is not None:
            place = QRectF(column.x(), column.bottom() + _MARK_HEIGHT + 2, column.width(), _MARK_HEIGHT - 1)
            painter.fillRect(place, QColor(below))

    def _draw_slice_cursor(self, painter: QPainter, width: float) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawRect(QRectF(_MARGIN + self._slice * width - 1, 0, max(width, 2) + 1, self.height() - 1))


def describe_slice(strip: SliceStrip, z: int) -> str:
    """Return what the strip shows of slice `z` as text; slices are counted from one there."""
    said = [f"Slice {z + 1}: {strip.area_mm2[z] / 100:.1f} cm²"]
    if strip.draft_area_mm2[z] and strip.draft_area_mm2[z] != strip.area_mm2[z]:
        said.append(f"draft {strip.draft_area_mm2[z] / 100:.1f} cm²")
    said += [
        name
        for name, marked in (("corrected", strip.edited), ("seen", strip.seen), ("verified", strip.verified))
        if marked[z]
    ]
    return ", ".join(said)
