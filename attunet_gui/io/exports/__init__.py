"""Annotated cases as data sets for other programs: one module a format, one line a format in `EXPORTS`.

An export is a folder that is there complete or not at all, with a manifest of every file in it. Nothing of
the patient leaves in it unless the caller asks for that, and no path ever does.
"""

from attunet_gui.io.exports.case import ExportCase
from attunet_gui.io.exports.export import Order, Report, export
from attunet_gui.io.exports.identity import Identity, read_key
from attunet_gui.io.exports.manifest import Manifest, read_manifest
from attunet_gui.io.exports.registry import EXPORTS, export_format

__all__ = [
    "EXPORTS",
    "ExportCase",
    "Identity",
    "Manifest",
    "Order",
    "Report",
    "export",
    "export_format",
    "read_key",
    "read_manifest",
]
