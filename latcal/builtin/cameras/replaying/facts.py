"""What the header of a frame says of its exposure; what it does not say plainly is not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astropy.time import Time
from attrs import field, frozen

from latcal.builtin.cameras.replaying.mapping import Bounds, Condition, Date, Duration, HeaderMapping, ImageRule, Word
from latcal.plugin import Detector, Instrument, Setup

Header = Mapping[str, Any]


@frozen
class Facts:
    """What happened in one exposure, by its header.

    Parameters
    ----------
    key : str
        What the frames of one exposure share.
    """

    image: str
    time_s: float
    dark_time_s: float
    begin: Time = field(eq=lambda time: (time.jd1, time.jd2))
    setup: Setup
    key: str

    def __str__(self) -> str:
        return f"{self.image} of {self.time_s:g} s"


def facts(header: Header, mapping: HeaderMapping) -> Facts:
    """Read the facts of an exposure.

    Raises
    ------
    ValueError
        With why the frame is unclear: a keyword is missing or not what it should be, or no image type fits, or two.
    """
    time_s = _seconds(header, mapping.time)
    begin = _begin(header, mapping.date)
    dark_time_s = time_s if mapping.dark_time is None else max(_seconds(header, mapping.dark_time), time_s)
    return Facts(
        image=_image(header, mapping.images),
        time_s=time_s,
        dark_time_s=dark_time_s,
        begin=begin,
        setup=_setup(header, mapping),
        key=str(_value(header, mapping.exposure)) if mapping.exposure else str(begin.isot),
    )


def detector_of(header: Header, mapping: HeaderMapping, instrument: Instrument) -> Detector:
    """Give the detector that a frame is of.

    Raises
    ------
    ValueError
        If the instrument has none of that id or name.
    """
    match mapping.detector:
        case int(key):
            wanted = str(key)
        case Word() as word:
            wanted = _word(header, word) or ""
    for detector in instrument.detectors:
        if wanted in (str(detector.id), detector.name):
            return detector
    there = ", ".join(f"{detector.id} {detector.name}" for detector in instrument.detectors)
    raise ValueError(f"detector {wanted!r} is not one of {instrument.name} (it has {there})")


def _value(header: Header, keyword: str) -> Any:
    value = header.get(keyword)
    if not isinstance(value, bool | int | float | str):
        raise ValueError(f"it has no {keyword}")  # noqa: TRY004 - what is wrong is the file, not our types
    return value.strip() if isinstance(value, str) else value


def _number(header: Header, keyword: str) -> float:
    value = _value(header, keyword)
    if isinstance(value, bool | str):
        raise ValueError(f"{keyword} of {value!r} is not a number")  # noqa: TRY004 - as above
    return float(value)


def _seconds(header: Header, duration: Duration) -> float:
    value = _number(header, duration.keyword) * duration.seconds
    if not 0 <= value < float("inf"):
        raise ValueError(f"{duration.keyword} of {value:g} s is not a time")
    return value


def _begin(header: Header, date: Date) -> Time:
    value = _value(header, date.keyword)
    text = f"{value}T{_value(header, date.clock)}" if date.clock else value
    try:
        if isinstance(text, str):
            return Time(text, format="isot" if "T" in text else "iso", scale=date.scale).tai
        return Time(float(text), format="mjd", scale=date.scale).tai
    except ValueError:
        raise ValueError(f"{date.keyword} of {text!r} is not a date") from None


def _word(header: Header, word: Word | None) -> str | None:
    if word is None:
        return None
    return word(str(_value(header, word.keyword))) or None


def _setup(header: Header, mapping: HeaderMapping) -> Setup:
    binning = "1x1"
    if mapping.binning is not None:
        columns, rows = (_number(header, keyword) for keyword in (mapping.binning.x, mapping.binning.y))
        binning = f"{columns:g}x{rows:g}"
    return Setup(
        filter=_word(header, mapping.filter),
        grating=_word(header, mapping.grating),
        binning=binning,
        mode=_word(header, mapping.mode) or "",
    )


def _image(header: Header, rules: tuple[ImageRule, ...]) -> str:
    """Give the one image type whose conditions are met."""
    fitting = dict.fromkeys(rule.image for rule in rules if _meets(header, rule))
    if len(fitting) == 1:
        return next(iter(fitting))
    said = ", ".join(
        f"{keyword} {header[keyword]!r}" if keyword in header else f"no {keyword}"
        for keyword in dict.fromkeys(keyword for rule in rules for keyword in rule.when)
    )
    if fitting:
        raise ValueError(f"it is {' and '.join(fitting)} alike ({said})")
    raise ValueError(f"it is of no image type of the mapping ({said})")


def _meets(header: Header, rule: ImageRule) -> bool:
    return all(keyword in header and _is(header[keyword], condition) for keyword, condition in rule.when.items())


def _is(value: Any, condition: Condition) -> bool:
    match condition:
        case tuple():
            return any(_is(value, one) for one in condition)
        case Bounds(above=above, below=below):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return (above is None or value > above) and (below is None or value < below)
        case str():
            return isinstance(value, str) and value.strip() == condition
        case _:
            same_sort = isinstance(value, bool) == isinstance(condition, bool)
            return same_sort and isinstance(value, bool | int | float) and value == condition
