from __future__ import annotations

from datetime import date

import pytest
from astropy.time import Time

from latcal.model.numbering import day_and_number, exposure_id, observation_id, observing_day


@pytest.mark.parametrize("year", ["2018", "2023", "2024"])
def test_a_real_exposure_of_latiss_is_of_the_day_and_has_the_ids_that_its_header_says(latiss_headers, year):
    header = latiss_headers[year]
    day = observing_day(Time(header["DATE-OBS"], scale="tai"))
    assert f"{day:%Y%m%d}" == header["DAYOBS"]
    exposure = exposure_id(int(header["DAYOBS"]), header["SEQNUM"])
    assert observation_id(header["OBSID"][:4], exposure) == header["OBSID"]


def test_the_exposure_id_is_that_of_rubin(latiss_headers):
    header = latiss_headers["2024"]
    assert exposure_id(int(header["DAYOBS"]), header["SEQNUM"]) == 2024062400169
    assert day_and_number(2024062400169) == (20240624, 169)


@pytest.mark.parametrize(
    ("instant", "rollover_h", "day"),
    [
        ("2024-06-25T11:59:59.9", 12.0, date(2024, 6, 24)),
        ("2024-06-25T12:00:00", 12.0, date(2024, 6, 25)),
        ("2024-06-25T00:00:00", 0.0, date(2024, 6, 25)),
    ],
)
def test_an_observing_day_begins_at_the_hour_of_the_instrument_in_utc(instant, rollover_h, day):
    assert observing_day(Time(instant, scale="utc"), rollover_h) == day
    assert observing_day(Time(instant, scale="utc").tai, rollover_h) == day
