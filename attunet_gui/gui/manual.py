"""The user guide inside the window: the documents that come with the product, read without a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QImage, QTextDocument
from qtpy.QtWidgets import QDialog, QHBoxLayout, QLabel, QListWidget, QTextBrowser, QVBoxLayout, QWidget

from attunet_gui.gui.qt import Signal
from attunet_gui.paths import documents

_PICTURE_WIDTH = 640


@dataclass(frozen=True)
class Chapter:
    """A document that is read in the window."""

    title: str
    file: str


CHAPTERS: tuple[Chapter, ...] = (
    Chapter("User guide", "guide.md"),
    Chapter("Reference", "reference.md"),
    Chapter("Worklist and projects", "worklist.md"),
    Chapter("Exporting", "export.md"),
    Chapter("Fine-tuning", "finetuning.md"),
    Chapter("The starter model", "starter.md"),
    Chapter("Messages, and what to do", "errors.md"),
    Chapter("What is written where", "privacy.md"),
)


class Manual(QDialog):
    """Chapters at the left, the text at the right; stays open beside the work.

    A link to a file that comes with the product opens here; another is only shown, since nothing of the
    product goes online.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("User guide")
        self.chapters = QListWidget(self)
        self.chapters.setAccessibleName("Chapters")
        self.chapters.addItems([chapter.title for chapter in CHAPTERS])
        self.chapters.setFixedWidth(self.chapters.sizeHintForColumn(0) + 32)
        self.text = _Text(self)
        self.chapters.currentRowChanged.connect(self._open)
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
        self.chapters.setCurrentRow(0)

    def _open(self, row: int) -> None:
        self.text.setSource(QUrl.fromLocalFile(str(documents() / CHAPTERS[row].file)))


class _Text(QTextBrowser):
    """Markdown from the product's own folder, pictures no wider than the text.

    Signals:
        refused(sentence): a link leads elsewhere.
    """

    refused = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Text of the chapter")

    def doSetSource(self, url: QUrl | str, _kind: object = None) -> None:  # noqa: N802
        """Go to `url` if it is a document of ours, else say where it leads."""
        target = self.source().resolved(QUrl(url))
        if _is_ours(target) and target.fileName().endswith(".md"):
            super().doSetSource(target, QTextDocument.ResourceType.MarkdownResource)
        else:
            self.refused.emit(f"This leads out of the guide: {target.toDisplayString()}")

    def loadResource(self, kind: int, url: QUrl | str) -> object:  # noqa: N802
        """A text or a picture from the product's own folder; nothing from elsewhere."""
        found = self.source().resolved(QUrl(url))
        if not _is_ours(found):
            return None
        if kind == QTextDocument.ResourceType.ImageResource.value:
            return _fitting(QImage(found.toLocalFile()))
        return super().loadResource(kind, found)


def _is_ours(url: QUrl) -> bool:
    return url.isLocalFile() and Path(url.toLocalFile()).resolve().is_relative_to(documents().resolve())


def _fitting(picture: QImage) -> QImage:
    if picture.width() <= _PICTURE_WIDTH:
        return picture
    return picture.scaledToWidth(_PICTURE_WIDTH, Qt.TransformationMode.SmoothTransformation)
