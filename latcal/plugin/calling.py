"""Call plugins: their errors are caught here and nowhere else, and what they give is looked at."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Self

from attrs import field, frozen

from latcal.errors import LatcalError, PluginError
from latcal.plugin.promises import Promise, Unkept, anything, article, drained, one_line, shown


def call(distribution: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a plugin's function; what is not a `LatcalError` becomes a `PluginError` from its distribution.

    What the function yields is drained here, inside the call, into a tuple: an error of a generator is caught too.

    Raises
    ------
    PluginError
        With the original error as its cause.
    """
    return ask(distribution, called(function), drained, function, *args, **kwargs)


def ask(source: str, what: str, promise: Promise, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a plugin's function, and see that it gives what was promised.

    Parameters
    ----------
    source : str
        Distribution and version, as messages name them.
    what : str
        What messages call the function: ``put of the store``.
    promise : Promise
        What it must give.

    Raises
    ------
    LatcalError
        Of latcal's own errors the very one that it raised: they are deliberate.
    PluginError
        For anything else that it raises, with that as its cause, and for anything else that it gives.
    """
    try:
        return promise(function(*args, **kwargs))
    except (LatcalError, KeyboardInterrupt):  # deliberate; or a person, who ends the run
        raise
    except Unkept as unkept:
        raise PluginError(f"{source}: {what} gave {unkept}") from None
    except BaseException as error:  # the one place where a plugin's errors are caught
        raise PluginError(f"{source}: {what} {told(error)}") from error


def insist(source: str, what: str, promise: Promise, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function as `ask` does, where no error can be deliberate: while plugins are loaded."""
    try:
        return ask(source, what, promise, function, *args, **kwargs)
    except LatcalError as error:
        if isinstance(error, PluginError) and str(error).startswith(f"{source}: "):
            raise
        raise PluginError(f"{source}: {what} {told(error)}") from error


def told(error: BaseException) -> str:
    """Say what was raised, in one line, even if the error itself cannot."""
    if isinstance(error, SystemExit):
        return "asked the program to exit" + (f" ({one_line(str(error))})" if error.code is not None else "")
    try:
        text = one_line(str(error))
    except BaseException as worse:  # noqa: BLE001 - an error that cannot say what it is
        return f"raised {type(error).__name__}, which raises {type(worse).__name__} when asked what it is"
    return f"raised {type(error).__name__}" + (f": {text}" if text else "")


def called(function: Any) -> str:
    """Give what messages call a function: its name, or that of what it is made of."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def call_hook(
    distribution: str, function: Callable[..., Any], arguments: Mapping[str, Any], promise: Promise | None = None
) -> Any:
    """Call an implementation of a hook with those arguments that it takes, as `ask` does."""
    taken = call(distribution, inspect.signature, function).parameters
    mine = {name: value for name, value in arguments.items() if name in taken}
    return ask(distribution, called(function), promise or drained, function, **mine)


def each(source: str, function: Callable[..., Any], *args: Any, what: str = "") -> Iterator[Any]:
    """Call a plugin's function that gives an iterator, and give its items one by one, each step of it called.

    Raises
    ------
    PluginError
        As `ask` does.
    """
    word = what or called(function)
    items = ask(source, word, anything, lambda: iter(function(*args)))
    while (item := ask(source, word, anything, next, items, _OVER)) is not _OVER:
        yield item


_OVER = object()


@frozen(eq=False)
class Guarded:
    """What a plugin opened, every method of it being called as `ask` says.

    Parameters
    ----------
    opened : Any
        A camera, store, executor or reporter.
    distribution : str
        Whose it is, with its version.
    kind : str
        Which of these it is, for messages.
    promises : mapping of str to Promise
        What its methods must give.
    """

    opened: Any
    distribution: str
    kind: str = ""
    promises: Mapping[str, Promise] = field(factory=dict)

    def __getattr__(self, name: str) -> Any:
        what = self._called(name)
        value = ask(self.distribution, what, anything, getattr, self.opened, name)
        if not callable(value):
            return value
        return partial(ask, self.distribution, what, self.promises.get(name, drained), value)

    def __enter__(self) -> Self:
        """Open it."""
        ask(self.distribution, self._called("__enter__"), anything, self._enter)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it; no error is ever swallowed by it."""
        ask(self.distribution, self._called("__exit__"), anything, self._exit, *exc)

    def _called(self, name: str) -> str:
        return f"{name} of the {self.kind}" if self.kind else name

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
        words = article(getattr(kind, "__name__", str(kind).replace(" | ", " or ")))
        raise PluginError(f"{what} gave {shown(value)}, which is not {words}")
    return value
