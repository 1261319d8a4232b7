"""What is wrong with the shape of a value, gathered on the way up to where its place is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import evolve, frozen

from latcal.errors import RecipeError
from latcal.formats.tree import Path


@frozen
class Fault:
    """One thing that is wrong, with its path from the value that is being read.

    Parameters
    ----------
    what, hint : str
    path : path
    about_key : bool
        The key itself is wrong, not its value.
    """

    what: str
    hint: str = ""
    path: Path = ()
    about_key: bool = False


class Faults(Exception):
    """One or more faults; they become a RecipeError in `structure`."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.what for fault in self.faults))


def refuse(what: str, hint: str = "") -> Faults:
    """Make the exception for one fault of the value itself."""
    return Faults([Fault(what, hint)])


class Gathering:
    """Goes on after a fault, and raises all of them at the end."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Note one fault."""
        self.found.append(fault)

    @contextmanager
    def under(self, part: str | int) -> Iterator[None]:
        """Note the faults of what is read inside, under a key or an item."""
        try:
            yield
        except Faults as faults:
            self.found += [evolve(fault, path=(part, *fault.path)) for fault in faults.faults]

    def finish(self) -> None:
        """Raise what was noted, if anything was.

        Raises
        ------
        Faults
        """
        if self.found:
            raise Faults(self.found)


def guarded(hook: Callable[[Any], Any], value: Any, refusals: tuple[type[Exception], ...] = (ValueError,)) -> Any:
    """Call a hook or validator of someone else, and turn what it refuses into faults.

    Raises
    ------
    Faults
    """
    try:
        return hook(value)
    except RecipeError as error:
        raise Faults(Fault(problem.what, problem.hint, _path(problem.path)) for problem in error.problems) from None
    except refusals as error:
        what, hint = (*(str(part) for part in error.args[:2]), "", "")[:2]
        own = len(error.args) == 2 and isinstance(error.args[1], str)
        raise refuse(what, hint if own else "") from None


def _path(text: str) -> Path:
    parts = text.split(".") if text else []
    return tuple(int(part) if part.isdecimal() else part for part in parts)
