"""Digests of what Credence answers today: digests.py check|write|show [--slow] [--only REGEX] [--kernels SET,...] [--cores CORE,...]

Every case runs the program on inputs made here, by formula, and digests the numbers of its result: columns of a prediction, sums
of a part, parameters and optimizer of a training. Provenance, names and what else a file holds may change; the numbers may
not. `check` compares them with digests.txt, for every kernel set of this CPU; `write` replaces the rows that it can compute;
`show` prints the digest of every array of the cases, to find the one that differs.

What a digest depends on: the kernel set, and OpenBLAS's version and core, which multiplies in linear layers and in some
convolutions. A row names all that gave it; `*` in place of the core: no product of OpenBLAS is in it, so it holds on
every CPU that has the kernel set. Where no row fits this machine the case is skipped, and that is said. `--cores` makes rows for
other cores that this CPU can run. (Softmax and losses call the C library: these rows were made with Debian 12's.)
"""
import argparse
import concurrent.futures
import functools
import hashlib
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import h5py
import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
from program import ALONE, PROGRAM # needs the path

DATA = HERE.parents[1] / "data"
TABLE = HERE / "digests.txt"
RESEAL = os.environ["CREDENCE_RESEAL"]
SETS = ("ref", "avx2", "avx512", "neon")
ESTIMATORS = ("reparameterization", "flipout", "flipout-pixel", "local-reparameterization", "local-reparameterization-linear")
ESTIMATOR, DETERMINISTIC = "--estimator", "--deterministic"
STOPPED = 75
# The architectures of slow_cases: all ResNets and small networks, and one or two that are cheap of other families.
ALL_OF = re.compile(r"((wide_)?resn|cifar_resnet\d+$|lenet|simple_cnn).*")
ONE_OF = {"alexnet", "cifar_resnet20_frn", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_lite0", "efficientnet_v2_s",
          "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
          "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32"}
SIZES = {"inception_v3": 96, "maxvit_t": 224} # 64 is too small for them
# Random weights make outputs so far apart that probabilities are 0 or 1 whatever the last bits: of these the digest is that of the logits.
BY_LOGITS = {"alexnet", "convnext_tiny", "efficientnet_v2_s", "maxvit_t", "mnasnet0_5", "regnet_x_400mf", "swin_t", "swin_v2_t", "vgg11",
             "vit_b_32"}

COLUMNS = {"probs_mean", "probs_sd", "probs_mcse", "probs_half_width", "probs_min", "probs_max", "votes", "predictive_entropy",
           "predictive_entropy_debiased", "expected_entropy", "mutual_information", "mutual_information_debiased",
           "predictive_entropy_mcse", "expected_entropy_mcse", "mutual_information_mcse", "n_draws", "top_class", "probs_mcse_draws",
           "mutual_information_between", "mutual_information_between_mcse", "mutual_information_within", "mutual_information_within_mcse"}
SUMS = {"sums", "maxima"}
DRAWS = {"logits", "probs"}
PARAMETERS = re.compile(r"(mu|rho)_(kernel|weight|bias)|weight|bias|running_mean|running_var")
FIGURES = ("accuracy", "nll", "brier", "ece", "predictive_entropy", "mutual_information", "aurc", "avu")


def program(arguments, environment, folder, codes=(0,)):
    done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=folder, env={**ALONE, **os.environ, **environment}, text=True,
                          capture_output=True, check=False)
    if done.returncode not in codes:
        raise RuntimeError(f"credence {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def pattern(*shape):
    """Numbers in [0, 1), the same on every machine."""
    count = numpy.arange(numpy.prod(shape), dtype=numpy.uint64)
    return ((count * 2654435761 + (count >> numpy.uint64(5)) * 40503) % 65536 / 65536).reshape(shape)


def write_data(path, n, channels, size, n_outputs):
    labels = numpy.arange(n) % 10
    images = (pattern(n, channels, size, size) * 120).astype(numpy.uint8)
    for image, label in zip(images, labels):
        image[:, 2 * label:2 * label + 4] += 100
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = images, labels
        file["targets"] = numpy.outer(labels - 4.5, numpy.arange(1, n_outputs + 1)) / 30


def without_linear(path):
    """Leaves the last layer of a CIFAR ResNet out: a network without a product of OpenBLAS, whose classes are its 64 features."""
    with h5py.File(path, "r+") as file:
        graph = json.loads(file["graph"][()])
        ops = graph["ops"]
        assert ops[-1]["name"] == "linear"
        del ops[-1]
        graph["outputs"] = [ops[-1]["name"]]
        digest = file["graph"].attrs["xxh3_64"]
        del file["graph"], file["parameters/linear"]
        file.create_dataset("graph", data=json.dumps(graph), dtype=h5py.string_dtype("utf-8"))
        file["graph"].attrs.create("xxh3_64", digest)
        file.flush()
    found = subprocess.run([RESEAL, "digest", str(path), "graph"], text=True, capture_output=True, check=True).stdout.strip()
    with h5py.File(path, "r+") as file:
        file["graph"].attrs.modify("xxh3_64", numpy.bytes_(found))
    subprocess.run([RESEAL, "seal", str(path)], check=True)


class Inputs:
    """Posteriors and data that the cases share; they do not depend on the kernels."""

    POSTERIORS = {
        "resnet8": ["--arch", "cifar_resnet8", "--weights", DATA / "quickstart_weights.pth", "--moped", "--moped-delta", 0.05,
                    "--crop", 28],
        "convolutions": ["--arch", "cifar_resnet8", "--moped", "--moped-delta", 0.1, "--seed", 5, "--n-classes", 10],
        "lenet": ["--arch", "lenet", "--moped", "--moped-delta", 0.1, "--seed", 3],
        "unmoped": ["--arch", "lenet", "--seed", 4],
        "partly": ["--arch", "lenet", "--moped", "--moped-prior", "--bayesian", "fc*", "--seed", 3],
        "mixture": ["--arch", "lenet", "--moped", "--prior-kind", "mixture", "--prior-scale", "he", "--prior-pi", 0.4, "--seed", 6],
        "values": ["--arch", "lenet", "--moped", "--moped-delta", 0.1, "--n-classes", 6, "--seed", 7],
        "simple_cnn": ["--arch", "simple_cnn", "--moped", "--moped-delta", 0.1, "--seed", 8],
        **{f"component{seed}": ["--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--n-classes", 10, "--seed", seed]
           for seed in (1, 2, 3)},
    }
    ENSEMBLES = {"members": ("--deterministic", "component1", "component2", "component3"), "blend": ("component1", "component2")}

    def __init__(self, folder, architectures):
        self.folder, self.posteriors = folder, dict(self.POSTERIORS)
        for arch, channels in architectures:
            size = SIZES.get(arch, 64) if channels == 3 and not arch.startswith("cifar") else 32 if channels == 3 else 28
            self.posteriors[arch + "_large"] = ["--arch", arch, "--moped", "--moped-delta", 0.1, "--seed", 9, "--crop", size,
                                                "--resize", 0, "--n-classes", 10]
        shapes = {"grey": (16, 1, 28, 3), "six": (16, 1, 28, 6), "colour": (3, 3, 32, 1), "large": (1, 3, 64, 1)}
        shapes.update((f"large{size}", (1, 3, size, 1)) for size in SIZES.values())
        for name, shape in shapes.items():
            write_data(folder / f"{name}.h5", *shape)

    def posterior(self, name):
        path = self.folder / f"posterior-{name}.h5"
        if not path.exists() and name in self.ENSEMBLES:
            words = [word if word.startswith("--") else self.posterior(word) for word in self.ENSEMBLES[name]]
            program(["ensemble", *words, "-o", path], {}, self.folder)
        elif not path.exists():
            program(["convert", *self.posteriors[name], "-o", path], {}, self.folder)
            if name == "convolutions":
                without_linear(path)
        return path

    def data(self, name):
        return self.folder / f"{name}.h5"


def digest(array):
    values = numpy.ascontiguousarray(array)
    kind = f"{values.dtype.str}{values.shape}".encode()
    return hashlib.sha256(kind + values.tobytes()).hexdigest()[:16]


def arrays(path, wanted):
    """(name, digest) of the numeric datasets whose last name is wanted, in the order of their names."""
    found = []

    def visit(name, item):
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and (
                parts[-1] in wanted if isinstance(wanted, set) else wanted.fullmatch(parts[-1]) or parts[0] == "optimizer"):
            found.append(("/".join(parts[1:] if isinstance(wanted, set) else parts[-2:]), digest(item[()])))
    with h5py.File(path) as file:
        file.visititems(visit)
    assert found, f"{path}: nothing to digest"
    return sorted(found)


class Run:
    """One case with one kernel set."""

    def __init__(self, inputs, environment, folder):
        self.inputs, self.environment, self.folder = inputs, environment, folder

    def credence(self, *arguments, codes=(0,)):
        return program(arguments, self.environment, self.folder, codes)

    def predict(self, posterior, data, *options, wanted=COLUMNS, output="p.h5", n=None):
        self.credence("predict", self.inputs.posterior(posterior), self.inputs.data(data), *options, "-o", output)
        return arrays(self.folder / output, wanted)

    def parts(self, posterior, data, *options):
        found = []
        for part in (1, 2):
            found += self.predict(posterior, data, *options, "--part", f"{part}/2", wanted=SUMS, output=f"{part}.h5")
        self.credence("merge", "1.h5", "2.h5", "-o", "p.h5")
        return found + arrays(self.folder / "p.h5", COLUMNS)

    def predict_resumed(self, posterior, data, *options):
        """Stopped after every unit or so; what is left at the end does not depend on where."""
        words = ["predict", self.inputs.posterior(posterior), self.inputs.data(data), *options, "-o", "p.h5"]
        self.credence(*words, "--max-time", "0.001s", codes=(0, STOPPED))
        self.credence(*words, "--resume")
        return arrays(self.folder / "p.h5", COLUMNS)

    def train(self, posterior, data, *options, resumed=False):
        words = ["train", self.inputs.posterior(posterior), self.inputs.data(data), "--batch-size", 8, "--micro-batch", 4,
                 "--epochs", 2, "--lr", "2e-3", *(() if DETERMINISTIC in options else ("--draws", 2)), *options, "-o", "t.h5"]
        if resumed:
            self.credence(*words, "--max-time", "0.001s", codes=(STOPPED,))
            self.credence(*words, "--max-time", "0.001s", "--resume", codes=(STOPPED,))
            words.append("--resume")
        self.credence(*words)
        return arrays(self.folder / "t.h5", PARAMETERS) + arrays(self.folder / "t.h5.ckpt", PARAMETERS)

    def evaluate(self, posterior, data, *options):
        answer = json.loads(self.credence("evaluate", self.inputs.posterior(posterior), self.inputs.data(data), *options, "--json"))
        return [(name, repr(answer[name])) for name in FIGURES if name in answer]


FEW = ("--draws", 6, "--draw-block", 4, "--batch", 3)


def quick_cases():
    for network, data in (("resnet8", "grey"), ("lenet", "grey")):
        for estimator in ESTIMATORS:
            yield f"predict.{network}.{estimator}", "predict", (network, data, *FEW, ESTIMATOR, estimator)
    options = {"antithetic": ("--antithetic",), "bf16": ("--precision", "bf16"),
               "bf16-flipout": ("--precision", "bf16", ESTIMATOR, "flipout"), "seed": ("--seed", 11, "--confidence", 0.9)}
    for name, more in options.items():
        yield f"predict.resnet8.{name}", "predict", ("resnet8", "grey", *FEW, *more)
    yield "predict.resnet8.deterministic", "predict", ("resnet8", "grey", DETERMINISTIC)
    for name, more in {"plain": (), "antithetic": ("--antithetic",)}.items():
        until = ("lenet", "grey", "--draws", 96, "--min-draws", 8, "--until-mcse", 0.02, *more)
        yield f"predict.until-mcse.{name}", "predict", until
        yield f"predict.until-mcse.{name}.resumed", "predict_resumed", until
        yield f"predict.parts.{name}", "parts", ("lenet", "grey", "--draws", 40, *more)
    for network in ("unmoped", "partly", "mixture", "simple_cnn"):
        yield f"predict.{network}", "predict", (network, "grey", *FEW)
    yield "evaluate.resnet8", "evaluate", ("resnet8", "grey", "--draws", 4)
    yield "ensemble.members", "predict", ("members", "grey")
    yield "ensemble.blend", "predict", ("blend", "grey", *FEW)
    yield "ensemble.blend.flipout", "predict", ("blend", "grey", *FEW, ESTIMATOR, "flipout")
    yield "ensemble.blend.parts", "parts", ("blend", "grey", "--draws", 40, "--antithetic")

    yield "train.resumed", "train_resumed", ("lenet", "grey")
    for loss in ("cross-entropy", "mse-distill"):
        yield f"train.loss.{loss}", "train", ("lenet", "grey", "--loss", loss)
    yield "train.loss.mse", "train", ("values", "six", "--loss", "mse")
    yield "train.loss.gaussian-nll", "train", ("values", "grey", "--loss", "gaussian-nll")
    thresholds = ("--uncertainty-threshold", 1, "--error-threshold", 0.5)
    for calibration, more in {"avuc": thresholds[:2], "eau": thresholds, "eac": thresholds}.items():
        yield f"train.calibration.{calibration}", "train", ("lenet", "grey", "--calibration", calibration, *more)
    yield "train.calibration.eau-nll", "train", ("values", "grey", "--loss", "gaussian-nll", "--calibration", "eau", *thresholds)
    optimizers = {"sgd": (), "momentum": ("--momentum", 0.9, "--weight-decay", 1e-3),
                  "nesterov": ("--momentum", 0.9, "--nesterov"), "adam": ("--weight-decay", 0.01, "--clip-norm", 1), "adamw": ()}
    for name, more in optimizers.items():
        optimizer = name if name in ("adam", "adamw") else "sgd"
        yield f"train.optimizer.{name}", "train", ("lenet", "grey", "--optimizer", optimizer, *more)
    for estimator in ESTIMATORS:
        yield f"train.ivon.{estimator}", "train", ("resnet8", "grey", ESTIMATOR, estimator, "--optimizer", "ivon", "--beta2", 0.9)
    schedulers = {"exponential": (), "step": ("--step-size", 1), "multistep": ("--milestones", "1"), "cosine": ("--warmup", 1)}
    for name, more in schedulers.items():
        yield f"train.scheduler.{name}", "train", ("lenet", "grey", "--scheduler", name, *more)
    for estimator in ESTIMATORS:
        yield f"train.resnet8.{estimator}", "train", ("resnet8", "grey", ESTIMATOR, estimator)
    for name, more in {"batch-norm-eval": ("--batch-norm", "eval"), "deterministic": (DETERMINISTIC,),
                       "augment": ("--augment", "flip", "--augment", "crop4"),
                       "augment-resized": ("--augment", "random-resized-crop"), "kl-mean": ("--kl", "mean", "--kl-anneal", 2),
                       "local-steps": ("--local-steps", 2),
                       "keep-gradients": ("--keep-gradients", "--kl-weight", 0, "--optimizer", "sgd")}.items():
        yield f"train.resnet8.{name}", "train", ("resnet8", "grey", *more)
    for network in ("unmoped", "partly", "mixture", "simple_cnn"):
        yield f"train.{network}", "train", (network, "grey")
    for name, more in {"": (), ".flipout": (ESTIMATOR, "flipout"), ".bf16": ("--precision", "bf16")}.items():
        yield f"draws.convolutions{name}", "draws", ("convolutions", "colour", "--draws", 2, *more)


def slow_cases(architectures):
    for arch, channels in architectures:
        data = "grey" if channels == 1 else "colour" if arch.startswith("cifar") else f"large{SIZES.get(arch, '')}"
        yield f"predict.all.{arch}", "draws" if arch in BY_LOGITS else "predict", (arch + "_large", data, "--draws", 1)
    for arch in ("resnet18", "resnet50", "resnext50_32x4d"):
        for name, more in {"bf16": ("--precision", "bf16"), "flipout": (ESTIMATOR, "flipout"),
                           "local": (ESTIMATOR, "local-reparameterization")}.items():
            yield f"predict.all.{arch}.{name}", "predict", (arch + "_large", "large", "--draws", 1, *more)
        yield f"train.all.{arch}", "train", (arch + "_large", "large", "--epochs", 1, "--batch-norm", "eval")


METHODS = {"predict": Run.predict, "parts": Run.parts, "predict_resumed": Run.predict_resumed, "train": Run.train,
           "train_resumed": lambda run, *options: run.train(*options, resumed=True), "evaluate": Run.evaluate,
           "draws": lambda run, *options: run.predict(*options, "--save-draws", wanted={"logits"})}


def blas_free(case):
    return case.startswith("draws.")


class Machine:
    """The kernel sets and the OpenBLAS of this machine, as the program names them."""

    def __init__(self, kernels):
        words = program(["--version"], {}, None)
        self.version = re.search(r"OpenBLAS ([\d.]+)", words)[1]
        self.kernels = [name for name in kernels if self.runs(name)]

    @staticmethod
    def runs(name):
        return subprocess.run([PROGRAM, "models"], env={**os.environ, "CREDENCE_KERNELS": name}, capture_output=True,
                              check=False).returncode == 0

    @functools.cache
    def blas(self, core):
        words = program(["--version"], {"OPENBLAS_CORETYPE": core} if core else {}, None)
        return f"{self.version}-{re.search(r'OpenBLAS +([A-Za-z0-9]+) core', words)[1]}"

    def key(self, kernels, core, case):
        return f"{kernels}/{'*' if blas_free(case) else self.blas(core)}"


def read_table():
    rows = {}
    if TABLE.exists():
        for line in TABLE.read_text(encoding="ascii").splitlines():
            if line and not line.startswith("#"):
                case, found, keys = line.split()
                rows.update({(case, key): found for key in keys.split(",")})
    return rows


def write_table(rows):
    lines = ["# What every case of digests.py gave: case, digest, and the kernel sets and OpenBLAS cores (KERNELS/VERSION-CORE) that",
             "# gave it; `*`: whatever the core. Made by `digests.py write`; see there."]
    cases = sorted({case for case, _ in rows})
    for case in cases:
        mine = sorted((found, key) for (name, key), found in rows.items() if name == case)
        for found, group in itertools.groupby(mine, key=lambda pair: pair[0]):
            lines.append(f"{case} {found} {','.join(key for _, key in group)}")
    TABLE.write_text("\n".join(lines) + "\n", encoding="ascii")


def compute(inputs, kernels, core, case, method, arguments):
    environment = {"CREDENCE_KERNELS": kernels, "OMP_NUM_THREADS": "1", **({"OPENBLAS_CORETYPE": core} if core else {})}
    with tempfile.TemporaryDirectory(prefix="case-", dir=inputs.folder) as folder:
        return METHODS[method](Run(inputs, environment, pathlib.Path(folder)), *arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("check", "write", "show"))
    parser.add_argument("--slow", action="store_true", help="architectures of many families, instead of the quick cases")
    parser.add_argument("--only", default="", help="cases whose names this regular expression finds")
    parser.add_argument("--kernels", default=",".join(SETS), help="kernel sets, where the CPU has them")
    parser.add_argument("--cores", default="", help="write: rows of these OpenBLAS cores (OPENBLAS_CORETYPE)")
    options = parser.parse_args()
    machine, rows = Machine(options.kernels.split(",")), read_table()
    models = json.loads(program(["models", "--json"], {}, None))["models"]
    architectures = [(row["name"], row["in_channels"]) for row in models
                     if ALL_OF.fullmatch(row["name"]) or row["name"] in ONE_OF]
    assert ONE_OF <= {name for name, _ in architectures}
    cases = slow_cases(architectures) if options.slow else quick_cases()
    cases = [case for case in cases if re.search(options.only, case[0])]
    cores = options.cores.split(",") if options.cores else [None]
    n_equal, skipped, wrong = 0, set(), []
    with tempfile.TemporaryDirectory(prefix="credence-digests-") as folder:
        inputs = Inputs(pathlib.Path(folder), architectures)
        work = []
        for core, kernels, case in itertools.product(cores, machine.kernels, cases):
            work.append((core, kernels, machine.key(kernels, core, case[0]), case))
        if options.action == "check":
            skipped = {key for _, _, key, case in work if (case[0], key) not in rows}
            work = [item for item in work if (item[3][0], item[2]) in rows]
        for name in sorted({case[2][0] for _, _, _, case in work}):
            inputs.posterior(name)
        with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            results = pool.map(lambda item: compute(inputs, item[1], item[0], *item[3]), work)
            for (_, _, key, case), found in zip(work, results):
                if options.action == "show":
                    print(f"{case[0]} {key}", *(f"  {name} {value}" for name, value in found), sep="\n")
                    continue
                whole = hashlib.sha256(repr(found).encode()).hexdigest()[:16]
                if options.action == "write":
                    rows[case[0], key] = whole
                elif rows[case[0], key] == whole:
                    n_equal += 1
                else:
                    wrong.append(f"{case[0]} ({key}): {whole}, not {rows[case[0], key]}")
    if options.action == "write":
        write_table(rows)
        return 0
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if options.action == "check":
        print(f"{n_equal} digests equal, {len(wrong)} differ"
              + (f"; no digests for {', '.join(sorted(skipped))}: skipped" if skipped else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
