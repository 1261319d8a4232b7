"""Call plugins: their errors are caught here and nowhere else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Self

from attrs import frozen

from latcal.errors import LatcalError, PluginError


def call(distribution: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a plugin's function; what is not a `LatcalError` becomes a `PluginError` from its distribution.

    What the function yields is drained here, inside the call, into a tuple: an error of a generator is caught too.

    Raises
    ------
    PluginError
        With the original error as its cause.
    """
    try:
        result = function(*args, **kwargs)
        return tuple(result) if isinstance(result, Iterator) else result
    except LatcalError:
        raise
    except SystemExit as error:
        name = getattr(function, "__name__", function)
        raise PluginError(f"{distribution}: {name} asked the program to exit ({error})") from error
    except Exception as error:  # the one place where a plugin's errors are caught
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise PluginError(f"{distribution}: {getattr(function, '__name__', function)} raised {what}") from error


def call_hook(distribution: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call an implementation of a hook with those arguments that it takes, as `call` does."""
    taken = call(distribution, inspect.signature, function).parameters
    return call(distribution, function, **{name: value for name, value in arguments.items() if name in taken})


def each(distribution: str, function: Callable[..., Any], *args: Any) -> Iterator[Any]:
    """Call a plugin's function that gives an iterator, and give its items one by one, each step of it called.

    Raises
    ------
    PluginError
        As `call` does.
    """

    def start() -> tuple[Iterator[Any]]:
        return (iter(function(*args)),)

    def advance() -> Any:
        return next(items, _OVER)

    start.__name__ = advance.__name__ = getattr(function, "__name__", str(function))
    (items,) = call(distribution, start)
    while (item := call(distribution, advance)) is not _OVER:
        yield item


_OVER = object()


@frozen(eq=False)
class Guarded:
    """What a plugin opened, every method of it being called as `call` says.

    Parameters
    ----------
    opened : Any
        A camera, store, executor or reporter.
    distribution : str
        Whose it is.
    """

    opened: Any
    distribution: str

    def __getattr__(self, name: str) -> Any:
        value = call(self.distribution, getattr, self.opened, name)
        return partial(call, self.distribution, value) if callable(value) else value

    def __enter__(self) -> Self:
        """Open it."""
        call(self.distribution, self._enter)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it; no error is ever swallowed by it."""
        call(self.distribution, self._exit, *exc)

    def _enter(self) -> None:
        self.opened.__enter__()

    def _exit(self, *exc: object) -> None:
        self.opened.__exit__(*exc)


def bare(opened: Any) -> Any:
    """Give what a plugin opened as it is, for hooks of the same plugin."""
    return opened.opened if isinstance(opened, Guarded) else opened


def expect(value: Any, kind: Any, what: str) -> Any:
    """Give a plugin's answer back if it is of a kind.

    Raises
    ------
    PluginError
        If it is not.
    """
    if not isinstance(value, kind):
        name = getattr(kind, "__name__", str(kind))
        raise PluginError(f"{what} gave {value!r}, which is not a {name}")
    return value
