"""Time raw frames to a combined bias, beside nothing but their decompression; and the verification of one exposure.

``python tests/benchmarks/raws.py [--frames 20] [--runs 5] [--json FILE] [--folder DIR] [--only NAME ...]``

Frames of LATISS, 16 amplifiers of 576 x 2048 numbers of 32 bits, compressed by Rice: row by row, as LATISS writes them (`rows`), and
in tiles of 64 rows, as latcal does (`tiles`). Work is shared by 2 processes, a frame or an amplifier at a time. fitsio, which is
GPL, and imagecodecs run where they are installed. `product` reads, subtracts overscans, writes prepared frames, combines
them with rejection, variance and mask, and puts the detector together. `verification` is of one exposure, in one process, in processor
seconds, the least of five: its prepared pixels are read, the bias subtracted, and all metrics of a bias measured.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from measuring import contest, machine, options, report, table, told

from latcal.builtin.executors import workers

FRAMES, PROCESSES, NOISE, PEDESTAL = 20, 2, 8.0, 20_000.0
LAYOUTS = {"rows": 1, "tiles": 64}


def instrument():
    import latcal

    loaded = latcal.load_plugins().get("instrument", "latiss").load()
    return loaded, loaded.detectors[0]


def make(folder, frames):
    """Write the frames that are not there yet, as any FITS software does."""
    from astropy.io import fits

    _, detector = instrument()
    for name, rows in LAYOUTS.items():
        for number in range(frames):
            path = folder / f"{name}-{number:03d}.fits"
            if path.exists():
                continue
            random = np.random.default_rng(number)
            hdus = [fits.PrimaryHDU()]
            for amplifier in detector.amplifiers:
                noise = random.standard_normal(amplifier.raw.shape, dtype=np.float32) * (NOISE / amplifier.gain)
                noise.reshape(-1)[random.integers(0, noise.size, 40)] += 3_000.0
                tile = (rows, amplifier.raw.shape[1])
                counts = np.rint(noise + PEDESTAL).astype(np.int32)
                hdus.append(fits.CompImageHDU(counts, name=amplifier.extension, compression_type="RICE_1", tile_shape=tile))
            fits.HDUList(hdus).writeto(path)


def by_astropy(path):
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        return [hdu.data for hdu in hdus[1:]]


def by_fitsio(path):
    import fitsio

    with fitsio.FITS(str(path)) as hdus:
        return [hdu.read() for hdu in hdus[1:]]


def by_latcal(path):
    from latcal.formats.raw import read_raw

    _, detector = instrument_once()
    _, raw = read_raw(path, detector)
    return [raw(amplifier) for amplifier in detector.amplifiers]


INSTRUMENTS = []


def instrument_once():
    """Give the instrument of this process."""
    if not INSTRUMENTS:
        INSTRUMENTS.append(instrument())
    return INSTRUMENTS[0]


DECODERS = {"astropy": by_astropy, "fitsio": by_fitsio, "latcal": by_latcal}


def decoded(name, path):
    """Decode one file, and let go of it."""
    return sum(int(image[0, 0]) for image in DECODERS[name](path))


def prepared(folder, number_and_path):
    """Prepare one frame."""
    from astropy.time import Time

    from latcal.engine.preparing import prepare
    from latcal.formats.raw import read_raw
    from latcal.model.frames import Exposure, Frame
    from latcal.model.geometry import Preparation

    number, path = number_and_path
    _, detector = instrument_once()
    header, raw = read_raw(path, detector)
    exposure = Exposure(number, str(number), "bias", 0.0, 0.0, Time("2026-11-04", scale="tai"))
    return prepare(Frame(exposure, detector, raw, header), Preparation(), folder)


def built(inputs):
    from latcal.builtin.calibrations import bias

    return bias.build_amplifier(inputs)


def inputs_of(frames, amplifier, needs):
    from latcal.builtin.calibrations.bias import BiasOptions
    from latcal.plugin import AmplifierInputs

    detector = instrument_once()[1]
    return AmplifierInputs(detector=detector, amplifier=amplifier, frames=tuple(frames), needs=needs, options=BiasOptions())


def product(pool, files):
    """Make the planes of a bias of the whole detector."""
    detector = instrument_once()[1]
    with tempfile.TemporaryDirectory() as scratch:
        frames = pool.map(partial(prepared, Path(scratch)), list(enumerate(files)), chunksize=1)
        every = [inputs_of((frame[a.name] for frame in frames), a, {}) for a in detector.amplifiers]
        planes = {}
        for amplifier, part in zip(detector.amplifiers, pool.imap(built, every, chunksize=1), strict=True):
            for name, plane in part.planes.items():
                whole = planes.setdefault(name, np.empty(detector.shape, plane.dtype))
                whole[amplifier.position.slices] = plane
    return planes


def warm(path):
    """Import and look up what every work needs, before the clock starts."""
    decoded("latcal", path)
    from latcal.builtin.calibrations import bias  # noqa: F401

    instrument_once()


def shared(name, files):
    """Do a work with all processes; give what it took, that of the processes included."""
    os.environ.update({**workers.KEPT, **os.environ})  # as latcal's own processes have it, for all contenders
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.map(warm, files[:PROCESSES] * 2, chunksize=1)
        warm(files[0])
        began, busy = time.perf_counter(), _busy(pool)
        if name == "product":
            planes = product(pool, files)
            assert abs(float(np.nanmean(planes["image"]))) < 1.0
        else:
            pool.map(partial(decoded, name), files, chunksize=1)
        return {"seconds": time.perf_counter() - began, "cpu": _busy(pool) - busy}


def _busy(pool):
    """Give the processor seconds of this process and those of the pool."""
    times = [sum(map(int, Path(f"/proc/{p.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) for p in pool._pool]
    return time.process_time() + sum(times) / os.sysconf("SC_CLK_TCK")


def one_exposure(files):
    """Verify one exposure, beside reading and overscan-correcting it."""
    from latcal.model.frames import Plane
    from latcal.numerics import correct, residuals

    warm(files[0])
    with tempfile.TemporaryDirectory() as scratch:
        every = [prepared(Path(scratch), numbered) for numbered in enumerate(files)]
        bias = {}
        for amplifier in instrument_once()[1].amplifiers:  # that of all frames: of a few it would be noisier than any in use
            image = built(inputs_of((frame[amplifier.name] for frame in every), amplifier, {})).planes["image"]
            image.tofile(Path(scratch) / amplifier.name)
            bias[amplifier.name] = Plane(str(Path(scratch) / amplifier.name), 0, image.shape)
        times = {"corrected": [], "measured": []}
        for _ in range(5):
            began = time.process_time()
            corrected(files[1])
            middle = time.process_time()
            for name, frame in every[1].items():
                left = correct.subtract(frame.reader, bias[name].read)(slice(None))
                residuals.residual(left, frame.frame_noise)
            times["corrected"].append(middle - began)
            times["measured"].append(time.process_time() - middle)
    first, second = (min(each) for each in times.values())
    return {"seconds": second, "cpu": second, "corrected": first, "of_corrected": second / first}


def corrected(path):
    """Read a frame and subtract its overscans."""
    from astropy.time import Time

    from latcal.engine.electrons import to_electrons
    from latcal.formats.raw import read_raw
    from latcal.model.frames import Exposure, Frame
    from latcal.model.geometry import Preparation

    _, detector = instrument_once()
    header, raw = read_raw(path, detector)
    exposure = Exposure(1, "1", "bias", 0.0, 0.0, Time("2026-11-04", scale="tai"))
    return to_electrons(Frame(exposure, detector, raw, header), Preparation())


def main():
    """Print the table."""
    wanted = options(__doc__, frames=FRAMES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (wanted.folder or Path(temporary)).resolve()
        if wanted.work:
            name, layout = wanted.work.split(", ")
            files = [folder / f"{layout}-{number:03d}.fits" for number in range(wanted.frames)]
            return told(one_exposure(files) if name == "verification" else shared(name, files))
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, wanted.frames)
        about = machine("latcal", "numpy", "astropy", "imagecodecs", "fitsio")
        names = [name for name in (*DECODERS, "product", "verification") if name != "fitsio" or find_spec("fitsio")]
        mine = [sys.executable, __file__, "--folder", str(folder), "--frames", str(wanted.frames), "--work"]
        contenders = {f"{name}, {layout}": ([*mine, f"{name}, {layout}"], folder, {}) for layout in LAYOUTS for name in names}
        if wanted.only:
            contenders = {name: contenders[name] for name in wanted.only}
        found = contest(contenders, wanted.runs)
        text = table(found, {"of_corrected": "of reading and overscan-correcting it"}, "latcal, rows")
        return report(about, found, text, wanted.json)


if __name__ == "__main__":
    main()
