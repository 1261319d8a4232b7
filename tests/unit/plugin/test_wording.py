"""The one line of a verdict."""

from __future__ import annotations

import pytest
from attrs import evolve

from latcal.formats.journal import from_json, to_json
from latcal.model.events import Judged
from latcal.model.verdicts import Limits, Verdict
from latcal.plugin.wording import verdict_text

ACCEPTED = Verdict("bias", True, (1, 3), ("S00",), 16, Limits(8, 1, 2), (), (), ())
MISSING = ("biases 2/3: exposure 2: no frame came", "biases 4/4: it was late")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "bias accepted: 2 exposures, no rule, no failure"),
        (
            {"missing": MISSING[:1]},
            "bias accepted: 2 of 3 exposures (missing: biases 2/3: exposure 2: no frame came), no rule, no failure",
        ),
        (
            {"missing": MISSING, "accepted": False, "remedy": "8 more frames would do"},
            "bias refused; 8 more frames would do; missing biases 2/3: exposure 2: no frame came; biases 4/4: it was late",
        ),
        (
            {"missing": MISSING[:1], "unverified": "me: why"},
            "bias UNVERIFIED: me: why; missing biases 2/3: exposure 2: no frame came",
        ),
    ],
)
def test_a_verdict_names_what_is_missing_from_its_set(changes: dict[str, object], text: str) -> None:
    assert verdict_text(evolve(ACCEPTED, **changes)) == text


def test_a_verdict_of_an_older_run_has_nothing_missing() -> None:
    line = to_json(Judged(3, ACCEPTED))
    assert '"missing": []' in line
    assert from_json(line.replace(', "missing": []', "")) == Judged(3, ACCEPTED)
