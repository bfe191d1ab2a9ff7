"""Telling whether two files hold the same CT, without decoding them."""

from __future__ import annotations

import hashlib

from attunet_gui.io.case_discovery import CaseRef
from attunet_gui.io.image_format_registry import files_of_image
from attunet_gui.system.errors import UnreadableInput

_PARTS, _PART_BYTES = 16, 4096


def ct_fingerprint(case: CaseRef) -> str:
    """Return 32 hexadecimal digits that identify a CT and say nothing about the patient.

    For a DICOM series they are a hash of its key. For a file they are a hash of its size and of 16 samples
    of 4 KiB that are spread over it and include its first and last bytes; the last bytes of a .nii.gz hold a
    checksum of all voxels. Where header and voxels are two files, both are sampled, because the headers of
    two CT may be equal.

    Raises:
        UnreadableInput: if the file cannot be read.
    """
    state = hashlib.blake2b(digest_size=16)
    if case.series is not None:
        state.update(b"series\0" + case.series.encode())
        return state.hexdigest()
    try:
        for path in files_of_image(case.path):
            size = path.stat().st_size
            state.update(f"file\0{size}\0".encode())
            with path.open("rb") as file:
                for start in _sample_offsets(size):
                    file.seek(start)
                    state.update(file.read(_PART_BYTES))
    except OSError as error:
        raise UnreadableInput(f"{case.path.name} could not be read ({error.strerror}).") from error
    return state.hexdigest()


def _sample_offsets(size: int) -> list[int]:
    # A set, because the samples of a short file overlap and would be the same ones several times.
    last = max(0, size - _PART_BYTES)
    return sorted({last * part // (_PARTS - 1) for part in range(_PARTS)})
