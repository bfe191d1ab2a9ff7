"""The guide in the window: every chapter is there with its pictures, and no link leads out of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from napari.qt import get_stylesheet
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QUrl
from qtpy.QtGui import QColor, QImage, QTextCursor, QTextDocument
from qtpy.QtWidgets import QApplication

from attunet_gui.gui.dialogs.user_guide import CHAPTERS, UserGuideDialog, _link_ranges
from attunet_gui.system.paths import documents_folder

pytestmark = pytest.mark.window

_PICTURE = re.compile(r"!\[[^]]*\]\(([^)]+)\)")


@pytest.fixture
def manual(qtbot: QtBot) -> UserGuideDialog:
    found = UserGuideDialog()
    qtbot.addWidget(found)
    return found


@pytest.mark.parametrize("row", range(len(CHAPTERS)), ids=[chapter.file for chapter in CHAPTERS])
def test_every_chapter_opens_with_its_pictures(manual: UserGuideDialog, row: int) -> None:
    manual.chapters.setCurrentRow(row)
    source = (documents_folder() / CHAPTERS[row].file).read_text("utf-8")
    title = source.splitlines()[0].removeprefix("# ")
    assert manual.text.toPlainText().startswith(title)
    for name in _PICTURE.findall(source):
        picture = manual.text.loadResource(QTextDocument.ResourceType.ImageResource.value, QUrl(name))
        assert isinstance(picture, QImage)
        assert not picture.isNull(), name


@pytest.mark.parametrize("link", ["https://example.org/x.md", "file:///etc/hosts", "../../../etc/hosts.md"])
def test_a_link_that_leads_out_is_only_named(manual: UserGuideDialog, link: str) -> None:
    before = manual.text.toPlainText()
    manual.text.setSource(QUrl(link))
    assert manual.text.toPlainText() == before
    assert "leads out of the guide" in manual.line.text()


def test_a_link_between_chapters_is_followed(manual: UserGuideDialog) -> None:
    manual.text.setSource(QUrl("export.md"))
    first = (documents_folder() / "export.md").read_text("utf-8").splitlines()[0]
    assert manual.text.toPlainText().startswith(first.removeprefix("# "))


def _contrast(one: QColor, other: QColor) -> float:
    """As WCAG 2 has it; 4.5 is the least for text."""

    def luminance(colour: QColor) -> float:
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _grounds(manual: UserGuideDialog) -> list[tuple[float, QColor]]:
    """The contrast of every link with the ground that is drawn, and the colour of that."""
    drawn = manual.text.viewport().grab().toImage()
    ground = QColor(drawn.pixel(2, 2))
    document = manual.text.document()
    return [
        (_contrast(_colour_at(document, start), ground), ground) for start, _end in _link_ranges(document)
    ]


def _colour_at(document: QTextDocument, position: int) -> QColor:
    cursor = QTextCursor(document)
    cursor.setPosition(position + 1)
    return cursor.charFormat().foreground().color()


@pytest.mark.parametrize("then", ["dark", "light"])
def test_links_can_be_read_in_every_theme(
    manual: UserGuideDialog, qtbot: QtBot, tmp_path: Path, then: str
) -> None:
    first = "light" if then == "dark" else "dark"
    manual.show()
    qtbot.waitExposed(manual)
    for name in (first, then):
        manual.setStyleSheet(get_stylesheet(name))
        for _ in range(5):
            QApplication.processEvents()
        for row in (0, 2):
            manual.chapters.setCurrentRow(row)
            QApplication.processEvents()
            found = _grounds(manual)
            assert found
            assert (found[0][1].lightness() < 128) == (name == "dark")
            assert min(contrast for contrast, _ground in found) >= 4.5
        manual.grab().save(str(tmp_path / f"{name}.png"))
