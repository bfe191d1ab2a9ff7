"""The names that qtpy gives to every binding but does not declare to type checkers."""

from __future__ import annotations

from qtpy.QtCore import Signal as Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QShortcut as QShortcut  # type: ignore[attr-defined]
