"""Folders of published CT and label maps that are not in the repository and that some tests read.

The environment variable `ATTUNET_TEST_DATA` names their folder; without it, it is `../shared/data` beside the
checkout. A test of data that are missing is skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT = Path(__file__).parents[3] / "shared" / "data"
TEST_DATA = Path(os.environ.get("ATTUNET_TEST_DATA") or _DEFAULT)

LABEL_MAPS = TEST_DATA / "label_maps"
NIH_SLICES = TEST_DATA / "nih_pancreas_ct_2d"
TOTALSEGMENTATOR = TEST_DATA / "totalsegmentator_example"
