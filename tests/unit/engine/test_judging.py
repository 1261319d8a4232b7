"""When more frames are said to mend a noise: only if it is that of too few."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from latcal.engine.judging import _has_noise_of_few
from latcal.model.steps import BudgetLine


@pytest.mark.parametrize(
    ("noise", "few"),
    [
        pytest.param([117.0, 118.0, 118.5], True, id="of three frames among themselves: 18 % too little"),
        pytest.param([2.7, 2.7, np.nan], False, id="of light that has no noise"),
        pytest.param([np.nan, np.nan, np.nan], False, id="of none that is known"),
    ],
)
def test_more_frames_mend_a_noise_of_few_and_no_other(noise: list[float], few: bool) -> None:
    rule: Any = SimpleNamespace(rule=SimpleNamespace(name="noise"), names={"noise", "shot_noise"})
    measured: Any = SimpleNamespace(values={"noise": np.array(noise), "shot_noise": np.full(3, 144.0)})
    line = BudgetLine(0, "flat", "noise", "", excess=-0.184, limit=0.05, more=7)
    assert _has_noise_of_few((rule,), measured, [line]) == few
