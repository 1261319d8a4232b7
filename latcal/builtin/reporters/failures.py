"""The table of failures: which exposure, which detector, which rule, and how bad."""

from __future__ import annotations

from collections.abc import Iterator

from latcal.plugin import Finding, RunReport, StageReport

_MOST = 40
"""Most rows of one stage, the worst; our choice, a screen. All are in the report that the store keeps."""

_HEAD = ("exposure", "detector", "rule", "fails on", "worst")


def failures(report: RunReport) -> Iterator[str]:
    """Write a table for every stage whose verdict has failures.

    Returns
    -------
    iterator of str
        Lines; none if nothing failed.
    """
    for stage in report.stages:
        if stage.verdict is not None and stage.verdict.findings:
            yield from _table(stage)


def _table(stage: StageReport) -> Iterator[str]:
    assert stage.verdict is not None
    groups: dict[tuple[int | None, str | None, str], list[Finding]] = {}
    for finding in stage.verdict.findings:
        groups.setdefault((finding.exposure, finding.detector, finding.rule), []).append(finding)
    worst = sorted(groups.values(), key=lambda group: -max(finding.strain for finding in group))[:_MOST]
    shown = [key for key, group in groups.items() if any(group is one for one in worst)]
    shown.sort(key=lambda key: (key[0] or 0, key[1] or "", key[2]))
    table = [_HEAD, *(_row(groups[key]) for key in shown)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    yield f"failures of {stage.line.kind}"
    for row in table:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(groups) > len(shown):
        yield f"  and {len(groups) - len(shown)} more, less bad"


def _row(group: list[Finding]) -> tuple[str, ...]:
    worst = max(group, key=lambda finding: finding.strain)
    count = f"{len(group)} amplifier{'s' if len(group) > 1 else ''}" if worst.amplifier else ""
    text = f"{worst.amplifier}: {worst.text}" if worst.amplifier else worst.text
    exposure = "" if worst.exposure is None else str(worst.exposure)
    return exposure, worst.detector or "", worst.rule.upper(), count, text
