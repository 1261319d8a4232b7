"""What a run of latcal says to tasks of its own, in their configuration."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from latcal.formats import records
from latcal.plugin import Provenance


@frozen
class Orders:
    """What a run of latcal says to a task of its own.

    Parameters
    ----------
    provenance : Provenance or None
        Of what is built; its exposures, inputs and options are still to be entered.
    groups : tuple of tuple of int, or None
        Ids of exposures that go together, as settled when they were taken.
    internal : bool
        Whether the exposures that are verified made the product.
    """

    provenance: Provenance | None = None
    groups: tuple[tuple[int, ...], ...] | None = None
    internal: bool = True


def orders_of(config: Any) -> Orders:
    """Read what a run of latcal orders; nothing, where a person runs the pipeline."""
    return records.from_text(config.order, Orders) if config.order else Orders()
