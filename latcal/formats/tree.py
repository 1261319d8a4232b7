"""Plain values with their places, as composed from YAML text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, frozen

from latcal.errors import Where

Path = tuple[str | int, ...]


@frozen
class Tree:
    """Plain values and the places they were written at.

    Parameters
    ----------
    value : Any
        Nested dict (with text for keys), list, str, int, float, bool and None.
    marks : mapping of path to Where
        The place of each key of a mapping, and of each item of a list.
    value_marks : mapping of path to Where
        The place of each value; of the whole, under the empty path.
    file : str
    """

    value: Any
    marks: Mapping[Path, Where] = field(factory=dict, repr=False)
    value_marks: Mapping[Path, Where] = field(factory=dict, repr=False)
    file: str = ""

    def key_at(self, path: Path) -> Where | None:
        """Give the place of a key, or of the nearest thing around it that has one."""
        return self._nearest(path, self.marks, self.value_marks)

    def value_at(self, path: Path) -> Where | None:
        """Give the place of a value, or of the nearest thing around it that has one."""
        return self._nearest(path, self.value_marks, self.marks)

    @staticmethod
    def _nearest(path: Path, first: Mapping[Path, Where], second: Mapping[Path, Where]) -> Where | None:
        for length in range(len(path), -1, -1):
            found = first.get(path[:length]) or second.get(path[:length])
            if found is not None:
                return found
        return None


def dotted(path: Path) -> str:
    """Write a path as messages do: ``sequences.biases.exposures``."""
    return ".".join(str(part) for part in path)


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Give the path of every value within plain values, that of the whole first."""
    yield at
    if isinstance(value, Mapping):
        parts: Iterator[tuple[str | int, Any]] = iter(value.items())
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        return
    for key, part in parts:
        yield from paths(part, (*at, key))
