"""The origin of a mask as its record says it: the model, the source of the volume; and the record's path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attunet_gui.core.volume import Volume

NOT_A_DEVICE_WARNING = "Research use only. Not a medical device; not for diagnosis or treatment."


@dataclass(frozen=True)
class ModelId:
    """The identity of a model, enough to find its bundle again and to prove that it is unchanged.

    `str` prints it as projects and exports store it, "NAME SHA256", and `parse` reads that again. The engine
    is no part of the stored text.

    Attributes:
        name: name of the model card.
        sha256: SHA-256 of the weights file.
        engine: the engine that ran the network, such as "keras" or "openvino"; "" where none ran.
    """

    name: str
    sha256: str
    engine: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.sha256}".rstrip()

    @classmethod
    def parse(cls, text: str) -> ModelId | None:
        """Return the model that `str` printed as `text`; None for ""."""
        # The name may hold spaces, the sum may not.
        name, _, sha256 = text.rpartition(" ")
        if not name:
            name, sha256 = text, ""
        return cls(name, sha256) if text else None

    @property
    def without_engine(self) -> ModelId:
        """The same model, whatever engine ran it."""
        return ModelId(self.name, self.sha256)


def mask_record_path(mask: Path) -> Path:
    """Return the path of the record of a mask: `x_pancreas.nii.gz` -> `x_pancreas.json`."""
    return mask.with_name(mask.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def former_mask_record_path(mask: Path) -> Path:
    """Return the path that earlier versions of `attunet predict` used: `x_pancreas.nii.gz` -> `x.json`."""
    record = mask_record_path(mask)
    return record.with_name(record.name.removesuffix("_pancreas.json").removesuffix(".json") + ".json")


def source_record(volume: Volume) -> dict[str, Any]:
    """Return the entry of a record that describes the source of a volume.

    It holds the file name without its folder, the format, the series, and the grid of the file: its shape
    (i, j, k), its spacing in mm and the affine from index to RAS+ mm.
    """
    source = volume.placement.source
    return {
        "file": volume.origin.path.name,
        "format": volume.origin.kind,
        "series": volume.origin.series,
        "shape": list(source.shape),
        "spacing_mm": [round(step, 6) for step in source.spacing_mm],
        "affine": source.affine.tolist(),
    }
