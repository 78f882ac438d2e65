#!/usr/bin/python3
"""What bf16 loses against fp32: precision.py PROGRAM [DRAWS [BATCH]]  (needs h5py, numpy)

The same draws in both, on the images of data/images: the quickstart's posterior, and ResNet18 of random weights with sigma 10 % of
the weights. Differences of the mean probabilities are in units of their Monte Carlo error; those of the logits are a root mean
square, as a share of the deviation of the logits over images and classes, and of that from draw to draw.
"""
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
PROGRAM = sys.argv[1]
DRAWS = int(sys.argv[2]) if len(sys.argv) > 2 else 100
BATCH = sys.argv[3] if len(sys.argv) > 3 else "8"


def run(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def predict(folder, posterior, precision, *options):
    output = folder / f"{precision}.h5"
    run("predict", posterior, DATA / "images", "--precision", precision, "--batch", BATCH, "--save-draws", "-o", output, *options)
    with h5py.File(output) as file:
        logits = next(file[group]["logits"][0].astype(float) for group in ("predictions", "posterior_predictive") if group in file)
        summary = {name: file["predictive"][name][:].astype(float) for name in ("probs_mean", "probs_mcse")}
    (output).unlink()
    return logits, summary


def rms(x):
    return numpy.sqrt(numpy.mean(x * x))


def compare(what, folder, posterior, *options):
    (full, exact), (half, rounded) = (predict(folder, posterior, precision, *options) for precision in ("fp32", "bf16"))
    error = rms(half - full)
    text = f"{what}: logits differ by {100 * error / full.mean(axis=0).std():.2f} % of their deviation"
    if len(full) > 1:
        sure = exact["probs_mcse"] > 1e-6
        shift = numpy.abs(rounded["probs_mean"] - exact["probs_mean"])
        text += (f", {100 * error / full.std(axis=0).mean():.1f} % of that from draw to draw; mean probabilities by up to "
                 f"{shift.max():.5f}, in Monte Carlo errors by up to {(shift[sure] / exact['probs_mcse'][sure]).max():.3f}, "
                 f"{rms(shift[sure] / exact['probs_mcse'][sure]):.3f} rms; "
                 f"top class of a draw changed in {100 * numpy.mean(full.argmax(-1) != half.argmax(-1)):.2f} %")
    print(text, flush=True)


with tempfile.TemporaryDirectory() as name:
    place = pathlib.Path(name)
    random = place / "random.h5"
    run("convert", "--arch", "resnet18", "--moped", "--moped-delta", "0.1", "-o", random)
    for title, source in (("quickstart", DATA / "quickstart.h5"), ("resnet18", random)):
        compare(f"{title}, {DRAWS} draws", place, source, "--draws", DRAWS)
        compare(f"{title}, mean network", place, source, "--deterministic")
