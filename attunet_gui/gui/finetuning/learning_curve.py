"""The learning curve: from the rows of the training log to a picture that grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from attunet_gui.gui import theme

_HEIGHT, _LEFT, _TOP, _BOTTOM = 150, 42, 22, 20
_DOT = 4.0
Point = tuple[int, float]


@dataclass(frozen=True)
class LearningCurve:
    """What was measured so far.

    Attributes:
        losses: (step, loss), one for each step.
        scores: (step, mean DSC of the held-out slices that show the pancreas).
        seconds: duration of the training so far.
    """

    losses: tuple[Point, ...] = ()
    scores: tuple[Point, ...] = ()
    seconds: float = 0.0

    @property
    def last_step(self) -> int:
        """The last step; 0 before the first."""
        return self.losses[-1][0] if self.losses else 0

    def seconds_left(self, steps: int) -> float | None:
        """Return the time until step `steps` at the pace so far, in seconds; None before the first step."""
        return self.seconds / self.last_step * max(0, steps - self.last_step) if self.last_step else None


def curve_from_log(rows: Sequence[Mapping[str, Any]]) -> LearningCurve:
    """Return the curve for the rows of the training log, as they are read from its file."""
    return LearningCurve(
        tuple((int(row["step"]), float(row["loss"])) for row in rows),
        tuple((int(row["step"]), float(row["validation"]["slices"])) for row in rows if "validation" in row),
        float(rows[-1]["seconds"]) if rows else 0.0,
    )


class LearningCurveWidget(QWidget):
    """Draws the loss of each step and the DSC of the held-out slices, each with a scale from 0."""

    def __init__(self) -> None:
        super().__init__()
        self._curve, self._steps = LearningCurve(), 0
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Curve of learning")
        self.setToolTip("Orange: the loss of each step, lower is better. Blue: DSC of the slices that judge.")

    def show_curve(self, curve: LearningCurve, steps: int) -> None:
        """Show `curve` of a run of `steps` steps; 0 while the number is not known."""
        # A run that is continued may be beyond the number of steps that was planned first.
        self._curve, self._steps = curve, max(steps, curve.last_step)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Qt's hook."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(_LEFT, _TOP, self.width() - 2 * _LEFT, self.height() - _TOP - _BOTTOM)
        highest = max((loss for _step, loss in self._curve.losses), default=1.0)
        self._draw_axes(painter, area, highest)
        losses = self._to_pixels(self._curve.losses, area, highest)
        # DSC is at most 1; the loss has no such limit, so the highest one sets its scale.
        scores = self._to_pixels(self._curve.scores, area, 1.0)
        self._draw_line(painter, losses, theme.UNSURE)
        self._draw_line(painter, scores, theme.MASK)
        painter.setBrush(QColor(theme.MASK))
        for point in scores:
            painter.drawEllipse(point, _DOT, _DOT)

    def _to_pixels(self, points: Sequence[Point], area: QRectF, top: float) -> list[QPointF]:
        # A loss of 0 at every step has no scale.
        wide, high = area.width() / max(1, self._steps), area.height() / (top or 1.0)
        return [QPointF(area.left() + step * wide, area.bottom() - value * high) for step, value in points]

    def _draw_line(self, painter: QPainter, points: list[QPointF], colour: str) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colour), 1.6))
        painter.drawPolyline(QPolygonF(points))

    def _draw_axes(self, painter: QPainter, area: QRectF, highest: float) -> None:
        """Draw the frame, the scales of loss and DSC, and the step."""
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(90)
        painter.setPen(faint)
        painter.drawRect(area)
        right, left = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
        last = self._curve.scores[-1][1] if self._curve.scores else None
        _draw_text(painter, QRectF(area.left(), 0, area.width() / 2, _TOP), left, "Loss", theme.UNSURE)
        told = "DSC of the judges" if last is None else f"DSC of the judges {last:.3f}"
        _draw_text(painter, QRectF(area.center().x(), 0, area.width() / 2, _TOP), right, told, theme.MASK)
        _draw_text(painter, QRectF(0, area.top() - 8, _LEFT - 4, 16), right, f"{highest:.2f}", text)
        _draw_text(painter, QRectF(0, area.bottom() - 8, _LEFT - 4, 16), right, "0", text)
        _draw_text(painter, QRectF(area.right() + 4, area.top() - 8, _LEFT, 16), left, "1", text)
        _draw_text(painter, QRectF(area.right() + 4, area.bottom() - 8, _LEFT, 16), left, "0", text)
        told = f"step {self._curve.last_step} of {self._steps}" if self._steps else ""
        _draw_text(
            painter, QRectF(area.left(), area.bottom() + 2, area.width(), _BOTTOM - 2), right, told, text
        )


def _draw_text(
    painter: QPainter, place: QRectF, side: Qt.AlignmentFlag, text: str, colour: QColor | str
) -> None:
    painter.setPen(QColor(colour))
    painter.drawText(place, side | Qt.AlignmentFlag.AlignVCenter, text)
