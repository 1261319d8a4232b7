"""An instrument of few pixels, and requests of exposures with it."""

from __future__ import annotations

from latcal.plugin import Amplifier, Box, Detector, ExposureRequest, Instrument, Setup


def small_instrument(rows: int = 40, columns: int = 30, amplifiers: int = 2, detectors: int = 1) -> Instrument:
    """Give an instrument of few pixels: two rows of amplifiers, the upper mirrored in x and y, the lower in x.

    Parameters
    ----------
    rows, columns : int
        Data pixels of an amplifier; it has 3 columns of prescan, 16 of serial and 8 rows of parallel overscan too.
    amplifiers : int
        In each of the two rows.
    """
    return Instrument(
        "small",
        tuple(_detector(key, rows, columns, amplifiers) for key in range(detectors)),
        filters=("empty", "g", "r"),
        gratings=("empty",),
    )


def _detector(key: int, rows: int, columns: int, amplifiers: int) -> Detector:
    found = []
    for upper in (True, False):
        for place in range(amplifiers):
            y, x = rows * upper, columns * place
            found.append(
                Amplifier(
                    name=f"C{int(upper)}{place}",
                    extension=f"SEGMENT{int(upper)}{place}",
                    raw=Box(0, rows + 8, 0, columns + 19),
                    data=Box(0, rows, 3, columns + 3),
                    serial_overscan=Box(0, rows + 8, columns + 3, columns + 19),
                    parallel_overscan=Box(rows, rows + 8, 3, columns + 3),
                    position=Box(y, y + rows, x, x + columns),
                    gain=1.1,
                    read_noise=9.0,
                    saturation=110_000.0,
                    flip_x=True,
                    flip_y=upper,
                )
            )
    return Detector(key, f"S{key:02d}", tuple(found))


def request(
    index: int,
    image: str = "bias",
    time_s: float = 0.0,
    *,
    setup: Setup | None = None,
    detectors: tuple[int, ...] = (0,),
    discarded: bool = False,
) -> ExposureRequest:
    """Give a request of an observing day, for the sequence ``<image>s``, whose first exposure has index 0."""
    return ExposureRequest(
        number=2022110400001 + index,
        index=index,
        image=image,
        time_s=time_s,
        setup=setup or Setup(),
        sequence=f"{image}s",
        detectors=detectors,
        position=index + 1,
        discarded=discarded,
        labels={"reason": "test"},
    )
