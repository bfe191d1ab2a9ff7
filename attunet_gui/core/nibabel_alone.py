"""nibabel without pydicom, where a process must start fast."""

from __future__ import annotations

import sys
from importlib import import_module


def import_nibabel_alone() -> None:
    """Import nibabel, and leave pydicom to whoever wants it later.

    nibabel asks for pydicom because NIfTI headers may hold DICOM notes, which nobody here reads. With its
    decoders that is a third of what `attunet predict` imports. Only for a process that is ours alone: in it
    `nibabel.load` refuses files with such notes. Does nothing where either is imported already.
    """
    if "nibabel" in sys.modules or "pydicom" in sys.modules:
        return
    sys.modules["pydicom"] = None  # type: ignore[assignment]  # what Python reads as: not there
    try:
        import_module("nibabel")
    finally:
        del sys.modules["pydicom"]
