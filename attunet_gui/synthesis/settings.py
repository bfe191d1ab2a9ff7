"""What the renderer of synthetic CT draws from: one frozen group of settings for each part of a CT.

The defaults are the usual mixture of a hospital. A kind of CT (see `kinds`) replaces one or two groups. A
pair of numbers is a range that a value is drawn from, uniformly unless said otherwise; a share is the chance
that something is there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

Range: TypeAlias = tuple[float, float]
Odds: TypeAlias = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Uptake:
    """Contrast medium in the blood.

    Attributes:
        odds: of no contrast, early arterial, late arterial, portal venous, delayed.
        strength: of enhancement, 1 is the table's.
        odd_share: patients whose organs have HU that no phase explains, so that shape and place count too.
    """

    odds: Odds = (0.1, 0.17, 0.18, 0.45, 0.1)
    strength: Range = (0.7, 1.25)
    odd_share: float = 1 / 6


@dataclass(frozen=True)
class Contents:
    """What stomach and bowel are filled with.

    Attributes:
        stomach: odds of collapsed, fluid, oral contrast, gas alone, food.
        bowel: factors on the odds of collapsed, fluid, oral contrast, gas, food in a loop of bowel.
        oral_share: patients who drank contrast medium.
        contrast_hu: of that medium.
        settled_share: lumina in which contrast has settled below fluid.
        gas: part of the depth of the stomach that is gas.
        gas_level_share: loops of bowel with gas over their content.
        wall_mm: of the stomach.
    """

    stomach: Odds = (0.25, 0.3, 0.2, 0.05, 0.2)
    bowel: Odds = (1.0, 1.0, 1.0, 1.0, 1.0)
    oral_share: float = 0.45
    contrast_hu: Range = (90.0, 420.0)
    settled_share: float = 0.3
    gas: Range = (0.0, 0.65)
    gas_level_share: float = 0.15
    wall_mm: Range = (1.5, 6.0)


@dataclass(frozen=True)
class Neighbours:
    """What lies against the gland.

    Attributes:
        jejunal_loops: number of loops beside body and tail.
        third_duodenum_share: a horizontal duodenum from the head to the left, in front of aorta and cava.
        veins_share: splenic vein along the back of the gland, confluence and superior mesenteric vein.
        veins_mm: their radius.
        stomach_reach_mm, duodenum_reach_mm: how far the organ has grown towards the gland, into the fat.
    """

    jejunal_loops: Range = (0.0, 2.5)
    third_duodenum_share: float = 0.35
    veins_share: float = 0.6
    veins_mm: Range = (2.6, 4.6)
    stomach_reach_mm: Range = (0.0, 0.0)
    duodenum_reach_mm: Range = (0.0, 0.0)


@dataclass(frozen=True)
class Gland:
    """The pancreas itself.

    Attributes:
        level: of the smoothed gland at which its surface lies; below 0.5 it grows.
        grown_mm: by which it grows into the fat around it; negative shrinks it.
        lobes: depth of its lobulation, as a part of the smoothed gland's step.
        clefts: threshold of the field of fatty clefts; a low one is a gland full of them.
        fatty_hu: by which fat too fine to be seen lowers its HU.
        duct_mm: radius of a duct that is seen from head to tail; 0 draws none.
        duct_share, lesion_share: of a thin piece of duct, and of small lesions.
        cysts: how many.
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
class Build:
    """How fat the patient is.

    Attributes:
        subcutis_mm: greatest thickness of subcutaneous fat that is left; None leaves what is there.
        added_fat_mm: fat put around the patient.
        fat_closed_mm: gaps of visceral fat up to this width are closed by the organs beside them.
        size: factor on the whole body.
    """

    subcutis_mm: Range | None = None
    added_fat_mm: Range = (0.0, 0.0)
    fat_closed_mm: Range = (0.0, 0.0)
    size: Range = (0.87, 1.15)


@dataclass(frozen=True)
class Position:
    """How the patient lies in the scanner.

    Attributes:
        prone_share: patients on their belly: gas and fluid change places, the table is in front.
        arms_share: patients with their arms beside them.
        off_centre_mm: distance of the patient from the middle of the picture.
        table_share, lines_share: a table below; leads and tubes on the skin.
        field_mm: width of the field of view; None shows the whole patient.
    """

    prone_share: float = 0.02
    arms_share: float = 0.05
    off_centre_mm: Range = (0.0, 0.0)
    table_share: float = 0.75
    lines_share: float = 0.15
    field_mm: Range | None = None


@dataclass(frozen=True)
class Sampling:
    """The grid.

    Attributes:
        thickness_mm: of a slice and distance to the next, drawn uniformly in its logarithm.
        pixel_mm: in plane.
        cut_share: scans that end within the gland.
    """

    thickness_mm: Range = (1.2, 5.5)
    pixel_mm: Range = (1.0, 1.5)
    cut_share: float = 0.0


@dataclass(frozen=True)
class Scanner:
    """Kernel, dose and artefacts.

    Attributes:
        blur_mm: standard deviation of the in-plane point spread.
        sharp_share, sharpening: how often and how much edges are enhanced.
        noise_hu: standard deviation of the noise, drawn uniformly in its logarithm.
        grain_mm: size of its grain.
        hardening: of the beam behind what is dense: strength of the streaks.
        starvation: noise of rays that hardly anything came through.
    """

    blur_mm: Range = (0.5, 1.1)
    sharp_share: float = 0.35
    sharpening: Range = (0.2, 1.0)
    noise_hu: Range = (4.0, 30.0)
    grain_mm: Range = (0.4, 1.1)
    hardening: Range = (0.4, 1.0)
    starvation: Range = (0.3, 1.0)


@dataclass(frozen=True)
class Export:
    """What became of the HU afterwards.

    Attributes:
        windows_hu: ranges that HU were clipped to, one of them is drawn; empty for none.
        levels: gray values that the range was divided into; 0 keeps whole HU.
    """

    windows_hu: tuple[Range, ...] = ()
    levels: int = 0


Device: TypeAlias = Literal["plastic stent", "metal stent", "clips", "biliary drain"]


@dataclass(frozen=True)
class Devices:
    """What somebody put in: one of `any_of`, if there are any, and drawn with the chance `share`."""

    any_of: tuple[Device, ...] = ("clips", "plastic stent")
    share: float = 0.04


Group: TypeAlias = (
    Uptake | Contents | Neighbours | Gland | Build | Position | Sampling | Scanner | Export | Devices
)


@dataclass(frozen=True)
class Settings:
    """All groups of one synthetic CT."""

    uptake: Uptake = Uptake()
    contents: Contents = Contents()
    neighbours: Neighbours = Neighbours()
    gland: Gland = Gland()
    build: Build = Build()
    position: Position = Position()
    sampling: Sampling = Sampling()
    scanner: Scanner = Scanner()
    export: Export = Export()
    devices: Devices = Devices()

    def replacing(self, groups: tuple[Group, ...]) -> Settings:
        """These settings with each of `groups` in the place of the one of its class."""
        names = {type(getattr(self, field.name)): field.name for field in fields(self)}
        return replace(self, **{names[type(group)]: group for group in groups})  # type: ignore[arg-type]


USUAL = Settings()
