"""Open a store or a reporter outside of a run: to look products up, to tell an old run again, to embed latcal."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import evolve, field, frozen

from latcal.engine.running import Clock, system_clock
from latcal.errors import Problem, ProductNotFound, RecipeError
from latcal.formats.structure import structure
from latcal.formats.tree import Tree
from latcal.model.events import Event
from latcal.model.geometry import Instrument
from latcal.model.products import ProductRef
from latcal.plugin.calling import Guarded, call_hook
from latcal.plugin.kinds import other_kind
from latcal.plugin.protocols import Store, World
from latcal.plugin.registry import Registry


@frozen(eq=False)
class LookedUp(Guarded):
    """A store that is opened to look things up: a kind of which nothing is found, since there is none, is told so."""

    registry: Registry = field(kw_only=True)

    def find(self, kind: str, *args: Any, **kwargs: Any) -> ProductRef:
        """Find the product valid at an instant."""
        return self._found("find", kind, *args, **kwargs)

    def find_exposure(self, kind: str, *args: Any, **kwargs: Any) -> ProductRef:
        """Find the product for an exposure."""
        return self._found("find_exposure", kind, *args, **kwargs)

    def of_exposure(self, kind: str, *args: Any, **kwargs: Any) -> ProductRef:
        """Find the newest product that belongs to one exposure."""
        return self._found("of_exposure", kind, *args, **kwargs)

    def _found(self, method: str, kind: str, *args: Any, **kwargs: Any) -> ProductRef:
        try:
            ref: ProductRef = self.__getattr__(method)(kind, *args, **kwargs)
        except ProductNotFound as error:
            meant = other_kind(self.registry, kind)
            if not meant:
                raise
            raise ProductNotFound(f"{error}; no plugin makes a {kind!r} ({meant})") from error
        return ref


def open_store(
    use: str,
    registry: Registry,
    *,
    instrument: Instrument | None = None,
    now: Clock = system_clock,
    **options: Any,
) -> Store:
    """Open a store by the name of its declaration, as a recipe would.

    Parameters
    ----------
    use : str
        ``folder``, say.
    instrument : Instrument, optional
        Wanted only to read raw frames back.
    **options
        The store's options, as a recipe writes them: ``root="./store"``.

    Returns
    -------
    Store
        A context manager; opening writes nothing.

    Raises
    ------
    RecipeError
        If there is no such store, or an option is not one.
    """
    opened = _opened("store", use, registry, options, World(instrument, now, "", threading.Event(), Path()))
    found = LookedUp(opened.opened, opened.distribution, opened.kind, opened.promises, registry=registry)
    return cast("Store", found)


def tell_again(events: Iterable[Event], use: str, registry: Registry, *, now: Clock = system_clock) -> None:
    """Let a reporter hear an old run, with the defaults of all its options.

    Nobody else hears it: those who are always there heard it when it happened.

    Raises
    ------
    RecipeError
        If there is no such reporter, or an option of it has no default.
    PluginError
        If it raises.
    """
    reporter = _opened("reporter", use, registry, {}, World(None, now, "", threading.Event(), Path()))
    with reporter:
        for event in events:
            call_hook(reporter.distribution, reporter.opened.latcal_event, {"event": event})


def _opened(kind: str, use: str, registry: Registry, options: Mapping[str, Any], world: World) -> Guarded:
    named = registry.named(kind, use)
    try:
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        typed = structure(Tree(plain), named.declaration.options)
    except RecipeError as error:
        paths = (evolve(problem, path=f"{use}.{problem.path}".rstrip(".")) for problem in error.problems)
        raise RecipeError(paths) from error
    return registry.open(named, typed, world)


def parse_store(text: str) -> tuple[str, dict[str, str]]:
    """Read ``folder:root=./store``, or a bare path, which is the root of a folder store.

    Raises
    ------
    RecipeError
        If an option has no ``=``.
    """
    use, colon, rest = text.partition(":")
    if not colon or "/" in use or "\\" in use:
        return "folder", {"root": text}
    pairs = [part.partition("=") for part in rest.split(",") if part]
    bad = [key for key, equals, _ in pairs if not equals]
    if bad:
        raise RecipeError([Problem(f"{bad[0]!r} in {text!r} is not an option", "write 'folder:root=./store'")])
    return use, {key: value for key, _, value in pairs}
