"""Settings that the renderer of synthetic CT draws from: one frozen group for each part of a CT.

The defaults are the usual mixture of a hospital. A named kind of CT replaces one or a few groups. A pair of
numbers is a range that a value is drawn from, uniformly unless said otherwise; a share is the probability
that something is present.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

Range: TypeAlias = tuple[float, float]
Odds: TypeAlias = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class ContrastSettings:
    """Contrast medium in the blood.

    Attributes:
        odds: of no contrast, early arterial, late arterial, portal venous and delayed phase.
        strength: factor on the enhancement of the table.
        odd_share: share of patients whose organs have HU that no phase explains, so that shape and position
            count too.
    """

    odds: Odds = (0.1, 0.17, 0.18, 0.45, 0.1)
    strength: Range = (0.7, 1.25)
    odd_share: float = 1 / 6


@dataclass(frozen=True)
class StomachBowelSettings:
    """Contents of stomach and bowel.

    Attributes:
        stomach: odds of collapsed, fluid, oral contrast medium, gas alone and food.
        bowel: factors on the odds of collapsed, fluid, oral contrast medium, gas and food in a loop of bowel.
        oral_share: share of patients who drank contrast medium.
        contrast_hu: HU of that medium.
        settled_share: share of lumina in which contrast medium has settled below fluid.
        gas: share of the depth of the stomach that is gas.
        gas_level_share: share of bowel loops with gas over their content.
        wall_mm: thickness of the stomach's wall.
    """

    # Empty and thick-walled stomachs are common here because a model that had seen few of them took a
    # collapsed fundus for pancreas.
    stomach: Odds = (0.25, 0.3, 0.2, 0.05, 0.2)
    bowel: Odds = (1.0, 1.0, 1.0, 1.0, 1.0)
    oral_share: float = 0.45
    contrast_hu: Range = (90.0, 420.0)
    settled_share: float = 0.3
    gas: Range = (0.0, 0.65)
    gas_level_share: float = 0.15
    wall_mm: Range = (1.5, 6.0)


@dataclass(frozen=True)
class NeighbourOrganSettings:
    """What lies against the pancreas.

    Attributes:
        jejunal_loops: number of loops beside body and tail.
        third_duodenum_share: share with a horizontal duodenum from the head to the left, in front of aorta
            and vena cava.
        veins_share: share with a splenic vein along the back of the gland and a confluence.
        veins_mm: radius of these veins.
        stomach_reach_mm, duodenum_reach_mm: distance by which the organ has grown towards the gland, into
            the fat.
    """

    jejunal_loops: Range = (0.0, 2.5)
    third_duodenum_share: float = 0.35
    veins_share: float = 0.6
    veins_mm: Range = (2.6, 4.6)
    stomach_reach_mm: Range = (0.0, 0.0)
    duodenum_reach_mm: Range = (0.0, 0.0)


@dataclass(frozen=True)
class PancreasSettings:
    """The pancreas itself.

    Attributes:
        level: isovalue of the smoothed mask at which the surface lies; below 0.5 the gland grows.
        grown_mm: distance by which it grows into the fat around it; a negative one shrinks it.
        lobes: depth of its lobulation, in units of the smoothed mask (0 to 1).
        clefts: threshold of the random field of fatty clefts; the lower it is, the more clefts there are.
        fatty_hu: HU by which fat that is too fine to be seen lowers the gland's mean.
        duct_mm: radius of a duct that is seen from head to tail; 0 draws none.
        duct_share, lesion_share: share of patients with a thin piece of duct, and with small lesions.
        cysts: number of cysts.
        mass_mm: radius of a mass; 0 draws none.
    """

    level: Range = (0.40, 0.58)
    grown_mm: Range = (0.0, 0.0)
    lobes: Range = (0.0, 0.10)
    clefts: Range = (0.6, 2.6)
    fatty_hu: Range = (0.0, 0.0)
    duct_mm: Range = (0.0, 0.0)
    duct_share: float = 0.35
    lesion_share: float = 0.1
    cysts: Range = (0.0, 0.0)
    mass_mm: Range = (0.0, 0.0)


@dataclass(frozen=True)
class BodyBuildSettings:
    """Fat and size of the patient.

    Attributes:
        subcutis_mm: largest thickness of subcutaneous fat that is left; None leaves what is there.
        added_fat_mm: thickness of fat that is put around the patient.
        fat_closed_mm: width up to which gaps of visceral fat are closed by the organs beside them.
        size: factor on the whole body.
    """

    subcutis_mm: Range | None = None
    added_fat_mm: Range = (0.0, 0.0)
    fat_closed_mm: Range = (0.0, 0.0)
    size: Range = (0.87, 1.15)


@dataclass(frozen=True)
class PatientPositionSettings:
    """How the patient lies in the scanner.

    Attributes:
        prone_share: share of patients on their belly; gas and fluid change places, the table is in front.
        arms_share: share of patients with their arms beside the body.
        off_centre_mm: distance of the patient from the middle of the image.
        table_share, lines_share: share with a visible table, and with leads and tubes on the skin.
        field_mm: width of the field of view; None shows the whole patient.
    """

    prone_share: float = 0.02
    arms_share: float = 0.05
    off_centre_mm: Range = (0.0, 0.0)
    table_share: float = 0.75
    lines_share: float = 0.15
    field_mm: Range | None = None


@dataclass(frozen=True)
class SliceGridSettings:
    """The voxel grid of the output.

    Attributes:
        thickness_mm: thickness of a slice and distance to the next, drawn uniformly in its logarithm.
        pixel_mm: pixel size in plane.
        cut_share: share of scans that end within the pancreas.
    """

    thickness_mm: Range = (1.2, 5.5)
    pixel_mm: Range = (1.0, 1.5)
    cut_share: float = 0.0


@dataclass(frozen=True)
class CTScannerSettings:
    """Kernel, dose and artefacts.

    Attributes:
        blur_mm: standard deviation of the in-plane point spread.
        sharp_share, sharpening: share of scans whose edges are enhanced, and how much.
        noise_hu: standard deviation of the noise, drawn uniformly in its logarithm.
        grain_mm: standard deviation of the Gaussian that the noise is filtered with.
        hardening: strength of the streaks of beam hardening behind dense objects.
        starvation: strength of the noise of rays that hardly any photons came through.
    """

    blur_mm: Range = (0.5, 1.1)
    sharp_share: float = 0.35
    sharpening: Range = (0.2, 1.0)
    noise_hu: Range = (4.0, 30.0)
    grain_mm: Range = (0.4, 1.1)
    hardening: Range = (0.4, 1.0)
    starvation: Range = (0.3, 1.0)


@dataclass(frozen=True)
class HuExportSettings:
    """Losses of an export, such as to 8-bit images.

    Attributes:
        windows_hu: ranges of HU of which one is drawn to clip to; empty clips nothing.
        levels: number of gray values that the range is divided into; 0 keeps whole HU.
    """

    windows_hu: tuple[Range, ...] = ()
    levels: int = 0


DeviceName: TypeAlias = Literal["plastic stent", "metal stent", "clips", "biliary drain"]


@dataclass(frozen=True)
class ImplantSettings:
    """Implanted devices.

    Attributes:
        any_of: devices of which one is drawn; empty for none.
        share: share of patients who have one.
    """

    any_of: tuple[DeviceName, ...] = ("clips", "plastic stent")
    share: float = 0.04


SettingsGroup: TypeAlias = (
    ContrastSettings
    | StomachBowelSettings
    | NeighbourOrganSettings
    | PancreasSettings
    | BodyBuildSettings
    | PatientPositionSettings
    | SliceGridSettings
    | CTScannerSettings
    | HuExportSettings
    | ImplantSettings
)


@dataclass(frozen=True)
class RenderSettings:
    """All groups of one synthetic CT."""

    uptake: ContrastSettings = ContrastSettings()
    contents: StomachBowelSettings = StomachBowelSettings()
    neighbours: NeighbourOrganSettings = NeighbourOrganSettings()
    gland: PancreasSettings = PancreasSettings()
    build: BodyBuildSettings = BodyBuildSettings()
    position: PatientPositionSettings = PatientPositionSettings()
    sampling: SliceGridSettings = SliceGridSettings()
    scanner: CTScannerSettings = CTScannerSettings()
    export: HuExportSettings = HuExportSettings()
    devices: ImplantSettings = ImplantSettings()

    def replace_groups(self, groups: tuple[SettingsGroup, ...]) -> RenderSettings:
        """Return these settings with each of `groups` in place of the group of the same class."""
        names = {type(getattr(self, field.name)): field.name for field in fields(self)}
        return replace(self, **{names[type(group)]: group for group in groups})  # type: ignore[arg-type]


USUAL_SETTINGS = RenderSettings()
