"""Time the combination of a stack of plain FITS frames, beside reading it and beside other software.

``python tests/benchmarks/stack.py [--frames 20] [--runs 5] [--json FILE] [--folder DIR] [--only NAME ...]``

20 frames of 4096 x 4096 unsigned numbers of 16 bits with cosmic rays, 671 MB, in the page cache. More frames are the same files
again. ccdproc, Siril (`siril-cli`) and IRAF (`irafcl`) run where they are installed, ccdproc in this environment. Every contender
runs in a process of its own, by turns. Python's start and imports are not counted; Siril and IRAF are timed as a whole, the image
that they write with them. `error` is the root mean square of image minus truth at the pixels that a cosmic ray struck.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from measuring import contest, machine, measured, options, report, table, told

SIDE, FILES, LEVEL, NOISE, RAYS = 4096, 20, 1000.3, 5.0, 2000
HEADER = 2880


def struck(number):
    """Give rows, columns and charges of the pixels that rays strike in a frame."""
    random = np.random.default_rng(1000 + number)
    rows, columns = random.integers(0, SIDE - 8, (2, RAYS))
    lengths, charges = random.integers(1, 7, RAYS), random.uniform(50.0, 20_000.0, RAYS)
    return np.repeat(rows, lengths), np.concatenate([c + np.arange(n) for c, n in zip(columns, lengths, strict=True)]), \
        np.repeat(charges, lengths)


def make(folder):
    """Write the frames that are not there yet."""
    from astropy.io import fits

    for number in range(FILES):
        path = folder / f"b_{number + 1:05d}.fit"
        if not path.exists():
            image = np.random.default_rng(number).standard_normal((SIDE, SIDE), dtype=np.float32) * NOISE + LEVEL
            rows, columns, charges = struck(number)
            image[rows, columns] += charges
            fits.PrimaryHDU(np.clip(np.rint(image), 0, 65535).astype(np.uint16)).writeto(path)


def paths(folder, frames):
    return [folder / f"b_{number % FILES + 1:05d}.fit" for number in range(frames)]


def error(image):
    """Give the error at the pixels that were struck in any frame."""
    rows, columns = (np.concatenate(each) for each in list(zip(*(struck(n) for n in range(FILES)), strict=True))[:2])
    return float(np.sqrt(np.nanmean((np.asarray(image, dtype=np.float64)[rows, columns] - LEVEL) ** 2)))


def readers(files):
    from latcal.formats.blocks import blocks
    from latcal.formats.images import image_of

    def reader(path):
        block = blocks(path)[0]
        return image_of(path, block.cards, block.shape, block.places, block.check)

    return [reader(path) for path in files]


def latcal(name, files):
    from latcal.numerics import combine

    stack, noise, shape = readers(files), [(NOISE**2 + 1 / 12) ** 0.5] * len(files), (SIDE, SIDE)
    threads = 1 if name.endswith("1 thread") else 2
    word = name.removeprefix("latcal ").split(",")[0]
    works = {
        "mean": lambda: combine.mean(stack, noise, shape, threads=threads),
        "weighted mean": lambda: combine.mean(stack, noise, shape, threads=threads, weights=np.linspace(1.0, 2.0, len(stack))),
        "clipped mean": lambda: combine.clipped_mean(stack, noise, shape, threads=threads),
        "median": lambda: combine.median(stack, noise, shape, threads=threads),
    }

    def work():
        combined = works[word]()
        mask = np.isnan(combined.image).view(np.uint8)
        if combined.left_out is not None:
            mask |= combined.left_out.view(np.uint8) << 2
        return combined.image

    return work


def read_one(_, files):
    def work():
        buffer = bytearray(SIDE * SIDE * 2 + 2 * HEADER)
        for path in files:
            with path.open("rb", buffering=0) as file:
                file.readinto(buffer)

    return work


def read_fresh(_, files):
    def work():
        for path in files:
            np.fromfile(path, np.uint8)

    return work


def cubes(files, rows=128):
    from astropy.io import fits

    opened = [fits.open(path, memmap=False, lazy_load_hdus=True) for path in files]
    for start in range(0, SIDE, rows):
        yield slice(start, start + rows), np.stack([hdus[0].section[start : start + rows] for hdus in opened]).astype(np.float32)


def numpy_median(_, files):
    def work():
        image = np.empty((SIDE, SIDE), np.float32)
        for rows, cube in cubes(files):
            image[rows] = np.median(cube, axis=0)
        return image

    return work


def astropy_clip(_, files):
    from astropy.stats import sigma_clip

    def work():
        image = np.empty((SIDE, SIDE), np.float32)
        for rows, cube in cubes(files):
            clipped = sigma_clip(cube, sigma=3, maxiters=3, cenfunc="median", stdfunc="mad_std", axis=0, masked=False)
            image[rows] = np.nanmean(clipped, axis=0)
        return image

    return work


def by_ccdproc(_, files):
    import ccdproc
    from astropy.stats import mad_std

    def work():
        return ccdproc.combine(
            [str(path) for path in files], method="average", unit="adu", sigma_clip=True, sigma_clip_low_thresh=5,
            sigma_clip_high_thresh=5, sigma_clip_func=np.ma.median, sigma_clip_dev_func=mad_std, dtype=np.float32,
        ).data

    return work


WORKS = {
    "reading into one buffer": read_one,
    "reading into fresh buffers": read_fresh,
    "latcal mean": latcal,
    "latcal mean, 1 thread": latcal,
    "latcal weighted mean": latcal,
    "latcal clipped mean": latcal,
    "latcal median": latcal,
    "numpy median, strips": numpy_median,
    "astropy sigma_clip, strips": astropy_clip,
    "ccdproc": by_ccdproc,
}
SIRIL, IRAF = "Siril, winsorised", "IRAF, sigclip"
SIRIL_SCRIPT = "requires 1.0.0\nstack b_ rej winsorized 3 3 -nonorm -out=siril_out\n"
IRAF_SCRIPT = (
    "images\nimmatch\n"
    'imcombine ("@list", "iraf_out.fits", combine="average", reject="sigclip", lsigma=3., hsigma=3., mclip=yes, '
    'outtype="real", logfile="STDOUT")\nlogout\n'
)


def do(name, folder, frames):
    """Do the work of one contender in this process."""
    work = WORKS[name](name, paths(folder, frames))
    figures, image = measured(work)
    if image is not None:
        figures["error"] = error(image)
    told(figures)


def peers(folder, frames):
    """Lay out what Siril and IRAF want, each in a folder of its own: links to the frames, and a script."""
    found = {}
    for name, command, script, text in (
        (SIRIL, ["siril-cli", "-d", ".", "-s", "stack.ssf"], "stack.ssf", SIRIL_SCRIPT),
        (IRAF, ["irafcl", "-f", "combine.cl"], "combine.cl", IRAF_SCRIPT),
    ):
        if shutil.which(command[0]):
            place = folder / f"{command[0]}-{frames}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for number, path in enumerate(paths(folder, frames)):
                (place / f"b_{number + 1:05d}.{'fit' if name == SIRIL else 'fits'}").symlink_to(path)
            (place / "list").write_text("".join(f"b_{number + 1:05d}.fits\n" for number in range(frames)))
            (place / script).write_text(text)
            found[name] = (["sh", "-c", "rm -f *_out.fit*; exec " + " ".join(command)], place, {"USER": "iraf", "HOME": str(place)})
    return found


def peer_error(found, folder, frames):
    """Add what the images that Siril and IRAF wrote are off by."""
    from astropy.io import fits

    for name, file in ((SIRIL, f"siril-cli-{frames}/siril_out.fit"), (IRAF, f"irafcl-{frames}/iraf_out.fits")):
        if name in found:
            image = fits.getdata(folder / file)
            scale = 65535.0 if float(np.nanmax(image)) <= 1.0 else 1.0  # Siril's numbers end at 1
            for run in found[name]:
                run["error"] = error(image * scale)


def main():
    """Print the table."""
    wanted = options(__doc__, frames=FILES)
    if wanted.work:
        return do(wanted.work, wanted.folder, wanted.frames)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (wanted.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        about = machine("latcal", "numpy", "astropy", "ccdproc", "bottleneck")
        mine = [sys.executable, __file__, "--folder", str(folder), "--frames", str(wanted.frames), "--work"]
        contenders = {name: ([*mine, name], folder, {}) for name in WORKS if name != "ccdproc" or find_spec("ccdproc")}
        contenders |= peers(folder, wanted.frames)
        if wanted.only:
            contenders = {name: contenders[name] for name in wanted.only}
        found = contest(contenders, wanted.runs, few=(SIRIL, IRAF, "ccdproc", "astropy sigma_clip, strips", "numpy median, strips"))
        peer_error(found, folder, wanted.frames)
        text = table(found, {"peak_MB": "peak memory [MB]", "error": "error where struck [adu]"}, "latcal mean")
        return report(about, found, text, wanted.json)


if __name__ == "__main__":
    main()
