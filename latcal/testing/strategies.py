"""Hypothesis strategies for the values of a recipe, for the plugin of `latcal.testing.strangers`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from latcal.model.exposures import Exposures, Group, Ladder, Level
from latcal.model.quantities import parse_quantity
from latcal.model.recipe import Certificate, Recipe, Sequence, Stage, TimeLimits, Use, Verification
from latcal.model.rules import Rule
from latcal.model.validity import ValidityRange, instant
from latcal.model.verdicts import Acceptance
from latcal.testing.strangers import CupboardOptions, Nothing, SkyOptions, WebcamOptions

RULES = (
    "noise <= 10 electron",
    "abs(mean) <= 0.2 * noise",
    "0.9 < ratio < 1.1",
    "ratio <= 105 %",
    "noise / mean >= 1e-3",
    "-(mean - 2 * noise) < 5 electron",
)
"""In the rule language, and of metrics that the stranger's types measure."""

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True) | st.sampled_from(["no", "null", "y", "true"])
collections = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,8}){0,2}", fullmatch=True)
texts = st.sampled_from(
    ["no", "010", "1e5", "2022-11-04", "5 s", " a ", "", "a: b", "a=b", "- a", "#", "'", '"', "null", "~", "1_0", "a\nb", "é"]
) | st.text(st.characters(codec="utf-8"), max_size=20)


_SPAN = datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01")


def _level(draw_from: tuple[float, str]) -> Level:
    return Level(*draw_from)


def exposures() -> st.SearchStrategy[Exposures]:
    """Give how many and how long or how bright."""
    seconds = st.floats(0, 86_399, allow_subnormal=False) | st.integers(0, 86_399).map(float)
    levels = st.tuples(st.floats(1e-3, 100), st.sampled_from(["adu", "electron", "% of full well"])).map(_level)
    count = st.integers(1, 100_000)
    groups = st.builds(Group, count, seconds) | st.builds(Group, count, st.none(), levels)
    low = st.floats(1e-3, 100).map(lambda value: Level(value, "electron"))
    ladders = st.builds(Ladder, st.integers(1, 1000), st.integers(2, 100), low, levels.filter(lambda one: one.unit != "electron"))
    return st.lists(groups | ladders, min_size=1, max_size=4).map(lambda found: Exposures(tuple(found)))


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    """Give where products go, and from when until when they hold."""
    moments = st.datetimes(*_SPAN)
    seconds = moments.map(lambda moment: moment.replace(microsecond=0))
    begin, end = sorted(draw(st.lists(seconds | moments, min_size=2, max_size=2, unique=True)))
    valid = ValidityRange(
        None if draw(st.booleans()) else instant(begin), None if draw(st.booleans()) else instant(end)
    )
    return Certificate(draw(collections), valid, draw(st.sampled_from(["refuse", "keep"])))


def rules() -> st.SearchStrategy[tuple[Rule, ...]]:
    """Give rules of different names."""
    one = st.builds(Rule, names, st.sampled_from(RULES), st.booleans())
    return st.lists(one, max_size=3, unique_by=lambda rule: rule.name).map(tuple)


def acceptances() -> st.SearchStrategy[Acceptance]:
    """Give how many findings may fail."""
    limits = st.integers(1, 30) | st.just("majority")
    return st.builds(Acceptance, st.none() | st.integers(1, 30), limits, limits)


def quantities(unit: str) -> st.SearchStrategy[Any]:
    """Give quantities in one unit."""
    return st.floats(0, 1e6).map(lambda value: parse_quantity(f"{value!r} {unit}", unit))


def sky_options() -> st.SearchStrategy[SkyOptions]:
    """Give options of every sort."""
    paths = st.none() | st.from_regex(r"[a-z./ 0]{1,8}", fullmatch=True).map(Path)
    degrees = st.lists(st.integers(-9, 9), max_size=3).map(tuple)
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    whole = st.integers(-(10**17), 10**17)
    return st.builds(SkyOptions, numbers, whole, st.booleans(), texts, quantities("ms"), degrees, paths)


@st.composite
def stages(draw: st.DrawFn, sequences: tuple[str, ...], certified: bool) -> Stage:
    """Give a stage that uses some of the sequences."""
    verb, kind = draw(
        st.sampled_from([("make", "sky"), ("check", "sky"), ("measure", "sky"), ("measure", "cloud")])
    )
    certify = draw(certificates() if not certified else st.none() | certificates()) if verb == "make" else None
    own = draw(rules())
    default = ["noise", "mean"] if kind == "sky" else ["noise"]
    dropped = draw(st.lists(st.sampled_from(default), max_size=len(default) - 1, unique=True))
    waived = draw(st.none() | st.tuples(texts.filter(bool), texts.filter(bool)))
    who, why = waived or ("", "")
    advisory = draw(st.lists(st.sampled_from(default), unique=True))
    return Stage(
        verb=verb,
        kind=kind,
        frames=tuple(draw(st.lists(st.sampled_from(sequences), min_size=1, unique=True))),
        options=draw(sky_options()) if kind == "sky" else Nothing(),
        collections=tuple(draw(st.lists(collections, min_size=int(verb == "check"), max_size=3))),
        accept=draw(st.none() | acceptances()),
        certify=certify,
        rules=own,
        verify=Verification(tuple(draw(st.lists(collections, max_size=2))), tuple(dropped), tuple(advisory), who, why),
        detectors=tuple(draw(st.lists(st.integers(0, 204), max_size=3))),
        at_least=draw(st.none() | st.integers(1, 99)),
        wait=draw(st.booleans()),
        keep=draw(st.sampled_from([(), ("residuals",)])),
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Give a recipe that can be read with the stranger's plugin."""
    found = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    words = st.none() | texts
    sequences = {
        name: Sequence(
            name,
            "sky",
            draw(exposures()),
            draw(st.integers(0, 3)),
            draw(words),
            draw(words),
            longest_s=draw(st.none() | st.floats(1e-3, 3600)),
        )
        for name in found
    }
    certify = draw(st.none() | certificates())
    staged = st.lists(stages(tuple(found), certify is not None), min_size=1, max_size=3)
    options = WebcamOptions(draw(st.integers(0, 65_535)), draw(st.booleans()), draw(quantities("s")))
    return Recipe(
        name="made.yaml",
        title=draw(texts),
        instrument=draw(st.sampled_from(["eye", "./eye.yaml"])),
        camera=Use("webcam", options),
        store=Use("cupboard", CupboardOptions(draw(st.sampled_from([Path("./shelf"), Path("a b"), Path("010")])))),
        sequences=sequences,
        stages=tuple(draw(staged)),
        executor=draw(st.sampled_from([None, Use("abacus", Nothing())])),
        report=draw(st.sampled_from([(), (Use("bell", Nothing()), Use("bell", Nothing()))])),
        limits=draw(st.builds(TimeLimits, *[st.floats(1e-3, 1e6)] * 3)),
        labels=draw(st.dictionaries(texts, texts, max_size=3)),
        rules=draw(st.dictionaries(st.sampled_from(["sky", "cloud"]), rules(), max_size=2)),
        accept=draw(acceptances()),
        certify=certify,
    )
