"""What each function of a plugin must give: functions of declarations, methods of what they open, and hooks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Self

import numpy as np
from attrs import frozen

from latcal.errors import Problem
from latcal.model.frames import Exposure, Frame, Setup
from latcal.model.geometry import Instrument, Preparation
from latcal.model.metrics import Measurement
from latcal.model.products import Product, ProductRef
from latcal.plugin.calling import ask
from latcal.plugin.declarations import Named
from latcal.plugin.gates import Gate
from latcal.plugin.inputs import Expectation, Part
from latcal.plugin.promises import (
    Promise,
    Unkept,
    anything,
    drained,
    having,
    holding,
    maybe,
    names,
    one,
    several,
    text,
    texts_by_name,
    truth,
)
from latcal.plugin.protocols import CameraDescription, Certification


@frozen
class Function:
    """A function of a declaration.

    Parameters
    ----------
    arguments : tuple of str
        What it is called with, in order.
    gives : Promise
    """

    arguments: tuple[str, ...]
    gives: Promise


@frozen
class Promised:
    """A function of a calibration type that gives what it should wherever it is called; it pickles if the function does.

    Parameters
    ----------
    name : str
        Of the field of the declaration.
    what : str
        What messages call it.
    source : str
        Whose it is, with its version.
    """

    function: Callable[[Any], Any]
    name: str
    what: str
    source: str

    @classmethod
    def of(cls, named: Named, name: str) -> Self:
        """Take a function of a declaration by its name."""
        return cls(getattr(named.declaration, name), name, named.called(name), named.source)

    @property
    def __name__(self) -> str:
        return self.what

    def __call__(self, inputs: Any) -> Any:
        """Call it, as `latcal.plugin.calling.ask` says."""
        return ask(self.source, self.what, FUNCTIONS["calibration"][self.name].gives, self.function, inputs)


def _is_number(given: Any) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _is_pair(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2


def _is_part(part: Part) -> bool:
    planes, facts = part.planes.values(), part.facts.values()
    cells = (cell for row in part.rows.values() for cell in row.values())
    return (
        all(isinstance(plane, np.ndarray) and plane.dtype.kind in "biuf" for plane in planes)
        and all(_is_pair(fact) and _is_number(fact[0]) and isinstance(fact[1], str) for fact in facts)
        and all(_is_cell(cell) for cell in cells)
    )


def _is_cell(cell: Any) -> bool:
    if not (_is_pair(cell) and isinstance(cell[1], str)):
        return False
    values = cell[0] if isinstance(cell[0], tuple) else (cell[0],)
    return all(isinstance(value, (Real, np.bool_)) for value in values) or isinstance(cell[0], str)


def _is_measured(one: Measurement) -> bool:
    return (
        isinstance(one.untested, str)
        and isinstance(one.metric, str)
        and _is_number(one.value)
        and isinstance(one.exposure, (Integral, NoneType))
        and isinstance(one.detector, (str, NoneType))
        and isinstance(one.amplifier, (str, NoneType))
    )


def _is_described(camera: CameraDescription) -> bool:
    finite = (camera.overhead_s, camera.frame_bytes, camera.shortest_s, camera.tolerance_s, camera.wait_s)
    return (
        all(_is_number(number) and 0 <= number < math.inf for number in finite)
        and _is_number(camera.longest_s)
        and camera.longest_s >= camera.shortest_s
        and (camera.images is None or isinstance(camera.images, (frozenset, set)))
        and (camera.filters is None or isinstance(camera.filters, tuple))
        and (camera.light is None or (_is_number(camera.light) and 0 < camera.light < math.inf))
    )


def _is_gate(gate: Gate) -> bool:
    texts = (gate.name, gate.value, gate.wanted, gate.limit)
    return (
        all(isinstance(one, str) for one in texts)
        and isinstance(gate.holds, (bool, np.bool_))
        and (gate.images is None or isinstance(gate.images, (frozenset, set)))
        and _is_number(gate.wait_s)
        and 0 <= gate.wait_s < math.inf
    )


def _is_expected(expected: Expectation) -> bool:
    maybe_known = (number for number in (expected.excess, expected.more, expected.time_s) if number is not None)
    return all(_is_number(number) for number in (expected.limit, *maybe_known))


def _problems(given: Any) -> tuple[Problem, ...]:
    """Read what a hook finds wrong; one that ends without a word finds nothing."""
    found: tuple[Problem, ...] = () if given is None else several(PROBLEM, "a list of Problem")(given)
    return found


def _fault(given: Any) -> tuple[str, str]:
    """Read what `check` of a calibration type finds: a text, or one with a hint."""
    what, hint = (given, "") if isinstance(given, str) else given if _is_pair(given) else (None, None)
    if not (isinstance(what, str) and isinstance(hint, str)):
        raise Unkept(given, "a text, nor a text with a hint")
    return what, hint


def _ids(given: Any) -> tuple[int, ...]:
    """Read the exposure ids that a store reserved."""
    if (
        not isinstance(given, Sequence)
        or not all(isinstance(number, Integral) for number in given)
        or len(set(given)) < len(given)
    ):
        raise Unkept(given, "a range of exposure ids")
    return tuple(int(number) for number in given)


def _group(given: Any) -> tuple[int, ...]:
    """Read the exposure ids of one group."""
    ids: tuple[int, ...] = several(one(Integral, words="an exposure id"), "a group of exposure ids")(given)
    if not ids:
        raise Unkept(given, "a group of at least one exposure id")
    return tuple(int(number) for number in ids)


def _reasons(given: Any) -> dict[int, str]:
    """Read which exposures are not used, and why."""
    if not isinstance(given, Mapping) or not all(
        isinstance(number, Integral) and isinstance(why, str) for number, why in given.items()
    ):
        raise Unkept(given, "a mapping of exposure ids to texts")
    return {int(number): why for number, why in given.items()}


PART = holding(Part, "a Part of arrays of numbers, and of facts that are numbers with units", _is_part)
PROBLEM = holding(Problem, "a Problem in words", lambda problem: isinstance(problem.what, str))
MEASUREMENT = holding(Measurement, "a Measurement of a number at a place", _is_measured)
DESCRIPTION = holding(CameraDescription, "a CameraDescription of numbers and names", _is_described)
GATE = holding(Gate, "a Gate of texts and of numbers", _is_gate)
EXPECTATION = holding(Expectation, "an Expectation of numbers", _is_expected)
TEXTS = several(text, "a list of texts")
MEASUREMENTS = several(MEASUREMENT, "a list of Measurement")

DECLARATIONS = several(anything, "a list of declarations")
"""What implementations of the hooks of the first sort must give: each is looked at by `latcal.plugin.validation`."""

METHODS: Mapping[str, Mapping[str, Promise]] = MappingProxyType(
    {
        "camera": {"problems": TEXTS, "remarks": TEXTS, "setup": one(Setup), "take": drained, "abort": anything},
        "store": {
            "reserve": _ids,
            "ingest": one(Frame),
            "frames": several(one(Frame), "a list of Frame"),
            "exposure": one(Exposure),
            "put": one(ProductRef),
            "get": one(Product),
            "find": one(ProductRef),
            "find_exposure": one(ProductRef),
            "of_exposure": one(ProductRef),
            "attach": anything,
            "attached": one(bytes, words="bytes"),
            "certify": anything,
            "is_free": truth,
            "list": several(one(Certification), "a list of Certification"),
            "free_bytes": maybe(one(Integral, words="a number of bytes")),
            "write_report": anything,
            "read_report": text,
        },
        "executor": {
            "map": drained,
            "describe": text,
            "build": several(one(ProductRef), "a list of ProductRef"),
            "verify": MEASUREMENTS,
        },
        "reporter": {"latcal_event": drained},
    }
)
"""By kind of what is opened: its methods and what they must give. It must have all, an executor those of its sort."""

MAY_HAVE: Mapping[str, Mapping[str, Promise]] = MappingProxyType(
    {
        "camera": {"offers": texts_by_name, "gates": several(GATE, "a list of Gate"), "prepare": anything, "darken": anything},
        "executor": {"tables": one(Product), "prepare": anything},
    }
)
"""By kind of what is opened: methods that it may have too."""


def _open(kind: str) -> Function:
    return Function(("options", "world"), having(kind.capitalize(), (*METHODS[kind], "__enter__", "__exit__")))


def _executor(given: Any) -> Any:
    """Read an executor: one that maps, or one that does whole steps."""
    own = ("build", "verify") if callable(getattr(given, "build", None)) else ("map",)
    return having("Executor", (*own, "describe", "__enter__", "__exit__"))(given)


FUNCTIONS: Mapping[str, Mapping[str, Function]] = MappingProxyType(
    {
        "calibration": {
            "check": Function(("sequences", "options"), several(_fault, "a list of texts")),
            "check_light": Function(("sequences", "options", "light"), several(_fault, "a list of texts")),
            "groups": Function(("exposures", "options"), several(_group, "a list of groups of exposure ids")),
            "left_out": Function(("exposures", "options"), _reasons),
            "needs": Function(("options",), names),
            "unpinned": Function(("options",), texts_by_name),
            "preparation": Function(("options",), maybe(one(Preparation))),
            "crosstalk": Function(("options",), truth),
            "build_amplifier": Function(("inputs",), PART),
            "observe": Function(("inputs",), anything),
            "residual": Function(("inputs",), PART),
            "assemble": Function(("inputs", "parts"), one(Product)),
            "measure": Function(("inputs",), MEASUREMENTS),
            "summarise": Function(("measured", "products"), MEASUREMENTS),
            "budget": Function(("outlook",), several(EXPECTATION, "a list of Expectation")),
        },
        "camera": {
            "open": _open("camera"),
            "describe": Function(("options", "instrument"), maybe(DESCRIPTION)),
            "instrument": Function(("options",), one(Instrument)),
        },
        "store": {"open": _open("store"), "recognises": Function(("path",), truth)},
        "executor": {"open": Function(("options", "world"), _executor)},
        "reporter": {"open": _open("reporter")},
        "instrument": {"load": Function((), one(Instrument))},
        "procedure": {
            "expand": Function(("options",), anything),
            "settle": Function(("options", "around"), anything),
        },
    }
)
"""By kind of declaration: its functions."""

HOOKS: Mapping[str, Promise] = MappingProxyType(
    {
        "latcal_find_recipe": maybe(one(Path)),
        "latcal_check_plan": _problems,
        "latcal_preflight": _problems,
        "latcal_before_take": drained,
        "latcal_event": drained,
    }
)
"""What implementations of the hooks of the second sort must give."""
