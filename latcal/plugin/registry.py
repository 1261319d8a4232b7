"""Join what plugins declare by name, and call them: what is installed, once it is loaded."""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pluggy
from attrs import evolve, field, frozen

from latcal.errors import PluginError, Problem, RecipeError
from latcal.plugin import hookspecs
from latcal.plugin.calling import Guarded, ask, call_hook, insist
from latcal.plugin.contracts import FUNCTIONS, HOOKS, MAY_HAVE, METHODS
from latcal.plugin.declarations import Named
from latcal.plugin.discovery import GROUP, Source, find_plugins, import_plugin
from latcal.plugin.joining import join
from latcal.plugin.promises import anything, article
from latcal.plugin.validation import hook_faults, refuse

NUMERICAL = ("astropy", "numpy")
_FUNCTIONS = (FunctionType, MethodType, staticmethod, classmethod)


class PluginManager(pluggy.PluginManager):
    """Looks for hooks in a module among its functions only: the other names, most of them, are looked up much slower."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Give the options of a hook; None for what is none."""
        if isinstance(plugin, ModuleType) and not isinstance(vars(plugin).get(name), _FUNCTIONS):
            return None
        return super().parse_hookimpl_opts(plugin, name)


@frozen
class Registry:
    """What is installed: immutable once loaded, and shared by any number of runs.

    Parameters
    ----------
    sources : mapping of str to Source
        By registered name, ``distribution:entry``.
    left_out : tuple of str
        Plugins and distributions that are there and were not wanted.
    """

    manager: pluggy.PluginManager
    sources: Mapping[str, Source]
    declarations: Mapping[str, Mapping[str, Named]]
    left_out: tuple[str, ...] = field(default=())

    def names(self, kind: str) -> tuple[str, ...]:
        """Give the names declared of a kind, in order."""
        return tuple(sorted(self.declarations[kind]))

    def named(self, kind: str, name: str) -> Named:
        """Give the declaration of a name, with its source.

        Raises
        ------
        RecipeError
            If there is none; the nearest name is suggested.
        """
        known = self.declarations[kind]
        if name in known:
            return known[name]
        raise RecipeError([Problem(self.absence(kind, name), self.suggestion(kind, name))])

    def absence(self, kind: str, name: str) -> str:
        """Say that nothing of a name is declared."""
        return f"no plugin declares the {kind} {name!r}{self.omission}"

    @property
    def omission(self) -> str:
        """What to add where something is not there: that it may have been left out."""
        return f", {' and '.join(self.left_out)} being left out by --without" if self.left_out else ""

    def suggestion(self, kind: str, name: str) -> str:
        """Say which declared name is meant, or list them."""
        near = difflib.get_close_matches(str(name), self.names(kind), 1, 0.5)
        known = ", ".join(self.names(kind)) or "none"
        return f"did you mean {near[0]!r}?" if near else f"there is {known}"

    def get(self, kind: str, name: str) -> Any:
        """Give the declaration of a name; raises as `named` does."""
        return self.named(kind, name).declaration

    def ask(self, named: Named, function: str, *args: Any) -> Any:
        """Call a function of a declaration by its name, as `latcal.plugin.calling.ask` says."""
        gives = FUNCTIONS[named.kind][function].gives
        return ask(named.source, named.called(function), gives, getattr(named.declaration, function), *args)

    def open(self, named: Named, options: Any, world: Any) -> Guarded:
        """Open a camera, store, executor or reporter; its methods are called, and what they give is looked at."""
        promises = {**METHODS[named.kind], **MAY_HAVE.get(named.kind, {})}
        return Guarded(self.ask(named, "open", options, world), named.source, named.kind, promises)

    def place(self, store: str, options: Any) -> str:
        """Say where a store of a kind lies, by its options; empty if that kind has no place."""
        place = getattr(options, self.get("store", store).place, None)
        return "" if place is None else str(place)

    def find_recipe(self, name: str) -> Path | None:
        """Give the path of a recipe that a plugin has; None if none has it.

        Raises
        ------
        PluginError
            If several have it: which one runs must not depend on what is installed beside it. Or if it is not there.
        """
        found: list[tuple[Source, Path]] = []
        for source, function in self.implementers("latcal_find_recipe"):
            path = call_hook(str(source), function, {"name": name}, HOOKS["latcal_find_recipe"])
            if path is not None and not path.is_file():
                raise PluginError(f"{source}: latcal_find_recipe gave {str(path)!r} for {name!r}, which is not a file")
            found += [(source, path)] if path is not None else []
        if len(found) > 1:
            whose = " and ".join(f"{source.plugin} ({source})" for source, _ in found)
            outs = " or ".join(f"--without {source.plugin}" for source, _ in reversed(found) if source.version)
            way_out = f"give the path of one, or run with {outs}" if outs else "give the path of one"
            raise PluginError(f"two plugins have a recipe {name!r}: {whose} ({way_out})")
        return found[0][1] if found else None

    def defaults(self, kind: str, name: str) -> Any:
        """Give the options of a declaration that no recipe wrote.

        Raises
        ------
        RecipeError
            If there is no such declaration, or one of its options has no default.
        """
        if name not in self.declarations[kind]:
            hint = f"name {article(kind)}; there is {', '.join(self.names(kind)) or 'none'}"
            raise RecipeError([Problem(self.absence(kind, name), hint)])
        named = self.named(kind, name)
        try:
            return ask(named.source, named.called("options"), anything, named.declaration.options)
        except PluginError as error:
            what = f"the {kind} {name!r} has options without a default"
            raise RecipeError([Problem(what, f"name {article(kind)}, and write them")]) from error

    def hook(self, name: str, /, *extra: tuple[Any, str], **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook implementation by implementation, sorted by plugin name; give each one's answer as it comes.

        Parameters
        ----------
        extra : tuple of (object, str)
            Plugins of one run only, such as its reporters, with their names.

        Raises
        ------
        PluginError
            From the implementation that raised; iterate with care if the others are to be called all the same.
        """
        for plugin, function in self.implementations(name, *extra):
            yield plugin, call_hook(plugin, function, arguments, HOOKS[name])

    def implementations(self, name: str, *extra: tuple[Any, str]) -> list[tuple[str, Callable[..., Any]]]:
        """List who implements a hook, sorted by plugin name, with the source's words for messages."""
        found = [(str(source), function) for source, function in self.implementers(name)]
        return found + [(word, getattr(plugin, name)) for plugin, word in extra if hasattr(plugin, name)]

    def implementers(self, name: str) -> list[tuple[Source, Callable[..., Any]]]:
        """List the plugins that implement a hook, sorted by their names."""
        found = sorted(getattr(self.manager.hook, name).get_hookimpls(), key=lambda one: one.plugin_name)
        return [(self.sources[one.plugin_name], one.function) for one in found]

    @property
    def versions(self) -> dict[str, str]:
        """Version by distribution: of the plugins, what was left out of them, and of what the numbers come out of."""
        plugins = {}
        for source in sorted(self.sources.values(), key=str):
            parts = [plugin.partition(":") for plugin in self.left_out]
            out = ", ".join(entry for name, _, entry in parts if entry and name == source.distribution)
            plugins[source.distribution] = f"{source.version} without {out}" if out else source.version
        return {**plugins, **{name: importlib.metadata.version(name) for name in NUMERICAL}}


def _extra(plugins: Iterable[object]) -> Iterator[tuple[Source, Any]]:
    for number, plugin in enumerate(plugins, 1):
        name = getattr(plugin, "__name__", type(plugin).__name__)
        yield Source(f"extra:{name}:{number}", f"extra:{name}", ""), plugin


def load_plugins(*, without: Iterable[str] = (), extra: Iterable[object] = ()) -> Registry:
    """Find every plugin of the entry point group ``latcal`` and join what they declare.

    Parameters
    ----------
    without : iterable of str
        Plugins (``distribution:entry``) or whole distributions to leave out.
    extra : iterable of object
        More plugins: modules or objects with hook implementations.

    Raises
    ------
    PluginError
        If a plugin does not import, does not validate, or declares a name that another one has.
    """
    manager = PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    wanted, left_out = find_plugins(frozenset((without,) if isinstance(without, str) else without))
    imported = ((source, import_plugin(source, point)) for source, point in wanted)
    sources: dict[str, Source] = {}
    for source, plugin in (*imported, *_extra(extra)):
        _register(manager, source, plugin)
        sources[source.plugin] = source
    registry = Registry(manager, sources, {}, left_out)
    joined = {kind: join(kind, hook, cls, registry.implementers(hook)) for kind, hook, cls in hookspecs.DECLARING}
    return evolve(registry, declarations=joined)


def _register(manager: pluggy.PluginManager, source: Source, plugin: Any) -> None:
    """Register a plugin whose hooks are hooks, once."""
    other = manager.get_name(plugin)
    if other is not None:
        raise PluginError(f"{source}: {source.plugin} is the same plugin as {other} ({source.way_out})")
    refuse(source, hook_faults, manager, plugin)
    insist(str(source), "its registration", anything, manager.register, plugin, name=source.plugin)
