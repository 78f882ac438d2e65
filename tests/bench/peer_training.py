"""Training against bayesian-torch: whole steps of ResNet-18, all layers Bayesian, reparameterization, one
draw, batch norm on batch statistics, one thread: forward, cross-entropy, KL divergence, backward, Adam.

Prints the medians of processor time a micro-batch of both programs, which take turns, so that what
else the machine does weighs on both. torch's Adam is given both ways, as it comes and with fused=True.
Needs torch, torchvision and bayesian-torch. Usage: peer_training.py BENCH_STEP BATCH...
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
from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn, get_kl_loss

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


def peer_times(model, optimizer, batch, runs):
    """Milliseconds of each of `runs` steps, after one that is not counted."""
    images, labels = torch.randn(batch, 3, 224, 224), torch.zeros(batch, dtype=torch.long)
    times = []
    for _ in range(runs + 1):
        start = time.process_time()
        optimizer.zero_grad()
        logits = model(images)
        loss = torch.nn.functional.cross_entropy(logits, labels) + 1e-6 * get_kl_loss(model)
        loss.backward()
        optimizer.step()
        times.append(1e3 * (time.process_time() - start))
    return times[1:]


def own_time(program, batch, runs):
    """Milliseconds of a step, the median of `runs`."""
    command = [program, "resnet18", "224", "3", "reparameterization", str(batch), str(runs + 1)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"step ([0-9.]+) ms", text)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("batch", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3, help="steps of each program in a round")
    args = parser.parse_args()
    model = make_peer()
    print(", ".join(f"{name} {version(name)}"
                    for name in ("torch", "torchvision", "bayesian-torch")), flush=True)
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=1e-4, **keys)
                  for name, keys in (("", {}), (", fused", {"fused": True}))}
    for batch in args.batch:
        own, peer = [], {name: [] for name in optimizers}
        for _ in range(args.rounds):
            for name, optimizer in optimizers.items():
                peer[name] += peer_times(model, optimizer, batch, args.runs)
                own.append(own_time(args.program, batch, args.runs))
        own_ms = statistics.median(own)
        for name, times in peer.items():
            peer_ms = statistics.median(times)
            print(f"batch {batch:3d}: credence {own_ms:.0f} ms, bayesian-torch with Adam{name} {peer_ms:.0f} ms, "
                  f"ratio {peer_ms / own_ms:.2f}", flush=True)


if __name__ == "__main__":
    main()
