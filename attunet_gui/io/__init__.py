"""Files <-> core types, one module a format: the only place where axes are turned.

Every reader hands out a `Volume` on the canonical (z, y, x) grid whose placement leads back to the source
grid; source grids have array order (i, j, k), columns first, in every format. Every writer goes back to
that source grid and re-reads what it wrote. Nothing heavy is imported before a format is used.
"""

from attunet_gui.io.cases import CaseRef, find_cases
from attunet_gui.io.masks import read_mask
from attunet_gui.io.reading import READERS, Reader, read
from attunet_gui.io.writing import make_folder, write_ct, write_json, write_map, write_mask

__all__ = [
    "READERS",
    "CaseRef",
    "Reader",
    "find_cases",
    "make_folder",
    "read",
    "read_mask",
    "write_ct",
    "write_json",
    "write_map",
    "write_mask",
]
