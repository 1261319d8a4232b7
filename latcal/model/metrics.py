"""What can be measured: a named number with a declared unit and scope, and one value of it."""

from __future__ import annotations

import enum

from attrs import frozen


class Scope(enum.Enum):
    """What one value of a metric belongs to; an exposure stands for what is measured together with it, a pair say.

    The last two belong to no exposure: to what was made, or to a set of exposures as a whole.
    """

    AMPLIFIER = "amplifier"
    DETECTOR = "detector"
    EXPOSURE = "exposure"
    PRODUCT = "product"
    PRODUCT_AMPLIFIER = "amplifier of the product"

    @property
    def of_exposures(self) -> bool:
        """Whether every exposure has values of it."""
        return self in (Scope.AMPLIFIER, Scope.DETECTOR, Scope.EXPOSURE)

    @property
    def axes(self) -> tuple[str, ...]:
        """What names a place: of exposure, detector and amplifier those that it has, in this order."""
        return _AXES[self]


_AXES = {
    Scope.AMPLIFIER: ("exposure", "detector", "amplifier"),
    Scope.DETECTOR: ("exposure", "detector"),
    Scope.EXPOSURE: ("exposure",),
    Scope.PRODUCT: ("detector",),
    Scope.PRODUCT_AMPLIFIER: ("detector", "amplifier"),
}


@frozen
class Metric:
    """Declare a number that a calibration type measures.

    Parameters
    ----------
    name : str
        What rules and reports call it.
    unit : str
        As astropy writes it, ``electron / s``; empty for a number without unit. Read when a rule is checked, so
        that a declaration imports nothing heavy.
    scope : Scope
    summary : str
        One line for people.
    """

    name: str
    unit: str
    scope: Scope
    summary: str


@frozen
class Measurement:
    """One value of a metric, in the unit of the metric, and the place it belongs to.

    Parameters
    ----------
    untested : str
        Why no rule that names the metric is applied there, ``the ladder ends below it``: the value is a bound at best.
    """

    metric: str
    value: float
    exposure: int | None = None
    detector: str | None = None
    amplifier: str | None = None
    untested: str = ""
