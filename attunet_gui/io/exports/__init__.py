"""Exporting annotated cases as data sets for other programs, one module for each format.

An export is a folder that is complete or does not exist, with a manifest of every file in it. It holds
nothing about the patient unless the caller asks for that, and never a path of this computer.
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
