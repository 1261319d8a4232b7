"""Ask plugins what they declare, and join it by name: two things of one name are never settled silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from latcal.errors import PluginError
from latcal.plugin.calling import insist
from latcal.plugin.contracts import DECLARATIONS
from latcal.plugin.declarations import Declaration, Named
from latcal.plugin.discovery import Source
from latcal.plugin.validation import declaration_faults, refuse


def join(
    kind: str, hook: str, cls: type[Declaration], implementers: Iterable[tuple[Source, Callable[..., Any]]]
) -> dict[str, Named]:
    """Join the declarations of a kind by name.

    Raises
    ------
    PluginError
        If a plugin raises, one of its declarations does not validate, or two have one name.
    """
    joined: dict[str, Named] = {}
    for source, function in implementers:
        for declaration in _declared(source, hook, function):
            refuse(source, declaration_faults, kind, cls, declaration)
            named = Named(declaration, source.plugin, source.distribution, source.version, kind)
            other = joined.setdefault(declaration.name, named)
            if other is not named:
                raise _conflict(other, named)
    return joined


def _declared(source: Source, hook: str, function: Callable[..., Any]) -> tuple[Any, ...]:
    """Ask a plugin what it declares; nothing is deliberate there."""
    try:
        answer = insist(str(source), hook, DECLARATIONS, function)
    except PluginError as error:
        raise PluginError(f"{error} ({source.way_out})") from error.__cause__
    return tuple(answer)


def _conflict(other: Named, named: Named) -> PluginError:
    what = f"the {named.kind} {named.declaration.name!r}"
    if other.plugin == named.plugin:
        return PluginError(f"{named.source}: {named.plugin} declares {what} twice (remove one)")
    outs = [f"--without {one.plugin}" for one in (named, other) if one.version]
    way_out = f"run with {' or '.join(outs)}" if outs else "load without one of them"
    return PluginError(
        f"two plugins declare {what}: {other.plugin} ({other.source}) and {named.plugin} ({named.source}) ({way_out})"
    )
