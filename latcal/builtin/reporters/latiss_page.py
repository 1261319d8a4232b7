"""The report of the LATISS procedure's page, from a verdict: word for word where the page shows it, for who reads it today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import frozen

from latcal.plugin import Finding, Scope, Verdict

_EXPLANATION = (
    "Verification failure criterium: if, for at least une type of test,",
    "the majority of tests fail in the majority of detectors and the",
    "the majority of exposures, verification will fail and the calibration",
    "will not be certified. In terms of the threshold values, this amounts for the condition that",
    "the final number of exposures that failed verification is greater than",
    "or equal to the acceptable maximum number of failed exposures.",
)
"""As on the page, letter by letter."""
_PARAMETER = "number_verification_tests_threshold_<IMGTYPE>"


@frozen
class Names:
    """What a run adds to a verdict, for people to find it again.

    Parameters
    ----------
    verification : str
        The collection that holds what was measured.
    generation : str
        The collection that holds what was built; empty where nothing was.
    certified : str
        Where it is certified: ``calib/daily, 2022-11-04 to 2022-11-05``; empty if it is not.
    otherwise : str
        Then, why not: ``a check certifies nothing``.
    mark : str
        Which of several stages of one kind it is: ``stages.1``; empty if there is but one.
    """

    verification: str
    generation: str
    certified: str = ""
    otherwise: str = "nothing is certified"
    mark: str = ""


def page(verdict: Verdict, names: Names) -> Iterator[str]:
    """Write what the page's script says of one calibration.

    Only what counts is told: an advisory rule is neither listed nor counted, as the script keeps its own advisory test
    out of acceptance. Findings are sorted, so that their order in the verdict changes nothing.

    Parameters
    ----------
    verdict : Verdict
    names : Names
        For the first or last line, and for the two collections.

    Returns
    -------
    iterator of str
        One line if all passed, or if nothing was judged; else a headline and a report, the headline first if the set
        was accepted, last if it was refused.

    References
    ----------
    The LATISS daily calibrations page of the Rubin Observatory, whose words these are, its slips of the pen included; for
    what it does not show (a product's failures, a check, a waiver) the words are ours.
    """
    kind = f"{names.mark} {verdict.kind.upper()} calibration".lstrip()
    outcome = " and will be certified" if names.certified else f"; {names.otherwise}"
    generation = f"generation collection: {_generation(names)}"
    if verdict.unverified:
        yield f"{kind} was not verified, waived by {verdict.unverified}{_unverified(names)}; {generation}"
        return
    findings = _counted(verdict)
    if not verdict.accepted:
        yield from _report(verdict, findings, names)
        yield f"{kind} failed verification and will not be certified."
        if verdict.remedy:
            yield f"{verdict.remedy}."
    elif findings:
        passed = f"{kind} passed the overall verification criteria{outcome}"
        yield f"{passed}, but the are tests that did not pass:"
        yield from _report(verdict, findings, names)
    else:
        verification = f"verification collection: {names.verification}"
        yield f"{kind} passed verification{outcome}; {generation}; {verification}"


def _unverified(names: Names) -> str:
    return f"; certified UNVERIFIED into {names.certified}" if names.certified else f"; {names.otherwise}"


def _counted(verdict: Verdict) -> list[Finding]:
    """Give the findings that count, in the page's order: detector, amplifier, test; the wider scope first."""
    advisory = {tally.rule for tally in verdict.tallies if tally.advisory}
    counted = (finding for finding in verdict.findings if finding.rule not in advisory)
    return sorted(counted, key=lambda finding: (finding.detector or "", finding.amplifier or "", _test(finding)))


def _test(finding: Finding) -> str:
    return finding.rule.upper()


def _report(verdict: Verdict, findings: list[Finding], names: Names) -> Iterator[str]:
    product = [finding for finding in findings if finding.scope is Scope.PRODUCT]
    amplifiers = [finding for finding in findings if finding.scope is Scope.PRODUCT_AMPLIFIER]
    titles = (
        ("\tProduct (one failure is enough to refuse it)", product),
        (f"\tAmplifiers of the product (refused by {verdict.limits.amplifier_findings} failures of one test)", amplifiers),
    )
    failed = {finding.exposure for finding in findings if finding.exposure is not None}
    told = failed.union(verdict.exposures) if any(tally.scope.of_exposures for tally in verdict.tallies) else failed
    groups: dict[int, list[Finding]] = {exposure: [] for exposure in sorted(told)}
    for finding in findings:
        if finding.exposure is not None:
            groups[finding.exposure].append(finding)
    yield "Exposures with verification tests that failed:"
    yield "".join(f"{exposure}  " for exposure, group in groups.items() if group) or "none"
    yield " Number of tests that failed per test type:"
    for title, group in _titled(groups, titles):
        if group:
            yield title
            yield from (f"\t{test}: {count}" for test, count in Counter(map(_test, group)).items())
    yield "Test types that failed verification per exposure,"
    yield "detector, and amplifier:"
    for title, group in _titled(groups, titles):
        yield title
        yield from (f"\t \t {f'{one.place} {_test(one)}'.lstrip()}" for one in group)
        if not group:
            yield "No failures in 'verify_stats' for this exposure."
    yield from _limits(verdict, findings)
    yield from _EXPLANATION
    yield ""
    yield f"Generation collection: {_generation(names)}"
    yield f"Verification collection: {names.verification}"


def _titled(
    groups: dict[int, list[Finding]], titles: tuple[tuple[str, list[Finding]], ...]
) -> Iterator[tuple[str, list[Finding]]]:
    """Give each exposure and its findings; then, which the page does not have, those of the product, if any."""
    yield from ((f"\tExposure ID: {exposure}", group) for exposure, group in groups.items())
    yield from ((title, group) for title, group in titles if group)


def _limits(verdict: Verdict, findings: list[Finding]) -> Iterator[str]:
    """Give the counts, as on the page; those of tests of a wider scope, which it does not have, where they failed."""
    limits = verdict.limits
    wider = {scope: sorted({_test(one) for one in findings if one.scope is scope}) for scope in (Scope.DETECTOR, Scope.EXPOSURE)}
    yield "Threshold values:"
    yield f"\tAcceptable maximum number of failures per detector per test type: {limits.amplifiers}"
    yield f"\tThis value is controlled by the configuration parameter: '{_PARAMETER}'"
    yield f"\tAcceptable maximum number of failed detectors: {limits.detectors}"
    yield f"\tAcceptable maximum number of failed tests per exposure: {limits.amplifier_findings}"
    yield f"\tAcceptable maximum number of failed exposures: {limits.exposures}"
    yield f"\tFinal number of exposures that failed verification: {len(verdict.failed_exposures)}"
    if wider[Scope.DETECTOR]:
        yield f"\t{' and '.join(wider[Scope.DETECTOR])} of a whole detector: an exposure fails by {limits.detectors}"
    if wider[Scope.EXPOSURE]:
        yield f"\t{' and '.join(wider[Scope.EXPOSURE])} of a whole exposure: it fails by 1"


def _generation(names: Names) -> str:
    return names.generation or "none (generate_calibrations: False)"
