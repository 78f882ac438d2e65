#!/usr/bin/python3
"""A network that people use, with its own weights: the text-direction classifier of PyPI's rapidocr-onnxruntime against ONNX Runtime.

  text_direction.py [--model FILE.onnx] CREDENCE

Draws lines of text, upright and turned by 180 degrees, into pictures of 192 x 48 pixels, the classifier's own size, and saves them as JPEG.
`convert` reads the ONNX file (downloaded by pip without --model) with the classifier's preprocessing, values (v / 255 - 0.5) / 0.5;
`preprocess` must give the tensors that numpy makes of Pillow's pixels, bit for bit; `predict --deterministic` ONNX Runtime's probabilities
to 1e-4, and the right direction of every line that has one. Then MOPED and draws: the uncertainty of each picture; two lines read the
same when they are turned, and of one of them the networks must doubt more than of most others. Exit code 77: a package is not there.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

try:
    import h5py
    import numpy as np
    import onnxruntime
    from PIL import Image, ImageDraw, ImageFont
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LINES = ["Credence 2026", "Monte Carlo", "posterior", "12:55 UTC", "one draw", "Invoice 4711", "Hello world", "Departures"]
NEITHER = ["96 0 96", "8 0 8 0 8"]  # the same when turned
LIMIT, DELTA, N_DRAWS = 1e-4, 0.05, 200


def picture_of(text, turned):
    picture = Image.new("RGB", (192, 48), "white")
    ImageDraw.Draw(picture).text((8, 8), text, fill="black", font=ImageFont.load_default(26))
    return picture.rotate(180) if turned else picture


def find_model(folder):
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "rapidocr-onnxruntime==1.4.4"],
                          check=False)
    if done.returncode != 0:
        print("skipped: rapidocr-onnxruntime cannot be downloaded")
        sys.exit(77)
    with zipfile.ZipFile(next(folder.glob("rapidocr*.whl"))) as archive:
        return pathlib.Path(archive.extract(next(name for name in archive.namelist() if name.endswith("cls_infer.onnx")), folder))


def credence(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"credence {arguments[0]}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("program")
    args = parser.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        model = args.model or find_model(folder)
        pictures = folder / "pictures"
        pictures.mkdir()
        cases = [(text, turned) for text in LINES + NEITHER for turned in (False, True)]
        for i, (text, turned) in enumerate(cases):
            picture_of(text, turned).save(pictures / f"{i:02}.jpg", quality=95)
        (folder / "classes.txt").write_text("upright\nturned\n", encoding="utf-8")
        credence(args.program, "convert", model, "--input-size", "48,192", "--channel-mean", "0.5", "--channel-sd", "0.5", "--classes",
                 folder / "classes.txt", "--moped-delta", DELTA, "-o", folder / "posterior.h5")
        credence(args.program, "preprocess", folder / "posterior.h5", pictures, "-o", folder / "tensors.h5")
        with h5py.File(folder / "tensors.h5") as file:
            ours = file["constant_data/images"][...]
        pixels = [np.asarray(Image.open(pictures / f"{i:02}.jpg").convert("RGB")) for i in range(len(cases))]
        half = np.float32(0.5)
        theirs = np.stack([(p.transpose(2, 0, 1).astype("f4") / np.float32(255) - half) / half for p in pixels])
        if not np.array_equal(ours, theirs):
            faults.append(f"the tensors differ by up to {abs(ours - theirs).max():.1e}")
        wanted = onnxruntime.InferenceSession(str(model)).run(None, {"x": theirs})[0][:, 1]
        credence(args.program, "predict", folder / "posterior.h5", pictures, "--deterministic", "-o", folder / "means.h5")
        with h5py.File(folder / "means.h5") as file:
            got = file["predictive/probs_mean"][...][:, 1]
        credence(args.program, "predict", folder / "posterior.h5", pictures, "--draws", N_DRAWS, "-o", folder / "draws.h5")
        print(f"{'line':14s} {'':8s} {'ONNX Runtime':>12s} {'Credence':>9s} {'difference':>10s}   {'turned, mean of draws':>21s} {'epistemic':>9s}")
        with h5py.File(folder / "draws.h5") as file:
            mean, mcse = file["predictive/probs_mean"][...][:, 1], file["predictive/probs_mcse"][...][:, 1]
            doubt = file["predictive/mutual_information"][...]
        for i, (text, turned) in enumerate(cases):
            print(f"{text:14s} {'turned' if turned else 'upright':8s} {wanted[i]:12.5f} {got[i]:9.5f} {abs(got[i] - wanted[i]):10.1e}   "
                  f"{mean[i]:12.4f} ± {mcse[i]:.4f} {doubt[i]:11.4f}")
            if text in LINES and (got[i] > 0.5) != turned:
                faults.append(f"{text!r}: the classifier does not tell its direction")
        error = abs(got - wanted).max()
        print(f"{len(cases)} pictures: largest difference of a probability {error:.1e}; tensors {'equal' if np.array_equal(ours, theirs) else 'DIFFER'}")
        if not error <= LIMIT:
            faults.append(f"{error:.1e} is above {LIMIT}")
        clear = [doubt[i] for i, (text, _) in enumerate(cases) if text in LINES]
        unclear = max(doubt[i] for i, (text, _) in enumerate(cases) if text in NEITHER)
        if not unclear > np.median(clear):
            faults.append("the networks doubt no more of a line without a direction")
    print("\n".join(faults) if faults else "no fault found")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
