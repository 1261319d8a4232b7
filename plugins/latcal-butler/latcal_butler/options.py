"""What a recipe may write for the store ``butler``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from attrs import frozen
from latcal.plugin import option


def _is_user(_: Any, __: Any, given: str | None) -> None:
    if given is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", given):
        raise ValueError(f"{given!r} is not part of a collection's name (write letters, digits, '_', '.', '-')")


def _is_instrument(_: Any, __: Any, given: str | None) -> None:
    if given is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", given):
        raise ValueError(f"{given!r} is not a name of an instrument (write letters, digits, '_')")


@frozen
class ButlerOptions:
    """Where the repository is, and what it is made with."""

    repo: str = option(help="The repository: a folder, a configuration file, a URI, or a label of the site's index.")
    create: bool = option(
        False,
        help="Make the repository, or register the instrument in it, when something is first written; until then a "
        "repository that is not there counts as empty.",
    )
    config: Path | None = option(
        None, help="Butler configuration that a new repository is made with: PostgreSQL in place of SQLite, for example."
    )
    instrument: str | None = option(
        None, help="Name of the instrument in the repository, if not that which latcal knows: LATISS, or the recipe's own.",
        validator=_is_instrument,
    )  # fmt: skip
    user: str | None = option(
        None, help="Whose runs they are: u/<user>/<run>/... Left out, who is logged in.", validator=_is_user
    )
