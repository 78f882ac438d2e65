#!/usr/bin/python3
"""What antithetic pairs and common random numbers are worth: variance.py PROGRAM [DRAWS]  (needs h5py, numpy)

Gain: squared Monte Carlo error times processor seconds of independent draws, divided by the same of the other way; of the
quickstart's posterior on its doubtful images (10 to 19). A gain of 9 means the same error for a ninth of the work.
"""
import pathlib
import resource
import subprocess
import sys
import tempfile

import h5py
import numpy

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
PROGRAM = sys.argv[1]
DRAWS = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
DOUBTFUL = slice(10, 20)


def seconds_of(*arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([PROGRAM, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def predict(output, posterior, *options):
    seconds = seconds_of("predict", posterior, DATA / "images", "--draws", DRAWS, "-o", output, *options)
    return seconds, h5py.File(output)


def show(what, gain):
    print(f"{what:44} gain: median {numpy.median(gain):6.2f}, from {gain.min():.2f} to {gain.max():.2f}")


def antithetic(folder, estimator):
    cost, plain = predict(folder / "plain.h5", DATA / "quickstart.h5", "--estimator", estimator)
    paired_cost, paired = predict(folder / "paired.h5", DATA / "quickstart.h5", "--estimator", estimator, "--antithetic")
    top = plain["predictive_top/top_class"][DOUBTFUL, 0]
    rows = numpy.arange(len(top))
    print(f"{estimator}: {DRAWS} draws, {cost:.1f} s; antithetic {paired_cost:.1f} s")
    for name in ("probs", "predictive_entropy", "expected_entropy", "mutual_information"):
        squares = []
        for file in (plain, paired):
            error = file[f"predictive/{name}_mcse"][DOUBTFUL].astype(float)
            squares.append((error[rows, top] if name == "probs" else error) ** 2)
        show("  top class" if name == "probs" else "  " + name.replace("_", " "), squares[0] * cost / squares[1] / paired_cost)


def common_numbers(folder):
    """Difference of the top class's probability under two posteriors: sigma 5 % and 4 % of the weights."""
    files = []
    for delta in ("0.05", "0.04"):
        posterior = folder / f"{delta}.h5"
        seconds_of("convert", "--weights", DATA / "quickstart.h5", "--moped", "--moped-delta", delta, "-o", posterior)
        files.append(predict(folder / f"prediction_{delta}.h5", posterior, "--save-draws", "--batch", "10")[1])
    first, second = files
    top = first["predictive_top/top_class"][DOUBTFUL, 0]
    p, q = (file["predictions/probs"][0, :, DOUBTFUL].astype(float)[:, numpy.arange(len(top)), top]
            for file in (first, second))
    show("two posteriors, one seed: difference", (p.var(axis=0) + q.var(axis=0)) / (p - q).var(axis=0))


with tempfile.TemporaryDirectory() as name:
    for estimator in ("reparameterization", "flipout", "local-reparameterization"):
        antithetic(pathlib.Path(name), estimator)
    common_numbers(pathlib.Path(name))
