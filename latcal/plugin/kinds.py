"""Kinds of products: which there are, and which one is meant by a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from latcal.plugin.declarations import CalibrationType
from latcal.plugin.registry import Registry


def calibration_types(registry: Registry) -> list[CalibrationType]:
    """Give the calibration types that are installed."""
    return [named.declaration for named in registry.declarations["calibration"].values()]


def kinds_of_exposures(types: Iterable[CalibrationType]) -> set[str]:
    """Give the kinds that belong to exposures: those of groups, and residuals that were kept."""
    types = tuple(types)
    groups = {one.makes for one in types if one.groups_apart}
    return groups | {f"{one.name}_residual" for one in types if one.residual is not None}


def known_kinds(registry: Registry) -> set[str]:
    """Give every name of a kind: of calibration types, of what they make, and of what belongs to exposures."""
    types = calibration_types(registry)
    return {name for one in types for name in (one.name, one.makes)} | kinds_of_exposures(types)


def suggestion(registry: Registry, kind: str, there: Iterable[str] = ()) -> str:
    """Say which kind is meant by a name that is none; all that there are, if it is like none of them.

    Parameters
    ----------
    there : iterable of str
        Kinds that a store has beside those that are installed.
    """
    known = known_kinds(registry) | set(there)
    meant = dict(_elsewhere(registry)) | {name: name for name in known}
    near = difflib.get_close_matches(kind, sorted(meant), 1, 0.5)
    return f"did you mean {meant[near[0]]!r}?" if near else f"there is {', '.join(sorted(known)) or 'none'}"


def other_kind(registry: Registry, kind: str) -> str:
    """Say which kind is meant where no product can have the one that was asked for; empty if one can."""
    types = calibration_types(registry)
    if kind in {one.makes for one in types} | kinds_of_exposures(types):
        return ""
    makes = {one.name: one.makes for one in types}
    return f"did you mean {makes[kind]!r}?" if kind in makes else suggestion(registry, kind)


def _elsewhere(registry: Registry) -> Iterator[tuple[str, str]]:
    """Give what other software calls a kind, and the kind."""
    for one in calibration_types(registry):
        yield from ((name, one.makes) for name in one.also_called)
