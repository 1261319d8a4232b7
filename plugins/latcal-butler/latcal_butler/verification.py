"""What a verification found, in the words of cp_verify: ``verifyFlatStats``, ``verifyFlatDetStats``.

Their keys are those of cp_verify's own datasets, so that its readers' habits hold: AMP, DET and EXP have the numbers,
VERIFY what was tested, SUCCESS whether all passed, FAILURES what did not, as ``RXX_S00 C17 NOISE``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen
from latcal.formats.columns import ecsv_table

from latcal_butler.naming import title

_PLACES = ("scope", "exposure", "time", "detector", "amplifier", "untested")
_GROUPS = {"amplifier": "AMP", "detector": "DET", "exposure": "EXP"}


@frozen
class Statistics:
    """What one verification found.

    Parameters
    ----------
    kind : str
        The calibration type.
    run : dict
        Of all exposures: by exposure id, whether it succeeded and what failed; of a product by detector.
    exposures : mapping of (int, str) to dict
        By exposure id and name of the detector: numbers and tests.
    products : mapping of str to dict
        Likewise of the product, by name of the detector; empty where it has no numbers.
    """

    kind: str
    run: dict[Any, Any]
    exposures: Mapping[tuple[int, str], dict[str, Any]]
    products: Mapping[str, dict[str, Any]]

    def name(self, what: str) -> str:
        """Give the name of a dataset type: ``verifyFlatStats`` of ``Stats``."""
        return f"verify{title(self.kind)}{what}"


def statistics(kind: str, verdict_text: str, measurements_text: str) -> Statistics:
    """Read what latcal keeps of a verification.

    Parameters
    ----------
    verdict_text : str
        ``..._verdict.json``.
    measurements_text : str
        ``..._measurements.ecsv``.

    Raises
    ------
    StoreError
        If the second is not a table in ECSV.
    """
    verdict = json.loads(verdict_text)
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in _rows(measurements_text):
        detectors = [row["detector"]] if row["detector"] else verdict["detectors"]
        for detector in detectors:
            record = found.setdefault((row["exposure"], detector), _blank())
            numbers = {name.upper(): value for name, value in row["numbers"].items()}
            group = record.setdefault(_GROUPS[_level(row)], {})
            if row["amplifier"]:
                group.setdefault(row["amplifier"], {}).update(numbers)
            else:
                group.update(numbers)
    for (exposure, detector), record in found.items():
        _judge(record, verdict, exposure, detector)
    return Statistics(
        kind,
        _run(verdict),
        {place: record for place, record in found.items() if place[0]},
        {detector: record for (exposure, detector), record in found.items() if not exposure},
    )


def together(found: Iterable[Mapping[Any, Any]]) -> dict[Any, Any]:
    """Put what several verifications of one kind found of all their exposures together: flats of several filters.

    Each keeps its exposures; what failed of one place in several is named once.
    """
    whole: dict[Any, Any] = {}
    for one in found:
        for place, record in one.items():
            if place == "SUCCESS":
                continue
            failed = sorted({*whole.get(place, {}).get("FAILURES", ()), *record.get("FAILURES", ())})
            whole[place] = {"SUCCESS": False, "FAILURES": failed} if failed else dict(record)
    return {**whole, "SUCCESS": all(record["SUCCESS"] for record in whole.values())}


def _blank() -> dict[str, Any]:
    return {"AMP": {}, "DET": {}, "VERIFY": {}, "SUCCESS": True}


def _level(row: Mapping[str, Any]) -> str:
    return "amplifier" if row["amplifier"] else "detector" if row["detector"] else "exposure"


def _rows(text: str) -> Iterator[dict[str, Any]]:
    """Give the rows of a table of measurements, each with the numbers that it has."""
    table = ecsv_table(text)
    metrics = [name for name in table if name not in _PLACES]
    for index in range(len(table["scope"].values)):
        row = {name: table[name].values[index] for name in ("exposure", "detector", "amplifier")}
        values = {name: float(table[name].values[index]) for name in metrics}
        yield {**row, "exposure": int(row["exposure"]), "numbers": {key: one for key, one in values.items() if not math.isnan(one)}}


def _judge(record: dict[str, Any], verdict: Mapping[str, Any], exposure: int, detector: str) -> None:
    """Enter what was tested, at one exposure and detector, and whether it passed; advisory rules do not count."""
    failed = {
        (one["rule"], one["amplifier"] or "")
        for one in verdict["findings"]
        if (one["exposure"] or 0) == exposure and one["detector"] in (detector, None)
    }
    for tally in verdict["tallies"]:
        scope = tally["scope"]
        of_product = "product" in scope  # "amplifier of the product" too
        if of_product is bool(exposure):
            continue
        level = "amplifier" if "amplifier" in scope else "detector" if of_product else scope
        places = list(record["AMP"]) if level == "amplifier" else [""]
        for place in places:
            passed = (tally["rule"], place) not in failed
            group = record["VERIFY"].setdefault(_GROUPS[level], {})
            tests = group.setdefault(place, {"SUCCESS": True}) if place else group
            tests[tally["rule"].upper()] = passed
            if not tally["advisory"]:
                tests["SUCCESS"] = tests.get("SUCCESS", True) and passed
                record["SUCCESS"] = record["SUCCESS"] and passed


def _run(verdict: Mapping[str, Any]) -> dict[Any, Any]:
    advisory = {tally["rule"] for tally in verdict["tallies"] if tally["advisory"]}
    failures: dict[Any, list[str]] = {}
    for one in verdict["findings"]:
        if one["rule"] not in advisory:
            words = [one["detector"] if one["exposure"] else None, one["amplifier"], one["rule"].upper()]
            failures.setdefault(one["exposure"] or one["detector"], []).append(" ".join(word for word in words if word))
    found: dict[Any, Any] = {place: {"SUCCESS": True} for place in verdict["exposures"] or verdict["detectors"]}
    found.update({place: {"SUCCESS": False, "FAILURES": sorted(names)} for place, names in failures.items()})
    return {**found, "SUCCESS": not failures}
