#!/usr/bin/python3
"""An LSTM whose weights are drawn anew at every step against bayesian-torch's LSTMReparameterization.

  lstm.py [--draws N] CREDENCE

torch exports a network whose LSTM goes over the columns of a picture; `convert` makes the LSTM Bayesian by MOPED. bayesian-torch's layer
gets the same means and rho, and the same picture. The logits' means and deviations over the draws of `--estimator reparameterization-step`
must be bayesian-torch's, within 4.5 of their Monte Carlo errors; those of one draw for a whole sequence must not be, which shows that the
comparison sees the difference. Exit code 77: a package is not there.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    import torch
    from bayesian_torch.layers import LSTMReparameterization
    from PIL import Image
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

DELTA, LIMIT = 0.4, 4.5


class Columns(nn.Module):
    def __init__(self):
        super().__init__()
        self.columns = nn.Conv2d(3, 6, (8, 1))
        self.lstm = nn.LSTM(6, 5, batch_first=True)

    def steps(self, x):
        return self.columns(x).squeeze(2).transpose(1, 2)

    def forward(self, x):
        return self.lstm(self.steps(x))[0][:, -1]


def credence(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"credence {arguments[0]}: exit {done.returncode}: {done.stderr.strip()}")


def drawn_by_credence(args, folder, estimator):
    """Logits, [draw, class]."""
    out = folder / f"{estimator}.h5"
    credence(args.program, "predict", folder / "posterior.h5", folder / "picture.jpg", "--estimator", estimator, "--draws", args.draws,
             "--save-draws", "-o", out)
    with h5py.File(out) as file:
        return file["predictions/logits"][...].reshape(args.draws, 5)


def drawn_by_bayesian_torch(args, net, steps):
    layer = LSTMReparameterization(6, 5)
    for part, name in ((layer.ih, "ih"), (layer.hh, "hh")):
        for mu, rho, weight in ((part.mu_weight, part.rho_weight, f"weight_{name}_l0"), (part.mu_bias, part.rho_bias, f"bias_{name}_l0")):
            value = getattr(net.lstm, weight).detach()
            mu.data.copy_(value)
            rho.data.copy_(torch.log(torch.expm1(DELTA * value.abs()) + 1e-20))
    with torch.no_grad():
        return np.stack([layer(steps, return_kl=False)[0][0, -1].numpy() for _ in range(args.draws)])


def moments(draws):
    """Means and deviations, and their errors."""
    n, mean, sd = len(draws), draws.mean(0), draws.std(0, ddof=1)
    fourth = ((draws - mean) ** 4).mean(0)
    return mean, sd / n ** 0.5, sd, np.sqrt((fourth - sd ** 4) / n) / (2 * sd)


def distance(a, b):
    """The largest difference by its error, of means and of deviations."""
    mean, mean_se, sd, sd_se = zip(moments(a), moments(b))
    return (max(abs(mean[0] - mean[1]) / np.hypot(*mean_se)), max(abs(sd[0] - sd[1]) / np.hypot(*sd_se)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20000)
    parser.add_argument("program")
    args = parser.parse_args()
    torch.manual_seed(5)
    net = Columns().eval()
    for parameter in net.lstm.parameters():
        parameter.data.mul_(2)
    pixels = np.random.RandomState(5).randint(0, 256, (8, 12, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        Image.fromarray(pixels).save(folder / "picture.jpg")
        torch.onnx.export(net, (torch.zeros(1, 3, 8, 12),), str(folder / "net.onnx"), dynamo=False)
        credence(args.program, "convert", folder / "net.onnx", "--bayesian", "lstm*", "--moped-delta", DELTA, "--channel-mean", "0", "--channel-sd",
                 "1", "-o", folder / "posterior.h5")
        credence(args.program, "preprocess", folder / "posterior.h5", folder / "picture.jpg", "-o", folder / "tensors.h5")
        with h5py.File(folder / "tensors.h5") as file:
            tensors = torch.from_numpy(file["constant_data/images"][...])
        own = drawn_by_credence(args, folder, "reparameterization-step")
        whole = drawn_by_credence(args, folder, "reparameterization")
    with torch.no_grad():
        steps = net.steps(tensors)
    theirs = drawn_by_bayesian_torch(args, net, steps)
    names = ("bayesian-torch", "a draw a step", "a draw a sequence")
    for name, draws in zip(names, (theirs, own, whole)):
        print(f"{name:18s} mean {np.array2string(draws.mean(0), precision=4)} sd {np.array2string(draws.std(0), precision=4)}")
    near, far = distance(own, theirs), distance(whole, theirs)
    print(f"largest difference to bayesian-torch by its error, of means and deviations: a draw a step {near[0]:.1f} {near[1]:.1f}, "
          f"a draw a sequence {far[0]:.1f} {far[1]:.1f}")
    faults = max(near) > LIMIT or far[1] < LIMIT
    print("FAILED" if faults else "no fault found")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
