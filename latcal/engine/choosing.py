"""Look up what a recipe names, and read the options written for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from latcal.engine.phrases import read_switch
from latcal.engine.problems import Problems, nearest
from latcal.formats.located import Path, Tree
from latcal.formats.structure import structure
from latcal.model.recipe import VERBS, Use
from latcal.plugin.registry import Registry


def choose(problems: Problems, registry: Registry, kind: str, path: Path) -> Use | None:
    """Read ``{use: NAME, option: value}`` at a path.

    Parameters
    ----------
    problems : Problems
        Hears what is wrong.
    kind : str
        Of declaration: camera, store, executor, reporter.

    Returns
    -------
    Use or None
        None if it cannot be read.
    """
    written = value_at(problems.tree, path)
    if not isinstance(written, Mapping):
        return None  # the shape of the recipe says so
    name = written.get("use")
    if not isinstance(name, str):
        example = ", ".join(registry.names(kind)) or "none"
        if name is None:
            problems.at_key(path, "'use' is missing", f"write {{use: NAME}}; there is {example}")
        else:
            problems.at_value((*path, "use"), f"{name!r} is not the name of a {kind}", f"there is {example}")
        return None
    if name not in registry.declarations[kind]:
        what = registry.absence(kind, name)
        problems.at_value((*path, "use"), what, nearest(name, registry.names(kind)))
        return None
    options = {key: value for key, value in written.items() if key != "use"}
    return Use(name, read_options(problems, registry, kind, name, path, options))


def choose_options(problems: Problems, registry: Registry, index: int) -> Any:
    """Read the options of a stage, by the calibration type that its verb names; None if it cannot be read."""
    path: Path = ("stages", index)
    stage = value_at(problems.tree, path)
    kinds = [stage[verb] for verb in VERBS if isinstance(stage.get(verb), str)] if isinstance(stage, Mapping) else []
    if len(kinds) != 1 or kinds[0] not in registry.declarations["calibration"]:
        return None
    options = stage.get("options")
    if not isinstance(options, Mapping | None):
        return None
    return read_options(problems, registry, "calibration", kinds[0], (*path, "options"), options or {})


def read_options(
    problems: Problems, registry: Registry, kind: str, name: str, path: Path, options: Mapping[str, Any]
) -> Any:
    """Read the options of a declaration that is there; None if they are wrong."""
    with problems.within(path):
        tree = with_value(problems.tree, path, dict(options))
        hooks = {bool: read_switch} if kind == "procedure" else None
        return structure(tree, registry.get(kind, name).options, at=path, hooks=hooks)
    return None


def value_at(tree: Tree, path: Path) -> Any:
    """Give the plain value at a path; None if there is none."""
    value = tree.value
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def with_value(tree: Tree, path: Path, value: Any) -> Tree:
    """Put a value in the place of another; the tree is left as it was."""

    def put(old: Any, rest: Path) -> Any:
        if not rest:
            return value
        new = list(old) if isinstance(old, list) else dict(old)
        new[rest[0]] = put(new[rest[0]] if isinstance(old, list) else old.get(rest[0]), rest[1:])  # type: ignore[index]
        return new

    return evolve(tree, value=put(tree.value, path))
