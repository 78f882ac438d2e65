#!/usr/bin/env python3
"""The network of data/README.md's Fashion-MNIST studies in bayesian-torch and with ivon-opt: what the same epochs give there.

    PYTHON tests/parity/fashion_mnist_peer.py [--epochs N] [--seed N] [--type Reparameterization|Flipout] [--kl mean|sum]
        [--moped WEIGHTS.pth] [--ivon]

PYTHON needs torch, bayesian-torch, numpy and, for --ivon, ivon-opt; the data are Debian's package dataset-fashion-mnist. The network is
bayesian-torch's CIFAR ResNet with one block a stage (cifar_resnet8), converted by its dnn_to_bnn. `--kl mean` is its own loss:
cross-entropy + get_kl_loss / batch size; `--kl sum` the true ELBO; Adam. `--ivon`: the network as it is, trained by ivon-opt with the
settings of jobs/fashion_mnist.sh, which --lr, --hess-init, --beta2 and --weight-decay change; batch norm's parameters are drawn too. A
cosine schedule (IVON after an epoch of warm-up), batches of 128, random mirroring and shifts. Figures are those of the mean softmax over 30
draws on the test set, each draw one network for all images; ECE with 15 bins.
"""
import argparse
import contextlib
import gzip
import math
import time
from importlib import metadata

import numpy as np
import torch
import torch.nn.functional as F
from bayesian_torch.models.deterministic import resnet
from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn, get_kl_loss

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--type", default="Reparameterization")
    parser.add_argument("--kl", choices=("mean", "sum"), default="mean")
    parser.add_argument("--moped", help="state dict of the deterministic network")
    parser.add_argument("--moped-delta", type=float, default=0.05)
    parser.add_argument("--ivon", action="store_true")
    parser.add_argument("--hess-init", type=float, default=0.5)
    parser.add_argument("--beta2", type=float, default=0.9999)
    parser.add_argument("--weight-decay", type=float, default=2e-4)
    parser.add_argument("--lr", type=float, help="default: 1e-3, of --ivon 1")
    parser.add_argument("--padding", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    pixels, labels = load("train")
    test_pixels, test_labels = load("t10k")
    net = resnet.ResNet(resnet.BasicBlock, [1, 1, 1])
    net.conv1 = torch.nn.Conv2d(1, 16, 3, 1, 1, bias=False)
    if options.moped:
        net.load_state_dict(torch.load(options.moped))
    versions = f"torch {torch.__version__}"
    if options.ivon:
        import ivon
        options.lr = options.lr or 1
        optimizer = ivon.IVON(net.parameters(), lr=options.lr, ess=len(pixels), hess_init=options.hess_init, beta2=options.beta2,
                              weight_decay=options.weight_decay)
        drawn = optimizer.sampled_params
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda e: 0.5 if e == 0 else 0.5 * (1 + math.cos(math.pi * (e - 1) / max(options.epochs - 1, 1))))
        versions += f", ivon-opt {metadata.version('ivon-opt')}"
    else:
        dnn_to_bnn(net, {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0, "posterior_rho_init": -3.0,
                         "type": options.type, "moped_enable": bool(options.moped), "moped_delta": options.moped_delta})
        options.lr = options.lr or 1e-3
        optimizer = torch.optim.Adam(net.parameters(), lr=options.lr)
        drawn = contextlib.nullcontext
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
        versions += f", bayesian-torch {metadata.version('bayesian-torch')}"
    print(f"{versions}; {vars(options)}", flush=True)
    for epoch in range(options.epochs):
        net.train()
        start, cpu, losses = time.perf_counter(), time.process_time(), []
        order = torch.randperm(len(pixels))
        for batch in order.split(BATCH):
            with drawn(train=True) if options.ivon else drawn():
                optimizer.zero_grad()
                loss = F.cross_entropy(net(normalise(augment(pixels[batch], options.padding))), labels[batch])
                losses.append(loss.item())
                if not options.ivon:
                    loss = loss + (get_kl_loss(net) / BATCH if options.kl == "mean" else full_kl(net) / len(pixels))
                loss.backward()
            optimizer.step()
        scheduler.step()
        line = f"epoch {epoch + 1}: data {np.mean(losses):.4f}, {time.perf_counter() - start:.1f} s ({time.process_time() - cpu:.1f} s of the processor)"
        if epoch % 5 == 4 or epoch + 1 == options.epochs:
            line += "; test: accuracy {:.4f}, NLL {:.4f}, ECE {:.4f}".format(*evaluate(net, drawn, test_pixels, test_labels))
        print(line, flush=True)


if __name__ == "__main__":
    main()
