"""Find the plugins that are installed, whatever their metadata is like, and import those that are wanted."""

from __future__ import annotations

import difflib
import importlib.metadata
import re
from collections.abc import Callable, Collection, Iterator
from importlib.metadata import Distribution, EntryPoint
from typing import Any

from attrs import frozen

from latcal.errors import PluginError
from latcal.plugin.calling import insist
from latcal.plugin.promises import anything

GROUP = "latcal"
_OBJECT = re.compile(r"[\w.]+\s*(:\s*[\w.]+)?\s*(\[.*\])?", re.ASCII)


@frozen
class Source:
    """A plugin: the name it is registered by, its distribution and version."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()

    @property
    def way_out(self) -> str:
        """What to do if it is broken."""
        if self.version:
            return f"mend or remove {self.distribution}, or run with --without {self.plugin}"
        return "mend it, or load without it"


@frozen
class _Installed:
    """A distribution that declares plugins: where it is, and its entry points of the group."""

    name: str
    version: str
    place: str
    points: tuple[EntryPoint, ...]


def normal(name: str) -> str:
    """Write the name of a distribution as all its spellings are compared: ``latcal-sky`` for ``Latcal_Sky``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_plugins(without: frozenset[str]) -> tuple[list[tuple[Source, EntryPoint]], tuple[str, ...]]:
    """Find the plugins that are installed, sorted by name.

    Parameters
    ----------
    without : frozenset of str
        Plugins or distributions to leave out.

    Returns
    -------
    wanted : list of (Source, EntryPoint)
    left_out : tuple of str
        The plugins and distributions that are there and are not wanted.

    Raises
    ------
    PluginError
        If metadata cannot be read, a distribution is there twice, or what is to be left out is not there.
    """
    spelt = frozenset(map(normal, without))
    installed = list(_installed(spelt))
    every = {
        source.plugin: (source, point)
        for one in installed
        for point in one.points
        for source in (Source(f"{one.name}:{point.name}", one.name, one.version),)
    }
    distributions = {normal(one.name): one.name for one in installed}
    _check_known(without, every.keys(), distributions)
    whole = [name for spelling, name in distributions.items() if spelling in spelt]
    wanted = [every[plugin] for plugin in sorted(every.keys() - without)]
    return wanted, tuple(sorted([*whole, *(every.keys() & without)]))


def import_plugin(source: Source, point: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises
    ------
    PluginError
        If it cannot be imported: no warning, since what is missing might decide.
    """
    if not _OBJECT.fullmatch(point.value):
        what = f"entry point {point.name!r} is {point.value!r}, which is not a module or an object in one"
        raise PluginError(f"{source}: {what} ({source.way_out})")
    return _legible(str(source), f"entry point {point.name!r} does not import", source.way_out, point.load)


def _legible(source: str, what: str, way_out: str, function: Callable[[], Any]) -> Any:
    """Call a function that reads or imports; say what it means that it raises, and what to do."""
    try:
        return insist(source, what, anything, function)
    except PluginError as error:
        words = str(error).removeprefix(f"{source}: {what} ").removeprefix("raised ")
        raise PluginError(f"{source}: {what}: {words} ({way_out})") from error.__cause__


def _check_known(without: frozenset[str], plugins: Collection[str], distributions: Collection[str]) -> None:
    """Refuse to leave out what is not there: it would be a slip."""
    for name in sorted(without):
        whole = normal(name.partition(":")[0]) if name.partition(":")[0] in without else normal(name)
        if name not in plugins and whole not in distributions:
            near = difflib.get_close_matches(name, sorted([*plugins, *distributions]), 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else "see 'latcal plugins'"
            raise PluginError(f"--without {name}: no such plugin or distribution is installed ({hint})")


def _installed(without: frozenset[str]) -> Iterator[_Installed]:
    """Read every distribution that declares plugins, once each.

    Which of two versions Python imports depends on the order of its path: that is never settled silently.
    """
    names = sorted({_fact(one, "Name") for one in importlib.metadata.distributions() if _declares(one)})
    for name in {normal(name): name for name in names}.values():
        there = importlib.metadata.distributions(name=name)
        if normal(name) in without:  # it may be as broken as it likes
            yield _Installed(name, "", "", ())
            continue
        read = {one.place: one for one in (_read(name, distribution) for distribution in there)}.values()
        if len({(one.version, frozenset((point.name, point.value) for point in one.points)) for one in read}) > 1:
            places = " and ".join(sorted(f"{one.version} in {one.place}" for one in read))
            raise PluginError(f"{name} is installed twice: {places} (remove one, or run with --without {name})")
        yield next(iter(read))


def _declares(distribution: Distribution) -> bool:
    what = f"its {_POINTS} cannot be read"
    text = _legible(_place(distribution), what, "install it again", lambda: distribution.read_text(_POINTS))
    return text is not None and re.search(rf"^\s*\[\s*{GROUP}\s*\]", text, re.MULTILINE) is not None


def _place(distribution: Distribution) -> str:
    return f"a distribution in {distribution.locate_file('')}"


def _fact(distribution: Distribution, key: str) -> str:
    """Read what the metadata of a distribution says."""
    what = "its METADATA cannot be read"
    metadata = _legible(_place(distribution), what, "install it again", lambda: distribution.metadata)
    value = (metadata or {}).get(key)
    if not value:
        known = (metadata or {}).get("Name")
        whose = f"{known}, in {distribution.locate_file('')}" if known else _place(distribution)
        raise PluginError(f"{whose}: it declares plugins, and its METADATA has no {key} (install it again)")
    return str(value)


def _read(name: str, distribution: Distribution) -> _Installed:
    """Read the plugins of a distribution."""
    source = f"{name} {_fact(distribution, 'Version')}"

    def points() -> tuple[EntryPoint, ...]:
        return tuple(distribution.entry_points.select(group=GROUP))

    way_out = f"install it again, or run with --without {name}"
    found: tuple[EntryPoint, ...] = _legible(source, f"its {_POINTS} cannot be read", way_out, points)
    names = [point.name for point in found]
    twice = [one for one in names if names.count(one) > 1]
    if twice:
        what = f"two entry points of the group {GROUP!r} are called {twice[0]!r}"
        raise PluginError(f"{source}: {what} (mend it, or run with --without {name})")
    return _Installed(name, _fact(distribution, "Version"), str(distribution.locate_file("")), found)


_POINTS = "entry_points.txt"
