"""The `latcal` command: one module per subcommand, each imported when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from latcal import __version__
from latcal.errors import LatcalError

_COMMANDS = ("recipe", "plan", "doctor", "expand", "schema", "plugins", "products", "find", "report")
_INTERRUPTED = 130


class Commands(click.Group):
    """Finds a subcommand in the module of its name, and turns deliberate errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List them in the order in which they are met."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"latcal.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a deliberate error is one line per problem, anything else keeps its traceback."""
        try:
            return super().invoke(ctx)
        except LatcalError as error:
            click.echo(str(error), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # who reads has gone (latcal products | head): nothing is left to say, at exit neither
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


_EPILOG = """Exit codes: 0 all done; 1 refused by the rules; 2 the recipe or the command is wrong; 3 a plugin is at
fault; 4 the site, hardware, store or data; 130 interrupted."""


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="latcal", message="%(prog)s %(version)s")
def main() -> None:
    """Make calibrations of CCD cameras, from a recipe to a certificate."""
