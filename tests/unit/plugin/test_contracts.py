"""What functions of plugins must give is read as it is used, and refused with its words where it is something else."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from latcal.plugin import (
    Camera,
    CameraDescription,
    Executor,
    Expectation,
    Measurement,
    Part,
    Problem,
    Reporter,
    StepExecutor,
    Store,
)
from latcal.plugin.calibration_faults import NAME
from latcal.plugin.contracts import FUNCTIONS, HOOKS, METHODS
from latcal.plugin.hookspecs import DECLARING
from latcal.plugin.promises import Unkept

PIXELS = np.zeros((2, 3), np.float32)
DESCRIPTION = CameraDescription(2.0, 1000)
LONG = CameraDescription(2.0, 1000, longest_s=math.inf)


def calibration(name: str) -> Any:
    return FUNCTIONS["calibration"][name].gives


@pytest.mark.parametrize(
    ("promise", "given", "read"),
    [
        (calibration("check"), ["too long", ("too short", "wait")], (("too long", ""), ("too short", "wait"))),
        (calibration("needs"), {"bias"}, frozenset({"bias"})),
        (calibration("crosstalk"), np.True_, True),
        (calibration("preparation"), None, None),
        (calibration("measure"), iter([Measurement("noise", np.float32(2.0))]), (Measurement("noise", np.float32(2.0)),)),
        (calibration("measure"), [Measurement("noise", math.inf)], (Measurement("noise", math.inf),)),
        (calibration("budget"), (Expectation("noise", None, 0.05),), (Expectation("noise", None, 0.05),)),
        (FUNCTIONS["camera"]["describe"].gives, DESCRIPTION, DESCRIPTION),
        (FUNCTIONS["camera"]["describe"].gives, LONG, LONG),
        (METHODS["store"]["reserve"], range(3, 5), (3, 4)),
        (METHODS["store"]["reserve"], [np.int64(3)], (3,)),
        (METHODS["store"]["free_bytes"], None, None),
        (METHODS["camera"]["problems"], iter(["cold"]), ("cold",)),
        (HOOKS["latcal_check_plan"], None, ()),
        (HOOKS["latcal_check_plan"], iter([Problem("long")]), (Problem("long"),)),
        (HOOKS["latcal_find_recipe"], None, None),
        (HOOKS["latcal_find_recipe"], Path("daily.yaml"), Path("daily.yaml")),
        (HOOKS["latcal_event"], iter([1, 2]), (1, 2)),
    ],
)
def test_what_is_as_it_must_be_is_read_as_it_is_used(promise: Any, given: Any, read: Any) -> None:
    assert promise(given) == read


@pytest.mark.parametrize(
    ("promise", "given", "words"),
    [
        (calibration("check"), [("a", "b", "c")], "a text, nor a text with a hint"),
        (calibration("check"), [("a", None)], "a text, nor a text with a hint"),
        (calibration("needs"), {"bias", 3}, "a set of names"),
        (calibration("needs"), ["bias"], "a set of names"),
        (calibration("unpinned"), {"bias": None}, "a mapping of names to texts"),
        (calibration("crosstalk"), 1, "true or false"),
        (calibration("measure"), [Measurement("noise", None)], "a Measurement of a number at a place"),  # type: ignore[arg-type]
        (calibration("measure"), [Measurement("noise", "2.0")], "a Measurement of a number at a place"),  # type: ignore[arg-type]
        (calibration("measure"), [Measurement(["noise"], 2.0)], "a Measurement of a number at a place"),  # type: ignore[arg-type]
        (calibration("measure"), [Measurement("noise", 2.0, amplifier=3)], "a Measurement of a number at a place"),  # type: ignore[arg-type]
        (calibration("measure"), {"noise": 2.0}, "a list of Measurement"),
        (calibration("budget"), [Expectation("noise", "much", 0.05)], "an Expectation of numbers"),  # type: ignore[arg-type]
        (HOOKS["latcal_preflight"], [Problem(None)], "a Problem in words"),  # type: ignore[arg-type]
        (HOOKS["latcal_preflight"], "cold", "a list of Problem"),
        (HOOKS["latcal_find_recipe"], "here.yaml", "a Path"),
        (METHODS["store"]["reserve"], [3, 3], "a range of exposure ids"),
        (METHODS["store"]["reserve"], "12", "a range of exposure ids"),
        (METHODS["store"]["free_bytes"], 1.5, "a number of bytes"),
        (METHODS["store"]["is_free"], 1, "true or false"),
        (METHODS["store"]["attached"], "PNG", "bytes"),
    ],
)
def test_what_is_something_else_is_refused_with_what_it_should_be(promise: Any, given: Any, words: str) -> None:
    with pytest.raises(Unkept, match=rf", which is not {words}$"):
        promise(given)


@pytest.mark.parametrize(
    "change",
    [
        {"planes": {"image": PIXELS.tolist()}},
        {"planes": {"image": PIXELS.astype(str)}},
        {"facts": {"level": 3.0}},
        {"facts": {"level": ("3", "electron")}},
        {"facts": {"level": (3.0, None)}},
    ],
)
def test_a_part_is_arrays_of_numbers_and_facts_with_units(change: dict[str, Any]) -> None:
    part = Part({"image": PIXELS, "mask": PIXELS.astype(np.uint8)}, {"level": (3.0, "electron")})
    assert calibration("residual")(part) is part
    with pytest.raises(Unkept, match="which is not a Part of arrays of numbers, and of facts that are numbers with units"):
        calibration("residual")(evolve(part, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"overhead_s": None},
        {"overhead_s": -1.0},
        {"overhead_s": math.nan},
        {"shortest_s": math.inf},
        {"longest_s": math.nan},
        {"shortest_s": 5.0, "longest_s": 4.0},
        {"frame_bytes": "1 MB"},
        {"images": ["bias"]},
        {"filters": "r"},
        {"tolerance_s": True},
    ],
)
def test_a_camera_is_described_by_numbers_and_names(change: dict[str, Any]) -> None:
    with pytest.raises(Unkept, match="which is not a CameraDescription of numbers and names"):
        FUNCTIONS["camera"]["describe"].gives(evolve(DESCRIPTION, **change))


@pytest.mark.parametrize(("kind", "protocol"), [("camera", Camera), ("store", Store), ("executor", Executor), ("reporter", Reporter)])
def test_every_method_of_a_protocol_is_one_that_must_be_there(kind: str, protocol: type) -> None:
    methods = {name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")}
    extra = {"latcal_event"} if kind == "reporter" else set()  # a hook, and no method of the protocol
    if kind == "executor":  # of which there are two sorts
        extra = {name for name, value in vars(StepExecutor).items() if callable(value) and not name.startswith("_")}
    assert set(METHODS[kind]) == methods | extra


@pytest.mark.parametrize("own", [("map",), ("build", "verify")])
def test_what_is_opened_lacks_no_method_and_the_few_that_it_lacks_are_named(own: tuple[str, ...]) -> None:
    names = [*own, "describe", "__enter__", "__exit__"]
    whole = SimpleNamespace(**dict.fromkeys(names, print))
    assert FUNCTIONS["executor"]["open"].gives(whole) is whole
    whole.describe = None
    with pytest.raises(Unkept, match=r"which is not an Executor, having no describe$"):
        FUNCTIONS["executor"]["open"].gives(whole)
    with pytest.raises(Unkept, match=r"^3, which is not an Executor$"):
        FUNCTIONS["executor"]["open"].gives(3)


def test_every_function_of_every_declaration_has_a_contract() -> None:
    for kind, _, cls in DECLARING:
        fields = {field.name: str(field.type) for field in cls.__attrs_attrs__}
        functions = {name for name, written in fields.items() if "Callable" in written}
        assert set(FUNCTIONS[kind]) == functions
    assert "measure" in FUNCTIONS["calibration"]


def test_a_name_is_one_that_a_recipe_and_a_rule_can_write() -> None:
    assert NAME.fullmatch("frame_noise2")
    assert not any(NAME.fullmatch(word) for word in ("", "2nd", "read noise", "gain\n", "naïve", "_x"))
