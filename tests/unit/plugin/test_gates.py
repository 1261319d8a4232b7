"""Gates: what they say, and how long they are waited for."""

from __future__ import annotations

import threading
import time

import pytest
from attrs import evolve, field, mutable

from latcal.errors import CameraError, NotReady
from latcal.plugin import Gate, wait_for_gates
from latcal.testing.sensors import request

WARM = Gate(
    "sensor temperature", False, "-93.2 C", "-100 to -95 C", frozenset({"dark", "bias"}), wait_s=600.0, limit="camera.gates.wait"
)
COLD = evolve(WARM, holds=True, value="-97 C")
OPEN = Gate("cover", False, "open", "closed")


@mutable
class Clock:
    """Time that passes only while it is waited, and gates that open then."""

    gates: dict[float, tuple[Gate, ...]]
    now: float = 0.0
    waited: list[float] = field(factory=list)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += seconds
        return False

    def look(self) -> tuple[Gate, ...]:
        return next(gates for since, gates in sorted(self.gates.items(), reverse=True) if since <= self.now)

    def pass_for(self, image: str) -> None:
        wait_for_gates(self.look, request(0, image), self, now=lambda: self.now, every_s=10.0)


def test_a_gate_says_in_a_line_how_it_stands() -> None:
    told = "; for bias, dark; waited for at most 600 s (camera.gates.wait)"
    assert str(WARM) == f"sensor temperature is -93.2 C, not -100 to -95 C{told}"
    assert str(COLD) == f"sensor temperature is -97 C, as wanted (-100 to -95 C){told}"
    assert str(OPEN) == "cover is open, not closed"


def test_gates_that_hold_are_not_waited_for() -> None:
    clock = Clock({0.0: (COLD,)})
    clock.pass_for("dark")
    assert clock.waited == []


def test_a_gate_that_comes_to_hold_is_waited_for_and_looked_at_now_and_then() -> None:
    clock = Clock({0.0: (WARM,), 35.0: (COLD,)})
    clock.pass_for("dark")
    assert clock.waited == [10.0] * 4


def test_a_gate_of_other_images_stands_before_none_of_these() -> None:
    clock = Clock({0.0: (WARM,)})
    clock.pass_for("flat")
    assert clock.waited == []


def test_a_gate_that_does_not_hold_in_time_refuses_by_value_and_limit() -> None:
    clock = Clock({0.0: (evolve(WARM, wait_s=25.0),)})
    with pytest.raises(NotReady, match=r"^exposure 2022110400001 \(darks\): sensor temperature is -93\.2 C, not -100 to -95 C after 25 s \(see to it, or raise camera\.gates\.wait\)$"):  # fmt: skip
        clock.pass_for("dark")
    assert clock.waited == [10.0, 10.0, 5.0]


def test_all_gates_that_do_not_hold_are_named_when_the_time_of_one_is_over() -> None:
    with pytest.raises(NotReady, match=r"cover is open, not closed \(see to it\)$") as caught:
        Clock({0.0: (WARM, OPEN)}).pass_for("bias")
    assert len(caught.value.problems) == 2


def test_waiting_ends_when_it_is_aborted() -> None:
    aborted = threading.Event()
    threading.Timer(0.05, aborted.set).start()
    began = time.monotonic()
    with pytest.raises(CameraError, match="exposure 2022110400001 was aborted while sensor temperature was waited for"):
        wait_for_gates(lambda: [WARM], request(0), aborted)
    assert time.monotonic() - began < 60.0
