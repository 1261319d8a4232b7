"""``latcal report``: print an old run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import load, opened_store, store_option, without_option
from latcal.errors import StoreError, Where

if TYPE_CHECKING:
    from latcal.model.events import Event


@click.command("report")
@click.argument("run", metavar="FILE.jsonl|RUN")
@click.option("--as", "reporter", metavar="REPORTER", default="console", show_default=True, help="Who tells it.")
@store_option
@without_option
@click.pass_context
def command(ctx: click.Context, run: str, reporter: str, store: str, without: tuple[str, ...]) -> None:
    """Print an old run again, as the console did, or as another reporter would have.

    From the file of the jsonl reporter, or from a store by the name of the run, or of its collection u/latcal/RUN.

    The exit code is that of the run.
    """
    from latcal.builtin.reporters.transcript import lines
    from latcal.engine.opening import tell_again
    from latcal.model.report import fold
    from latcal.plugin.judged import JOURNAL
    from latcal.plugin.lookup import run_named

    if without:
        load(without)  # it may name what is not there
    if Path(run).is_file():
        text, name = Path(run).read_text(encoding="utf-8", errors="replace"), run
    else:
        name = JOURNAL
        with opened_store(store, load(without)) as opened:
            text = opened.read_report(run_named(run), name)
    if not text:
        raise StoreError(f"{run}: is empty, so there is no run to print")
    told = tuple(parsed(text, name))
    report = fold(told)
    if reporter == "console":
        for line in lines(report):
            click.echo(line.text)
    else:
        tell_again(told, reporter, load(without))
    ctx.exit(report.exit_code)


def parsed(text: str, name: str) -> Iterator[Event]:
    """Read events, one per line; a last line that was cut off is left out.

    Raises
    ------
    StoreError
        At the first line that is not an event.
    """
    from latcal.formats.journal import from_json
    from latcal.model.events import RunStarted

    for number, line in enumerate(text.splitlines(keepends=True), 1):
        try:
            event = from_json(line)
        except StoreError as error:
            if not line.endswith("\n") and number > 1:
                return
            raise StoreError(f"{Where(name, number, 1)}: {error}") from error
        if (number == 1) != isinstance(event, RunStarted):
            what = f"{type(event).__name__} is not where a run begins and it alone (give the lines of one run, all of them)"
            raise StoreError(f"{Where(name, number, 1)}: {what}")
        yield event
