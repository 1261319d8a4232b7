"""Every deliberate error of latcal, with the exit code it leads to.

The tree and the exit codes are those of the house (docs/architecture.md): what a person wrote is 2, a plugin is 3,
the site, hardware or data is 4. A refusal by the rules is a result and has no exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from attrs import frozen


@frozen
class Where:
    """A place in a text: file, line and column, both counted from one."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@frozen
class Problem:
    """One thing that is wrong, where it is, and what to write instead.

    Parameters
    ----------
    what : str
        What is there and what it is not, without place or full stop.
    hint : str
        What to write or do; shown in parentheses.
    where : Where or None
        The place in the text, if it has one.
    path : str
        The key, as ``sequences.biases.exposures``; or the thing that is not ready.
    """

    what: str
    hint: str = ""
    where: Where | None = None
    path: str = ""

    def __str__(self) -> str:
        place = "".join(f"{part}: " for part in (self.where, self.path) if part)
        return f"{place}{self.what}" + (f" ({self.hint})" if self.hint else "")


class LatcalError(Exception):
    """The parent of every deliberate error."""

    exit_code: ClassVar[int] = 4


class _Problems(LatcalError):
    """An error that gathers several problems and prints one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class RecipeError(_Problems):
    """Everything that is wrong with what a person wrote, at once."""

    exit_code = 2


class PluginError(LatcalError):
    """A plugin is broken, conflicts with another, or misbehaves."""

    exit_code = 3


class NotReady(_Problems):
    """Preconditions of the site, store or hardware that are not met, all of them."""


class CameraError(LatcalError):
    """The hardware refused or stopped answering."""


class StoreError(LatcalError):
    """A store could not do what was asked: disk full, unreadable, inconsistent."""


class ProductNotFound(StoreError, LookupError):
    """Nothing is valid then, in those collections."""


class ValidityOverlap(StoreError):
    """Something is already valid then."""


class IngestTimeout(StoreError, TimeoutError):
    """Frames did not arrive in the store in time."""


class BuildError(LatcalError):
    """A calibration cannot be built or measured: too few frames, unpaired flats, no fit."""
