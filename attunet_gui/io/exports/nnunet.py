"""The export format of nnU-Net v2, raw layout; the folder has to be called DatasetNNN_NAME in nnUNet_raw.

Source: nnU-Net, documentation/dataset_format.md and ignore_label.md, version 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import LABELS, OpenedCase
from attunet_gui.io.exports.form import Format
from attunet_gui.io.exports.identity import Identity
from attunet_gui.io.exports.manifest import Manifest
from attunet_gui.io.exports.pairs import ENDING, write_pair


def _write(opened: OpenedCase, folder: Path, _identity: Identity, progress: Progress) -> None:
    name = opened.case.name
    # _0000 is the number of the channel, of which CT has one.
    image = folder / "imagesTr" / f"{name}_0000{ENDING}"
    write_pair(opened, image, folder / "labelsTr" / f"{name}{ENDING}", progress)


def _dataset(manifest: Manifest) -> dict[str, Any]:
    content: dict[str, Any] = {
        "channel_names": {"0": "CT"},
        "labels": LABELS,
        "numTraining": len(manifest.cases),
        "file_ending": ENDING,
        "description": "Pancreas in abdominal CT; slices that nobody verified are labelled ignore.",
    }
    if any(case.sheared for case in manifest.cases):
        # nnU-Net would choose SimpleITK, which refuses axes that are not at right angles.
        content["overwrite_image_reader_writer"] = "NibabelIO"
    return content


NNUNET = Format("nnunet", "nnU-Net v2 raw data set", _write, dataset=_dataset)
