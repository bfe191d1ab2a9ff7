"""The list of cases as a Qt model.

Pages of the database and small pictures are fetched in background threads when they come into view.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter

from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.case_formatting import case_line_text, case_tooltip_text
from attunet_gui.project.case_rows import CaseQuery, CaseRow
from attunet_gui.project.project_store import Project
from attunet_gui.project.thumbnails import ensure_thumbnail
from attunet_gui.system.background_executor import NewestFirstExecutor, SerialExecutor

PAGE = 100
"""Number of cases that are fetched from the database at once."""
PICTURE, LINE = 44, 52
"""In pixels: the longer side of a small picture in the list, and the height of a row."""

_PAGES_KEPT, _PICTURES_KEPT = 60, 400
"""How many pages and pictures are kept in memory; those that were used longest ago go first."""
_PAGES_WAITING, _PICTURES_WAITING = 3, 24
_Role = Qt.ItemDataRole
_SHOWN = frozenset(
    {
        *(_Role.DisplayRole, _Role.AccessibleTextRole, _Role.ToolTipRole, _Role.DecorationRole),
        *(_Role.UserRole, _Role.FontRole),
    }
)
"""The roles that a row answers; all others are None without a fetch."""


@dataclass(frozen=True)
class _ListPage:
    """A page of rows from the database.

    Attributes:
        number: of the page, from 0.
        rows: its cases.
        count: number of cases on all pages.
        fresh: whether it answers a new query, not a refresh.
    """

    number: int
    rows: tuple[CaseRow, ...]
    count: int
    fresh: bool


@dataclass(frozen=True)
class _PageRequest:
    """A page to be fetched."""

    project: Project
    query: CaseQuery
    number: int
    fresh: bool


@dataclass(frozen=True)
class _ThumbnailRequest:
    """A picture to be fetched."""

    project: Project
    row: CaseRow


class CaseListModel(QAbstractListModel):
    """A row has two lines of text and a picture. One that is not fetched yet is empty and is fetched then.

    Signals:
        page_loaded: a page has arrived, so `rowCount` is right.
    """

    page_loaded = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._project: Project | None = None
        self._query = CaseQuery()
        self._count = 0
        self._pages: OrderedDict[int, tuple[CaseRow, ...]] = OrderedDict()
        self._lines: dict[str, int] = {}
        self._stale: set[int] = set()
        self._images: OrderedDict[str, QImage] = OrderedDict()
        self._open_name, self._blank = "", _blank_thumbnail()
        pages = SerialExecutor("attunet-list", QtDelivery())
        self._page_loader = NewestFirstExecutor(pages, _load_page, self._page_loaded, _PAGES_WAITING)
        pictures = SerialExecutor("attunet-pictures", QtDelivery())
        self._thumbnail_loader = NewestFirstExecutor(
            pictures, _load_thumbnail, self._thumbnail_loaded, _PICTURES_WAITING
        )

    # What is asked for

    def show_query(self, project: Project | None, query: CaseQuery) -> None:
        """Show the cases that `query` finds, from the top; without a project show nothing."""
        self._page_loader.cancel_all()
        if project is not self._project:
            self._thumbnail_loader.cancel_all()
            self._images.clear()
        self._project, self._query = project, query
        if project is None:
            self._reset_rows(0)
        else:
            self._request_page(0, fresh=True)

    def refresh_rows(self) -> None:
        """Fetch the rows again, as they may have changed; the view stays where it is."""
        self._stale = set(self._pages)
        if self._project is not None:
            # The page that was used last is the one in view.
            newest = next(reversed(self._pages), 0)
            self._request_page(newest, fresh=False)

    def mark_open(self, name: str) -> None:
        """Show in bold that the case `name` is on screen; "" for none."""
        self._open_name = name
        self._all_changed()

    def _request_page(self, number: int, fresh: bool) -> None:
        if self._project is not None:
            self._page_loader.request(_PageRequest(self._project, self._query, number, fresh))

    def _page_loaded(self, asked: _PageRequest, page: _ListPage) -> None:
        """Take over a page that was fetched, and tell the view which rows have changed."""
        if asked.project is not self._project:
            return
        # A new query starts at the top; an answer to a refresh must leave the view where it is.
        if page.fresh:
            self._reset_rows(page.count)
        elif page.count != self._count:
            self._resize_rows(page.count)
        self._pages[page.number] = page.rows
        first = page.number * PAGE
        self._lines |= {row.name: first + number for number, row in enumerate(page.rows)}
        self._pages.move_to_end(page.number)
        self._stale.discard(page.number)
        while len(self._pages) > _PAGES_KEPT:
            self._stale.discard(self._pages.popitem(last=False)[0])
        if page.rows:
            self.dataChanged.emit(self.index(first), self.index(min(first + PAGE, self._count) - 1))
        self.page_loaded.emit()

    def _reset_rows(self, count: int) -> None:
        self.beginResetModel()
        self._count = count
        self._pages.clear()
        self._lines.clear()
        self._stale.clear()
        self.endResetModel()

    def _resize_rows(self, count: int) -> None:
        """Insert or remove rows at the end, since the number of cases has changed."""
        # Not a reset: the view would jump to the top.
        if count > self._count:
            self.beginInsertRows(QModelIndex(), self._count, count - 1)
            self._count = count
            self.endInsertRows()
        else:
            self.beginRemoveRows(QModelIndex(), count, self._count - 1)
            self._count = count
            self.endRemoveRows()
        self._stale |= set(self._pages)

    def _thumbnail_loaded(self, asked: _ThumbnailRequest, image: QImage) -> None:
        """Take over a picture that was fetched."""
        if asked.project is not self._project:
            return
        self._images[asked.row.name] = image
        # Oldest first; a picture that is needed again is fetched again.
        while len(self._images) > _PICTURES_KEPT:
            self._images.popitem(last=False)
        line = self.line_of(asked.row.name)
        if line is not None:
            self.dataChanged.emit(self.index(line), self.index(line), [_Role.DecorationRole])

    def _all_changed(self) -> None:
        if self._count:
            self.dataChanged.emit(self.index(0), self.index(self._count - 1))

    # What there is

    def row_at(self, number: int) -> CaseRow | None:
        """Return the case in row `number`; None while it is not fetched, which asks for it."""
        page = number // PAGE
        rows = self._pages.get(page)
        # Stale rows are shown until the new ones are there, so that the list does not flicker.
        if rows is None or page in self._stale:
            self._stale.discard(page)
            self._request_page(page, fresh=False)
        if rows is None or number % PAGE >= len(rows):
            return None
        self._pages.move_to_end(page)
        return rows[number % PAGE]

    def line_of(self, name: str) -> int | None:
        """Return the row of the case `name` if it was fetched, else None."""
        return self._lines.get(name)

    def end_loading(self) -> None:
        """Stop fetching for good."""
        self._page_loader.close()
        self._thumbnail_loader.close()

    # Qt's hooks

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802
        """Qt's hook: the number of cases on all pages."""
        return 0 if parent is not None and parent.isValid() else self._count

    def data(self, index: Any, role: int = _Role.DisplayRole) -> Any:
        """Qt's hook: text, picture or, as UserRole, the `CaseRow` of a row."""
        if not index.isValid() or role not in _SHOWN:
            return None
        row = self.row_at(index.row())
        if row is None:
            return "…" if role == _Role.DisplayRole else None
        return self._role_value(row, role)

    def _role_value(self, row: CaseRow, role: int) -> Any:
        """Return the value of `row` for the Qt role `role`."""
        is_open = row.name == self._open_name
        match role:
            case _Role.DisplayRole:
                return f"{'▸ ' if is_open else ''}{row.name}  ·  {row.status}\n{case_line_text(row)}"
            case _Role.AccessibleTextRole:
                return f"{row.name}, {row.status}, {case_line_text(row)}"
            case _Role.ToolTipRole:
                return case_tooltip_text(row)
            case _Role.DecorationRole:
                return self._thumbnail_of(row)
            case _Role.UserRole:
                return row
            case _Role.FontRole:
                font = QFont()
                font.setBold(is_open)
                return font
        return None

    def _thumbnail_of(self, row: CaseRow) -> QImage:
        image = self._images.get(row.name)
        if image is not None:
            return image
        if self._project is not None:
            self._thumbnail_loader.request(_ThumbnailRequest(self._project, row))
        return self._blank


def _load_page(asked: _PageRequest) -> _ListPage:
    query = replace(asked.query, limit=PAGE, offset=asked.number * PAGE)
    return _ListPage(
        asked.number, asked.project.list_cases(query), asked.project.count_cases(asked.query), asked.fresh
    )


def _load_thumbnail(asked: _ThumbnailRequest) -> QImage | None:
    path: Path = ensure_thumbnail(asked.project, asked.row)
    image = QImage(str(path))
    if image.isNull():
        return None
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return _centre_in_square(image.scaled(PICTURE, PICTURE, keep, smooth))


def _centre_in_square(image: QImage) -> QImage:
    """Return `image` in the middle of a square, so that the text of all rows begins at the same place."""
    square = QImage(PICTURE, PICTURE, QImage.Format.Format_ARGB32_Premultiplied)
    square.fill(QColor(0, 0, 0, 0))
    painter = QPainter(square)
    painter.drawImage((PICTURE - image.width()) // 2, (PICTURE - image.height()) // 2, image)
    painter.end()
    return square


def _blank_thumbnail() -> QImage:
    """Return the grey square that stands for a picture that is not fetched yet."""
    image = QImage(PICTURE, PICTURE, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(QColor(128, 128, 128, 40))
    return image
