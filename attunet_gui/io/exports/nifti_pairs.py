"""The export format of plain pairs: images/NAME.nii.gz and labels/NAME.nii.gz; see `io.pair_collection`."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import OpenedCase
from attunet_gui.io.exports.form import Format
from attunet_gui.io.exports.identity import Identity
from attunet_gui.io.exports.pairs import write_pair
from attunet_gui.io.pair_collection import pair_in


def _write(opened: OpenedCase, folder: Path, _identity: Identity, progress: Progress) -> None:
    pair = pair_in(folder, opened.case.name, ())
    write_pair(opened, pair.image, pair.label, progress)


NIFTI = Format("nifti", "NIfTI pairs on the grid of the source", _write)
