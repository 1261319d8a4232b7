"""Verdicts that the `latiss_text` reporter is given in its tests: those of the page, and those that the page has not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from attrs import evolve, frozen

from latcal.model.measurements import Measurements
from latcal.model.metrics import Metric, Scope
from latcal.model.rules import Rule, check
from latcal.model.verdicts import Acceptance, Verdict, judge

AMPLIFIERS = tuple(f"C{half}{number}" for half in (1, 0) for number in range(8))
"""In the order of the camera, which is not that of the page."""

PAGE = 20220929 * 100_000


@frozen
class Failures:
    """Where one rule fails: on these amplifiers of one exposure and detector, as far as its scope has them."""

    rule: str
    exposure: int | None = None
    detector: str | None = None
    amplifiers: tuple[str | None, ...] = (None,)

    @property
    def scope(self) -> Scope:
        if self.exposure is None:
            return Scope.PRODUCT
        if self.detector is None:
            return Scope.EXPOSURE
        return Scope.DETECTOR if self.amplifiers == (None,) else Scope.AMPLIFIER


def on(rule: str, exposure: int, *amplifiers: str, detector: str = "RXX_S00") -> Failures:
    return Failures(rule, exposure, detector, amplifiers)


def judged(
    kind: str,
    exposures: Iterable[int],
    failures: Iterable[Failures],
    accept: Acceptance,
    *,
    detectors: tuple[str, ...] = ("RXX_S00",),
    advisory: frozenset[str] = frozenset(),
) -> Verdict:
    """Judge measurements of 1 electron, and of 9 where a rule, at most 5 electrons, is to fail."""
    failures, exposures = tuple(failures), tuple(exposures)
    scopes = {"noise": Scope.AMPLIFIER} | {one.rule: one.scope for one in failures}
    metrics = {rule: Metric(rule, "electron", scope, "") for rule, scope in scopes.items()}
    names = (AMPLIFIERS,) * len(detectors)
    found = Measurements(exposures, (0.0,) * len(exposures), detectors, names, metrics, {})
    values = {rule: np.ones(found.shape(scope)) for rule, scope in scopes.items()}
    for one in failures:
        for amplifier in one.amplifiers:
            index = []
            for place, known in ((one.exposure, exposures), (one.detector, detectors), (amplifier, AMPLIFIERS)):
                if place is not None:
                    index.append(known.index(place))
            values[one.rule][tuple(index)] = 9.0
    rules = [check(Rule(rule, f"{rule} <= 5 electron", rule in advisory), metrics) for rule in scopes]
    return judge(kind, rules, accept, evolve(found, values=values))


def three_biases() -> Verdict:
    """The page's first report: 29, 17 and 17 failures, and three failed exposures where three refuse the set."""
    first, second, third = (PAGE + number for number in (1, 2, 3))
    failures = [on("noise", exposure, *AMPLIFIERS) for exposure in (first, second, third)]
    failures += [
        on("cr_noise", first, "C00", "C01", "C04", "C05", "C10", "C11", "C14", "C15"),
        on("mean", first, "C01", "C04", "C05", "C11", "C15"),
        on("cr_noise", second, "C05"),
        on("cr_noise", third, "C05"),
    ]
    return judged("bias", (first, second, third), failures, Acceptance(8, 1, 3))


def twenty_biases() -> Verdict:
    """The page's second report: ten failures in the first of twenty exposures, none of them in excess."""
    first = PAGE + 4
    failures = [
        on("cr_noise", first, "C01", "C04", "C05", "C11", "C13", "C14"),
        on("mean", first, "C01", "C04", "C11", "C14"),
    ]
    return judged("bias", range(first, first + 20), failures, Acceptance(8, 1, 11))


RAFT = ("R22_S10", "R22_S00", "R22_S01")


def flats() -> Verdict:
    """Flats of three detectors, in an order that is not alphabetical, with failures of three scopes."""
    one, two = PAGE + 101, PAGE + 102
    failures = [
        on("noise", one, "C17", "C00", detector="R22_S10"),
        on("noise", one, "C03", detector="R22_S00"),
        Failures("scatter", one, "R22_S10"),
        Failures("scatter", one, "R22_S00"),
        Failures("level_ratio", two),
    ]
    return judged("flat", (one, two, PAGE + 103), failures, Acceptance(8, 2, 2), detectors=RAFT)


def dark_current() -> Verdict:
    """A dark refused for itself: no exposure failed."""
    exposures = range(PAGE + 201, PAGE + 204)
    return judged("dark", exposures, [Failures("dark_current", None, "RXX_S00")], Acceptance(8, 1, 3))


def passed() -> Verdict:
    return judged("bias", range(PAGE + 1, PAGE + 4), [], Acceptance(8, 1, 3))


def waived() -> Verdict:
    return evolve(passed(), tallies=(), unverified="Ana: lamp test, not for science")
