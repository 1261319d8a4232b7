"""Kinds of products: what a name on the command line means, and which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latcal.errors import Problem, RecipeError

if TYPE_CHECKING:
    from latcal.model.frames import Setup
    from latcal.plugin.protocols import Store
    from latcal.plugin.registry import Registry


def meant(registry: Registry, name: str) -> str:
    """Give the kind that a name means: of a calibration type what it makes, else the name itself."""
    named = registry.declarations["calibration"].get(name)
    return str(named.declaration.makes) if named is not None else name


def reduced(registry: Registry, kind: str, setup: Setup) -> Setup:
    """Keep of a setup what tells products of a kind apart; all of it for a kind that is not installed."""
    from latcal.plugin.kinds import calibration_types

    return next((setup.only(one.setup) for one in calibration_types(registry) if one.makes == kind), setup)


def refuse_unknown(registry: Registry, store: Store, kind: str) -> None:
    """Refuse a kind that nothing installed makes and of which nothing is certified; the nearest is suggested.

    Raises
    ------
    RecipeError
        With the suggestion, or with all kinds that there are.
    """
    from latcal.plugin.kinds import known_kinds, suggestion

    there = {one.ref.kind for one in store.list()}
    if kind in known_kinds(registry) | there:
        return
    what = f"no plugin makes a {kind!r}, and none is certified{registry.omission}"
    raise RecipeError([Problem(what, suggestion(registry, kind, there))])


def refuse_uncertified(registry: Registry, store: Store, kind: str, *, exposure: bool) -> None:
    """Refuse collections for a kind that belongs to exposures and of which none is certified.

    Parameters
    ----------
    exposure : bool
        Whether one was given.

    Raises
    ------
    RecipeError
        With what to give instead.
    """
    from latcal.plugin.kinds import calibration_types, kinds_of_exposures

    if kind in kinds_of_exposures(calibration_types(registry)) and not any(True for _ in store.list(kind)):
        hint = "leave --collections out" if exposure else "give --exposure, and leave --collections and --at out"
        raise RecipeError([Problem(f"no {kind} is certified: each belongs to an exposure", hint)])

