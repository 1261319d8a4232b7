"""What a recipe may write for the store ``folder``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from latcal.plugin import option

if TYPE_CHECKING:
    from astropy.units import Quantity


@frozen
class FolderOptions:
    """Where the store is, and how it writes."""

    root: Path = option(help="The folder; made when something is first written. Relative to the working directory.")
    compress: bool | None = option(
        None,
        help="Compress raw frames without loss; left out, those of one megapixel or more, where it saves more than it costs.",
    )
    lock_timeout: Quantity = option("30 s", help="How long to wait for another process that writes.", unit="s")
