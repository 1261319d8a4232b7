"""YAML text to plain values, each with its place; nothing is coerced, and every fault is found at once."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable
from typing import Any

from attrs import evolve

from latcal.errors import Problem, RecipeError, Where
from latcal.formats.events import Reader, Stumble
from latcal.formats.slips import find_slip, stumble
from latcal.formats.tree import Path, Tree, dotted

__all__ = ["Path", "Tree", "apply_settings", "compose", "dotted"]

LONGEST = 1_000_000  # characters; our choice, the largest instrument file has a tenth of it
_BREAK = re.compile("\r\n|[\r\x85\u2028\u2029]")  # what ruamel takes for the end of a line, so that we count the same
_MENDS = 50  # slips found in one reading; our choice


def compose(text: str, file: str) -> Tree:
    """Read YAML text.

    Parameters
    ----------
    text : str
    file : str
        What messages call it.

    Returns
    -------
    Tree
        In which ``2022-11-04``, ``010``, ``yes`` and all else that is not plainly a number, true, false or null is
        text.

    Raises
    ------
    RecipeError
        With every fault of the syntax: each where the slip is.
    """
    if len(text) > LONGEST:
        what = f"a file of {len(text)} characters is not read"
        raise RecipeError([Problem(what, f"write at most {LONGEST}", Where(file, 1, 1))])
    text = _BREAK.sub("\n", text.removeprefix("\ufeff"))
    problems: list[Problem] = []
    mended: dict[int, Problem] = {}
    while True:
        reader = Reader(text, file)
        try:
            tree = reader.tree()
            break
        except Stumble as stop:
            slip = find_slip(text, file, stop.error) if stop.error is not None else None
            if slip is None or slip.line in mended or len(mended) >= _MENDS:
                problem = stop.problem or stumble(text, file, stop.error)
                if not mended or _row(problem) > max(mended) + 1:
                    problems.append(problem)
                break
            mended[slip.line] = slip.problem
            lines = text.split("\n")
            lines[slip.line] = slip.mended
            text = "\n".join(lines)
    problems += [*mended.values(), *reader.problems]
    if problems:
        raise RecipeError(sorted(problems, key=_row_and_column))
    return tree


def apply_settings(tree: Tree, settings: Iterable[str]) -> Tree:
    """Set values from outside: ``sequences.biases.exposures=30 x 0 s``.

    Parameters
    ----------
    tree : Tree
    settings : iterable of str
        A dotted path, in which integers count the items of lists from zero; then a value, read as in YAML.

    Returns
    -------
    Tree
        A copy; the place of what was set is in a file called ``--set``.

    Raises
    ------
    RecipeError
        With every setting that cannot be read or names no place. A last key that is absent is added.
    """
    value = copy.deepcopy(tree.value)
    marks, value_marks = dict(tree.marks), dict(tree.value_marks)
    problems: list[Problem] = []
    for setting in settings:
        try:
            path, part = _setting(setting, value)
        except RecipeError as error:
            problems += error.problems
            continue
        for known in (marks, value_marks):
            for inner in [inner for inner in known if inner[: len(path)] == path]:
                del known[inner]
        marks[path] = Where("--set", 1, 1)
        marks.update({path + inner: where for inner, where in part.marks.items()})
        value_marks.update({path + inner: where for inner, where in part.value_marks.items()})
    if problems:
        raise RecipeError(problems)
    return Tree(value, marks, value_marks, tree.file)


def _setting(setting: str, value: Any) -> tuple[Path, Tree]:
    """Put one setting into a value, and give its path and what was put there."""
    where = Where("--set", 1, 1)
    name, equals, written = setting.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys) or not written.strip():
        raise RecipeError([Problem(f"{setting!r} is not a setting", "write --set 'path.to.key=value'", where)])
    try:
        part = compose(" " * (len(name) + 1) + written, "--set")  # the blanks keep the columns
    except RecipeError as error:
        raise RecipeError(evolve(problem, path=name.strip()) for problem in error.problems) from None
    path: Path = ()
    for key in keys:
        last = len(path) == len(keys) - 1
        if not last and isinstance(value, dict) and not difflib.get_close_matches(key, value, n=1):
            value.setdefault(key, {})  # the file left it out; whether it is a key at all is seen when it is read
        step = _step(value, key, add=last)
        if step is None:
            raise RecipeError([Problem(*_no_such(value, key), where, name.strip())])
        path += (step,)
        if last:
            value[step] = part.value
        else:
            value = value[step]
    return path, part


def _step(value: Any, key: str, *, add: bool) -> str | int | None:
    if isinstance(value, dict) and (add or key in value):
        return key
    if isinstance(value, list) and re.fullmatch(r"[0-9]{1,9}", key) and int(key) < len(value):
        return int(key)
    return None


def _no_such(value: Any, key: str) -> tuple[str, str]:
    if isinstance(value, list):
        return f"{key!r} is not an item of a list of {len(value)}", f"count from 0 to {len(value) - 1}"
    if not isinstance(value, dict):
        return f"{key!r} is not a key of {value!r}", "name a key that the recipe has"
    near = difflib.get_close_matches(key, value, n=1)
    return f"{key!r} is not a key", f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(value))}"


def _row(problem: Problem) -> int:
    return problem.where.line if problem.where else 0


def _row_and_column(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)
