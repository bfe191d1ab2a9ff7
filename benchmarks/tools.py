"""How long each correction tool takes: `python -m benchmarks.tools` prints a table.

On noise around an organ-like shape of about 90 ml, in 512 x 512 slices of 0.8 mm; in 2-D on one slice, in
3-D in 300 slices of 1 mm. The probability is read through a `ResampledMapView`, as in the window. A figure is
the median of five runs; 0.3 s is the bound for adding and removing by one click in 2-D.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.editing.tools import TOOLS, ToolKind, ToolOptions, ToolScene
from attunet_gui.prediction.network_grid import NetworkGrid, ResampledMapView
from attunet_gui.system.errors import AttunetError

_SHAPE = (300, 512, 512)
_SPACING_MM = (1.0, 0.8, 0.8)
_RUNS = 5
_CLICKS = {"fill": (150, 256, 256), "add-this": (150, 256, 330), "remove-this": (150, 236, 200)}


def main() -> None:
    """Print a row a tool: its time in 2-D and in 3-D, and what it changes."""
    scene = _scene()
    print(f"{'tool':<18}{'2-D ms':>8}{'3-D ms':>8}   voxels in 2-D, in 3-D")
    for kind in TOOLS:
        cells = [_timed(kind, scene, in_3d=axes == 3) if axes in kind.dimensions else None for axes in (2, 3)]
        times = "".join(f"{cell[0]:>8.0f}" if cell else f"{'':>8}" for cell in cells)
        print(f"{kind.key:<18}{times}   {', '.join(str(cell[1]) for cell in cells if cell)}")


def _scene() -> ToolScene:
    z, y, x = np.ogrid[: _SHAPE[0], : _SHAPE[1], : _SHAPE[2]]
    bend = 256 + 20 * np.sin((x - 256) / 40)
    organ = ((z - 150) / 30) ** 2 + ((y - bend) / 22) ** 2 + ((x - 256) / 90) ** 2 < 1
    mask = (organ & (x < 310)).astype(np.uint8)
    mask[150, 255:258, 255:258] = 0
    mask[150, 100:104, 100:104] = 1
    mask[145:150] = np.roll(mask[145:150], 1, axis=1)
    rng = np.random.default_rng(0)
    hu = np.empty(_SHAPE, np.int16)
    for plane, inside in zip(hu, organ, strict=True):
        plane[...] = rng.normal(0, 20, plane.shape) + np.where(inside, 100, -80)
    draft = np.roll(mask, 1, axis=2)
    locks = MaskLocks(verified=frozenset({140, 160}))
    by_hand = EditStroke(
        edit_between(mask[150:151], organ[150:151], (150, 0, 0)), "brush", "brush", "", 0.0, 150, True
    )
    return ToolScene(mask, hu, _SPACING_MM, 150, _probability(), draft, locks, (by_hand,))


def _probability() -> ResampledMapView:
    grid = VoxelGrid(_SHAPE, np.diag([*_SPACING_MM, 1.0]))
    frame = NetworkGrid(grid, (160, 208), (56.0, 0.0), (2.5, 2.5))
    return ResampledMapView(frame, np.full((_SHAPE[0], 160, 208), 0.2, np.float16))


def _timed(kind: ToolKind, scene: ToolScene, in_3d: bool) -> tuple[float, int | str]:
    tool = kind.make_tool(ToolOptions(points=(_CLICKS.get(kind.key, (150, 256, 256)),), in_3d=in_3d))
    try:
        times, edits = zip(*(_clocked(lambda: tool.compute_edit(scene)) for _ in range(_RUNS)), strict=True)
    except AttunetError as reason:
        return float("nan"), str(reason)
    return 1000 * median(times), edits[0].changed_voxels


def _clocked(work: Callable[[], MaskEdit]) -> tuple[float, MaskEdit]:
    start = time.perf_counter()
    edit = work()
    return time.perf_counter() - start, edit


if __name__ == "__main__":
    main()
