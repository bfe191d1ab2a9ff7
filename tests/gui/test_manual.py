"""The guide in the window: every chapter is there with its pictures, and no link leads out of it."""

from __future__ import annotations

import re

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QUrl
from qtpy.QtGui import QImage, QTextDocument

from attunet_gui.gui.manual import CHAPTERS, Manual
from attunet_gui.paths import documents

pytestmark = pytest.mark.window

_PICTURE = re.compile(r"!\[[^]]*\]\(([^)]+)\)")


@pytest.fixture
def manual(qtbot: QtBot) -> Manual:
    found = Manual()
    qtbot.addWidget(found)
    return found


@pytest.mark.parametrize("row", range(len(CHAPTERS)), ids=[chapter.file for chapter in CHAPTERS])
def test_every_chapter_opens_with_its_pictures(manual: Manual, row: int) -> None:
    manual.chapters.setCurrentRow(row)
    source = (documents() / CHAPTERS[row].file).read_text("utf-8")
    title = source.splitlines()[0].removeprefix("# ")
    assert manual.text.toPlainText().startswith(title)
    for name in _PICTURE.findall(source):
        picture = manual.text.loadResource(QTextDocument.ResourceType.ImageResource.value, QUrl(name))
        assert isinstance(picture, QImage)
        assert not picture.isNull(), name


@pytest.mark.parametrize("link", ["https://example.org/x.md", "file:///etc/hosts", "../../../etc/hosts.md"])
def test_a_link_that_leads_out_is_only_named(manual: Manual, link: str) -> None:
    before = manual.text.toPlainText()
    manual.text.setSource(QUrl(link))
    assert manual.text.toPlainText() == before
    assert "leads out of the guide" in manual.line.text()


def test_a_link_between_chapters_is_followed(manual: Manual) -> None:
    manual.text.setSource(QUrl("export.md"))
    first = (documents() / "export.md").read_text("utf-8").splitlines()[0]
    assert manual.text.toPlainText().startswith(first.removeprefix("# "))
