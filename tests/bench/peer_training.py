"""Training against bayesian-torch: forward, cross-entropy and backward of one draw of ResNet-18, all
layers Bayesian, reparameterization, batch norm on batch statistics, one thread.

Prints the medians of processor time a micro-batch of both programs, which take turns, so that what
else the machine does weighs on both. This program's time includes sigma from rho and the sums of
gradients in fixed point, which an optimizer step needs; bayesian-torch's the same in its own form.
Needs torch, torchvision and bayesian-torch. Usage: peer_training.py BENCH_GRADIENT BATCH...
"""
import argparse
import os
import re
import statistics
import subprocess
import time
from importlib.metadata import version

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torchvision
from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn

PRIOR = {
    "prior_mu": 0.0,
    "prior_sigma": 1.0,
    "posterior_mu_init": 0.0,
    "posterior_rho_init": -3.0,
    "type": "Reparameterization",
    "moped_enable": False,
    "moped_delta": 0.5,
}


def make_peer():
    torch.set_num_threads(1)
    model = torchvision.models.resnet18()
    dnn_to_bnn(model, PRIOR)
    return model.train()


def peer_times(model, batch, runs):
    """Milliseconds of each of `runs` steps, after one that is not counted."""
    images, labels = torch.randn(batch, 3, 224, 224), torch.zeros(batch, dtype=torch.long)
    times = []
    for _ in range(runs + 1):
        model.zero_grad()
        start = time.process_time()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        times.append(1e3 * (time.process_time() - start))
    return times[1:]


def own_times(program, batch):
    """Milliseconds of a step, the median of the program's runs, and of sigma from rho."""
    command = [program, "resnet18", "224", "3", "reparameterization", str(batch)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(re.search(rf"{what} +([0-9.]+) ms", text)[1])
            for what in (r"forward\+backward", "parameters")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("batch", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3, help="of the peer in a round")
    args = parser.parse_args()
    model = make_peer()
    print(", ".join(f"{name} {version(name)}"
                    for name in ("torch", "torchvision", "bayesian-torch")), flush=True)
    for batch in args.batch:
        own, peer = [], []
        for _ in range(args.rounds):
            peer += peer_times(model, batch, args.runs)
            own.append(own_times(args.program, batch))
        step, parameters = (statistics.median(column) for column in zip(*own))
        peer_ms = statistics.median(peer)
        print(f"batch {batch:3d}: credence {step:.0f} + {parameters:.0f} ms (step, sigma from rho), "
              f"bayesian-torch {peer_ms:.0f} ms, ratio {peer_ms / (step + parameters):.2f}, "
              f"without sigma {peer_ms / step:.2f}", flush=True)


if __name__ == "__main__":
    main()
