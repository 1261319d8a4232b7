"""What a recipe may say of a defect map. Where a default is that of LATISS or the Rubin pipelines, its help says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from latcal import numerics
from latcal.numerics.allowed import LEAST_CLIP
from latcal.plugin import combining, option

if TYPE_CHECKING:
    from latcal.numerics.defect_maps import Cuts


def _part(_: Any, attribute: Any, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{value} is not between 0 and 1", f"write '{attribute.name}: {attribute.default}'")


def _boxes(_: Any, attribute: Any, value: tuple[tuple[int, ...], ...]) -> None:
    for box in value:
        if len(box) != 4 or min(box[:2]) < 0 or min(box[2:]) < 1:
            raise ValueError(
                f"{list(box)} is not x0, y0, width and height of a box, counted from 0",
                f"write '{attribute.name}: [[100, 0, 1, 2000]]'",
            )


@frozen
class DefectsOptions:
    """Options of the defect map."""

    hot: Any = option(
        "3 electron/s",
        unit="electron/s",
        validator=combining.not_below_zero,
        help="A pixel is hot this much above the median rate of its amplifier (LATISS); 0 to go by 'sigma' alone.",
    )
    cold: float = option(
        0.9,
        validator=_part,
        help="A pixel is cold if it answers light by this part of what those around it do (LATISS); 1 for 'sigma' alone.",
    )
    bias: Any = option(
        "1000 electron",
        unit="electron",
        validator=combining.not_below_zero,
        help="A pixel is bad this much above the median of the bias (LATISS has 1000 adu).",
    )
    sigma: float = option(
        LEAST_CLIP,
        validator=combining.at_least(LEAST_CLIP),
        help="Sigma of noise that hot and cold pixels must stand out by as well; at 4.8, 100 good ones of LATISS would.",
    )
    unstable: float = option(
        2.0,
        validator=combining.at_least(1.0),
        help="A pixel is unstable if it scatters so many times as much as expected from dark to dark; latcal's choice.",
    )
    vampires: float = option(
        0.0,
        validator=combining.not_below_zero,
        help="A pixel that answers light so many times as well has drawn charge from those around it; 0 to look for none.",
    )
    vampire_radius: int = option(
        8, validator=combining.at_least(0), help="How far around it pixels are bad (as in the Rubin pipelines)."
    )
    images: Literal["combined", "each"] = option(
        "combined", help="Whether defects are found in the mean of all frames, or in each frame, to be merged."
    )
    merge: Literal["or", "and", "fraction"] = option(
        "fraction", help="For 'each', of darks and flats by themselves: what is bad in one, in all, in 'fraction' of them."
    )
    fraction: float = option(0.7, validator=_part, help="Part of the frames that is enough (as in the Rubin pipelines).")
    blinking: int = option(
        50, validator=combining.at_least(2), help="Bad pixels that make a column a blinking one, bad between them too (LATISS)."
    )
    gap: int = option(
        30, validator=combining.at_least(1), help="Good pixels on end that are spared in a blinking column (LATISS)."
    )
    column: float = option(
        0.5, validator=_part, help="Part of the rows of an amplifier that, being bad, makes all of its column bad (LATISS)."
    )
    saturated_column: int = option(
        20, validator=combining.at_least(1), help="Saturated pixels that make all of a column bad (LATISS)."
    )
    saturated_radius: int = option(
        2, validator=combining.at_least(0), help="Columns beside a saturated pixel that are bad with it (LATISS)."
    )
    faint_columns: bool = option(
        True, help="Whether columns are looked for that noise hides pixel by pixel; latcal's choice."
    )
    grow: int = option(0, validator=combining.at_least(0), help="Pixels by which every bad one is grown in all directions.")
    edge: int = option(
        5, validator=combining.at_least(0), help="Pixels at the edges of the detector that are bad, and not looked at (LATISS)."
    )
    amplifier_edge: int = option(
        0, validator=combining.at_least(0), help="The same at the edges of amplifiers, those inside the detector too."
    )
    manual: tuple[tuple[int, ...], ...] = option(
        (), validator=_boxes, help="Boxes that are bad on every detector of the stage: x0, y0, width, height, from 0."
    )
    compare: bool = option(
        False, help="Whether growth against the map certified in the stage's collections is measured and judged."
    )
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)

    @property
    def cuts(self) -> Cuts:
        """What makes pixels and columns bad."""
        return numerics.defect_maps.Cuts(
            hot=float(self.hot.to_value("electron/s")),
            cold=self.cold,
            bias=float(self.bias.to_value("electron")),
            clip=self.sigma,
            blinking=self.blinking,
            gap=self.gap,
            column=self.column,
            saturated=self.saturated_column,
            faint_columns=self.faint_columns,
            vampires=self.vampires,
            vampire_radius=self.vampire_radius,
        )

    @property
    def enough(self) -> float:
        """Part of the maps of single frames that a pixel must be bad in."""
        return {"or": 0.0, "and": 1.0}.get(self.merge, self.fraction)
