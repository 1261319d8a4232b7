"""The notebook of the LATISS page, in a process that knows nothing of latcal: what it prints is read by a test.

The corrections that the page itself needs are those that README.md lists; `tests/test_daily.py` gives the arguments.
"""

import json
import sys

import lsst.daf.butler as dB

repo, calibrations, run, bias1ID, flat1ID = sys.argv[1:]
bias1ID, flat1ID = int(bias1ID), int(flat1ID)

butler = dB.Butler(repo, collections=[calibrations])
detector = 0
exposure = [bias1ID, flat1ID]
bias = butler.get("bias", detector=detector, exposure=exposure[0], instrument="LATISS")
dark = butler.get("dark", detector=detector, exposure=exposure[0], instrument="LATISS")
flat = butler.get("flat", detector=detector, exposure=exposure[1], instrument="LATISS")
defects = butler.get("defects", detector=detector, exposure=exposure[0], instrument="LATISS")
ptc = butler.get("ptc", detector=detector, exposure=exposure[0], instrument="LATISS")

butler = dB.Butler(repo, collections=[calibrations, run])
cpCov = butler.get("cpPtcExtract", detector=detector, exposure=flat1ID, instrument="LATISS")
gain_values = cpCov.gain
noise_values = cpCov.noise

runStats = butler.get("verifyFlatStats", instrument="LATISS")
runDetStats = butler.get("verifyFlatDetStats", instrument="LATISS", detector=0, exposure=flat1ID)
imProc = butler.get("verifyFlatProc", detector=0, exposure=flat1ID, instrument="LATISS")
calibArray = imProc.data

print(
    json.dumps(
        {
            "shapes": {name: image.data.shape for name, image in {"bias": bias, "dark": dark, "flat": flat, "proc": imProc}.items()},
            "classes": sorted({type(image).__name__ for image in (bias, dark, flat, imProc)}),
            "units": [str(bias.unit), str(dark.unit), str(flat.unit)],
            "bias": float(bias.data[~bias.mask].std()),
            "variance": float(bias.uncertainty.array[~bias.mask].mean()),
            "masked": int(bias.mask.sum()),
            "mask planes": sorted(key for key in bias.meta if key.startswith("MP_")),
            "defects": len(defects.tables["defects"]),
            "columns": defects.tables["defects"].colnames,
            "ptc gain": list(ptc.gain.values()),
            "amplifiers": list(gain_values),
            "gain": list(gain_values.values()),
            "noise": list(noise_values.values()),
            "run": {str(key): value for key, value in runStats.items()},
            "detector": {"success": runDetStats["SUCCESS"], "C10": runDetStats["AMP"]["C10"]},
            "proc": float(calibArray.mean()),
            "latcal imported": sorted(name for name in sys.modules if name in ("latcal.engine", "latcal.cli")),
        }
    )
)
