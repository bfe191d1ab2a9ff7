"""Phantoms with a domain shift, on which a model for everyday CT does badly.

They look as if from a cone-beam scanner: HU that are not calibrated, coarse noise and thick slices, without
contrast medium, of small patients. A seed names the same patient as it does for ordinary phantoms.
"""

from __future__ import annotations

from itertools import count, islice

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from attunet_gui.core.volume import Volume
from attunet_gui.synthesis.centred_volume import centred_volume
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom
from attunet_gui.synthesis.phantom.atlas_geometry import F32, Point3D
from attunet_gui.synthesis.phantom.phantom_scene import draw_patient, seeded_stream

_HU_SLOPE, _HU_OFFSET = 0.8, -75.0
"""Linear change of HU by scatter, which compresses and lowers them in cone-beam CT."""
_NOISE_HU = 45.0
_GRAIN_MM = 2.0
"""Standard deviation of the Gaussian that smooths the noise; its blobs are as large as pancreatic lobules."""
_BODY_SCALE = 0.75
"""Size of the patient as a share of the size of an adult."""
# Before the patient is made smaller: slices of the result are 4.5 mm thick, pixels 1.2 mm wide.
_THICKNESS_MM, _PIXEL_MM = 6.0, 1.6
_AIR_HU = -900
_HEIGHT_MM, _FIELD_MM = 230.0, 430.0


def unenhanced_seeds(first: int, number: int) -> tuple[int, ...]:
    """Return the first `number` seeds, from `first` on, whose patients have no contrast medium."""
    return tuple(islice((seed for seed in count(first) if draw_patient(seed).phase == "native"), number))


def make_shifted_phantom(seed: int) -> tuple[Volume, NDArray[np.uint8]]:
    """Make the phantom of `seed` with the domain shift.

    Returns:
        The CT, and the mask of its pancreas, (z, y, x) uint8 with 1 inside.

    Raises:
        ValueError: the patient of `seed` got contrast medium; take one of `unenhanced_seeds`.
    """
    if draw_patient(seed).phase != "native":
        raise ValueError(f"the patient of seed {seed} got contrast medium")
    side = round(_FIELD_MM / _PIXEL_MM)
    shape = (round(_HEIGHT_MM / _THICKNESS_MM), side, side)
    phantom = make_phantom(PhantomRequest(seed, shape, (_THICKNESS_MM, _PIXEL_MM, _PIXEL_MM)))
    # Air keeps its HU: scatter does not change what is outside the body.
    scattered = np.where(
        phantom.hu > _AIR_HU, phantom.hu * np.float32(_HU_SLOPE) + np.float32(_HU_OFFSET), phantom.hu
    )
    noisy = scattered + np.float32(_NOISE_HU) * _draw_coarse_noise(shape, seeded_stream(seed, "low dose"))
    hu = np.rint(np.clip(noisy, -1024, 3071)).astype(np.int16)
    # The smaller patient is the same voxels with a smaller spacing.
    spacing: Point3D = (_BODY_SCALE * _THICKNESS_MM, _BODY_SCALE * _PIXEL_MM, _BODY_SCALE * _PIXEL_MM)
    return centred_volume(hu, spacing, f"shifted-{seed}", "phantom"), phantom.pancreas_mask


def _draw_coarse_noise(shape: tuple[int, int, int], random: np.random.Generator) -> F32:
    """Return (z, y, x) float32 noise of unit variance that is independent from slice to slice."""
    white = random.standard_normal(shape, dtype=np.float32)
    smooth = gaussian_filter(white, (0.0, _GRAIN_MM / _PIXEL_MM, _GRAIN_MM / _PIXEL_MM))
    return np.asarray(smooth / smooth.std(), np.float32)
