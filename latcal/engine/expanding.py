"""What a procedure stands for: its keys read and settled, and its recipe as a tree whose places are those of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path as File
from typing import Any

from attrs import evolve, frozen

from latcal.engine.choosing import read_options
from latcal.engine.problems import Problems, nearest
from latcal.engine.shapes import ProcedureShape
from latcal.errors import PluginError, Problem, RecipeError, Where
from latcal.formats.located import Path, Tree, compose, dotted
from latcal.formats.shapes import field_types
from latcal.formats.structure import structure
from latcal.model.geometry import Instrument
from latcal.model.recipe import Marks
from latcal.plugin.declarations import Expansion, Named, Surroundings
from latcal.plugin.registry import Registry

BESIDE = ("instrument", "camera", "store", "executor", "report")
"""Keys that a person may write beside ``procedure``, each in place of what the procedure gives."""

FALLBACK = "folder"
"""The kind of store that lies at a path which no other kind recognises."""


@frozen
class Expanded:
    """The recipe that a procedure became, before it is read.

    Parameters
    ----------
    tree : Tree
        Its values; every place in it is one that a person wrote.
    names : mapping of path to str
        As in `Marks`.
    remarks : tuple of str
        What the procedure says of it.
    """

    tree: Tree
    names: Mapping[Path, str]
    remarks: tuple[str, ...]

    def told(self, problems: Iterable[Problem]) -> list[Problem]:
        """Call the keys of problems what a person wrote."""
        names = Marks(names=self.names)
        return [evolve(problem, path=names.name(_path(problem.path))) for problem in problems]


def expand(tree: Tree, registry: Registry, folder: str) -> Expanded:
    """Read what a person wrote for a procedure, and ask it for the recipe.

    Parameters
    ----------
    tree : Tree
        With the key ``procedure``.
    folder : str
        Where the file lies; paths of instrument files start there.

    Raises
    ------
    RecipeError
        With every key that is wrong, or that does not go with another.
    PluginError
        If the procedure misbehaves.
    """
    problems = Problems(tree)
    shape = ProcedureShape()
    with problems.within(()):
        shape = structure(tree, ProcedureShape)
    problems.found = [_below_config(tree, registry, problem) for problem in problems.found]
    problems.stop()
    if shape.procedure not in registry.declarations["procedure"]:
        hint = nearest(shape.procedure, registry.names("procedure"))
        problems.at_value(("procedure",), registry.absence("procedure", shape.procedure), hint)
        problems.stop()
    options = read_options(problems, registry, "procedure", shape.procedure, ("config",), shape.config)
    problems.stop()
    named = registry.named("procedure", shape.procedure)
    load = partial(_instrument, registry, folder, shape.instrument, tree.value_at(("instrument",)))
    try:
        settled = registry.ask(named, "settle", options, Surroundings(frozenset(shape.config), load))
        given = registry.ask(named, "expand", settled)
    except RecipeError as error:
        raise RecipeError(_located(tree, problem) for problem in error.problems) from None
    expansion = given if isinstance(given, Expansion) else Expansion(given)
    beside = {key: tree.value[key] for key in BESIDE if tree.value.get(key) is not None}
    return _placed(tree, _plain(named, expansion.recipe, beside, registry), expansion, frozenset(beside))


def _below_config(tree: Tree, registry: Registry, problem: Problem) -> Problem:
    """Say of a key of the procedure that stands beside it where it belongs."""
    known = registry.declarations["procedure"].get(tree.value.get("procedure"))
    misplaced = known is not None and problem.path in field_types(known.declaration.options)
    return evolve(problem, hint="write it below 'config:'") if misplaced else problem


def _instrument(registry: Registry, folder: str, beside: str | None, where: Where | None, name: str) -> Instrument:
    """Load the instrument that is written beside the procedure, or the one named."""
    from latcal.engine.planning import find_instrument

    return find_instrument(beside or name, registry, folder, where)


def _located(tree: Tree, problem: Problem) -> Problem:
    return problem if problem.where else evolve(problem, where=tree.value_at(_path(problem.path)))


def _plain(named: Named, given: Any, beside: Mapping[str, Any], registry: Registry) -> Tree:
    """Give the plain values of what a procedure gave, read as a file would be, with what stands beside it."""
    from latcal.engine.writing import to_yaml

    try:
        if isinstance(given, Mapping) and "procedure" not in given:
            store = _store(given.get("store"), registry)
            return compose(to_yaml({**given, **({"store": store} if store else {}), **beside}), "")
    except TypeError as error:
        cause: TypeError | None = error
    else:
        cause = None
    what = f"{named.source}: the procedure {named.declaration.name!r} gave {given!r}, which is not a recipe"
    raise PluginError(what) from cause


def _store(given: Any, registry: Registry) -> Any:
    """Choose the store that lies at a path: of the kind that recognises it."""
    if not (isinstance(given, Mapping) and set(given) == {"at"}):
        return given
    root = str(given["at"])
    kinds = [registry.named("store", name) for name in registry.names("store")]
    mine = [named.declaration for named in kinds if registry.ask(named, "recognises", File(root))]
    if len(mine) > 1:
        names = ", ".join(kind.name for kind in mine)
        raise PluginError(f"{root} is recognised by several kinds of store: {names} (write store: beside)")
    return {"use": mine[0].name, mine[0].place: root} if mine else {"use": FALLBACK, "root": root}


def _placed(tree: Tree, plain: Tree, expansion: Expansion, beside: frozenset[str]) -> Expanded:
    """Put every key of the expansion where a person wrote what it comes from."""
    origins = {_path(path): _path(key) for path, key in expansion.origins.items() if _path(path)[0] not in beside}

    def origin(path: Path) -> Path:
        if path[:1] and path[0] in beside:
            return path
        found = next((origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins), ())
        return found if found and found in tree.value_marks else ("procedure",)

    def key_at(path: Path) -> Where | None:
        mine = origin(path)
        return tree.value_at(mine) if mine == ("procedure",) else tree.key_at(mine)

    marks = {path: key_at(path) for path in plain.marks}
    value_marks = {path: tree.value_at(origin(path)) for path in plain.value_marks}
    names: dict[Path, str] = {(): "procedure"}
    names.update({path: dotted(key) for path, key in origins.items()})
    names.update({(key,): "" for key in beside})
    return Expanded(
        Tree(plain.value, _known(marks), _known(value_marks), tree.file), names, tuple(expansion.remarks)
    )


def _known(places: Mapping[Path, Where | None]) -> dict[Path, Where]:
    return {path: where for path, where in places.items() if where is not None}


def _path(text: str) -> Path:
    return tuple(int(part) if part.isdecimal() else part for part in text.split(".")) if text else ()
