"""Calls that may be given up on."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from latcal.engine.answers import Answer, Caller
from latcal.errors import CameraError, PluginError


def refuse() -> None:
    raise CameraError("no")


def break_off() -> None:
    raise AssertionError("our own bug")


def test_an_answer_is_what_the_call_gave_or_raised() -> None:
    caller = Caller("test")
    answers = [caller.ask(lambda: 3), caller.ask(refuse)]
    assert all(answer.wait(120) for answer in answers)
    assert answers[0].result() == 3
    with pytest.raises(CameraError, match="no"):
        answers[1].result()
    caller.end()


def test_a_bug_of_ours_is_no_answer_and_the_next_call_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    caller = Caller("test")
    answer, thread = caller.ask(break_off), caller._thread
    thread.join(120)
    assert answer.ended.is_set()
    with pytest.raises(PluginError, match="broke off"):
        answer.result()
    assert "our own bug" in str(seen[0].exc_value)
    assert caller.ask(lambda: 42).wait(120)
    caller.end()


def test_calls_are_done_one_after_another_in_one_thread_that_is_no_one_elses() -> None:
    caller, order, threads = Caller("test"), list[int](), set[Any]()
    answers = [caller.ask(lambda n=n: (order.append(n), threads.add(threading.current_thread()))) for n in range(20)]
    assert answers[-1].wait(120)
    assert order == list(range(20))
    (thread,) = threads
    assert thread.daemon
    assert thread is not threading.current_thread()
    caller.end()
    thread.join(120)
    assert not thread.is_alive()


def test_a_caller_that_hangs_is_busy_and_is_not_waited_for() -> None:
    caller, let_go = Caller("test"), threading.Event()
    assert not caller.busy
    answer = caller.ask(let_go.wait)
    assert caller.busy
    assert not answer.wait(0.01)
    assert not answer.wait(-5.0)
    caller.end()
    let_go.set()
    assert answer.wait(1e12)  # longer than a lock can wait: no error
    assert not caller.busy


def test_a_caller_that_was_never_asked_has_no_thread_to_end() -> None:
    before = threading.active_count()
    Caller("test").end()
    assert threading.active_count() == before


def test_what_a_call_held_is_let_go_when_it_has_ended() -> None:
    answer = Answer(lambda: 1)
    answer.work()
    assert answer.function is None
