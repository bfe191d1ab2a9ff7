"""Finding the files that make up one image, whose header and voxels may be in different files."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.io.nifti_header import is_pair, pair_of


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files of the image `path`, which is not DICOM; the file of the header is the first.

    Raises:
        UnreadableInput: if the header is damaged, or one file of a pair is missing.
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
