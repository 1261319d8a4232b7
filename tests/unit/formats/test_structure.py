from __future__ import annotations

import enum
import json
import pathlib
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import pytest
from attrs import Factory, field, frozen, validators

from latcal.errors import Problem, RecipeError, Where
from latcal.formats.located import compose
from latcal.formats.structure import structure, unstructure
from latcal.model.options import option

if TYPE_CHECKING:
    from astropy.units import Quantity  # as a plugin has it, whose module imports nothing heavy


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Colour(enum.StrEnum):
    RED = "red"


@frozen
class Part:
    name: str
    weight: int = 3


@frozen(kw_only=True)
class Options:
    title: str = "none"
    clip: float = option(5.0, help="Reject beyond so many sigmas.", validator=validators.gt(0))
    count: int = option(1, help="How many.", validator=validators.ge(0))
    drift: bool = option(False, help="Whether it drifts.")
    frames: tuple[str, ...] = option((), help="Names of sequences.")
    pair: tuple[int, float] = option((1, 2.0), help="Two numbers.")
    names: frozenset[str] = option(frozenset(), help="No order.")
    time: Quantity = option("5 s", unit="s", help="Exposure time.")
    times: tuple[Quantity, ...] = option((), unit="s", help="Exposure times.")
    level: Quantity | None = option(None, unit="adu", help="Level.")
    part: Quantity = option("50 %", unit="", help="A part.")
    day: date | None = option(None, help="Day of observation.")
    mode: Mode = option(Mode.FAST, help="Mode.")
    colour: Colour = option(Colour.RED, help="Colour.")
    verb: Literal["make", "check"] = option("make", help="Verb.")
    root: pathlib.Path | None = option(None, help="Folder.")
    labels: Mapping[str, str] = option(Factory(dict), help="Free words.")
    parts: tuple[Part, ...] = option((), help="Parts.")
    either: str | tuple[str, ...] = option("a", help="One or several.")
    anything: Any = option(None, help="Anything.")


def read(text: str, kind: Any = Options, **more: Any) -> Any:
    return structure(compose(text, "f"), kind, **more)


def faults(text: str, kind: Any = Options, **more: Any) -> list[Problem]:
    with pytest.raises(RecipeError) as caught:
        read(text, kind, **more)
    return list(caught.value.problems)


def fault(text: str, kind: Any = Options, **more: Any) -> str:
    (problem,) = faults(text, kind, **more)
    return str(problem)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drift: no", "f:1:8: drift: 'no' is not true or false (write false)"),
        ("drift: True", "f:1:8: drift: 'True' is not true or false (write true)"),
        ("drift: 1", "f:1:8: drift: 1 is not true or false (write true or false)"),
        ("count: true", "f:1:8: count: true is not a whole number (write a whole number like 5)"),
        ("count: '5'", "f:1:8: count: '5' is not a whole number (write 5 without quotes or leading zeros)"),
        ("count: 010", "f:1:8: count: '010' is not a whole number (write 10 without quotes or leading zeros)"),
        ("count: 2.0", "f:1:8: count: 2.0 is not a whole number (write 2)"),
        ("count: null", "f:1:8: count: null is not a whole number (write a whole number like 5)"),
        ("clip: 5 s", "f:1:7: clip: '5 s' is not a number (write one like 0.5, without quotes or unit)"),
        ("clip: true", "f:1:7: clip: true is not a number (write one like 0.5, without quotes or unit)"),
        ("title: 5", "f:1:8: title: 5 is not text (write '5' in quotes)"),
        ("title: true", "f:1:8: title: true is not text (write 'true' in quotes)"),
        ("title: [a]", "f:1:8: title: [a] is not text (write a word, or text in quotes)"),
        ("frames: flats", "f:1:9: frames: 'flats' is not a list (write [flats])"),
        ("frames: {a: 1}", "f:1:9: frames: a mapping is not a list (write [a, b])"),
        ("frames: [a, 5]", "f:1:13: frames.1: 5 is not text (write '5' in quotes)"),
        ("pair: [1]", "f:1:7: pair: [1] is not a list of 2 (write 2 items)"),
        ("names: [a, a]", "f:1:8: names: 'a' is given twice (remove one)"),
        ("time: 5", "f:1:7: time: 5 has no unit (write '5 s')"),
        ("time: '5'", "f:1:7: time: '5' has no unit (write '5 s')"),
        ("time: 5 parsec", "f:1:7: time: '5 parsec' is in 'parsec', not in 's' (write '5 s')"),
        ("time: 5 sek", "f:1:7: time: 'sek' is not a unit (write one like s, adu, electron / s or %)"),
        ("time: five s", "f:1:7: time: 'five s' is not a number with a unit (write '5 s')"),
        ("time: null", "f:1:7: time: null is not a number with a unit (write '5 s')"),
        ("times: 5 s", "f:1:8: times: '5 s' is not a list (write [5 s, 10 s])"),
        ("times: [5 s, 2]", "f:1:14: times.1: 2 has no unit (write '2 s')"),
        ("level: 5 s", "f:1:8: level: '5 s' is in 's', not in 'adu' (write '5 adu')"),
        ("part: 5 s", "f:1:7: part: '5 s' is in 's', and a number without unit is wanted (write '5')"),
        ("day: 04-11-2022", "f:1:6: day: '04-11-2022' is not a date (write 2022-11-04)"),
        ("day: 2022/11/04", "f:1:6: day: '2022/11/04' is not a date (write 2022-11-04)"),
        ("day: 2022-11-4", "f:1:6: day: '2022-11-4' is not a date (write 2022-11-04)"),
        ("day: 20221104", "f:1:6: day: 20221104 is not a date (write 2022-11-04)"),
        ("day: 2022-02-30", "f:1:6: day: '2022-02-30' is not a day of the calendar (write year-month-day)"),
        ("mode: fats", "f:1:7: mode: 'fats' is not one of its choices (did you mean 'fast'?)"),
        ("colour: 5", "f:1:9: colour: 5 is not one of its choices (known: red)"),
        ("verb: 5", "f:1:7: verb: 5 is not one of its choices (known: make, check)"),
        ("root: 3", "f:1:7: root: 3 is not a path (write one like ./store)"),
        ("labels: [a]", "f:1:9: labels: [a] is not a mapping (write {key: value})"),
        ("labels: {a: x, b: 1}", "f:1:19: labels.b: 1 is not text (write '1' in quotes)"),
        (
            "parts: [{name: x, wieght: 3}]",
            "f:1:19: parts.0.wieght: 'wieght' is not a key here (did you mean 'weight'?)",
        ),
        ("parts: [{weight: 3}]", "f:1:9: parts.0: 'name' is missing (write 'name: ...')"),
        ("parts: [x]", "f:1:9: parts.0: 'x' is not a mapping (write {name: ...})"),
        ("either: 3", "f:1:9: either: 3 is not text or a list (write '3' in quotes)"),
        ("either: [3]", "f:1:10: either.0: 3 is not text (write '3' in quotes)"),
        ("clipp: 3", "f:1:1: clipp: 'clipp' is not a key here (did you mean 'clip'?)"),
        ("clip: -1", "f:1:7: clip: 'clip' must be > 0: -1.0"),
        ("[a]", "f:1:1: [a] is not a mapping (write {title: ...})"),
    ],
)
def test_each_slip_is_refused_at_its_place_with_what_to_write(text: str, message: str) -> None:
    assert fault(text) == message


def test_all_faults_are_reported_at_once() -> None:
    found = faults("clip: -1\ncount: -2\ndrift: no\ntime: 5\nframe: [x]\n")
    assert sorted((problem.path, problem.where.line) for problem in found if problem.where) == [
        ("clip", 1), ("count", 2), ("drift", 3), ("frame", 5), ("time", 4)
    ]  # fmt: skip


def test_faults_of_several_validators_are_reported_at_once() -> None:
    assert [problem.path for problem in faults("clip: -1\ncount: -2")] == ["clip", "count"]


def test_right_values_are_read() -> None:
    from astropy import units

    options = read(
        "clip: 3\ntime: 0.5 min\ntimes: [1 s, 2s]\nlevel: 30000 adu\npart: 0.25\nday: 2022-11-04\nmode: slow\n"
        "root: ./store\nlabels: {a: b}\nparts: [{name: x}]\neither: [a, b]\nnames: [a]\npair: [1, 2]\nanything: [1]\n"
    )
    assert options.clip == 3.0
    assert isinstance(options.clip, float)
    assert options.time.to_value(units.s) == pytest.approx(30)
    assert [time.to_value(units.s) for time in options.times] == [1, 2]
    assert options.level == 30000 * units.adu
    assert options.part.to_value("") == 0.25
    assert options.day == date(2022, 11, 4)
    assert (options.mode, options.colour) == (Mode.SLOW, Colour.RED)
    assert options.root == pathlib.Path("store")
    assert options.parts == (Part("x"),)
    assert (options.either, options.names, options.pair) == (("a", "b"), frozenset("a"), (1, 2.0))


def test_a_default_with_a_unit_is_read_from_its_text() -> None:
    from astropy import units

    assert Options().time == 5 * units.s


def test_what_is_written_reads_the_same_again() -> None:
    options = read(
        "clip: 3\ntime: 0.5 min\ntimes: [1 s, 2 s]\nlevel: 30000 adu\nday: 2022-11-04\nroot: ./x\nparts: [{name: x}]\n"
        "labels: {a: b}\neither: [a, b]\nnames: [b, a]\nmode: slow"
    )
    plain = unstructure(options)
    assert read(json.dumps(plain)) == options
    assert plain["time"] == "0.5 min"
    assert plain["day"] == "2022-11-04"


def test_fields_equal_to_their_default_may_be_left_out() -> None:
    assert unstructure(read("clip: 3\ntime: 5 s\nlabels: {}"), omit_defaults=True) == {"clip": 3.0}


def test_what_is_not_plain_has_no_text() -> None:
    with pytest.raises(TypeError, match="no hook writes complex"):
        unstructure(1j)


def test_a_missing_key_of_the_whole_is_reported_at_its_begin() -> None:
    assert fault("weight: 3", Part) == "f:1:1: 'name' is missing (write 'name: ...')"


def test_a_part_of_a_tree_can_be_read() -> None:
    tree = compose("a:\n  - {name: x}\n  - {name: 5}\n", "f")
    assert structure(tree, Part, ("a", 0)) == Part("x")
    with pytest.raises(RecipeError, match=r"f:3:12: a\.1\.name: 5 is not text"):
        structure(tree, Part, ("a", 1))


@frozen
class Wave:
    text: str


@frozen
class Holder:
    wave: Wave
    waves: tuple[Wave, ...] = ()


def read_wave(value: Any) -> Wave:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a wave", "write 'high'")  # noqa: TRY004
    if value == "many":
        raise RecipeError([Problem("one"), Problem("two", path="inner.0")])
    return Wave(value)


def test_a_type_of_ones_own_has_its_own_hook() -> None:
    holder = read("wave: high\nwaves: [low]", Holder, hooks={Wave: read_wave})
    assert holder == Holder(Wave("high"), (Wave("low"),))
    assert unstructure(holder, hooks={Wave: lambda wave: wave.text}) == {"wave": "high", "waves": ["low"]}


def test_a_hook_refuses_with_message_and_hint() -> None:
    assert fault("wave: 5", Holder, hooks={Wave: read_wave}) == "f:1:7: wave: 5 is not a wave (write 'high')"


def test_a_hook_may_refuse_several_things() -> None:
    found = faults("wave: many", Holder, hooks={Wave: read_wave})
    assert [(problem.what, problem.path) for problem in found] == [("one", "wave"), ("two", "wave.inner.0")]
    assert {problem.where for problem in found} == {Where("f", 1, 7)}


@frozen
class Whole:
    low: int
    high: int = field(default=9, validator=validators.instance_of(int))

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"{self.low} is not below {self.high}", "swap them")


def test_what_the_class_as_a_whole_refuses_is_reported_at_its_begin() -> None:
    assert fault("low: 5\nhigh: 3", Whole) == "f:1:1: 5 is not below 3 (swap them)"
