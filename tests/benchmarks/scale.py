"""Time calibrations of 1 to 189 detectors by Dask workers that share a store, beside the same work without Dask.

``python tests/benchmarks/scale.py [--runs 3] [--frames 4] [--columns 80] [--rows 100] [--detectors 1,3,9,27,63,189] [--kill 63]
[--only NAME ...] [--json FILE] [--folder DIR]``

A set of biases of a mosaic with LSSTCam's 189 sensors of 16 amplifiers, each of `columns` x `rows` pixels and overscans (509 x 2000
are LSSTCam's), lies in a folder store. A Build and a Verify are ordered of the first so many detectors. Contenders, by turns in
one run: ``serial``, what latcal's serial executor does to a detector, one after another in this process; ``dask`` with 1 and
2 workers, processes of one thread, with scheduler and client in this process; ``numpy`` in 1 and 2 processes, which share nothing
and wait for nothing: what the machine itself gives of a second processor. Imports and the start of workers are not counted.
Processor seconds are of the workers, and of this process: scheduler and client. Every product must have the digest that `serial` gave.
With ``--kill``, one of 2 workers is killed after a third of so many detectors. It wants `pip install ./plugins/latcal-dask`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plain_work
from measuring import ONE_THREAD, machine, options

SENSORS = 189
RECIPE = """\
latcal: 1
instrument: {instrument}
camera: {{use: simulated, seed: 1}}
store: {{use: folder, root: {root}}}
executor: {{use: dask, workers: {workers}}}
sequences: {{biases: {{image: bias, exposures: {frames} x 0 s}}}}
stages: [{{make: bias, frames: [biases], detectors: {detectors}, rules: {{noise: noise > 0 electron}}}}]
certify: {{into: calib/scale, begin: 2026-01-01, end: open}}
"""
SENSOR = """\
name: small_lsstcam
filters: [empty]
gratings: [empty]
readout: 2 s
full_well: 130000 electron
id_prefix: MC_O
sensors:
  sensor:
    vendor: ITL
    pixel: 10 um
    raw: '[1:{width},1:{height}]'
    data: '[4:{last},1:{rows}]'
    serial_overscan: '[{over}:{width},1:{rows}]'
    parallel_overscan: '[4:{last},{above}:{height}]'
    gain: 1.671 electron/adu
    read_noise: 6.40 electron
    saturation: 126000 adu
    amplifiers:
      - names: [C10, C11, C12, C13, C14, C15, C16, C17]
        extensions: [Segment10, Segment11, Segment12, Segment13, Segment14, Segment15, Segment16, Segment17]
        row: 1
        flip: xy
      - names: [C07, C06, C05, C04, C03, C02, C01, C00]
        extensions: [Segment07, Segment06, Segment05, Segment04, Segment03, Segment02, Segment01, Segment00]
        columns: [7, 6, 5, 4, 3, 2, 1, 0]
        flip: x
detectors:
"""
LINE = "  - {{id: {id}, name: {name}, sensor: sensor, serial: '{id}'}}\n"


def instrument_text(columns, rows):
    """Give the instrument file: the sensors of LSSTCam's 21 rafts by their names."""
    import latcal

    names = [detector.name for detector in latcal.load_plugins().get("instrument", "lsstcam").load().detectors]
    science = [name for name in names if "_S" in name and not name.endswith(("SG0", "SG1", "SW0", "SW1"))][:SENSORS]
    sizes = {"width": columns + 67, "height": rows + 48, "last": columns + 3, "over": columns + 4, "rows": rows, "above": rows + 1}
    return SENSOR.format(**sizes) + "".join(LINE.format(id=number, name=name) for number, name in enumerate(science))


def planned(folder, registry, args, detectors, workers):
    import latcal

    text = RECIPE.format(
        instrument=folder / "instrument.yaml", root=folder / "store", workers=workers, frames=args.frames, detectors=list(range(detectors))
    )
    return latcal.plan(latcal.read(text, "scale.yaml", registry), registry)


def fill(folder, registry, args):
    """Write the raw frames that are not there yet: noise about a pedestal, of another exposure from frame to frame."""
    import latcal
    from latcal.plugin import Exposure, Frame, StoreError, instant

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instrument.yaml").write_text(instrument_text(args.columns, args.rows), encoding="utf-8")
    most = max(*args.counts, args.kill)
    instrument = planned(folder, registry, args, most, 1).instrument
    begin = instant("2026-11-27T20:00:00")
    exposures = [
        Exposure(20261127_00001 + n, f"MC_O_20261127_{n + 1:06d}", "bias", 0.0, 0.0, begin, sequence="biases") for n in range(args.frames)
    ]
    with latcal.open_store("folder", registry, root=str(folder / "store"), instrument=instrument) as store:
        for exposure in exposures:
            random = np.random.default_rng(exposure.id)
            shape = instrument.detectors[0].amplifiers[0].raw.shape
            pixels = {
                one.name: np.rint(20_000 + random.normal(0, 6.4 / 1.671, shape)).astype(np.int32) for one in instrument.detectors[0].amplifiers
            }
            for detector in instrument.detectors[:most]:
                try:
                    store.frames([exposure.id], detector.id)
                except StoreError:
                    store.ingest(Frame(exposure, detector, lambda amplifier, by_name=pixels: by_name[amplifier.name]))
    return exposures


def order_of(plan, step, exposures, verified, run):
    from latcal.plugin import Order, Provenance, instant

    recipe, stage = plan.recipe, plan.stages[0]
    provenance = Provenance(
        run=run, recipe=recipe.name, recipe_digest=recipe.digest, recipe_text=recipe.text, settings=(), exposures={}, inputs=(),
        options={}, versions=dict(plan.versions), created=instant("2026-11-27T21:00:00"),
    )  # fmt: skip
    return Order(
        step=step, stage=stage, run=run, exposures=tuple(exposures), groups=(), needs={d: {} for d in stage.detectors},
        verified=tuple(verified), provenance=provenance,
    )  # fmt: skip


class Serial:
    """What latcal's serial executor does, detector by detector: prepare, build, put; then measure every exposure."""

    def __init__(self, world, registry):
        import latcal

        self.world, self.kernel = world, latcal.kernel("bias", world.instrument, registry)
        self.prepared = {}

    def build(self, order):
        from attrs import evolve

        store = self.world.store
        for number in order.stage.detectors:
            frames = list(store.frames([one.id for one in order.exposures], number))
            mine = self.prepared[number] = [self.kernel.prepare(frame, self.world.scratch) for frame in frames]
            provenance = evolve(order.provenance, exposures={frame.exposure.id: frame.checksum for frame in frames})
            for product in self.kernel.build(self.world.instrument.detector(number), mine, {}, provenance, self.world.scratch):
                yield store.put(product, order.run)

    def verify(self, order):
        for ref in order.verified:
            needs = {"bias": (ref, self.world.store.get(ref))}
            detector = self.world.instrument.detector(ref.detector)
            frames = self.prepared.pop(ref.detector)
            yield from self.kernel.measure(detector, frames, needs, self.world.scratch, internal=True)
            Path(frames[0]["C10"].pixels.path).unlink(missing_ok=True)


def world_of(folder, plan, store, run):
    from latcal.plugin import World, instant

    return World(plan.instrument, lambda: instant("2026-11-27T21:00:00"), run, threading.Event(), folder, store=store, plan=plan)


def used():
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime


def ordered(executor, plan, exposures, run, each=lambda number: None):
    """Have a Build and a Verify done; give when each ended, and what was built."""
    began = time.perf_counter()
    refs = []
    for ref in executor.build(order_of(plan, plan.steps[-3], exposures, (), run)):
        refs.append(ref)
        each(len(refs))
    built = time.perf_counter()
    measured = sum(1 for _ in executor.verify(order_of(plan, plan.steps[-2], exposures, refs, run)))
    assert measured, "nothing was measured"
    return built - began, time.perf_counter() - built, {ref.detector: ref.digest for ref in refs}


def timed(workers, detectors, folder, registry, exposures, args, kill=False):
    """Time one contender on so many detectors; 0 workers are `serial`, fewer are processes that share nothing."""
    from latcal_dask.executors import DetectorExecutor

    import latcal

    if workers < 0:
        return plain_work.timed(-workers, detectors, args.frames), None
    run = f"scale-{os.getpid()}-{time.monotonic_ns()}"
    plan = planned(folder, registry, args, detectors, max(workers, 1))
    with tempfile.TemporaryDirectory(dir=folder) as scratch, ExitStack() as stack:
        store = stack.enter_context(latcal.open_store("folder", registry, root=str(folder / "store"), instrument=plan.instrument))
        world = world_of(Path(scratch), plan, store, run)
        told = {"workers": workers, "detectors": detectors, "load": os.getloadavg()[0]}
        if not workers:
            before = used()
            build, verify, digests = ordered(Serial(world, registry), plan, exposures, run)
            return {**told, "build": build, "verify": verify, "cpu_tasks": used() - before, "cpu_here": 0.0}, digests
        executor = stack.enter_context(DetectorExecutor(plan.executor.options, world))
        crew, killed = executor.workers, []
        count = SimpleNamespace(done=0)
        watch(crew, count)

        def end_one(number):
            if kill and not killed and number > detectors // 3:
                pids = crew.client.run(os.getpid)
                killed.append(min(pids.values()))
                os.kill(killed[0], signal.SIGKILL)

        warm = planned(folder, registry, args, min(workers, detectors), workers)
        ordered(executor, warm, exposures, run)  # what workers import
        count.done = 0
        before, theirs = used(), sum(crew.client.run(used_there).values())
        build, verify, digests = ordered(executor, plan, exposures, run, end_one)
        told["cpu_here"], told["cpu_tasks"] = used() - before, sum(crew.client.run(used_there).values()) - theirs
        told["done"] = count.done
        return {**told, "build": build, "verify": verify}, digests


def stored(folder, registry, exposures, instrument):
    """Give what a raw frame and a product take in the store [byte], and how long it takes to enter a raw frame that is a file [s]."""
    import latcal

    detector, times = instrument.detectors[0], []
    with tempfile.TemporaryDirectory(dir=folder) as other, ExitStack() as stack:
        here, there = (
            stack.enter_context(latcal.open_store("folder", registry, root=str(root), instrument=instrument)) for root in (folder / "store", other)
        )
        for frame in here.frames([one.id for one in exposures], detector.id):
            began = time.process_time()
            there.ingest(frame)
            times.append(time.process_time() - began)
    product = next((folder / "store" / "products").glob("scale-*/bias_0_*.fits"))
    return {"raw_bytes": frame.path.stat().st_size, "product_bytes": product.stat().st_size, "ingest": statistics.median(times)}


def watch(crew, count):
    """Count how often tasks are done, in the scheduler of this process."""
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Counting(SchedulerPlugin):
        def transition(self, key, start, finish, *args, **kwargs):
            count.done += start == "processing" and finish == "memory"

    crew.client.cluster.scheduler.add_plugin(Counting(), name="counting")


def used_there():
    """Give the processor seconds of a worker: it is sent by value, so it imports what it needs."""
    import resource as there

    mine = there.getrusage(there.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime


NAMES = {0: "serial", 1: "dask, 1 worker", 2: "dask, 2 workers", -1: "numpy, 1 process", -2: "numpy, 2 processes"}


def table(found):
    """Make the Markdown table, of medians; the spread is that of the wall time."""
    heads = ["detectors", "contender", "wall [s]", "least to greatest", "wall / detector [ms]", "processor s / detector: tasks",
             "scheduler and client", "a task", "efficiency"]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    for (detectors, workers), runs in sorted(found.items(), key=lambda entry: (entry[0][0], list(NAMES).index(entry[0][1]))):
        wall = [run["build"] + run["verify"] for run in runs]
        middle = {key: statistics.median(run[key] for run in runs) for key in ("cpu_tasks", "cpu_here")}
        one = found.get((detectors, workers // 2))
        gain = ""
        if abs(workers) == 2 and one:
            gain = f"{statistics.median(run['build'] + run['verify'] for run in one) / statistics.median(wall) / 2:.0%}"
        lines.append(
            f"| {detectors} | {NAMES[workers]} | {statistics.median(wall):.2f} | {min(wall):.2f} to {max(wall):.2f} "
            f"| {1000 * statistics.median(wall) / detectors:.0f} | {middle['cpu_tasks'] / detectors:.3f} "
            f"| {middle['cpu_here'] / detectors:.3f} | {middle['cpu_tasks'] / detectors / 2:.3f} | {gain} |"
        )
    return "\n".join(lines)


def main():
    args = options(__doc__, frames=4, columns=80, rows=100, detectors="1,3,9,27,63,189", kill=0)
    os.environ.update(ONE_THREAD)  # of the workers, too
    args.counts = [int(word) for word in args.detectors.split(",")]
    import latcal

    registry = latcal.load_plugins()
    about = machine("latcal", "latcal-dask", "distributed", "numpy", "astropy")
    found, killed = {}, None
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).absolute()
        exposures = fill(folder, registry, args)
        timed(0, 1, folder, registry, exposures, args)  # imports
        for turn in range(args.runs):
            for detectors in args.counts:
                true = None
                for workers, name in ((one, name) for one, name in NAMES.items() if not args.only or name in args.only):
                    print(f"{turn + 1} of {args.runs}: {detectors} detectors, {name}", file=sys.stderr, flush=True)
                    figures, digests = timed(workers, detectors, folder, registry, exposures, args)
                    true = digests if true is None else true
                    assert digests in (true, None), "products differ"
                    found.setdefault((detectors, workers), []).append(figures)
        if args.kill:
            whole, true = timed(2, args.kill, folder, registry, exposures, args)
            killed, digests = timed(2, args.kill, folder, registry, exposures, args, kill=True)
            assert digests == true, "products differ"
            killed["undisturbed"] = whole
        size = stored(folder, registry, exposures, planned(folder, registry, args, max(args.counts), 1).instrument)
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(f"{about['processors']} processors ({about['model']}), {about['memory_GB']} GB, Python {about['python']}, {versions}; "
          f"load {about['load_before']:.1f} before, {os.getloadavg()[0]:.1f} after\n")  # fmt: skip
    print(f"{args.frames} biases, 16 amplifiers of {args.columns} x {args.rows} pixels\n")
    print(table(found))
    print(f"\na raw frame {size['raw_bytes'] / 1e6:.1f} MB, entered in {size['ingest']:.2f} s; a product {size['product_bytes'] / 1e6:.1f} MB")
    if killed:
        tasks, whole = 2 * args.kill, killed["undisturbed"]
        print(f"\nOne of 2 workers killed in the Build of {args.kill} detectors: {killed['done']} tasks done for {tasks} results; "
              f"{killed['build'] + killed['verify']:.1f} s, undisturbed {whole['build'] + whole['verify']:.1f} s; same products")  # fmt: skip
    if args.json:
        runs = [figures for several in found.values() for figures in several]
        args.json.write_text(json.dumps({"machine": about, "frames": args.frames, "size": size, "runs": runs, "killed": killed}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
