"""Telling whether two files hold the same CT without decoding them."""

from __future__ import annotations

import hashlib

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io.cases import CaseRef
from attunet_gui.io.parts import files_of

_PARTS, _PART_BYTES = 16, 4096


def fingerprint(case: CaseRef) -> str:
    """Of a CT: 32 hexadecimal digits that say nothing of the patient.

    Of a DICOM series its key. Of a file its size and 16 samples of 4 KiB spread over it, the first and the
    last bytes among them; in a .nii.gz the last bytes hold a checksum of all voxels. Where the voxels lie in
    another file than the header, of both: headers of two CT may be alike.

    Raises:
        UnreadableInput: if the file cannot be read.
    """
    state = hashlib.blake2b(digest_size=16)
    if case.series is not None:
        state.update(b"series\0" + case.series.encode())
        return state.hexdigest()
    try:
        for path in files_of(case.path):
            size = path.stat().st_size
            state.update(f"file\0{size}\0".encode())
            with path.open("rb") as file:
                for start in _starts(size):
                    file.seek(start)
                    state.update(file.read(_PART_BYTES))
    except OSError as error:
        raise UnreadableInput(f"{case.path.name} could not be read ({error.strerror}).") from error
    return state.hexdigest()


def _starts(size: int) -> list[int]:
    last = max(0, size - _PART_BYTES)
    return sorted({last * part // (_PARTS - 1) for part in range(_PARTS)})
