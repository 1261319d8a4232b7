"""The `console` reporter: what happens, in lines; on a terminal, with both lanes live below them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from latcal.plugin import ReporterType, World, hookimpl

if TYPE_CHECKING:  # planning tells nothing
    from latcal.builtin.reporters.live_console import ConsoleReporter


@frozen
class ConsoleOptions:
    """It has none."""


def open_console(options: ConsoleOptions, world: World) -> ConsoleReporter:  # noqa: ARG001 - the declaration's
    """Open the reporter on standard output."""
    from latcal.builtin.reporters.live_console import ConsoleReporter

    return ConsoleReporter(sys.stdout)


@hookimpl
def latcal_reporters() -> Iterable[ReporterType]:
    """Declare the reporter."""
    yield ReporterType(
        name="console",
        summary="Lines on standard output; on a terminal with live progress of both lanes",
        options=ConsoleOptions,
        open=open_console,
    )
