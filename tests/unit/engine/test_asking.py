"""A camera that is left at once: aborted and closed from another thread, once, and in time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
from attrs import define, field

from latcal.engine.answers import Answer
from latcal.engine.asking import DARK_S, Asked
from latcal.errors import CameraError
from latcal.model.recipe import TimeLimits
from latcal.plugin.calling import Guarded
from latcal.testing.sensors import request

PATIENCE = 300.0
"""Longer than any limit here [s]."""


@define(eq=False)
class Shutter:
    """A camera that notes what it is told, and hangs where it is said to."""

    hangs: str = ""
    said: list[str] = field(factory=list)
    begun: threading.Event = field(factory=threading.Event)
    let_go: threading.Event = field(factory=threading.Event)

    def _do(self, what: str) -> None:
        self.said.append(what)
        if what == self.hangs:
            self.begun.set()
            self.let_go.wait(PATIENCE)

    def __enter__(self) -> Self:
        self._do("enter")
        return self

    def __exit__(self, *exc: object) -> None:
        self._do("exit")

    def prepare(self, _: Any) -> None:
        self._do("prepare")

    def take(self, _: Any) -> Iterator[Any]:
        self._do("take")
        raise CameraError("aborted")
        yield

    def abort(self) -> None:
        self.said.append("abort")
        if self.hangs in ("take", "prepare"):
            self.let_go.set()


@pytest.fixture
def asked() -> Iterator[Callable[[Shutter, float], Asked]]:
    made: list[Shutter] = []

    def make(shutter: Shutter, abort_s: float = PATIENCE, answer_s: float = PATIENCE) -> Asked:
        made.append(shutter)
        limits = TimeLimits(answer_s, abort_s)
        return Asked(lambda: Guarded(shutter, "a test"), limits, 0.0, threading.Event(), wait_s=0.1)

    yield make
    for shutter in made:
        shutter.let_go.set()


def beside(function: Callable[[], Any]) -> threading.Thread:
    def quietly() -> None:
        with contextlib.suppress(CameraError):
            function()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    return thread


def test_an_idle_camera_is_closed_at_once_and_only_once(asked: Callable[..., Asked]) -> None:
    shutter = Shutter()
    with asked(shutter) as camera:
        assert camera.release()
        assert shutter.said == ["enter", "exit"]
    assert shutter.said == ["enter", "exit"]


def test_an_exposure_under_way_is_aborted_before_the_camera_is_closed(asked: Callable[..., Asked]) -> None:
    shutter = Shutter("take")
    camera = asked(shutter).__enter__()
    taking = beside(lambda: camera.take(request(0)))
    assert shutter.begun.wait(PATIENCE)
    assert camera.release()
    taking.join(PATIENCE)
    assert shutter.said[:4] == ["enter", "prepare", "take", "abort"]
    assert shutter.said[-1] == "exit"
    assert shutter.said.count("exit") == 1


def test_a_camera_that_is_never_ready_is_aborted_after_the_time_of_its_gates(asked: Callable[..., Asked]) -> None:
    shutter = Shutter("prepare")
    with asked(shutter, answer_s=0.2) as camera:
        words = r"exposure 2022110400001: it was not ready within 0\.3 s \(0\.1 s for its gates, limits\.answer 0\.2 s\)"
        with pytest.raises(CameraError, match=words):
            camera.take(request(0))
    assert shutter.said == ["enter", "prepare", "abort", "exit"]


def test_a_camera_that_is_being_closed_is_waited_for(asked: Callable[..., Asked]) -> None:
    shutter = Shutter("exit")
    camera = asked(shutter).__enter__()
    closing = beside(lambda: camera.__exit__(None, None, None))
    assert shutter.begun.wait(PATIENCE)
    threading.Timer(0.1, shutter.let_go.set).start()
    assert camera.release()
    closing.join(PATIENCE)
    assert shutter.said == ["enter", "exit"]


@pytest.mark.parametrize("hangs", ["exit", "enter"])
def test_a_camera_that_hangs_is_left_after_its_limit(asked: Callable[..., Asked], hangs: str) -> None:
    shutter = Shutter(hangs)
    camera = asked(shutter, 0.2)
    opening = beside(camera.__enter__)
    assert shutter.begun.wait(PATIENCE) if hangs == "enter" else opening.join(PATIENCE) is None
    began = time.monotonic()
    assert not camera.release()
    assert 0.2 <= time.monotonic() - began < PATIENCE
    if hangs == "enter":  # what opens after all is closed again
        shutter.let_go.set()
        opening.join(PATIENCE)
        assert shutter.said == ["enter", "exit"]


def test_a_camera_that_was_never_opened_needs_no_closing(asked: Callable[..., Asked]) -> None:
    shutter = Shutter()
    camera = asked(shutter)
    assert camera.release()
    with pytest.raises(CameraError, match="left before it was open"):
        camera.check(7)
    assert shutter.said == []
    with pytest.raises(CameraError, match="left before it was open"), camera:
        pass
    assert shutter.said == ["enter", "exit"]


@define(eq=False)
class Lamp(Shutter):
    """A camera that can put its lamp out, and hears an abort only when it is told the second time."""

    def darken(self) -> None:
        self._do("darken")

    def abort(self) -> None:
        self.said.append("abort")
        if self.said.count("abort") == 2:
            self.let_go.set()


def test_a_camera_that_can_put_its_lamp_out_is_left_when_that_is_so_though_it_does_not_close(asked: Callable[..., Asked]) -> None:
    lamp = Lamp("exit")
    camera = asked(lamp).__enter__()
    beside(lambda: camera.__exit__(None, None, None))
    assert lamp.begun.wait(PATIENCE)
    assert camera.release()
    assert lamp.said == ["enter", "exit", "darken"]


def test_a_lamp_that_does_not_go_out_is_not_waited_for_long(asked: Callable[..., Asked]) -> None:
    lamp = Lamp("darken")
    camera = asked(lamp).__enter__()
    began = time.monotonic()
    assert not camera.release()
    assert DARK_S <= time.monotonic() - began < PATIENCE


def test_a_camera_that_begins_just_after_it_was_told_to_abort_is_told_again(asked: Callable[..., Asked]) -> None:
    lamp = Lamp("take")
    with asked(lamp, answer_s=0.1) as camera:
        with pytest.raises(CameraError, match=r"no frame came within"):
            camera.take(request(0))
        assert not camera.lost
    assert lamp.said == ["enter", "prepare", "take", "abort", "abort", "exit"]


def test_the_time_of_an_exposure_is_waited_for_as_often_as_it_may_be_tried(asked: Callable[..., Asked]) -> None:
    shutter = Shutter("take")
    with asked(shutter, answer_s=0.1) as camera:
        camera.attempts = 3
        with pytest.raises(CameraError, match=r"no frame came within 0\.4 s \(3 x 0\.1 s exposure, 0 s readout, limits\.answer 0\.1 s\)"):
            camera.take(request(0, "dark", 0.1))


@pytest.mark.parametrize("hangs", ["enter", ""])
def test_what_a_signal_finds_half_open_is_closed(
    asked: Callable[..., Asked], hangs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it opens; or when it just was open."""
    shutter = Shutter(hangs)

    def interrupted(answer: Answer, *_: object) -> bool:
        if hangs:
            assert shutter.begun.wait(PATIENCE)
            threading.Timer(0.1, shutter.let_go.set).start()
        else:
            assert answer.wait(PATIENCE)
        raise KeyboardInterrupt

    monkeypatch.setattr(Answer, "came", interrupted)
    with pytest.raises(KeyboardInterrupt):
        asked(shutter).__enter__()
    assert shutter.said == ["enter", "exit"]
