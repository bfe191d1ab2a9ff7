"""Draws `icon.svg` as a picture of 256 x 256 pixels. Usage: icon.py FILE.png."""

import sys
from pathlib import Path

from PySide6.QtCore import QSize
from PySide6.QtGui import QGuiApplication, QIcon

SIZE = QSize(256, 256)

application = QGuiApplication(sys.argv)
drawn = QIcon(str(Path(__file__).with_name("icon.svg"))).pixmap(SIZE)
if drawn.isNull() or not drawn.save(sys.argv[1]):
    sys.exit(f"The icon could not be drawn to {sys.argv[1]}.")
