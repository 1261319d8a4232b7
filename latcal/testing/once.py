"""What several tests share and only one of them makes: a run takes a second, and a pool of processes too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, TypeVar

import pytest

Value = TypeVar("Value")

_KEPT = pytest.StashKey[dict[str, Any]]()


def once(node: pytest.Item | pytest.Collector, name: str, make: Callable[[], Value]) -> Value:
    """Make something when the first test below a node of pytest asks for it, and give it to the others; then let it go.

    Parameters
    ----------
    node : pytest node
        The test class (`class_of`), or the session, whose tests share it.
    name : str
        What it is, among what the node keeps.
    make : callable
        If it raises, nothing is kept.
    """
    kept: dict[str, Any] = node.stash.setdefault(_KEPT, {})
    if name not in kept:
        kept[name] = make()
        node.addfinalizer(partial(kept.pop, name, None))
    found: Value = kept[name]
    return found


def opened_once(
    node: pytest.Item | pytest.Collector, name: str, make: Callable[[], AbstractContextManager[Value]]
) -> Value:
    """Open something as `once` does, and close it after the last test below the node."""

    def enter() -> Value:
        stack = ExitStack()
        value = stack.enter_context(make())
        node.addfinalizer(stack.close)
        return value

    return once(node, name, enter)


def class_of(request: pytest.FixtureRequest) -> pytest.Item | pytest.Collector:
    """Give the node of the class that a test belongs to."""
    found: pytest.Class | None = request.node.getparent(pytest.Class)
    assert found is not None, "a suite is inherited by a class"
    return found
