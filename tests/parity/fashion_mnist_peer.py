#!/usr/bin/env python3
"""The network of data/README.md's Fashion-MNIST studies in bayesian-torch, with ivon-opt and in Credence, side by side.

    PYTHON tests/parity/fashion_mnist_peer.py [--epochs N] [--seeds N,...] [--program CREDENCE] [--type Reparameterization|Flipout]
        [--kl mean|sum] [--moped WEIGHTS.pth] METHOD...

METHOD is bayesian-torch, ivon-opt, credence-elbo or credence-ivon. PYTHON needs torch, bayesian-torch, numpy and ivon-opt, each for its
own method; the data are Debian's package dataset-fashion-mnist. The network is bayesian-torch's CIFAR ResNet with one block a stage
(cifar_resnet8), from random weights. bayesian-torch: converted by its dnn_to_bnn, Adam; `--kl mean` is its own loss: cross-entropy +
get_kl_loss / batch size, `--kl sum` the true ELBO; credence-elbo has the same loss, prior and start. ivon-opt: the network as it is, all
parameters drawn, with the settings of jobs/fashion_mnist.sh for random weights; credence-ivon has the same, batch norm's parameters aside. A
cosine schedule (IVON after an epoch of warm-up), batches of 128, random mirroring and shifts, one thread. Figures are those of the mean
softmax over 30 draws on the test set, each draw one network for all images; ECE with 15 bins. The table has means over seeds, ± their
standard deviation; an epoch's time is the processor's.
"""
import argparse
import contextlib
import gzip
import json
import math
import os
import resource
import statistics
import subprocess
import tempfile
import time
from importlib import metadata

import numpy as np
import torch
import torch.nn.functional as F
from bayesian_torch.models.deterministic import resnet
from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn, get_kl_loss

IVON = {"lr": 1.0, "hess_init": 0.5, "beta2": 0.9999, "weight_decay": 2e-4}
FOLDER = "/usr/share/datasets/fashion-mnist/"
MEAN, SD, BATCH, DRAWS = 0.2860, 0.3530, 128, 30


def load(name):
    with gzip.open(f"{FOLDER}{name}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(f"{FOLDER}{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.from_numpy(pixels.copy()), torch.from_numpy(labels.astype(np.int64))


def normalise(pixels):
    return (pixels.float() / 255 - MEAN) / SD


def augment(pixels, padding):
    """Mirrored with probability 1/2, and a random crop after zero padding; each image its own."""
    n, side = len(pixels), torch.arange(28)
    rows = torch.randint(0, 2 * padding + 1, (n, 1)) + side
    columns = torch.randint(0, 2 * padding + 1, (n, 1)) + torch.where(torch.rand(n, 1) < 0.5, side, 27 - side)
    padded = F.pad(pixels, (padding,) * 4)[:, 0]
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def full_kl(net):
    """Sum over all weights, in nats: bayesian-torch's layers give means over their elements."""
    total = 0
    for layer in net.modules():
        for mu, rho, prior_mu, prior_sigma in (("mu_kernel", "rho_kernel", "prior_weight_mu", "prior_weight_sigma"),
                                               ("mu_weight", "rho_weight", "prior_weight_mu", "prior_weight_sigma"),
                                               ("mu_bias", "rho_bias", "prior_bias_mu", "prior_bias_sigma")):
            if getattr(layer, mu, None) is not None:
                sigma = torch.log1p(torch.exp(getattr(layer, rho)))
                mean = layer.kl_div(getattr(layer, mu), sigma, getattr(layer, prior_mu), getattr(layer, prior_sigma))
                total = total + mean * sigma.numel()
    return total


@torch.no_grad()
def evaluate(net, drawn, pixels, labels):
    net.eval()
    probs = torch.zeros(len(pixels), 10, dtype=torch.float64)
    for _ in range(DRAWS):
        # One forward pass over all images is one network.
        with drawn():
            probs += torch.softmax(net(normalise(pixels)), 1).double() / DRAWS
    confidence, top = probs.max(1)
    right = (top == labels).double()
    bins = (confidence * 15).long().clamp(max=14)
    gaps = torch.zeros(15, dtype=torch.float64).index_add(0, bins, right - confidence)
    nll = -torch.log(probs[torch.arange(len(labels)), labels])
    return right.mean().item(), nll.mean().item(), gaps.abs().sum().item() / len(labels)


def train_peer(method, seed, options):
    """-> name and versions, (accuracy, NLL, ECE), seconds of the processor of an epoch"""
    torch.manual_seed(seed)
    pixels, labels = load("train")
    net = resnet.ResNet(resnet.BasicBlock, [1, 1, 1])
    net.conv1 = torch.nn.Conv2d(1, 16, 3, 1, 1, bias=False)
    if options.moped:
        net.load_state_dict(torch.load(options.moped))
    if method == "ivon-opt":
        import ivon
        optimizer = ivon.IVON(net.parameters(), ess=len(pixels), **IVON)
        drawn = optimizer.sampled_params
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda e: 0.5 if e == 0 else 0.5 * (1 + math.cos(math.pi * (e - 1) / max(options.epochs - 1, 1))))
    else:
        dnn_to_bnn(net, {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0, "posterior_rho_init": -3.0,
                         "type": options.type, "moped_enable": bool(options.moped), "moped_delta": options.moped_delta})
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        drawn = contextlib.nullcontext
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    cpu = time.process_time()
    for epoch in range(options.epochs):
        net.train()
        losses = []
        for batch in torch.randperm(len(pixels)).split(BATCH):
            with drawn(train=True) if method == "ivon-opt" else drawn():
                optimizer.zero_grad()
                loss = F.cross_entropy(net(normalise(augment(pixels[batch], options.padding))), labels[batch])
                losses.append(loss.item())
                if method != "ivon-opt":
                    loss = loss + (get_kl_loss(net) / BATCH if options.kl == "mean" else full_kl(net) / len(pixels))
                loss.backward()
            optimizer.step()
        scheduler.step()
        print(f"{method}, seed {seed}, epoch {epoch + 1}: cross-entropy {np.mean(losses):.4f}", flush=True)
    cpu = (time.process_time() - cpu) / options.epochs
    return f"{method} {metadata.version(method)}, torch {torch.__version__}", evaluate(net, drawn, *load("t10k")), cpu


def train_credence(method, seed, options, folder):
    """As train_peer."""
    def run(*words):
        return subprocess.run([options.program, *words], check=True, capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="1")).stdout

    def data(name):
        return f"idx:{FOLDER}{name}-images-idx3-ubyte.gz,{FOLDER}{name}-labels-idx1-ubyte.gz"

    start, trained = os.path.join(folder, "start.h5"), os.path.join(folder, "trained.h5")
    sigma = ["--prior-scale", "he", "--moped", "--moped-delta", "0.5", "--sigma-min", "0.025"] if method == "credence-ivon" else ["--no-moped", "--posterior-rho-init", "-3"]
    run("convert", "--arch", "cifar_resnet8", "--channel-mean", str(MEAN), "--channel-sd", str(SD), *sigma, "--seed", str(seed), "-o", start)
    if method == "credence-ivon":
        how = ["--optimizer", "ivon", "--warmup", "1"]
        for name, value in IVON.items():
            how += ["--" + name.replace("_", "-"), str(value)]
    else:
        how = ["--kl", options.kl, "--lr", "1e-3"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("train", start, data("train"), *how, "--epochs", str(options.epochs), "--scheduler", "cosine", "--augment", "flip",
        "--augment", f"crop{options.padding}", "--seed", str(seed), "-o", trained)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / options.epochs
    found = json.loads(run("evaluate", trained, data("t10k"), "--draws", str(DRAWS), "--batch", "32", "--json"))
    return method, [found[name]["value"] for name in ("accuracy", "nll", "ece")], cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", choices=("bayesian-torch", "ivon-opt", "credence-elbo", "credence-ivon"), metavar="METHOD")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--program", default="credence")
    parser.add_argument("--type", default="Reparameterization")
    parser.add_argument("--kl", choices=("mean", "sum"), default="mean")
    parser.add_argument("--moped", help="state dict of the deterministic network")
    parser.add_argument("--moped-delta", type=float, default=0.05)
    parser.add_argument("--padding", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for seed in options.seeds.split(","):
        for method in options.methods:
            if method.startswith("credence"):
                with tempfile.TemporaryDirectory() as folder:
                    name, metrics, cpu = train_credence(method, int(seed), options, folder)
            else:
                name, metrics, cpu = train_peer(method, int(seed), options)
            print(f"{name}, seed {seed}: accuracy, NLL, ECE {metrics}, {cpu:.1f} s an epoch", flush=True)
            rows.setdefault(name, []).append([100 * metrics[0], metrics[1], 100 * metrics[2], cpu])
    print(f"\n{options.epochs} epochs, seeds {options.seeds}\n\n| program | accuracy % | NLL, nats | ECE % | s an epoch |\n|---|---|---|---|---|")
    for name, runs in rows.items():
        cells = []
        for values, digits in zip(zip(*runs), (2, 4, 2, 0)):
            spread = statistics.stdev(values) if len(values) > 1 else math.nan
            cells.append(f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
