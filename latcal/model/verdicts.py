"""Count what the rules found, and judge: accepted or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from attrs import evolve, field, frozen

from latcal.model.measurements import Measurements
from latcal.model.metrics import Scope
from latcal.model.rules import CheckedRule

MAJORITY = "majority"


@frozen
class Acceptance:
    """How many findings may fail.

    Parameters
    ----------
    amplifiers : int or None
        An exposure fails when one rule fails on this many amplifiers of as many detectors as `detectors` says.
        None: half of a detector's amplifiers (8 of 16), at least one.
    detectors, exposures : int or 'majority'
        Counts at which it fails; a majority is strict, ``n // 2 + 1``.
    """

    amplifiers: int | None = None
    detectors: int | str = MAJORITY
    exposures: int | str = MAJORITY

    def limits(self, detectors: int, amplifiers: int, exposures: int) -> Limits:
        """Give the counts for so many detectors, amplifiers of a detector, and exposures.

        A count is never more than there are, or the set could not be refused.
        """

        def count(limit: int | str, n: int) -> int:
            return n // 2 + 1 if isinstance(limit, str) else max(1, min(limit, n))

        each = max(1, amplifiers // 2) if self.amplifiers is None else min(self.amplifiers, amplifiers)
        return Limits(each, count(self.detectors, detectors), count(self.exposures, exposures))


@frozen
class Limits:
    """The counts at which something fails: amplifiers of a detector, detectors, exposures."""

    amplifiers: int
    detectors: int
    exposures: int

    @property
    def amplifier_findings(self) -> int:
        """Failures of one amplifier rule at which an exposure fails."""
        return self.amplifiers * self.detectors


@frozen
class Finding:
    """One failure of one rule at one place.

    Parameters
    ----------
    text : str
        The values and the limit: ``7.38 e- for 9.1 e- +- 5 %``.
    strain : float
        Above 1 the rule fails; larger is worse, infinite where there was no number.
    """

    rule: str
    scope: Scope
    text: str
    strain: float
    exposure: int | None = None
    detector: str | None = None
    amplifier: str | None = None

    @property
    def place(self) -> str:
        """Detector and amplifier, as far as the scope has them."""
        return " ".join(word for word in (self.detector, self.amplifier) if word)


@frozen
class Tally:
    """What one rule found.

    Parameters
    ----------
    places : int
        How many places one exposure has (or the product), or had been tested where it is.
    failed : mapping of int to int
        By exposure id, how many of them failed; exposures without failure are left out. A product rule counts
        under 0.
    worst : Finding or None
        The failure of the largest strain.
    closest : str
        The values at the place of the largest strain, passing or not.
    decisive : bool
        Whether it made the set be refused.
    strain : float
        The largest; above 1 the rule fails there.
    tested : int
        At how many places, over all exposures, the rule was applied.
    untested : mapping of str to int
        By reason, at how many it was not.
    """

    rule: str
    text: str
    scope: Scope
    advisory: bool
    places: int
    failed: dict[int, int]
    worst: Finding | None
    closest: str
    decisive: bool = False
    strain: float = 0.0
    tested: int = 0
    untested: dict[str, int] = field(factory=dict)


@frozen
class Verdict:
    """Accepted or refused, with the counts.

    Parameters
    ----------
    unverified : str
        Who waived the verification and why; then nothing was judged.
    remedy : str
        What would make a refused set pass, when that is known: ``8 more frames would do``.
    missing : tuple of str
        Exposures of the set that did not come, each with the reason; the others were judged.
    unused : tuple of str
        Exposures that came and go with no other, each with the reason.
    each : str
        What is judged one by one: an exposure, or a pair.
    """

    kind: str
    accepted: bool
    exposures: tuple[int, ...]
    detectors: tuple[str, ...]
    amplifiers: int
    limits: Limits
    failed_exposures: tuple[int, ...]
    tallies: tuple[Tally, ...]
    findings: tuple[Finding, ...]
    unverified: str = ""
    remedy: str = ""
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    each: str = "exposure"


def _tally(checked: CheckedRule, measured: Measurements) -> tuple[Tally, list[Finding]]:
    """Apply one rule everywhere; make an object of each failure only."""
    shape = measured.shape(checked.scope)
    values = {name: measured.values.get(name, np.full(shape, np.nan)) for name in checked.names}
    places = measured.present(checked.scope)
    exempt = measured.exempt(checked.names)
    tested = places.copy()
    for place in exempt:
        tested[place] = False
    failed = ~checked.passes(values) & tested
    strain = np.where(tested, checked.strain(values), -np.inf)
    rule = checked.rule

    texts = checked.describe({name: array[failed] for name, array in values.items()})
    findings = [
        Finding(rule.name, checked.scope, text, excess, **place)
        for text, excess, place in zip(texts, strain[failed].tolist(), measured.places(checked.scope, failed), strict=True)
    ]
    counts: dict[int, int] = {}
    for finding in findings:
        counts[finding.exposure or 0] = counts.get(finding.exposure or 0, 0) + 1
    any_tested = bool(tested.any())
    top = np.unravel_index(int(np.argmax(strain)), shape) if any_tested else None
    tally = Tally(
        rule.name,
        str(rule.text),
        checked.scope,
        rule.advisory,
        int(places[0].sum() if checked.scope.of_exposures and len(places) else places.sum()),
        counts,
        max(findings, key=lambda finding: finding.strain, default=None),
        checked.describe({name: array[top][None] for name, array in values.items()})[0] if top is not None else "",
        strain=float(strain.max()) if any_tested else 0.0,
        tested=int(tested.sum()),
        untested=dict(Counter(exempt.values())),
    )
    return tally, findings


def judge(kind: str, rules: Sequence[CheckedRule], acceptance: Acceptance, measured: Measurements) -> Verdict:
    """Apply every rule to every measurement and count by scope.

    An exposure fails when one amplifier rule fails on as many amplifiers as the limits say, or one detector rule on
    as many detectors, or any exposure rule at all. The set is refused when enough exposures fail, or when any
    product rule does, or a rule of a product's amplifiers on as many of them as would fail an exposure. Advisory rules
    are reported and never counted. Where a measurement says that it is not to be tested, no rule is applied; a set for
    which no rule that counts was applied anywhere is refused.

    Raises
    ------
    ValueError
        If there is no rule: nothing is accepted by silence.
    """
    if not rules:
        raise ValueError(f"no rule judges {kind}")
    amplifiers = min((len(names) for names in measured.amplifiers), default=1)
    limits = acceptance.limits(len(measured.detectors), amplifiers, len(measured.exposures))
    needed = {
        Scope.AMPLIFIER: limits.amplifier_findings,
        Scope.DETECTOR: limits.detectors,
        Scope.EXPOSURE: 1,
        Scope.PRODUCT: 1,
        Scope.PRODUCT_AMPLIFIER: limits.amplifier_findings,
    }
    tallies, findings, bad, product_bad = [], [], set[int](), False
    for checked in rules:
        tally, found = _tally(checked, measured)
        over = {exposure for exposure, n in tally.failed.items() if n >= needed[checked.scope]}
        hit = bool(over) and not tally.advisory
        if hit and checked.scope.of_exposures:
            bad |= over
        product_bad |= hit and not checked.scope.of_exposures
        tallies.append(evolve(tally, decisive=hit))
        findings += found
    applied = any(not tally.advisory and tally.tested for tally in tallies)
    return Verdict(
        kind,
        len(bad) < limits.exposures and not product_bad and applied,
        measured.exposures,
        measured.detectors,
        amplifiers,
        limits,
        tuple(e for e in measured.exposures if e in bad),
        tuple(tallies),
        tuple(findings),
    )
