"""Hold the measurements of one verification as columns: an array per metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypedDict

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from latcal.model.frames import Exposure
from latcal.model.geometry import Detector
from latcal.model.metrics import Measurement, Metric, Scope


class Place(TypedDict, total=False):
    """Where something was measured, as far as its scope tells."""

    exposure: int
    detector: str
    amplifier: str


@frozen(eq=False)
class Measurements:
    """Every measurement of one stage.

    Parameters
    ----------
    exposures : tuple of int
        Exposure ids, in the order taken.
    times_s : tuple of float [s]
        Exposure time of each.
    detectors : tuple of str
    amplifiers : tuple of tuple of str
        Of each detector; they need not be equally many.
    metrics : mapping of str to Metric
    values : mapping of str to array
        By metric: (exposures, detectors, amplifiers) for the amplifier scope, (exposures, detectors) for the
        detector scope, (exposures,) for the exposure scope, (detectors,) for the product scope, (detectors, amplifiers)
        for that of its amplifiers; float64, NaN where nothing was measured, in the unit that the metric declares.
    untested : mapping of str to mapping
        By metric: the places, as indices of its array, where no rule that names it is applied, each with the reason.
    """

    exposures: tuple[int, ...]
    times_s: tuple[float, ...]
    detectors: tuple[str, ...]
    amplifiers: tuple[tuple[str, ...], ...]
    metrics: Mapping[str, Metric]
    values: Mapping[str, NDArray[np.float64]]
    untested: Mapping[str, Mapping[tuple[int, ...], str]] = field(factory=dict)

    @classmethod
    def blank(cls, exposures: Sequence[Exposure], detectors: Sequence[Detector], metrics: Mapping[str, Metric]) -> Self:
        """Give the columns for exposures on detectors, still empty."""
        return cls(
            exposures=tuple(exposure.id for exposure in exposures),
            times_s=tuple(exposure.time_s for exposure in exposures),
            detectors=tuple(detector.name for detector in detectors),
            amplifiers=tuple(tuple(a.name for a in detector.amplifiers) for detector in detectors),
            metrics=metrics,
            values={},
        )

    def shape(self, scope: Scope) -> tuple[int, ...]:
        """Give the shape of an array of that scope."""
        size = {
            "exposure": len(self.exposures),
            "detector": len(self.detectors),
            "amplifier": max((len(names) for names in self.amplifiers), default=0),
        }
        return tuple(size[axis] for axis in scope.axes)

    def present(self, scope: Scope) -> NDArray[np.bool_]:
        """Tell which places of that scope exist: a detector may have fewer amplifiers than another."""
        here = np.ones(self.shape(scope), bool)
        if "amplifier" in scope.axes:
            for d, names in enumerate(self.amplifiers):
                here[..., d, len(names) :] = False
        return here

    def places(self, scope: Scope, chosen: NDArray[np.bool_]) -> list[Place]:
        """Name places of a scope, in the order of its array.

        Parameters
        ----------
        scope : Scope
        chosen : (...) array of bool
            Of the shape of that scope.

        Returns
        -------
        list of Place
            Exposure, detector and amplifier of each, as the scope has them.
        """
        named = []
        for index in np.argwhere(chosen).tolist():
            at = dict(zip(scope.axes, index, strict=True))
            place: Place = {}
            if "exposure" in at:
                place["exposure"] = self.exposures[at["exposure"]]
            if "detector" in at:
                place["detector"] = self.detectors[at["detector"]]
            if "amplifier" in at:
                place["amplifier"] = self.amplifiers[at["detector"]][at["amplifier"]]
            named.append(place)
        return named

    def extended(self, measured: Iterable[Measurement]) -> Measurements:
        """Add measurements, each in its place.

        Raises
        ------
        ValueError
            If a measurement has no metric, or does not name a place of its metric's scope.
        """
        values = {name: array.copy() for name, array in self.values.items()}
        untested = {name: dict(places) for name, places in self.untested.items()}
        rows: dict[str, dict[Any, int]] = {
            "exposure": {key: i for i, key in enumerate(self.exposures)},
            "detector": {key: i for i, key in enumerate(self.detectors)},
        }
        channels: list[dict[Any, int]] = [{name: i for i, name in enumerate(names)} for names in self.amplifiers]
        for one in measured:
            metric = self.metrics.get(one.metric)
            if metric is None:
                raise ValueError(f"{one.metric!r} is not a metric that was declared ({', '.join(self.metrics)})")
            array = values.setdefault(one.metric, np.full(self.shape(metric.scope), np.nan))
            index: list[int] = []
            for axis in metric.scope.axes:
                key = getattr(one, axis)
                known = channels[index[-1]] if axis == "amplifier" else rows[axis]
                if key not in known:
                    raise ValueError(f"{one.metric}: {key!r} is not an {axis} that was verified")
                index.append(known[key])
            array[tuple(index)] = one.value
            if one.untested:
                untested.setdefault(one.metric, {})[tuple(index)] = one.untested
        return evolve(self, values=values, untested=untested)

    def exempt(self, names: Iterable[str]) -> dict[tuple[int, ...], str]:
        """Give the places where a rule that names these metrics is not applied, each with the reason."""
        return {place: why for name in sorted(names) for place, why in self.untested.get(name, {}).items()}
