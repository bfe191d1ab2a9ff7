"""The table of all formats in which a data set can be exported."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import PANCREAS, OpenedCase
from attunet_gui.io.exports.form import Format
from attunet_gui.io.exports.identity import Identity
from attunet_gui.io.exports.msd import MSD
from attunet_gui.io.exports.nifti_pairs import NIFTI
from attunet_gui.io.exports.nnunet import NNUNET


def _write_dicom_seg(opened: OpenedCase, folder: Path, identity: Identity, progress: Progress) -> None:
    # Imported here, because no other format needs highdicom.
    from attunet_gui.io.exports import dicom_seg

    dicom_seg.write(opened, folder, identity, progress)


DICOM_SEG = Format(
    "dicomseg", "DICOM SEG, for cases that came as DICOM", _write_dicom_seg, {"pancreas": PANCREAS}
)

EXPORTS: tuple[Format, ...] = (NNUNET, MSD, NIFTI, DICOM_SEG)
"""Every format. A new one is a module and a line here."""


def export_format(name: str) -> Format:
    """Return the format called `name`; if there is none, `AttunetError` names those there are."""
    for each in EXPORTS:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in EXPORTS)
    raise AttunetError(f"There is no export format {name!r}: choose one of {names}.")
