"""A procedural abdominal CT with its label map, made from a seed at any size and spacing.

The patient is a function of the seed alone and is defined in millimetres, centred on the volume; a request
only says on which grid that patient is sampled. Nothing here comes from the image of a real person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.synthesis.centred_volume import centred_volume
from attunet_gui.synthesis.phantom import pancreas_anatomy, torso, viscera
from attunet_gui.synthesis.phantom.atlas_geometry import AtlasGrid
from attunet_gui.synthesis.phantom.phantom_scene import ORGANS, PhantomScene, draw_patient, seeded_stream
from attunet_gui.synthesis.phantom.tissue_hu import scan_phantom
from attunet_gui.system.progress import ProgressCallback, no_progress

__all__ = ["ORGANS", "Phantom", "PhantomRequest", "make_phantom", "phantom_volume"]


@dataclass(frozen=True)
class PhantomRequest:
    """Which phantom patient to make, and the grid to sample it on.

    Attributes:
        seed: names the patient, 0 or more.
        shape: voxels along z (to the head), y (to the back), x (to the patient's left).
        spacing_mm: voxel size along z, y, x.

    Raises:
        ValueError: for a negative seed, an empty shape, or a spacing that is not positive.
    """

    seed: int
    shape: tuple[int, int, int] = (96, 256, 256)
    spacing_mm: tuple[float, float, float] = (2.5, 1.5, 1.5)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"a phantom's seed is 0 or more, got {self.seed}")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"a phantom needs three positive sizes, got {self.shape}")
        if len(self.spacing_mm) != 3 or not all(0 < step < np.inf for step in self.spacing_mm):
            raise ValueError(f"a phantom needs three positive voxel sizes in mm, got {self.spacing_mm}")


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic scan.

    Attributes:
        request: what was asked for.
        hu: (z, y, x) int16, Hounsfield units in [-1024, 3071].
        organs: (z, y, x) uint8 codes as in `ORGANS`.
    """

    request: PhantomRequest
    hu: NDArray[np.int16]
    organs: NDArray[np.uint8]

    @property
    def pancreas_mask(self) -> NDArray[np.uint8]:
        """The mask of the pancreas: (z, y, x) uint8, 1 inside."""
        return np.asarray(self.organs == ORGANS["pancreas"], np.uint8)


def make_phantom(request: PhantomRequest, progress: ProgressCallback = no_progress) -> Phantom:
    """Paint the patient of `request.seed` from the outside in, then add blur and noise.

    Equal requests give equal arrays.

    Args:
        request: the seed, and the grid.
        progress: called before every stage; a `WorkCancelled` that it raises passes through.
    """
    patient = draw_patient(request.seed)
    stages = _PAINT_STAGES
    progress(0, len(stages) + 1, "body")
    frame = AtlasGrid(request.shape, request.spacing_mm, patient.pose, seeded_stream(request.seed, "warp"))
    scene = PhantomScene(patient, frame)
    for done, (stage, paint) in enumerate(stages):
        progress(done, len(stages) + 1, stage)
        paint(scene)
    progress(len(stages), len(stages) + 1, "noise")
    hu = scan_phantom(scene.hu, request.spacing_mm, patient.noise_hu, seeded_stream(request.seed, "noise"))
    progress(len(stages) + 1, len(stages) + 1, "noise")
    return Phantom(request, hu, scene.organs)


def phantom_volume(phantom: Phantom) -> Volume:
    """Return the phantom as a volume whose centre is the world origin."""
    return centred_volume(
        phantom.hu, phantom.request.spacing_mm, f"phantom-{phantom.request.seed}", "phantom"
    )


def _paint_pancreas_region(scene: PhantomScene) -> None:
    """Paint duodenum, pancreas and peripancreatic vessels, all placed by one plan of the gland's course."""
    plan = pancreas_anatomy.plan_pancreas(scene.patient)
    pancreas_anatomy.paint_duodenum(scene, plan)
    pancreas_anatomy.paint_pancreas(scene, plan)
    pancreas_anatomy.paint_peripancreatic_vessels(scene, plan)


# What is painted later covers what was painted before: solid organs cut into bowel and fat, and the pancreas
# follows all organs around it, so that none of them covers its label.
_PAINT_STAGES: tuple[tuple[str, Callable[[PhantomScene], None]], ...] = (
    ("wall", torso.paint_body_wall),
    ("small bowel", viscera.paint_small_bowel),
    ("mesentery", viscera.paint_mesentery),
    ("colon", viscera.paint_colon),
    ("lungs", torso.paint_lungs),
    ("stomach", viscera.paint_stomach),
    ("spleen", viscera.paint_spleen),
    ("liver", viscera.paint_liver),
    ("gallbladder", viscera.paint_gallbladder),
    ("kidneys", viscera.paint_kidneys),
    ("muscles", torso.paint_muscles),
    ("spine", torso.paint_spine),
    ("ribs", torso.paint_ribs),
    ("adrenals", viscera.paint_adrenals),
    ("great vessels", pancreas_anatomy.paint_great_vessels),
    ("pancreas", _paint_pancreas_region),
    ("table", torso.paint_table),
)
