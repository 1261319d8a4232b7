"""Gates: what must hold of the hardware before an exposure. How they stand is shown; a camera waits for them, and refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from attrs import frozen

from latcal.errors import CameraError, NotReady, Problem
from latcal.model.frames import ExposureRequest

RETRIED: Final = "RETRIED"
"""Header keyword of a frame that a camera took anew: how many attempts at its exposure failed before it."""

LOOK_S: Final = 1.0
"""How often a gate that does not hold is looked at again [s]; our choice."""


@frozen
class Gate:
    """One thing that must hold before exposures are taken, and how it stands.

    Parameters
    ----------
    name : str
        ``sensor temperature``.
    holds : bool
    value : str
        How it stands, with its unit: ``-93.2 C``.
    wanted : str
        What it must be: ``-100 to -95 C for 60 s``.
    images : frozenset of str or None
        Image types that it stands before; None for all.
    wait_s : float [s]
        How long it is waited for at most.
    limit : str
        What a recipe calls that limit: ``camera.gates.temperature.wait``.
    brought : bool
        Whether the camera brings it about itself before an exposure, as a lamp that it lights: that it does not hold now is
        nothing that a person must see to.
    """

    name: str
    holds: bool
    value: str
    wanted: str
    images: frozenset[str] | None = None
    wait_s: float = 0.0
    limit: str = ""
    brought: bool = False

    def concerns(self, image: str) -> bool:
        """Tell whether it stands before exposures of an image type."""
        return self.images is None or image in self.images

    @property
    def fault(self) -> str:
        """What is wrong with it, by value and limit: ``sensor temperature is -93.2 C, not -100 to -95 C``."""
        return f"{self.name} is {self.value}, not {self.wanted}"

    def __str__(self) -> str:
        found = f"{self.name} is {self.value}, as wanted ({self.wanted})" if self.holds else self.fault
        images = "" if self.images is None else f"; for {', '.join(sorted(self.images)) or 'no image'}"
        waited = f"; waited for at most {self.wait_s:g} s" + (f" ({self.limit})" if self.limit else "")
        brought = "; the camera sees to it" if self.brought and not self.holds else ""
        return found + images + brought + (waited if self.wait_s else "")


class Waiting(Protocol):
    """What waiting is done with: a `threading.Event` that `abort` sets, or a clock of a simulation."""

    def wait(self, seconds: float, /) -> bool:
        """Wait for so long at most; tell whether it was aborted."""


def wait_for_gates(
    look: Callable[[], Iterable[Gate]],
    request: ExposureRequest,
    aborted: Waiting,
    *,
    every_s: float = LOOK_S,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until every gate before an exposure holds, each for as long as it says at most.

    Parameters
    ----------
    look : callable
        Gives all gates as they stand now; it is called again and again.
    aborted : threading.Event
        Set by the camera's `abort`: then it is waited no longer.
    every_s : float [s]
        How long until it is looked again.
    now : callable
        The clock that goes with `aborted` [s].

    Raises
    ------
    NotReady
        With every gate that does not hold when the time of one is over: its value, what it must be and the limit.
    CameraError
        If it was told to abort.
    """
    began = now()
    while closed := [gate for gate in look() if gate.concerns(request.image) and not gate.holds]:
        waited_s = now() - began
        if any(waited_s >= gate.wait_s for gate in closed):
            raise NotReady([_problem(gate, request) for gate in closed])
        left_s = min(gate.wait_s for gate in closed) - waited_s
        if aborted.wait(min(every_s, left_s)):
            names = ", ".join(gate.name for gate in closed)
            raise CameraError(f"exposure {request.number} was aborted while {names} was waited for")


def _problem(gate: Gate, request: ExposureRequest) -> Problem:
    waited = f" after {gate.wait_s:g} s" if gate.wait_s else ""
    hint = f"see to it, or raise {gate.limit}" if gate.limit else "see to it"
    return Problem(f"{gate.fault}{waited}", hint, path=f"exposure {request.number} ({request.sequence})")
