"""Gather what is wrong with a recipe, each problem with its place, and raise all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from attrs import evolve

from latcal.errors import Problem, RecipeError
from latcal.formats.located import Path, Tree, dotted


class Problems:
    """What is wrong with one tree, so far.

    Parameters
    ----------
    tree : Tree
        Gives each problem its place.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.found: list[Problem] = []

    def at_value(self, path: Path, what: str, hint: str = "") -> None:
        """Note what is wrong with the value at a path."""
        self.found.append(Problem(what, hint, self.tree.value_at(path), dotted(path)))

    def at_key(self, path: Path, what: str, hint: str = "") -> None:
        """Note what is wrong with a key, or with what is missing below it."""
        self.found.append(Problem(what, hint, self.tree.key_at(path), dotted(path)))

    @contextmanager
    def within(self, path: Path) -> Iterator[None]:
        """Gather what is raised inside; what has no place yet gets that of the value at a path."""
        try:
            yield
        except RecipeError as error:
            where = self.tree.value_at(path)
            self.found += [
                problem if problem.where else evolve(problem, where=where, path=dotted(path))
                for problem in error.problems
            ]

    def stop(self) -> None:
        """End a stage of reading.

        Raises
        ------
        RecipeError
            With every problem so far, in the order of the text, if there is any.
        """
        if self.found:
            raise RecipeError(sorted(dict.fromkeys(causes(self.found)), key=_place))


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word is meant, or list them."""
    listed = sorted(known)
    near = difflib.get_close_matches(word, listed, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(listed) or 'none'}"


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)


def causes(problems: Iterable[Problem]) -> list[Problem]:
    """Leave out that a key is missing where another key of the same mapping is it, misspelt."""
    listed = list(problems)
    misspelt = {
        (problem.path.rpartition(".")[0], problem.hint.removeprefix("did you mean ").removesuffix("?"))
        for problem in listed
        if problem.what.endswith("is not a key here")
    }
    return [
        problem
        for problem in listed
        if not (problem.what.endswith("is missing") and (problem.path, problem.what.split(" ")[0]) in misspelt)
    ]
