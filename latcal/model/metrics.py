"""What can be measured: a named number with a declared unit and scope, and one value of it."""

from __future__ import annotations

import enum

from attrs import frozen


class Scope(enum.Enum):
    """What one value of a metric belongs to."""

    AMPLIFIER = "amplifier"
    DETECTOR = "detector"
    EXPOSURE = "exposure"
    PRODUCT = "product"


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
    """One value of a metric, in the unit of the metric, and the place it belongs to."""

    metric: str
    value: float
    exposure: int | None = None
    detector: str | None = None
    amplifier: str | None = None
