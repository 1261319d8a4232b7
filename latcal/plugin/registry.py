"""Find plugins, join what they declare by name, and call them through one function."""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import pluggy
from attrs import evolve, frozen

from latcal.errors import PluginError, Problem, RecipeError
from latcal.plugin import hookspecs
from latcal.plugin.calling import call, call_hook
from latcal.plugin.declarations import Declaration, Named

GROUP = "latcal"
NUMERICAL = ("astropy", "numpy")


@frozen
class Source:
    """A plugin: the name it is registered by, its distribution and version."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


@frozen
class Registry:
    """What is installed: immutable once loaded, and shared by any number of runs.

    Parameters
    ----------
    sources : mapping of str to Source
        By registered name, ``distribution:entry``.
    """

    manager: pluggy.PluginManager
    sources: Mapping[str, Source]
    declarations: Mapping[str, Mapping[str, Named]]

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
        raise RecipeError([Problem(f"no plugin declares the {kind} {name!r}", self.suggestion(kind, name))])

    def suggestion(self, kind: str, name: str) -> str:
        """Say which declared name is meant, or list them."""
        near = difflib.get_close_matches(str(name), self.names(kind), 1, 0.5)
        known = ", ".join(self.names(kind)) or "none"
        return f"did you mean {near[0]!r}?" if near else f"there is {known}"

    def get(self, kind: str, name: str) -> Any:
        """Give the declaration of a name; raises as `named` does."""
        return self.named(kind, name).declaration

    def call(self, named: Named, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of a declaration, as `latcal.plugin.calling.call` says."""
        return call(f"{named.distribution} {named.version}".strip(), function, *args, **kwargs)

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
            yield plugin, call_hook(plugin, function, arguments)

    def implementations(self, name: str, *extra: tuple[Any, str]) -> list[tuple[str, Callable[..., Any]]]:
        """List who implements a hook, sorted by plugin name, with the source's words for messages."""
        found = [
            (one.plugin_name, str(self.sources[one.plugin_name]), one.function)
            for one in getattr(self.manager.hook, name).get_hookimpls()
        ]
        found.sort(key=lambda entry: entry[0])
        found += [(word, word, getattr(plugin, name)) for plugin, word in extra if hasattr(plugin, name)]
        return [(word, function) for _, word, function in found]

    @property
    def versions(self) -> dict[str, str]:
        """Version by distribution: of the plugins, and of what the numbers come out of."""
        plugins = {source.distribution: source.version for source in sorted(self.sources.values(), key=str)}
        return {**plugins, **{name: importlib.metadata.version(name) for name in NUMERICAL}}


def _entry_points() -> list[tuple[Source, importlib.metadata.EntryPoint]]:
    """List the entry points of the group over all distributions, sorted by name."""
    found: dict[tuple[str, str], tuple[Source, importlib.metadata.EntryPoint]] = {}
    for distribution in importlib.metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        for point in distribution.entry_points.select(group=GROUP):
            source = Source(f"{name}:{point.name}", name, version)
            found.setdefault((source.plugin, point.value), (source, point))
    return [found[key] for key in sorted(found)]


def _plugins(without: frozenset[str], extra: Iterable[object]) -> Iterator[tuple[Source, Any]]:
    known = set()
    for source, point in _entry_points():
        known |= {source.plugin, source.distribution}
        if not {source.plugin, source.distribution} & without:
            try:
                plugin = call(str(source), point.load)
            except PluginError as error:  # no warning: a plugin that does not import stops the program
                cause = error.__cause__
                raise PluginError(
                    f"{source}: entry point {point.name!r} does not import: {type(cause).__name__}: {cause} "
                    f"(mend or remove {source.distribution}, or run with --without {source.plugin})"
                ) from cause
            yield source, plugin
    if without - known:
        missing = sorted(without - known)[0]
        raise PluginError(f"--without {missing}: no such plugin or distribution is installed (see 'latcal plugins')")
    for number, plugin in enumerate(extra, 1):
        name = getattr(plugin, "__name__", type(plugin).__name__)
        yield Source(f"extra:{name}:{number}", f"extra:{name}", ""), plugin


def _check(kind: str, cls: type, named: Named) -> None:
    """Refuse a declaration that is not one: wrong class, options without help."""
    one, source = named.declaration, f"{named.distribution} {named.version}".strip()
    if not isinstance(one, Declaration) or not isinstance(one, cls):
        raise PluginError(f"{source}: {named.plugin} declares {one!r} as a {kind}, which is not a {cls.__name__}")
    if not (isinstance(one.name, str) and one.name.replace("_", "a").isalnum()):
        raise PluginError(f"{source}: {one.name!r} is not a name for a {kind} (letters, digits and _)")
    if not attrs.has(one.options):
        raise PluginError(f"{source}: options of the {kind} {one.name!r} is not an attrs class")
    silent = [f.name for f in attrs.fields(one.options) if not f.metadata.get("help")]
    if silent:
        raise PluginError(f"{source}: options of the {kind} {one.name!r} have no help text: {', '.join(silent)}")


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
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    sources: dict[str, Source] = {}
    for source, plugin in _plugins(frozenset(without), extra):
        sources[source.plugin] = source
        call(str(source), manager.register, plugin, name=source.plugin)
    call("latcal", manager.check_pending)
    registry = Registry(manager, sources, {})
    joined = {kind: _join(registry, kind, hook, cls) for kind, hook, cls in hookspecs.DECLARING}
    return evolve(registry, declarations=joined)


def _join(registry: Registry, kind: str, hook: str, cls: type) -> dict[str, Named]:
    joined: dict[str, Named] = {}
    for impl in sorted(getattr(registry.manager.hook, hook).get_hookimpls(), key=lambda impl: impl.plugin_name):
        source = registry.sources[impl.plugin_name]
        for declaration in call(str(source), impl.function) or ():
            named = Named(declaration, source.plugin, source.distribution, source.version)
            _check(kind, cls, named)
            other = joined.setdefault(declaration.name, named)
            if other is not named:
                raise PluginError(
                    f"two plugins declare the {kind} {declaration.name!r}: {other.plugin} ({other.distribution} "
                    f"{other.version}) and {named.plugin} ({named.distribution} {named.version}) "
                    f"(run with --without {named.plugin} or --without {other.plugin})"
                )
    return joined
