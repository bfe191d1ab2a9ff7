"""Reading and writing of image files, one module for each format. Axes are permuted and flipped only here.

Every reader returns a `Volume` on the canonical (z, y, x) grid, whose placement leads back to the source
grid. Source grids have array order (i, j, k), columns first, in every format. Every writer returns to that
source grid and reads back what it wrote. The libraries of a format are imported when it is first used.
"""

from attunet_gui.io.case_discovery import CaseRef, find_cases
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.image_format_registry import IMAGE_FORMATS
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.io.result_writing import make_folder, write_ct, write_float_map, write_json, write_mask

__all__ = [
    "IMAGE_FORMATS",
    "CaseRef",
    "find_cases",
    "make_folder",
    "read_ct_volume",
    "read_mask",
    "write_ct",
    "write_float_map",
    "write_json",
    "write_mask",
]
