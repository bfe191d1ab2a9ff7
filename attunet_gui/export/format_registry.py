"""The table of all formats in which a data set can be exported."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.export.export_case import PANCREAS, OpenedCase
from attunet_gui.export.export_format import ExportFormat
from attunet_gui.export.formats.msd import MSD_FORMAT
from attunet_gui.export.formats.nifti_pairs import NIFTI_FORMAT
from attunet_gui.export.formats.nnunet import NNUNET_FORMAT
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback


def _write_dicom_seg(
    opened: OpenedCase, folder: Path, identity: Pseudonymizer, progress: ProgressCallback
) -> None:
    # Imported here, because no other format needs highdicom.
    from attunet_gui.export.formats import dicom_seg

    dicom_seg.write_dicom_seg(opened, folder, identity, progress)


DICOM_SEG = ExportFormat(
    "dicomseg", "DICOM SEG, for cases that came as DICOM", _write_dicom_seg, {"pancreas": PANCREAS}
)

EXPORT_FORMATS: tuple[ExportFormat, ...] = (NNUNET_FORMAT, MSD_FORMAT, NIFTI_FORMAT, DICOM_SEG)
"""Every format. A new one is a module and a line here."""


def export_format_named(name: str) -> ExportFormat:
    """Return the format called `name`; if there is none, `AttunetError` names those there are."""
    for each in EXPORT_FORMATS:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in EXPORT_FORMATS)
    raise AttunetError(f"There is no export format {name!r}: choose one of {names}.")
