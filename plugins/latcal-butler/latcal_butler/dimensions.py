"""Dimension records: instruments, detectors, filters, days, groups and exposures, as Rubin's repositories have them."""

from __future__ import annotations

import contextlib
from typing import Any

from astropy.time import TimeDelta
from latcal.plugin import Exposure, Instrument, StoreError, day_and_number
from lsst.daf.butler import Registry, Timespan
from lsst.daf.butler.registry import ConflictingDefinitionError

from latcal_butler.naming import band, physical_filter

EXPOSURES, DETECTORS = 10**14, 1000
"""Above every id: an exposure's is a day and five digits."""

_TYPE, _REASON, _PROGRAM = 16, 68, 64  # lengths of the dimension universe

_UNSEEN = "unknown"
"""The physical filter of an exposure of which only the id is known."""


def register_instrument(registry: Registry, name: str, instrument: Instrument, *, update: bool = False) -> None:
    """Enter an instrument, its detectors, and every pair of its filters and gratings; all or none.

    Raises
    ------
    lsst.daf.butler.registry.ConflictingDefinitionError
        If it is there, and another.
    """
    with registry.transaction():
        registry.syncDimensionData("instrument", _instrument_row(name), update=update)
        for detector in instrument.detectors:
            raft, _, slot = detector.name.rpartition("_")
            row = {
                "instrument": name, "id": detector.id, "full_name": detector.name,
                "raft": raft or None, "name_in_raft": slot, "purpose": "SCIENCE",
            }  # fmt: skip
            registry.syncDimensionData("detector", row, update=update)


def _instrument_row(name: str) -> dict[str, Any]:
    from latcal_butler.instruments import class_name

    return {
        "name": name, "class_name": class_name(name), "detector_max": DETECTORS, "visit_system": 0,
        "exposure_max": EXPOSURES, "visit_max": EXPOSURES,
    }  # fmt: skip


def register_filter(registry: Registry, name: str, filter_: str) -> None:
    """Enter a physical filter, if it is not there; what others say of its band stays."""
    with contextlib.suppress(ConflictingDefinitionError):
        registry.syncDimensionData("physical_filter", {"instrument": name, "name": filter_, "band": band(filter_)})


def register_day(registry: Registry, name: str, day: int, rollover_h: float) -> None:
    """Enter an observing day, if it is not there; what others entered of it stays.

    Parameters
    ----------
    rollover_h : float [h]
        When the day begins, by the instrument. As in Rubin's own repositories the record says by its timespan, in TAI, when
        that is: `lsst.daf.butler.Timespan.from_day_obs` (DM-42636), with 12 h for Rubin's cameras.
    """
    span = Timespan.from_day_obs(day, round(rollover_h * 3600))
    with contextlib.suppress(ConflictingDefinitionError):  # there, by another's clock or without a timespan
        registry.syncDimensionData("day_obs", {"instrument": name, "id": day, "timespan": span})


def reserve_groups(registry: Registry, name: str, ids: range, rollover_h: float) -> None:
    """Enter the groups of the first and the last of consecutive exposures to be; the others come with their exposures.

    That is enough: of two processes that saw the same last group both want the next one as their first, and whoever comes
    later begins after the last.

    Parameters
    ----------
    ids : range
        Of one day, and not empty.

    Raises
    ------
    sqlalchemy.exc.IntegrityError
        If one is there: somebody else has reserved it.
    """
    ends = sorted({ids[0], ids[-1]})
    with registry.transaction():
        register_day(registry, name, day_and_number(ids[0])[0], rollover_h)
        registry.insertDimensionData("group", *({"instrument": name, "name": str(one)} for one in ends))


def register_exposure(registry: Registry, name: str, exposure: Exposure, rollover_h: float) -> None:
    """Enter an exposure as it happened, in place of one of which only the id was known.

    Raises
    ------
    StoreError
        If it is there, and is another: nothing of it is changed.
    """
    filter_ = physical_filter(exposure.setup)
    try:
        _register_exposure(registry, name, exposure.id, _facts(exposure), filter_, rollover_h)
    except ConflictingDefinitionError as error:
        if not _is_unseen(registry, name, exposure.id):
            raise StoreError(
                f"the repository has the exposure {exposure.id} of {name} already, as another: {error} (is it a frame of this "
                "instrument? it was not kept, and nothing was changed)"
            ) from error
        _register_exposure(registry, name, exposure.id, _facts(exposure), filter_, rollover_h, update=True)


def register_unseen_exposure(registry: Registry, name: str, number: int, rollover_h: float) -> None:
    """Enter an exposure of which only the id is known, since a product belongs to it and its raw frame is not there."""
    _register_exposure(registry, name, number, {"obs_id": str(number)}, _UNSEEN, rollover_h)


def _is_unseen(registry: Registry, name: str, number: int) -> bool:
    (row,) = registry.queryDimensionRecords("exposure", instrument=name, exposure=number)
    return bool(row.obs_id == str(number) and row.physical_filter == _UNSEEN)


def _register_exposure(
    registry: Registry, name: str, number: int, facts: dict[str, Any], filter_: str, rollover_h: float, *, update: bool = False
) -> None:
    day, sequence = day_and_number(number)
    row = {
        "instrument": name, "id": number, "day_obs": day, "group": str(number), "physical_filter": filter_,
        "seq_num": sequence, "seq_start": sequence, "seq_end": sequence, **facts,
    }  # fmt: skip
    with registry.transaction():
        register_filter(registry, name, filter_)
        register_day(registry, name, day, rollover_h)
        registry.syncDimensionData("group", {"instrument": name, "name": str(number)})
        registry.syncDimensionData("exposure", row, update=update)


def _facts(exposure: Exposure) -> dict[str, Any]:
    labels = exposure.labels
    return {
        "obs_id": exposure.obs_id,
        "exposure_time": exposure.time_s,
        "dark_time": exposure.dark_time_s,
        "observation_type": exposure.image[:_TYPE],
        "observation_reason": (labels.get("reason") or exposure.sequence or exposure.image)[:_REASON],
        "science_program": (labels.get("program") or "unknown")[:_PROGRAM],
        "target_name": exposure.image[:_PROGRAM],
        "timespan": timespan(exposure),
    }


def timespan(exposure: Exposure) -> Timespan:
    """Give when an exposure gathered charge, TAI; a bias too lasts a while."""
    length_s = max(exposure.time_s, exposure.dark_time_s, 1e-3)
    return Timespan(exposure.begin, exposure.begin + TimeDelta(length_s, format="sec"))
