"""The report of the LATISS procedure's page, from a verdict: its lines, its order and its numbers, in our own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import frozen

from latcal.plugin import Finding, Scope, Verdict

_EXPLANATION = (
    "How it is judged: one and the same test that fails on enough amplifiers of enough",
    "detectors makes its exposure fail (a test of whole detectors counts by detectors,",
    "and one of the whole exposure by itself); with enough failed exposures the set is",
    "refused and nothing is certified. In the numbers above: a set is refused once the",
    "exposures that failed, counted in the last of those lines, are as many as the limit",
    "in the line before it, or a test of the product itself fails.",
)
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
    outcome : str
        What became of it: ``certified into calib/daily, 2022-11-04 to 2022-11-05``.
    mark : str
        Which of several stages of one kind it is: ``stages.1``; empty if there is but one.
    """

    verification: str
    generation: str
    outcome: str
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
    The LATISS daily calibrations page of the Rubin Observatory, for layout, order and numbers; no sentence is from there.
    """
    kind = f"{names.mark} {verdict.kind.upper()}".lstrip()
    generation = f"generation collection: {_generation(names)}"
    if verdict.unverified:
        yield f"{kind} was not verified, waived by {verdict.unverified}; {names.outcome}; {generation}"
        return
    findings = _counted(verdict)
    if not verdict.accepted:
        yield from _report(verdict, findings, names)
        yield "; ".join(filter(None, (f"{kind} failed verification", names.outcome, verdict.remedy)))
    elif findings:
        yield f"{kind} passed verification as a whole; {names.outcome}; not all tests passed:"
        yield from _report(verdict, findings, names)
    else:
        verification = f"verification collection: {names.verification}"
        yield f"{kind} passed verification; {names.outcome}; {generation}; {verification}"


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
    yield "Exposures in which a test failed:"
    yield "".join(f"{exposure}  " for exposure, group in groups.items() if group) or "none"
    yield " How often each test failed:"
    for title, group in _titled(groups, titles):
        if group:
            yield title
            yield from (f"\t{test}: {count}" for test, count in Counter(map(_test, group)).items())
    yield "What failed in each exposure, with its detector"
    yield "and amplifier before the test:"
    for title, group in _titled(groups, titles):
        yield title
        yield from (f"\t \t {f'{one.place} {_test(one)}'.lstrip()}" for one in group)
        if not group:
            yield "All tests that count passed in this exposure."
    yield from _limits(verdict)
    yield from _EXPLANATION
    yield ""
    yield f"Generation collection: {_generation(names)}"
    yield f"Verification collection: {names.verification}"


def _titled(
    groups: dict[int, list[Finding]], titles: tuple[tuple[str, list[Finding]], ...]
) -> Iterator[tuple[str, list[Finding]]]:
    """Give each exposure and its findings; then, which the page does not have, those of the product, if any."""
    yield from ((f"\tExposure {exposure}", group) for exposure, group in groups.items())
    yield from ((title, group) for title, group in titles if group)


def _limits(verdict: Verdict) -> Iterator[str]:
    limits = verdict.limits
    yield "What reaches one of these numbers has failed:"
    yield f"\tFailures of one test on one detector: {limits.amplifiers}"
    yield f"\t(the script's parameter '{_PARAMETER}', in a recipe accept.amplifiers)"
    yield f"\tFailed detectors: {limits.detectors}"
    yield f"\tFailures of one test in one exposure: {limits.amplifier_findings}"
    yield f"\tFailed exposures: {limits.exposures}"
    yield f"\tExposures that failed here: {len(verdict.failed_exposures)}"


def _generation(names: Names) -> str:
    return names.generation or "none (this stage of the recipe generates nothing)"
