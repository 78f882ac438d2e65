#!/usr/bin/python3
"""The loss curve of the notebook's step 9: credence against bayesian-torch.

  notebook_curve.py make [--setup NAME] [--seeds N] [--image FILE] CURVE.txt    bayesian-torch's curve
  notebook_curve.py check [--setup NAME] [--seeds N] [--image FILE] CREDENCE CURVE.txt

The notebook trains a network converted with MOPED, delta 0.5, for 40 epochs of one step on one photograph: MSE to the
deterministic network's logits, Adam 1e-4, exponential schedule 0.9, batch norm in eval mode, no KL divergence. It
calls zero_grad() before the loop and never again, so every step's gradient is the sum of all so far ("kept"); the curve
with the gradient zeroed in each step ("zeroed") is recorded beside it. Setups: quickstart (data/quickstart_weights.pth
on an image of data/), resnet18 (random weights of realistic scale on an image of natural spectrum, or FILE).
Losses of one epoch spread over an order of magnitude, so both the mean and the mean of the logarithm are compared;
and, as the epochs of a seed go together, the mean over the epochs too: row "all" of the curve.
`make` needs torch and bayesian-torch as make_bayes.py does, `check` numpy only (resnet18: torch for the weights).
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "golden"), str(ROOT / "data"), str(ROOT / "tests" / "parity")]
sys.dont_write_bytecode = True
N_EPOCHS = 40
KINDS = ("kept", "zeroed")
MEASURES = {"loss": np.asarray, "log": np.log}
N_SIGMA, MAX_CHI_SQUARE = 4.0, 2.0  # 40 epochs: the mean chi-square has an sd of 0.22


class Quickstart:
    """The small network that comes with Credence, and one of its images."""
    arch = "cifar_resnet8"
    options = ("--crop", 28, "--channel-mean", 0.2860, "--channel-sd", 0.3530)
    image = ROOT / "data" / "images" / "13_shirt.jpg"
    weights = ROOT / "data" / "quickstart_weights.pth"

    def __init__(self, folder, image):
        self.image = image or self.image

    def reference(self):
        """A function that makes the network, its state, and the image as a batch."""
        import make_quickstart
        import torch
        from PIL import Image
        pixels = torch.from_numpy(np.asarray(Image.open(self.image), np.float32) / 255)
        state = {key: value.clone() for key, value in make_quickstart.load_net().state_dict().items()}
        return make_quickstart.CifarResNet8, state, (pixels[None, None] - make_quickstart.MEAN) / make_quickstart.SD


class ResNet18:
    """torchvision's, with random weights of realistic scale."""
    arch = "resnet18"
    options = ()

    def __init__(self, folder, image):
        import random_resnet
        import torch
        from PIL import Image
        self.weights, self.image = folder / "weights.pth", image or folder / "natural.jpg"
        self.state = random_resnet.make("resnet18", 1).state_dict()
        torch.save(self.state, self.weights)
        if image is None:
            natural = random_resnet.natural_image(np.random.default_rng(1), 375, 500)
            Image.fromarray(natural).save(self.image, quality=92)

    def reference(self):
        import parity
        import torchvision
        return torchvision.models.resnet18, self.state, parity.imagenet_batch([self.image])


SETUPS = {"quickstart": Quickstart, "resnet18": ResNet18}


def train_reference(reference, seed, is_zeroed):
    """Losses of the notebook's loop, line by line."""
    import make_bayes
    import torch
    make, state, batch_t = reference
    net = make()
    net.load_state_dict(state)
    with torch.no_grad():
        out_nn = net.eval()(batch_t)
    torch.manual_seed(seed)
    bnn = make_bayes.convert(make, state)  # with the notebook's keys; in eval mode
    loss_fn = torch.nn.MSELoss()
    optimizer = torch.optim.Adam(bnn.parameters(), lr=0.0001)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    optimizer.zero_grad()
    losses = []
    for _ in range(N_EPOCHS):
        if is_zeroed:
            optimizer.zero_grad()
        loss = loss_fn(bnn(batch_t), out_nn)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def make(args, setup):
    import bayesian_torch  # noqa: F401 fails before the work begins
    import torch
    from importlib import metadata
    torch.set_num_threads(1)
    reference = setup.reference()
    curves = {kind: np.array([train_reference(reference, seed, kind == "zeroed") for seed in range(args.seeds)])
              for kind in KINDS}
    columns = [(kind, name, f) for kind in KINDS for name, f in MEASURES.items()]
    lines = [f"# {args.setup}: loss by epoch in the notebook's step 9, over seeds; by tests/parity/notebook_curve.py",
             f"# torch {torch.__version__}, bayesian-torch {metadata.version('bayesian-torch')}, {args.seeds} seeds",
             f"seeds {args.seeds}", "epoch " + " ".join(f"{kind}_{name}_mean {kind}_{name}_sd" for kind, name, _ in columns)]
    table = [with_mean(f(curves[kind])) for kind, _, f in columns]
    for row, name in enumerate([*range(1, N_EPOCHS + 1), "all"]):
        values = [column[:, row] for column in table]
        lines.append(f"{name} " + " ".join(f"{v.mean():.6g} {v.std(ddof=1):.6g}" for v in values))
    args.curve.write_text("\n".join(lines) + "\n")


def with_mean(values):
    """(seed, epoch) with the mean over the epochs as one more column."""
    return np.column_stack([values, values.mean(1)])


def read_curve(path):
    """Number of seeds; by kind and measure mean and sd of every row."""
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    numbers = np.array([line[1:] for line in lines[2:]], float)
    keys = [(kind, name) for kind in KINDS for name in MEASURES]
    assert lines[0][0] == "seeds" and numbers.shape == (N_EPOCHS + 1, 2 * len(keys)), path
    return int(lines[0][1]), {key: numbers[:, 2 * k:2 * k + 2].T for k, key in enumerate(keys)}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def train_credence(program, posterior, setup, folder, seed, kind):
    output = folder / f"{kind}{seed}.h5"
    lines = run(program, "train", posterior, setup.image, "--loss", "mse-distill", "--kl-weight", 0, "--batch-norm", "eval",
                "--epochs", N_EPOCHS, "--optimizer", "adam", "--lr", "1e-4", "--scheduler", "exponential", "--gamma", 0.9,
                *(["--keep-gradients"] if kind == "kept" else []), "--checkpoint-interval", 0, "--seed", seed, "--json",
                "--quiet", "-o", output).splitlines()
    for path in folder.glob(output.name + "*"):
        path.unlink()
    return [json.loads(line)["data_term"] for line in lines[:-1]]


def deviations(values, n_reference, reference):
    """Of the mean curve, in combined standard errors. Both samples have one sd if they are alike: the pooled one."""
    n, (mean, sd) = len(values), reference
    pooled = ((n - 1) * values.var(0, ddof=1) + (n_reference - 1) * sd**2) / (n + n_reference - 2)
    return (values.mean(0) - mean) / np.sqrt(pooled * (1 / n + 1 / n_reference))


def check(args, setup, folder):
    posterior = folder / "posterior.h5"
    run(args.program, "convert", "--arch", setup.arch, "--weights", setup.weights, "--moped", "--moped-delta", 0.5,
        *setup.options, "--quiet", "-o", posterior)
    n_reference, reference = read_curve(args.curve)
    failed = False
    for kind in args.kind or KINDS:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            losses = np.array(list(pool.map(lambda seed: train_credence(args.program, posterior, setup, folder, seed, kind),
                                            range(args.seeds))))
        for name, measure in MEASURES.items():
            *z, whole = abs(deviations(with_mean(measure(losses)), n_reference, reference[kind, name]))
            largest, chi_square = max(z), np.mean(np.square(z))
            passed = largest <= N_SIGMA and chi_square <= MAX_CHI_SQUARE and whole <= N_SIGMA
            failed |= not passed
            print(f"{'ok    ' if passed else 'FAILED'}  {args.setup}, gradients {kind}, {name}, mean of {args.seeds} seeds "
                  f"against bayesian-torch's of {n_reference}: largest deviation of an epoch {largest:.2f} standard errors, "
                  f"of the whole curve {whole:.2f} (at most {N_SIGMA:g}), mean chi-square {chi_square:.2f} "
                  f"(at most {MAX_CHI_SQUARE:g})", flush=True)
        print(f"        first and last loss {losses[:, 0].mean():.5g}, {losses[:, -1].mean():.5g}; bayesian-torch's "
              f"{reference[kind, 'loss'][0][0]:.5g}, {reference[kind, 'loss'][0][-2]:.5g}", flush=True)
    sys.exit(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("make", "check"):
        command = commands.add_parser(name)
        command.add_argument("--setup", default="quickstart", choices=SETUPS)
        command.add_argument("--seeds", type=int, default=20)
        command.add_argument("--image", type=pathlib.Path)
        if name == "check":
            command.add_argument("--kind", action="append", choices=KINDS)
            command.add_argument("--jobs", type=int, default=1, help="runs at a time")
            command.add_argument("program", metavar="CREDENCE")
        command.add_argument("curve", metavar="CURVE.txt", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="credence-notebook-") as name:
        folder = pathlib.Path(name)
        try:
            setup = SETUPS[args.setup](folder, args.image)
            make(args, setup) if args.command == "make" else check(args, setup, folder)
        except ImportError as missing:
            print(f"skipped: {missing}")
            sys.exit(77)


if __name__ == "__main__":
    main()
