"""Exporting annotated cases as data sets for other programs, one module for each format.

An export is a folder that is complete or does not exist, with a manifest of every file in it. It holds
nothing about the patient unless the caller asks for that, and never a path of this computer.
"""

from attunet_gui.export.export_case import ExportCase
from attunet_gui.export.export_manifest import ExportManifest, read_export_manifest
from attunet_gui.export.exporter import ExportOptions, ExportReport, export_dataset
from attunet_gui.export.format_registry import EXPORT_FORMATS, export_format_named
from attunet_gui.export.pseudonymizer import Pseudonymizer, read_export_key

__all__ = [
    "EXPORT_FORMATS",
    "ExportCase",
    "ExportManifest",
    "ExportOptions",
    "ExportReport",
    "Pseudonymizer",
    "export_dataset",
    "export_format_named",
    "read_export_key",
    "read_export_manifest",
]
