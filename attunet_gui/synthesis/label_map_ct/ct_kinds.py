"""The kinds of CT that can be rendered by name; each is a value with a title and the settings it changes.

HU and sizes follow the literature: unenhanced pancreas 40 HU (Lamba et al., AJR 2014, 203:W626), enhancement
by phase (Bae, Radiology 2010, 256:32-61), positive oral contrast 200 HU and far more where it thickens, duct
over 3 mm wide is dilated, splenic and portal vein 6 to 14 mm wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from attunet_gui.synthesis.label_map_ct.render_settings import (
    USUAL_SETTINGS,
    BodyBuildSettings,
    ContrastSettings,
    CTScannerSettings,
    HuExportSettings,
    ImplantSettings,
    NeighbourOrganSettings,
    PancreasSettings,
    PatientPositionSettings,
    RenderSettings,
    SettingsGroup,
    SliceGridSettings,
    StomachBowelSettings,
)
from attunet_gui.system.errors import AttunetError

USUAL_KIND = "usual"
ALL_KINDS = "all"
_SECOND_KIND_SHARE, _THIRD_KIND_SHARE = 0.5, 0.2

TEST_SEEDS = range(9_000_000, 9_100_000)
"""Seeds of the test sets. No training may use a synthetic CT or a phantom of any of them."""


@dataclass(frozen=True)
class CTKind:
    """A kind of CT.

    Attributes:
        name: for commands, recipes and manifests; never changed, since seeds follow from it.
        title: for tables.
        groups: settings that replace the usual ones.
    """

    name: str
    title: str
    groups: tuple[SettingsGroup, ...]

    def fits_beside(self, others: Iterable[CTKind]) -> bool:
        """Return whether this kind changes no group of settings that one of `others` changes."""
        own = {type(group) for group in self.groups}
        return own.isdisjoint(type(group) for other in others for group in other.groups)


def _phase_settings(column: int) -> ContrastSettings:
    """Return settings under which every CT has one contrast phase, and HU that this phase explains."""
    a, b, c, d, e = (float(column == place) for place in range(5))
    return ContrastSettings((a, b, c, d, e), (0.85, 1.2), 0.0)


# Factors on the odds of collapsed, fluid, oral contrast, gas and food.
_NO_ORAL_CONTRAST = (1.0, 1.0, 0.0, 1.0, 1.0)

CT_KINDS: tuple[CTKind, ...] = (
    CTKind(
        "oral-contrast",
        "bright oral contrast (300-1000 HU) in stomach and bowel",
        (
            StomachBowelSettings(
                stomach=(0.05, 0.05, 0.9, 0.0, 0.0),
                bowel=(0.4, 0.4, 8.0, 0.8, 0.3),
                oral_share=1.0,
                contrast_hu=(300.0, 1000.0),
                settled_share=0.6,
                gas_level_share=0.4,
            ),
            CTScannerSettings(hardening=(1.0, 2.5), starvation=(0.5, 1.5)),
        ),
    ),
    CTKind(
        "water",
        "water in stomach and duodenum",
        (StomachBowelSettings((0.0, 1.0, 0.0, 0.0, 0.0), (0.5, 3.0, 0.0, 0.7, 0.3), 0.0, gas=(0.0, 0.35)),),
    ),
    CTKind(
        "air",
        "air in stomach and bowel",
        (
            StomachBowelSettings(
                (0.0, 0.3, 0.0, 0.7, 0.0),
                (0.7, 0.7, 0.0, 5.0, 0.7),
                0.0,
                gas=(0.6, 1.0),
                gas_level_share=0.6,
            ),
        ),
    ),
    CTKind(
        "food",
        "food in the stomach",
        (StomachBowelSettings((0.0, 0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 0.0, 1.0, 3.0), 0.0),),
    ),
    CTKind(
        "empty-stomach",
        "stomach and duodenum empty",
        (StomachBowelSettings((1.0, 0.0, 0.0, 0.0, 0.0), (4.0, 0.3, 0.0, 0.3, 0.3), 0.0),),
    ),
    CTKind(
        "jejunum-at-tail",
        "jejunal loops beside body and tail",
        (
            NeighbourOrganSettings(jejunal_loops=(4.0, 8.0)),
            StomachBowelSettings(bowel=(2.0, 1.0, 0.3, 0.5, 0.5)),
        ),
    ),
    CTKind(
        "third-duodenum",
        "third part of the duodenum below the head",
        (
            NeighbourOrganSettings(third_duodenum_share=1.0),
            StomachBowelSettings(bowel=(2.0, 1.0, 0.3, 0.7, 0.5)),
        ),
    ),
    CTKind(
        "duodenum-at-head",
        "duodenum without contrast against the head",
        (
            NeighbourOrganSettings(duodenum_reach_mm=(3.0, 8.0), third_duodenum_share=0.6),
            StomachBowelSettings(bowel=(3.0, 1.5, 0.0, 0.3, 0.5), oral_share=0.0),
        ),
    ),
    CTKind(
        "antrum-and-fundus",
        "antrum and fundus against body and tail",
        (
            NeighbourOrganSettings(stomach_reach_mm=(4.0, 12.0)),
            StomachBowelSettings(
                (0.5, 0.25, 0.0, 0.0, 0.25), _NO_ORAL_CONTRAST, 0.0, wall_mm=(4.0, 10.0), gas=(0.0, 0.3)
            ),
        ),
    ),
    CTKind(
        "veins",
        "wide splenic and mesenteric veins and confluence against the gland",
        (
            NeighbourOrganSettings(veins_share=1.0, veins_mm=(4.0, 7.0)),
            ContrastSettings((0.2, 0.2, 0.1, 0.2, 0.3), odd_share=0.0),
        ),
    ),
    CTKind("no-contrast", "no contrast", (_phase_settings(0),)),
    CTKind("early-arterial", "early arterial", (_phase_settings(1),)),
    CTKind("late-arterial", "late arterial", (_phase_settings(2),)),
    CTKind("portal-venous", "portal venous", (_phase_settings(3),)),
    CTKind("delayed", "delayed", (_phase_settings(4),)),
    CTKind(
        "thin-slices",
        "slices of 0.5 to 1 mm",
        (SliceGridSettings((0.5, 1.0), (1.1, 1.5)), CTScannerSettings(noise_hu=(14.0, 45.0))),
    ),
    CTKind("thick-slices", "slices of 5 to 10 mm", (SliceGridSettings((5.0, 10.0)),)),
    CTKind(
        "soft-kernel",
        "soft kernel",
        (CTScannerSettings(blur_mm=(1.2, 2.0), sharp_share=0.0, noise_hu=(3.0, 9.0), grain_mm=(1.0, 1.8)),),
    ),
    CTKind(
        "sharp-kernel",
        "sharp kernel",
        (
            CTScannerSettings(
                blur_mm=(0.3, 0.5),
                sharp_share=1.0,
                sharpening=(0.8, 1.8),
                noise_hu=(25.0, 60.0),
                grain_mm=(0.25, 0.45),
            ),
            SliceGridSettings(pixel_mm=(0.8, 1.0)),
        ),
    ),
    CTKind("low-dose", "low dose", (CTScannerSettings(noise_hu=(35.0, 70.0), starvation=(0.8, 2.2)),)),
    CTKind("fatty-gland", "fatty gland", (PancreasSettings(clefts=(0.0, 0.7), fatty_hu=(15.0, 45.0)),)),
    CTKind("lobulated-gland", "lobulated gland", (PancreasSettings(lobes=(0.2, 0.4), clefts=(0.5, 1.2)),)),
    CTKind(
        "atrophic-gland",
        "atrophic gland",
        (PancreasSettings(level=(0.48, 0.55), grown_mm=(-3.0, -1.2), clefts=(0.4, 1.4), duct_mm=(0.0, 2.0)),),
    ),
    CTKind(
        "large-gland",
        "large gland",
        (PancreasSettings(level=(0.42, 0.5), grown_mm=(2.0, 5.0), clefts=(1.5, 3.0)),),
    ),
    CTKind("cut-gland", "gland cut by the end of the scan", (SliceGridSettings(cut_share=1.0),)),
    CTKind(
        "thin-person",
        "hardly any fat",
        (
            BodyBuildSettings(subcutis_mm=(1.5, 5.0), fat_closed_mm=(6.0, 12.0), size=(0.82, 1.0)),
            PancreasSettings(clefts=(1.8, 3.0)),
        ),
    ),
    CTKind(
        "obese-person",
        "wider than the field of view",
        (
            BodyBuildSettings(added_fat_mm=(25.0, 60.0), size=(1.0, 1.2)),
            PatientPositionSettings(field_mm=(330.0, 400.0)),
            CTScannerSettings(noise_hu=(16.0, 40.0), starvation=(0.7, 1.4)),
        ),
    ),
    CTKind(
        "arms-down",
        "arms beside the body",
        (
            PatientPositionSettings(arms_share=1.0, field_mm=(400.0, 500.0)),
            CTScannerSettings(hardening=(1.0, 2.0), starvation=(1.2, 3.0)),
        ),
    ),
    CTKind("prone", "prone", (PatientPositionSettings(prone_share=1.0),)),
    CTKind("off-centre", "off centre", (PatientPositionSettings(off_centre_mm=(50.0, 120.0)),)),
    CTKind(
        "table-and-lines",
        "table, leads and tubes",
        (PatientPositionSettings(table_share=1.0, lines_share=1.0),),
    ),
    CTKind(
        "window-8bit",
        "8-bit windows",
        (
            HuExportSettings(
                ((-160.0, 240.0), (0.0, 255.0), (-100.0, 240.0), (-200.0, 300.0), (-125.0, 275.0)), 256
            ),
        ),
    ),
    CTKind(
        "clipped",
        "clipped ranges",
        (HuExportSettings(((-200.0, 250.0), (-100.0, 200.0), (-1000.0, 400.0), (-79.0, 304.0))),),
    ),
    CTKind("cysts", "cysts of the gland", (PancreasSettings(cysts=(1.0, 3.0), clefts=(0.8, 2.0)),)),
    CTKind("dilated-duct", "dilated duct", (PancreasSettings(duct_mm=(2.0, 5.0), grown_mm=(-1.5, 0.0)),)),
    CTKind("mass", "mass of the gland", (PancreasSettings(mass_mm=(9.0, 22.0)),)),
    CTKind(
        "stent", "biliary stent, plastic or metal", (ImplantSettings(("plastic stent", "metal stent"), 1.0),)
    ),
    CTKind(
        "clips", "surgical clips", (ImplantSettings(("clips",), 1.0), CTScannerSettings(hardening=(1.0, 2.5)))
    ),
    CTKind("drain", "percutaneous biliary drain", (ImplantSettings(("biliary drain",), 1.0),)),
)
"""Every kind of CT. The usual mixture is not among them."""


def find_kind(name: str) -> CTKind:
    """Return the kind of that name.

    Raises:
        AttunetError: there is no such kind; the sentence names those that there are.
    """
    for kind in CT_KINDS:
        if kind.name == name:
            return kind
    names = ", ".join(kind.name for kind in CT_KINDS)
    raise AttunetError(f"There is no kind of CT called {name!r}; there is {names}.")


def settings_for_kinds(kinds: Iterable[CTKind]) -> RenderSettings:
    """Return the usual settings with the changes of all `kinds`, later ones over earlier ones."""
    settings = USUAL_SETTINGS
    for kind in kinds:
        settings = settings.replace_groups(kind.groups)
    return settings


def parse_kind_weights(told: str) -> dict[str, float]:
    """Parse "NAME=WEIGHT,NAME" into weights by the name of the kind.

    A name without a weight has the weight 1; "all" stands for every kind, "usual" for the usual mixture.

    Raises:
        AttunetError: a kind that is not known, or a weight that is no number above 0.
    """
    # A name that stands twice has the last weight.
    found: dict[str, float] = {}
    for part in told.split(","):
        name, _equals, weight = part.strip().partition("=")
        found[name] = _parse_weight(name, weight)
    return check_kind_weights(found)


def _parse_weight(name: str, told: str) -> float:
    """Parse one weight, 1 if it is empty; `AttunetError` if it is no number."""
    try:
        return float(told or 1.0)
    except ValueError:
        raise AttunetError(
            f"The weight {told!r} of the kind {name!r} is no number: write such as {name}=2."
        ) from None


def check_kind_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Check weights by name and replace "all" by every kind that has no weight of its own.

    Raises:
        AttunetError: a kind that is not known, or a weight that is not above 0 or not finite.
    """
    found: dict[str, float] = {}
    for name, weight in weights.items():
        if not 0 < weight < np.inf:
            raise AttunetError(f"The weight of the kind {name!r} has to be above 0, got {weight:g}.")
        if name == ALL_KINDS:
            found |= {kind.name: weight for kind in CT_KINDS if kind.name not in weights}
        else:
            found[name if name == USUAL_KIND else find_kind(name).name] = weight
    return found


def draw_kinds(weights: Mapping[str, float], rng: np.random.Generator) -> tuple[CTKind, ...]:
    """Draw the kinds of one CT for training.

    The first is drawn by `weights`; often a second and a third follow that change other settings. An empty
    tuple means the usual mixture.
    """
    drawn: list[CTKind] = []
    for chance in (1.0, _SECOND_KIND_SHARE, _THIRD_KIND_SHARE):
        if rng.random() >= chance:
            break
        name = _draw_kind_name(weights, rng)
        if name == USUAL_KIND:
            break
        kind = find_kind(name)
        if kind.fits_beside(drawn):
            drawn.append(kind)
    return tuple(drawn)


def _draw_kind_name(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw the name of one kind in proportion to the weights; the usual mixture if there are none."""
    if not weights:
        return USUAL_KIND
    names, shares = list(weights), np.array(list(weights.values()))
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]
