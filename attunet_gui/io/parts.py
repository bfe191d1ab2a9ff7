"""The files that make up one image: a header may name others, or have the voxels beside it."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.io.nifti_header import is_pair, pair_of


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of the image `path` (not DICOM), that of the header first.

    Raises:
        UnreadableInput: if the header is damaged, or half of a pair is missing.
        OSError: if the header cannot be read.
    """
    if is_pair(path):
        return pair_of(path)
    name = path.name.lower()
    if name.endswith((".nhdr", ".mhd")):
        from attunet_gui.io import metaimage, nrrd

        found = (nrrd if name.endswith(".nhdr") else metaimage).header(path)
        return tuple(dict.fromkeys((path, *(piece.path for piece in found.pieces))))
    return (path,)
