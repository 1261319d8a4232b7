"""Carry a call to another process, and its outcome back, as bytes: for executors whose workers are processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

from latcal.errors import LatcalError, NotReady, PluginError, RecipeError
from latcal.plugin.calling import call
from latcal.plugin.protocols import Task


def packed(task: Task, items: Sequence[Any]) -> bytes:
    """Pack the calls of a task, one for each item.

    Raises
    ------
    PluginError
        If the task or an item cannot be pickled; the task's distribution and function are named.
    """
    what = f"{_name(task.function)} cannot be sent to another process"
    hint = "define it at the top of a module, or write 'executor: {use: serial}'"
    body = _or_say(task.distribution, what, hint, _dumped, (task, tuple(items)))
    return pickle.dumps((task.distribution, _name(task.function), body))


def outcome_of(packet: bytes) -> bytes:
    """Do what was packed, in the process that is to do it; pack what comes of it, a deliberate error too."""
    distribution, name, body = pickle.loads(packet)  # noqa: S301 - of our own parent
    try:
        what, hint = f"{name} is not found in another process", "define it in a module that can be imported"
        task, items = _or_say(distribution, what, hint, pickle.loads, body)
        results = [task(item) for item in items]
        what, hint = f"{name} gave what cannot be sent back from another process", "give arrays and plain values"
        return bytes(_or_say(distribution, what, hint, _dumped, results))
    except KeyboardInterrupt as interrupt:  # of the plugin, since a terminal's does not come here: it ends the run
        return pickle.dumps(interrupt)
    except LatcalError as error:
        return pickle.dumps(_portable(distribution, error))


def results_of(outcome: bytes) -> list[Any]:
    """Give the results, one for each item.

    Raises
    ------
    LatcalError
        What the task raised, of its own type if it is one of latcal's and can be pickled.
    """
    results: list[Any] | BaseException = pickle.loads(outcome)  # noqa: S301 - of our own worker
    if isinstance(results, BaseException):
        raise results
    return results


def _or_say(distribution: str, what: str, hint: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of pickle; say what its failure means."""
    try:
        return call(distribution, function, *arguments)
    except PluginError as error:
        cause = error.__cause__
        raise PluginError(f"{distribution}: {what}: {type(cause).__name__}: {cause} ({hint})") from cause


def _portable(distribution: str, error: LatcalError) -> LatcalError:
    """Give an error that arrives as it was sent; or the error of latcal that it is a kind of, with the same words."""
    try:
        call(distribution, lambda: pickle.loads(pickle.dumps(error)))  # noqa: S301 - made on the spot
    except LatcalError:
        ours = next(kind for kind in type(error).__mro__ if kind.__module__ == LatcalError.__module__)
        portable: LatcalError = ours(error.problems if isinstance(error, (NotReady, RecipeError)) else str(error))
        return portable
    return error


def _dumped(value: Any) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", function))
