"""Import of nibabel without pydicom, for processes that must start fast."""

from __future__ import annotations

import sys
from importlib import import_module


def import_nibabel_without_pydicom() -> None:
    """Import nibabel without importing pydicom; pydicom can still be imported later.

    nibabel imports pydicom because NIfTI headers may hold DICOM extensions, which this product does not read.
    With its decoders that is a third of the import time of `attunet predict`. Call it only in a process of
    our own, because `nibabel.load` then refuses files with such extensions. Nothing happens if either package
    is imported already.
    """
    if "nibabel" in sys.modules or "pydicom" in sys.modules:
        return
    # An entry of None makes Python raise ImportError for this name, and nibabel then does without it.
    sys.modules["pydicom"] = None  # type: ignore[assignment]
    try:
        import_module("nibabel")
    finally:
        del sys.modules["pydicom"]
