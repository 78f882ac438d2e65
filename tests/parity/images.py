#!/usr/bin/env python3
"""Compares decoding and preprocessing with Pillow and torchvision, bit for bit.

images.py --program image_digest [--random 150] [--mutants 300] [--seed 1] [FOLDER or FILE]...
With no file or folder, images of random kinds, sizes and transforms are made; then random bytes of
them are changed, and the verdict (decoded, and to what pixels, or refused) must still be Pillow's (but for
images that Pillow pads with grey).
"""
import argparse
import os
import subprocess
import sys
import tempfile
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
try:
    import numpy as np
    from pillow_reference import Encoder, decode, digest, picture, tensor, versions
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SETTINGS = [(3, 256, 224, "bilinear"), (3, 232, 224, "bilinear"), (3, 224, 224, "bicubic"), (3, 342, 299, "bilinear"),
            (3, 0, 64, "bilinear"), (3, 31, 33, "bicubic"), (1, 28, 28, "bilinear"), (1, 32, 32, "bicubic")]
LUMA = ["1x1", "2x1", "2x2", "1x2", "4x1", "4x2", "2x4"]


def random_jpeg(random, encode):
    components = int(random.choice([1, 3, 3, 3, 3, 4]))
    width, height = (int(np.exp(random.uniform(0, np.log(1500)))) for _ in range(2))
    options = [f"quality={random.randint(5, 101)}"]
    options += [o for o in ("progressive", "optimize", "no-jfif", f"restart={random.randint(1, 30)}")
                if random.uniform() < 0.3]
    luma = random.choice(LUMA)
    if components == 3:
        options += ["space=" + random.choice(["ycc", "ycc", "ycc", "rgb"]), f"sampling={luma},1x1,1x1"]
    elif components == 4:
        luma = "2x2" if luma in ("4x2", "2x4") else luma  # at most 10 blocks in an MCU
        options += ["space=" + random.choice(["cmyk", "ycck"]), f"sampling={luma},1x1,1x1,1x1"]
    pixels = picture(random, width, height, components, noise=random.uniform(0, 20))
    return encode(pixels, *options)


def mutant(random, data):
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        data[random.randint(2, len(data))] = random.randint(0, 256)
    return bytes(data[:random.randint(2, len(data))] if random.uniform() < 0.1 else data)


class Program:
    """One image_digest per setting, kept running."""

    def __init__(self, path):
        self.path, self.running = path, {}

    def __call__(self, setting, file):
        if setting not in self.running:
            command = [self.path, *map(str, setting)]
            self.running[setting] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        child = self.running[setting]
        child.stdin.write(file + "\n")
        child.stdin.flush()
        return child.stdout.readline().rstrip("\n") or f"no answer, exit code {child.wait()}"


def expected(setting, file):
    with open(file, "rb") as source:
        data = source.read()
    image = decode(data, setting[0])
    if image is None:
        return "refused"
    return f"{digest(np.asarray(image))} {digest(tensor(image, *setting))}"


def files_of(arguments):
    for argument in arguments:
        if not os.path.isdir(argument):
            yield argument
            continue
        for folder, _, names in sorted(os.walk(argument)):
            yield from (os.path.join(folder, n) for n in sorted(names) if n.lower().endswith((".jpg", ".jpeg")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--random", type=int, default=150)
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("inputs", nargs="*")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    random, program = np.random.RandomState(args.seed), Program(args.program)
    counts = {"decoded": 0, "refused": 0, "different": 0}

    def compare(setting, file):
        ours, theirs = program(setting, file), expected(setting, file)
        stricter = ours.startswith("refused ") and "a marker where image data should be" in ours
        equal = ours == theirs or stricter or (theirs == "refused" and ours.startswith("refused "))
        counts["refused" if theirs == "refused" else "decoded"] += 1
        if not equal:
            counts["different"] += 1
            print(f"DIFFERENT {file} {setting}: Pillow {theirs}; here {ours}")
        return equal

    print(versions())
    with tempfile.TemporaryDirectory() as folder:
        for file in files_of(args.inputs):
            for setting in SETTINGS:
                compare(setting, file)
        if not args.inputs:
            encode, originals = Encoder(), []
            for i in range(args.random + args.mutants):
                if i < args.random:
                    data = random_jpeg(random, encode)
                    originals.append(data)
                else:
                    data = mutant(random, originals[random.randint(len(originals))])
                file = os.path.join(folder, f"{i}.jpg")
                with open(file, "wb") as out:
                    out.write(data)
                if not compare(SETTINGS[random.randint(len(SETTINGS))], file):
                    os.rename(file, os.path.join(tempfile.gettempdir(), f"different-{i}.jpg"))
                else:
                    os.remove(file)
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    sys.exit(counts["different"] > 0 or counts["decoded"] == 0)


if __name__ == "__main__":
    main()
