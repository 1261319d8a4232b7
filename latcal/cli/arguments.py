"""Arguments that several commands take, and how recipes named on a command line become plans."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from latcal.errors import Problem, RecipeError, Where

if TYPE_CHECKING:
    from latcal.model.recipe import Recipe
    from latcal.model.steps import Plan
    from latcal.plugin.protocols import Store
    from latcal.plugin.registry import Registry

Command = TypeVar("Command", bound=Callable[..., Any])
Item = TypeVar("Item")
Made = TypeVar("Made")


class RecipeName(click.Path):
    """The path of a recipe, or the name of one that a plugin has."""

    name = "recipe"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete the names of our own recipes, then files."""
        from click.shell_completion import CompletionItem

        from latcal.builtin.recipes import names

        files = super().shell_complete(ctx, param, incomplete)
        return [CompletionItem(name) for name in names() if name.startswith(incomplete)] + files


def recipes_argument(command: Command) -> Command:
    """Add the recipes: one or more."""
    return click.argument("names", metavar="FILE...", nargs=-1, required=True, type=RecipeName())(command)


def settings_option(command: Command) -> Command:
    """Add ``--set``."""
    help_text = "Set a key from outside: --set 'sequences.biases.exposures=30 x 0 s'. Checked like the file."
    return click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help=help_text)(command)


def without_option(command: Command) -> Command:
    """Add ``--without``."""
    help_text = "Leave out a plugin (distribution:entry), or a whole distribution."
    return click.option("--without", metavar="PLUGIN", multiple=True, help=help_text)(command)


def store_option(command: Command) -> Command:
    """Add ``--store``."""
    help_text = "The root of a folder store, USE:key=value,... for any store, or a recipe file that names one."
    return click.option("--store", metavar="STORE", default="./store", show_default=True, help=help_text)(command)


def load(without: tuple[str, ...]) -> Registry:
    """Load the plugins.

    What is imported stays: to look through it for garbage while it grows, and once more after, took an eighth of the time
    of a plan. A process that loads them again (a test) sets nothing apart a second time: it may have garbage by then.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        from latcal.plugin.registry import load_plugins

        registry = load_plugins(without=without)
        if collecting and not gc.get_freeze_count():
            gc.freeze()
        return registry
    finally:
        if collecting:
            gc.enable()


def each(items: tuple[Item, ...], make: Callable[[Item], Made]) -> list[Made]:
    """Make something of every item, and gather the faults of all.

    Raises
    ------
    RecipeError
        With every problem of every item.
    """
    made: list[Made] = []
    problems: list[Problem] = []
    for item in items:
        try:
            made.append(make(item))
        except RecipeError as error:
            problems += error.problems
    if problems:
        raise RecipeError(problems)
    return made


def read_recipe(name: str, registry: Registry, settings: tuple[str, ...] = ()) -> Recipe:
    """Read the recipe of a path, or of a name that a plugin knows.

    Raises
    ------
    RecipeError
        If there is none, or with all that is wrong with it.
    PluginError
        If several plugins have one of that name.
    """
    from latcal.engine.reading import read

    path = Path(name)
    if not path.is_file():
        path = registry.find_recipe(name) or path
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecipeError([Problem("is not UTF-8 text", "save it as UTF-8", Where(name, line, 1))]) from error
    except OSError as error:
        what = f"{name!r} is not a file that can be read, nor a recipe that a plugin has{registry.omission}"
        raise RecipeError([Problem(what, "see 'latcal recipe --help'")]) from error
    shown = name if Path(name).is_file() else path.name
    return read(text, shown, registry, settings=settings, folder=str(path.parent))


def plans(names: tuple[str, ...], registry: Registry, settings: tuple[str, ...]) -> list[Plan]:
    """Read and plan every recipe before anything is done with the first.

    Raises
    ------
    RecipeError
        With every fault of every recipe.
    """
    from latcal.cli.stopping import interruptible
    from latcal.engine.planning import plan

    def planned(name: str) -> Plan:
        return plan(reported(read_recipe(name, registry, settings), registry), registry)

    with interruptible():  # a camera may be asked what it is
        return each(names, planned)


def reported(recipe: Recipe, registry: Registry) -> Recipe:
    """Let a recipe that names no reporter report on the console."""
    from attrs import evolve

    from latcal.model.recipe import Use

    if recipe.report:
        return recipe
    return evolve(recipe, report=(Use("console", registry.defaults("reporter", "console")),))


@contextmanager
def opened_store(name: str, registry: Registry) -> Iterator[Store]:
    """Open the store of an option, or the one that a recipe names; nothing is written."""
    from latcal.engine.opening import open_store, parse_store
    from latcal.formats.plain import unstructure

    if name.endswith((".yaml", ".yml")):
        chosen = read_recipe(name, registry).store
        use, options = chosen.use, dict(unstructure(chosen.options))
    else:
        use, options = parse_store(name)
    with open_store(use, registry, **options) as store:
        yield store


def instant_of(text: str) -> Any:
    """Read a date or an instant, TAI.

    Raises
    ------
    click.BadParameter
        If it is neither.
    """
    from latcal.model.validity import instant

    try:
        return instant(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a date (write 2022-11-04 or 2022-11-04T18:30:00)") from error


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Align the cells of rows."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
