"""What a recipe may say of a photon transfer curve."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from latcal.plugin import combining, option, pairing

Model = Literal["POLYNOMIAL", "EXPAPPROXIMATION", "FULLCOVARIANCE", "FULLCOVARIANCE_NO_B"]


def _not_negative(_: Any, attribute: Any, value: Any) -> None:
    if value is not None and value.value < 0:
        raise ValueError(f"{value} is below 0", f"leave {attribute.name} out for no limit")


@frozen
class PtcOptions:
    """Options of the photon transfer curve."""

    model: Model = option(
        "EXPAPPROXIMATION",
        help="What is fitted; the full models fit all covariances, and need pairs (as the LATISS procedure's default).",
    )
    order: int = option(2, help="Of a POLYNOMIAL.", validator=combining.at_least(2))
    lags: int = option(
        10, help="Lags of the covariances in both directions, 0 included (as in the Rubin pipelines).", validator=combining.at_least(1)
    )
    region: Literal["amplifier", "detector"] = option(
        "amplifier", help="Whether each amplifier has a curve, or all have one, of their means by the number of pixels."
    )
    pairs: tuple[tuple[int, ...], ...] = option((), help=pairing.PAIRS_HELP, validator=pairing.declared)
    tolerance: Any = option(
        pairing.TOLERANCE, unit="s", help=pairing.TOLERANCE_HELP, validator=pairing.positive
    )
    edge: int = option(
        20,
        help="Pixels left out at the edges of an amplifier, where fields differ (as in the LSST recipes).",
        validator=combining.at_least(0),
    )
    lowest: Any = option(None, unit="adu", help="Lowest mean level that is fitted to.", validator=_not_negative)
    highest: Any = option(None, unit="adu", help="Highest mean level that is fitted to.", validator=_not_negative)
    clip: float = option(
        5.5,
        help="Sigma beyond which a pixel of a difference does not count (as in the Rubin pipelines).",
        validator=combining.above_zero,
    )
    max_mismatch: float = option(
        0.05,
        help="How far apart the levels of a pair may be, as a part of their mean; latcal's choice.",
        validator=combining.above_zero,
    )
    max_saturated: float = option(
        0.001,
        help="Part of the pixels that light may fill in a pair: more cut off the noise of the others (docs/ptc.md).",
        validator=combining.not_below_zero,
    )
    at_least: int = option(1000, help="Pixels that a pair must have; latcal's choice.", validator=combining.at_least(2))
    cut: float = option(
        5.0, help="Sigma beyond which a pair is off the curve (as in the Rubin pipelines).", validator=combining.above_zero
    )
    scatter: float = option(
        0.01,
        help="Scatter about the model that real sensors have beside counting, as a part of the variance (docs/physics.md).",
        validator=combining.not_below_zero,
    )
    bootstrap: int = option(
        0, help="Fits to pairs drawn again, whose scatter gives the errors; 0 for those of counting.", validator=combining.at_least(0)
    )
    seed: int = option(0, help="Of the draws of the bootstrap.", validator=combining.at_least(0))
    photocharges: tuple[Any, ...] = option(
        (), unit="C", help="Charge of a photodiode for every pair, in their order: linearity is of it, not of time."
    )
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)
    defects: bool = option(False, help=combining.DEFECTS)

    def __attrs_post_init__(self) -> None:
        if self.lowest is not None and self.highest is not None and not self.lowest < self.highest:
            raise ValueError(f"lowest {self.lowest} is not below highest {self.highest}", "write the lower one as lowest")
