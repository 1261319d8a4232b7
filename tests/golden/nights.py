"""Runs as events, built by hand: what the console is given in its golden tests."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from latcal.model.events import (
    Built,
    Certified,
    Event,
    Exposed,
    Ingested,
    Judged,
    Kept,
    Noted,
    Resolved,
    ResolvedNeed,
    RunEnded,
    RunStarted,
    Solved,
    StageLine,
    Status,
    StepEnded,
    StepLine,
    StepStarted,
)
from latcal.model.frames import Setup
from latcal.model.metrics import Scope
from latcal.model.products import ProductRef
from latcal.model.verdicts import Finding, Limits, Tally, Verdict

AMPLIFIERS = tuple(f"C{half}{number}" for half in (1, 0) for number in range(8))
DAY = 20221104 * 100_000


def take(step: int, sequence: str, position: int, of: int, what: str) -> StepLine:
    return StepLine(step, "take", f"Take {sequence} {position}/{of}  {what}", None, 2.0)


def started(steps: tuple[StepLine, ...], stages: tuple[StageLine, ...], **change: object) -> RunStarted:
    fields = {
        "run": "20221104T120000-0a1b2c3d",
        "began": "2022-11-04T12:00:37.000000",
        "title": "A night",
        "recipe": "night.yaml",
        "digest": "5f" * 32,
        "text": "latcal: 1\n",
        "settings": (),
        "instrument": "bench",
        "camera": "simulated",
        "store": "folder",
        "place": "./store",
        "versions": {"latcal": "0.1.0"},
        "stages": stages,
        "steps": steps,
        "camera_s": sum(step.camera_s for step in steps),
    }
    return RunStarted(**(fields | change))  # type: ignore[arg-type]


def ref(kind: str, detector: int = 0, setup: Setup | None = None) -> ProductRef:
    return ProductRef(f"{kind}{detector}".ljust(32, "0"), kind, detector, setup or Setup(), "d" * 64, "run", 20)


def taken(step: int, at_s: float, time_s: float = 0.0) -> Iterator[Event]:
    yield StepStarted(step, at_s)
    yield Exposed(step, DAY + step + 1, time_s, Setup(), at_s + 2)
    yield Ingested(step, DAY + step + 1, {"S00": "c" * 64}, {"S00": 0.1})
    yield StepEnded(step, Status.DONE, at_s=at_s + 2)


def done(step: int, at_s: float, *between: Event) -> Iterator[Event]:
    yield StepStarted(step, at_s)
    yield from between
    yield StepEnded(step, Status.DONE, at_s=at_s)


def skipped(step: int, reason: str, code: int = 0) -> Event:
    return StepEnded(step, Status.SKIPPED, reason, code)


def failing(rule: str, exposures: tuple[int, ...], amplifiers: tuple[str, ...], text: str) -> tuple[Finding, ...]:
    return tuple(
        Finding(rule, Scope.AMPLIFIER, text, 3.7 - 0.1 * number, exposure, "S00", amplifier)
        for exposure in exposures
        for number, amplifier in enumerate(amplifiers)
    )


def verdict(kind: str, frames: int, findings: tuple[Finding, ...] = (), **change: object) -> Verdict:
    """Judge `frames` exposures by NOISE, CR_NOISE, MEAN and READ_NOISE; NOISE findings decide if there are 16."""
    exposures = tuple(range(DAY + 1, DAY + 1 + frames))
    tallies = []
    for rule in ("noise", "cr_noise", "mean", "read_noise"):
        mine = [finding for finding in findings if finding.rule == rule]
        counts: dict[int, int] = {}
        for finding in mine:
            counts[finding.exposure or 0] = counts.get(finding.exposure or 0, 0) + 1
        worst = max(mine, key=lambda finding: finding.strain, default=None)
        closest = worst.text if worst else "9.33 e- for 9.1 e- +- 5 %"
        tallies.append(Tally(rule, rule, Scope.AMPLIFIER, False, 16, counts, worst, closest, len(mine) >= 8))
    failed = tuple(sorted({f.exposure for f in findings if f.exposure is not None and len(findings) >= 8}))
    fields = {
        "kind": kind,
        "accepted": not failed,
        "exposures": exposures,
        "detectors": ("S00",),
        "amplifiers": 16,
        "limits": Limits(8, 1, frames // 2 + 1),
        "failed_exposures": failed,
        "tallies": tuple(tallies),
        "findings": findings,
    }
    return Verdict(**(fields | change))  # type: ignore[arg-type]


def three_biases() -> list[Event]:
    """The page's failure: NOISE on every amplifier of all three; the dark that follows is skipped."""
    biases = tuple(take(i, "biases", i + 1, 3, "0 s") for i in range(3))
    steps = (
        *biases,
        StepLine(3, "build", "Build bias  from 3 exposures", 0),
        StepLine(4, "verify", "Verify bias  on 3 exposures", 0),
        StepLine(5, "certify", "Certify bias  into calib/daily, 2022-11-04 to 2022-11-05", 0),
        take(6, "darks", 1, 2, "15 s"),
        take(7, "darks", 2, 2, "15 s"),
        StepLine(8, "build", "Build dark  from 2 exposures  with bias of step 3", 1),
        StepLine(9, "verify", "Verify dark  on 2 exposures  with bias of step 3", 1),
        StepLine(10, "certify", "Certify dark  into calib/daily, 2022-11-04 to 2022-11-05", 1),
    )
    stages = (StageLine(0, "make", "bias"), StageLine(1, "make", "dark"))
    findings = failing("noise", (DAY + 1, DAY + 2, DAY + 3), AMPLIFIERS, "7.38 e- for 9.1 e- +- 5 %")
    refused = verdict("bias", 3, findings, remedy="8 more frames would do")
    events: list[Event] = [started(steps, stages, settings=("certify.into=calib/daily",)), Resolved(())]
    for step in range(3):
        events += taken(step, 2.0 * step)
    events += done(3, 6.0, Built(3, (ref("bias"),)))
    events += [StepStarted(4, 6.5), *taken(6, 6.0, 15.0), Judged(4, refused)]
    events += [StepEnded(4, Status.REFUSED, "bias refused", 1, 7.0), skipped(5, "bias was refused")]
    events += [skipped(step, "bias was refused") for step in (7, 8, 9, 10)]
    return [*events, RunEnded(at_s=25.4)]


def good_night(*, slow: bool = False) -> list[Event]:
    """Twenty biases accepted with remarks, then flats to a level with the bias and a reference; two lane speeds."""
    biases = tuple(take(i, "biases", i + 1, 5, "0 s" + ("  (discarded)" if i == 0 else "")) for i in range(5))
    steps = (
        *biases,
        StepLine(5, "build", "Build bias  from 4 exposures", 0),
        StepLine(6, "verify", "Verify bias  on 4 exposures", 0),
        StepLine(7, "certify", "Certify bias  into calib/daily, 2022-11-04 to 2022-11-05", 0),
        take(8, "flats", 1, 3, "1 s  (probe)"),
        take(9, "flats", 2, 3, "for 30000 adu  (probe)"),
        take(10, "flats", 3, 3, "for 30000 adu"),
        StepLine(11, "verify", "Verify flat  on 1 exposures  with bias of step 5", 1),
    )
    stages = (StageLine(0, "make", "bias", ""), StageLine(1, "measure", "flat"))
    remarks = failing("cr_noise", (DAY + 2, DAY + 5), ("C04",), "12.5 e- for 9.2 e- +- 5 %")
    built = [*done(5, 12.0, Built(5, (ref("bias"),)))]
    built += done(6, 13.0, Judged(6, verdict("bias", 4, remarks)))
    built += done(7, 14.0, Certified(7, (ref("bias"),), "calib/daily", "2022-11-04 to 2022-11-05"))
    flats = [*taken(8, 10.0, 1.0), *taken(9, 12.0, 3.0), Solved("flats", "30000 adu", 8.3, ((1.0, 3600.0), (3.0, 10810.0)))]
    flats += taken(10, 14.0, 8.3)
    found = ResolvedNeed(1, "dark", 0, ref("dark"), "calib/default")
    events: list[Event] = [started(steps, stages, at_most=True, title=""), Resolved((found,))]
    for step in range(5):
        events += taken(step, 2.0 * step)
    events += [*flats, *built] if slow else [*built, *flats]
    numbers = {"mean": {"median": 30012.0, "least": 29000.0, "greatest": 31000.0}}
    events += done(11, 30.0, Judged(11, verdict("flat", 1), numbers))
    return [*events, Noted("the reporter page raised OSError: gone"), RunEnded(at_s=31.0 if slow else 30.0)]


def unverified() -> list[Event]:
    """A bias taken without verification by name, of four detectors; the store refuses the certificate of a dark."""
    waiver = "Ana: lamp test, not for science"
    steps = (
        take(0, "biases", 1, 1, "0 s"),
        StepLine(1, "build", "Build bias  from 1 exposures", 0),
        StepLine(2, "verify", "Verify bias  on 1 exposures", 0),
        StepLine(3, "certify", "Certify bias  into calib/test, always", 0),
        StepLine(4, "verify", "Verify bias  on 1 exposures", 1),
    )
    stages = (StageLine(0, "make", "bias", waiver), StageLine(1, "check", "bias"))
    refs = tuple(ref("bias", detector) for detector in range(4))
    needs = tuple(ResolvedNeed(1, "bias", one.detector, one, "calib/weekly") for one in refs)
    events: list[Event] = [started(steps, stages), Resolved(needs), *taken(0, 0.0)]
    events += done(1, 1.0, Built(1, refs))
    events += done(2, 2.0, Judged(2, verdict("bias", 1, unverified=waiver)))
    events += done(3, 3.0, Certified(3, refs, "calib/test", "always"))
    events += [StepStarted(4, 3.0), StepEnded(4, Status.FAILED, "frame 20221104_000001 is damaged", 4, 4.0)]
    return [*events, RunEnded(at_s=4.0)]


def interrupted() -> list[Event]:
    """Stopped during the second of three biases."""
    events = three_biases()[:6]
    events += [StepStarted(1, 2.0)]
    events += [StepEnded(step, Status.SKIPPED, "interrupted", 130) for step in range(1, 11)]
    return [*events, RunEnded(interrupted=True, at_s=3.1)]


def kept() -> list[Event]:
    """All is certified already, and the recipe says to keep it: nothing is taken."""
    steps = (
        *(evolve(take(i, "biases", i + 1, 2, "0 s"), camera_s=0.0, kept=True) for i in range(2)),
        StepLine(2, "build", "Build bias  from 2 exposures", 0, kept=True),
        StepLine(3, "verify", "Verify bias  on 2 exposures", 0, kept=True),
        StepLine(4, "certify", "Certify bias  into LATISS/calib, 2020-01-01 onwards, unless already certified", 0, kept=True),
        StepLine(5, "build", "Build dark  from 2 exposures  with bias of step 2", 1, kept=True),
        StepLine(6, "verify", "Verify dark  on 2 exposures  with bias of step 2", 1, kept=True),
        StepLine(7, "certify", "Certify dark  into LATISS/calib, 2020-01-01 onwards, unless already certified", 1, kept=True),
    )
    stages = (StageLine(0, "make", "bias"), StageLine(1, "make", "dark", "Ana: lamp test", ("mean",)))
    biases = Kept(0, (ref("bias", 0), ref("bias", 1)), "LATISS/calib", "2020-01-01 onwards", "certify.into=LATISS/calib.2")
    darks = Kept(1, (ref("dark"),), "LATISS/calib", "always", "certify.into=LATISS/calib.2", "Ana: lamp test")
    events: list[Event] = [started(steps, stages), Resolved(()), biases, darks]
    events += [skipped(step, biases.reason) for step in (2, 3, 4)]
    events += [skipped(step, darks.reason) for step in (5, 6, 7)]
    events += [skipped(step, "bias is kept") for step in range(2)]
    return [*events, RunEnded(at_s=0.2)]


def half_kept() -> list[Event]:
    """The bias of an interrupted night is kept, and its dark is made."""
    steps = (
        evolve(take(0, "biases", 1, 1, "0 s"), camera_s=0.0, kept=True),
        StepLine(1, "build", "Build bias  from 1 exposures", 0, kept=True),
        StepLine(2, "verify", "Verify bias  on 1 exposures", 0, kept=True),
        StepLine(3, "certify", "Certify bias  into LATISS/calib, 2020-01-01 onwards, unless already certified", 0, kept=True),
        take(4, "darks", 1, 2, "15 s"),
        take(5, "darks", 2, 2, "15 s"),
        StepLine(6, "build", "Build dark  from 2 exposures  with bias of step 1", 1),
        StepLine(7, "verify", "Verify dark  on 2 exposures  with bias of step 1", 1),
        StepLine(8, "certify", "Certify dark  into LATISS/calib, 2020-01-01 onwards, unless already certified", 1),
    )
    stages = (StageLine(0, "make", "bias"), StageLine(1, "make", "dark"))
    bias = Kept(0, (ref("bias"),), "LATISS/calib", "2020-01-01 onwards", "certify.into=LATISS/calib.2")
    needs = tuple(ResolvedNeed(1, "bias", 0, ref("bias"), "LATISS/calib", step) for step in (6, 7))
    events: list[Event] = [started(steps, stages), Resolved(needs), bias]
    events += [skipped(step, bias.reason) for step in (1, 2, 3)]
    events += [skipped(0, "bias is kept"), *taken(4, 0.0, 15.0), *taken(5, 17.0, 15.0)]
    events += [*done(6, 35.0, Built(6, (ref("dark"),))), *done(7, 36.0, Judged(7, verdict("dark", 2)))]
    events += done(8, 37.0, Certified(8, (ref("dark"),), "LATISS/calib", "2020-01-01 onwards"))
    return [*events, RunEnded(at_s=37.0)]


NIGHTS = {
    "three_biases": three_biases,
    "good_night": good_night,
    "unverified": unverified,
    "interrupted": interrupted,
    "kept": kept,
    "half_kept": half_kept,
}
