"""The user guide in the window: the documents that come with the product, without a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QEvent, Qt, QUrl
from qtpy.QtGui import QColor, QImage, QPalette, QShowEvent, QTextCharFormat, QTextCursor, QTextDocument
from qtpy.QtWidgets import QDialog, QHBoxLayout, QLabel, QListWidget, QTextBrowser, QVBoxLayout, QWidget

from attunet_gui.gui import theme
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.system.paths import documents_folder

_PICTURE_WIDTH = 640
"""Widest picture in pixels; larger ones are scaled down."""
_DARK = 128
"""Lightness, of 255, below which the background counts as dark."""


@dataclass(frozen=True)
class GuideChapter:
    """A document, with its title in the list and its file name in the folder of documents."""

    title: str
    file: str


CHAPTERS: tuple[GuideChapter, ...] = (
    GuideChapter("User guide", "guide.md"),
    GuideChapter("Reference", "reference.md"),
    GuideChapter("Worklist and projects", "worklist.md"),
    GuideChapter("Exporting", "export.md"),
    GuideChapter("Fine-tuning", "finetuning.md"),
    GuideChapter("The starter model", "starter.md"),
    GuideChapter("Messages, and what to do", "errors.md"),
    GuideChapter("What is written where", "privacy.md"),
)


class UserGuideDialog(QDialog):
    """Chapters at the left, the text at the right; stays open beside the work.

    A link to another of our documents opens it here. Any other link is only shown as text, since nothing in
    the product goes online.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("User guide")
        self.chapters = QListWidget(self)
        self.chapters.setAccessibleName("Chapters")
        self.chapters.addItems([chapter.title for chapter in CHAPTERS])
        self.chapters.setFixedWidth(self.chapters.sizeHintForColumn(0) + 32)
        self.text = _GuideTextBrowser(self)
        self.chapters.currentRowChanged.connect(self._open_chapter)
        self.line = QLabel(self)
        self.text.refused.connect(self.line.setText)
        self.text.sourceChanged.connect(self.line.clear)
        reading = QVBoxLayout()
        reading.addWidget(self.text)
        reading.addWidget(self.line)
        sides = QHBoxLayout(self)
        sides.addWidget(self.chapters)
        sides.addLayout(reading, 1)
        self.resize(980, 760)
        # Last: it opens the first chapter, which needs the signals.
        self.chapters.setCurrentRow(0)

    def _open_chapter(self, row: int) -> None:
        self.text.setSource(QUrl.fromLocalFile(str(documents_folder() / CHAPTERS[row].file)))


class _GuideTextBrowser(QTextBrowser):
    """Shows Markdown from the product's own folder, with pictures no wider than the text.

    Signals:
        refused(sentence): a link leads elsewhere.
    """

    refused = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Text of the chapter")
        self._on_dark: bool | None = None
        self.sourceChanged.connect(lambda _url: self._colour_links(again=True))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Qt's hook.

        Only a shown widget has the style, and so the background, that the link colour depends on.
        """
        super().showEvent(event)
        self._colour_links()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Qt's hook. A change of theme changes the background."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._colour_links()

    def _colour_links(self, again: bool = False) -> None:
        """Colour the links for the background.

        Qt takes their colour from the application, not from the theme.
        """
        on_dark = self.palette().color(QPalette.ColorRole.Base).lightness() < _DARK
        if on_dark == self._on_dark and not again:
            return
        self._on_dark = on_dark
        link = QTextCharFormat()
        link.setForeground(QColor(theme.LINK_ON_DARK if on_dark else theme.LINK_ON_LIGHT))
        for start, end in _link_ranges(self.document()):
            cursor = QTextCursor(self.document())
            cursor.setPosition(start)
            cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(link)

    def doSetSource(self, url: QUrl | str, _kind: object = None) -> None:  # noqa: N802
        """Qt's hook: open `url` if it is one of our documents, else emit where it leads."""
        target = self.source().resolved(QUrl(url))
        if _is_own_document(target) and target.fileName().endswith(".md"):
            super().doSetSource(target, QTextDocument.ResourceType.MarkdownResource)
        else:
            self.refused.emit(f"This leads out of the guide: {target.toDisplayString()}")

    def loadResource(self, kind: int, url: QUrl | str) -> object:  # noqa: N802
        """Qt's hook: return a text or picture from the product's own folder, and nothing from elsewhere."""
        found = self.source().resolved(QUrl(url))
        if not _is_own_document(found):
            return None
        if kind == QTextDocument.ResourceType.ImageResource.value:
            return _scale_to_width(QImage(found.toLocalFile()))
        return super().loadResource(kind, found)


def _link_ranges(document: QTextDocument) -> list[tuple[int, int]]:
    """Return (start, end) positions of every link in `document`."""
    found = []
    block = document.begin()
    while block.isValid():
        parts = block.begin()
        while not parts.atEnd():
            part = parts.fragment()
            if part.charFormat().isAnchor():
                found.append((part.position(), part.position() + part.length()))
            parts += 1
        block = block.next()
    return found


def _is_own_document(url: QUrl) -> bool:
    return url.isLocalFile() and Path(url.toLocalFile()).resolve().is_relative_to(
        documents_folder().resolve()
    )


def _scale_to_width(picture: QImage) -> QImage:
    if picture.width() <= _PICTURE_WIDTH:
        return picture
    return picture.scaledToWidth(_PICTURE_WIDTH, Qt.TransformationMode.SmoothTransformation)
