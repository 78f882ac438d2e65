#!/usr/bin/python3
"""The notebook's own training against bayesian-torch: ResNet-18, all convolutions and the last layer Bayesian (MOPED), one
photograph, 40 epochs of one step, Adam, mean squared error to the deterministic logits, batch norm in eval mode.

  notebook_peer.py [--isa avx2] [--rounds N] [--epochs N] [--image FILE] CREDENCE

Two ways: "kept", as the notebook does it, whose loop never calls zero_grad(), and "zeroed", as is usual. The programs take
turns, each on one core in a process of its own. Prints the medians of both, and the ratio's median over the rounds, of
  training   wall time of the training alone: the loop and what it allocates, without start, files and images
  program    processor time, user and system, of the whole process: import of libraries, reading, training, and of credence
             the writing of the result too, which the other program does not do
  hardest    credence's whole process against the other's loop alone, in processor time
--isa avx2 keeps both from wider instructions. Needs torch, torchvision and bayesian-torch; exit 77 without them.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "parity")]
sys.dont_write_bytecode = True
KINDS = {"kept": ["--keep-gradients"], "zeroed": []}
ISAS = {"any": {}, "avx2": {"CREDENCE_KERNELS": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
                            "MKL_ENABLE_INSTRUCTIONS": "AVX2"}}
PRIOR = {
    "prior_mu": 0.0,
    "prior_sigma": 1.0,
    "posterior_mu_init": 0.0,
    "posterior_rho_init": -3.0,
    "type": "Reparameterization",
    "moped_enable": True,
    "moped_delta": 0.5,
}


def cpu_s(usage):
    return usage.ru_utime + usage.ru_stime


def peer_loop(weights, image, kind, n_epochs):
    """The notebook's steps 2 to 9; prints the seconds of step 9: wall, and of the processor."""
    import torch
    import torchvision
    from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn

    import parity
    torch.set_num_threads(1)
    resnet = torchvision.models.resnet18()
    resnet.load_state_dict(torch.load(weights))
    batch_t = parity.imagenet_batch([image])
    out_nn = resnet.eval()(batch_t)
    bnn = torchvision.models.resnet18()
    bnn.load_state_dict(resnet.state_dict())
    dnn_to_bnn(bnn, PRIOR)
    bnn.eval()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    loss_fn = torch.nn.MSELoss()
    optimizer = torch.optim.Adam(bnn.parameters(), lr=0.0001)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    optimizer.zero_grad()
    for _ in range(n_epochs):
        if kind == "zeroed":
            optimizer.zero_grad()
        loss = loss_fn(bnn(batch_t), out_nn)
        loss.backward(retain_graph=True)
        optimizer.step()
        scheduler.step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(time.monotonic() - start, cpu_s(after) - cpu_s(before))


def run(command, environment):
    """Standard output, and the process's seconds of the processor, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout, cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN)) - cpu_s(before)


def own_run(args, folder, kind, environment):
    command = [args.program, "train", folder / "resnet18.h5", args.image, "--loss", "mse-distill", "--kl-weight", 0,
               "--batch-norm", "eval", "--epochs", args.epochs, "--optimizer", "adam", "--lr", "1e-4", "--scheduler",
               "exponential", "--gamma", 0.9, *KINDS[kind], "--checkpoints", 0, "--quiet", "--json", "-o", folder / f"{kind}.h5"]
    lines, seconds = run(command, environment)
    for path in folder.glob(f"{kind}.h5*"):
        path.unlink()
    return {"training": json.loads(lines.splitlines()[-1])["wall_s"], "program": seconds, "hardest": seconds}


def peer_run(args, folder, kind, environment):
    command = [sys.executable, __file__, "--peer", kind, "--weights", folder / "weights.pth", "--image", args.image,
               "--epochs", args.epochs, args.program]
    line, seconds = run(command, environment)
    wall, loop = (float(word) for word in line.split())
    return {"training": wall, "program": seconds, "hardest": loop}


def prepare(args, folder):
    """Random weights of realistic scale, made Bayesian, and a photograph if none is given."""
    import numpy as np
    import torch
    from PIL import Image

    import random_resnet
    torch.save(random_resnet.make("resnet18", 1).state_dict(), folder / "weights.pth")
    if args.image is None:
        args.image = folder / "natural.jpg"
        natural = random_resnet.natural_image(np.random.default_rng(1), 1213, 1546)
        Image.fromarray(natural).save(args.image, quality=92)
    run([args.program, "convert", "--arch", "resnet18", "--weights", folder / "weights.pth", "--moped", "--moped-delta", 0.5,
         "--quiet", "-o", folder / "resnet18.h5"], os.environ)


def compare(args, folder):
    from importlib.metadata import version
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **ISAS[args.isa]}
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # neither program is to be tuned from outside
        environment.pop(name, None)
    prepare(args, folder)
    print(", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "bayesian-torch")), flush=True)
    times = {(kind, who): [] for kind in KINDS for who in ("own", "peer")}
    for _ in range(args.rounds):
        for kind in KINDS:
            times[kind, "own"].append(own_run(args, folder, kind, environment))
            times[kind, "peer"].append(peer_run(args, folder, kind, environment))
    for kind in KINDS:
        for what in ("training", "program", "hardest"):
            own, peer = ([seconds[what] for seconds in times[kind, who]] for who in ("own", "peer"))
            ratios = [theirs / ours for ours, theirs in zip(own, peer)]
            print(f"gradients {kind}, {args.epochs} epochs, isa {args.isa}, {what:<8}: credence {statistics.median(own):.2f} s, "
                  f"bayesian-torch {statistics.median(peer):.2f} s, ratio {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--isa", choices=ISAS, default="any")
    parser.add_argument("--peer", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    parser.add_argument("program", metavar="CREDENCE")
    args = parser.parse_args()
    if args.peer:
        return peer_loop(args.weights, args.image, args.peer, args.epochs)
    try:
        with tempfile.TemporaryDirectory(prefix="credence-notebook-") as name:
            compare(args, pathlib.Path(name))
    except ImportError as missing:
        print(f"skipped: {missing}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
