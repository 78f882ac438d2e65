#!/usr/bin/python3
"""Golden values of bayesian-torch for rooms bayes, import and io: writes tests/golden/bayes/.

Needs torch, h5py, and bayesian-torch, which is not in Debian:
  pip install --no-deps --target DIR bayesian-torch==0.5.0;  PYTHONPATH=DIR ./make_bayes.py

Two networks, both made by converting a deterministic one with dnn_to_bnn:
  tiny     the graph of class Tiny below: bias and none, groups, a projection shortcut, two poolings,
           images that are not square; some weights are exactly zero or very small
  resnet8  bayesian-torch's own CIFAR ResNet with one block a stage (3x32x32, 10 classes)
Files of each network:
  NAME.pth      state dict of the deterministic network
  NAME_bnn.pth  (tiny) state dict of the network converted without MOPED: mu and rho are random
  NAME.h5       /eps/<module path>/{eps_kernel,eps_weight,eps_bias} of one draw, images, logits
  NAME.txt      "value NAME NUMBER", "param NAME DIMS..." (names of the state dict after conversion),
                "tensor NAME OFFSET DIMS..." (offset in floats into NAME.bin)
  NAME.bin      the tensors, little-endian float32: all of tiny's; of resnet8 what NAME.h5 lacks
Tensors: images; logits/mean (deterministic network); for each conversion C of moped and (tiny) plain:
C/logits/reparameterization (the draw with eps), C/rho_head (first 8 of each rho). Also
moped/logits/flipout-pixel (same eps; tiny's signs are in signs/), and moped/statistics: over
n_draws draws the mean and sd of the logits, their standard errors, and the correlation of the two
images' logits.
Values: C/kl_mean is get_kl_loss; C/kl_sum is ours, in double (its sum over all weights).
"""
import contextlib
import pathlib
import sys
from importlib import metadata

import h5py
import numpy as np
import torch
from bayesian_torch.models.deterministic import resnet
from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn, get_kl_loss
from torch import nn
from torch.nn import functional as F

OUT = pathlib.Path(__file__).resolve().parent / "bayes"
N_DRAWS = 10000


class Tiny(nn.Module):
    """Input (3, 13, 11), 5 classes."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        block = nn.Module()
        block.conv1 = nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=2, bias=False)
        block.bn1 = nn.BatchNorm2d(16)
        block.conv2 = nn.Conv2d(16, 16, 3, stride=1, padding=1, bias=True)
        block.bn2 = nn.BatchNorm2d(16)
        block.downsample = nn.Sequential(nn.Conv2d(8, 16, 1, stride=2, bias=False), nn.BatchNorm2d(16))
        self.layer1 = nn.Sequential(block)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        block = self.layer1[0]
        y = F.relu(block.bn1(block.conv1(x)))
        y = block.bn2(block.conv2(y))
        x = F.relu(y + block.downsample(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def make_tiny():
    net = Tiny()
    with torch.no_grad():
        net.conv1.weight[0, 0, 0] = torch.tensor([0.0, -1e-6, 1e-30])
        net.layer1[0].conv2.bias[:2] = torch.tensor([0.0, -2.5])
    return net


def calibrate(net, shape):
    """Batch norm with affine weights off 1 and 0, and running statistics of the network's inputs."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.momentum = None
    net.train()
    with torch.no_grad():
        for _ in range(4):
            net(torch.randn(32, *shape))
    return net.eval()


def convert(make, state, **keys):
    params = {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0, "posterior_rho_init": -3.0,
              "type": "Reparameterization", "moped_enable": True, "moped_delta": 0.5, **keys}
    net = make()
    net.load_state_dict(state)
    dnn_to_bnn(net, params)
    return net.eval()


def bayesian_layers(net):
    return {name: module for name, module in net.named_modules() if hasattr(module, "kl_loss")}


def eps_buffers(net):
    return {f"{name}/{leaf}": buffer for name, module in bayesian_layers(net).items()
            for leaf, buffer in module.named_buffers(recurse=False) if leaf.startswith("eps_")}


@contextlib.contextmanager
def patched(method, replacement):
    original = getattr(torch.Tensor, method)
    setattr(torch.Tensor, method, replacement)
    try:
        yield
    finally:
        setattr(torch.Tensor, method, original)


def replayed(net, eps):
    """Layers that would draw eps get the given one."""
    by_address = {buffer.data_ptr(): eps[key] for key, buffer in eps_buffers(net).items()}
    return patched("normal_", lambda self, *_, **__: self.copy_(by_address[self.data_ptr()]))


def recorded_signs(signs):
    original = torch.Tensor.uniform_

    def uniform(self, *args):
        original(self, *args)
        signs.append(self.sign())
        return self
    return patched("uniform_", uniform)


def channel_signs():
    """One sign for an image and channel (Wen et al. 2018) in place of bayesian-torch's one a pixel."""
    original = torch.Tensor.uniform_

    def uniform(self, *args):
        if self.dim() == 4:
            return self.copy_(original(self[:, :, :1, :1].clone(), *args).expand_as(self))
        return original(self, *args)
    return patched("uniform_", uniform)


def kl_in_double(net, prior_mu=0.0, prior_sigma=1.0):
    """Per tensor: KL of each weight, by the textbook formula."""
    result = {}
    for name, module in bayesian_layers(net).items():
        for leaf, mu in module.named_parameters(recurse=False):
            if leaf.startswith("mu_"):
                mu = mu.detach().double()
                sigma = F.softplus(getattr(module, "rho_" + leaf[3:]).detach().double(), threshold=1e9)
                result[f"{name}.{leaf}"] = (np.log(prior_sigma) - sigma.log() - 0.5
                                            + (sigma**2 + (mu - prior_mu)**2) / (2 * prior_sigma**2))
    return result


def kl_with_prior_at_mean(net):
    """get_kl_loss where utils.util.MOPED has set the prior's mean to the network's weight."""
    for module in bayesian_layers(net).values():
        for kind in ("weight", "bias"):
            mu = getattr(module, "mu_kernel" if kind == "weight" and hasattr(module, "mu_kernel") else "mu_" + kind)
            if mu is not None:
                setattr(module, f"prior_{kind}_mu", mu.detach().clone())
    return get_kl_loss(net).item()


def moments(run, n_draws, context=contextlib.nullcontext):
    """Mean and sd of the logits over draws, and the standard errors of both."""
    with torch.no_grad(), context():
        logits = torch.stack([run() for _ in range(n_draws)]).double()
    mean = logits.mean(0)
    sd = logits.std(0)
    fourth = ((logits - mean)**4).mean(0)
    centred = logits - mean
    between_images = (centred[:, 0] * centred[:, 1]).mean(0) / (sd[0] * sd[1])
    return {"mean": mean, "mean_se": sd / n_draws**0.5, "sd": sd,
            "sd_se": ((fourth - sd**4) / (4 * sd**2 * n_draws)).sqrt(), "correlation": between_images}


def local_reparameterization(net):
    """bayesian-torch has none: the output's mean and variance give its normal (Kingma et al. 2015)."""
    def forward(layer, x):
        sigma = {leaf: F.softplus(p) for leaf, p in layer.named_parameters(recurse=False)
                 if leaf.startswith("rho_")}
        if hasattr(layer, "mu_kernel"):
            where = (layer.stride, layer.padding, layer.dilation, layer.groups)
            mean = F.conv2d(x, layer.mu_kernel, layer.mu_bias, *where)
            var_bias = sigma["rho_bias"]**2 if layer.mu_bias is not None else None
            var = F.conv2d(x**2, sigma["rho_kernel"]**2, var_bias, *where)
        else:
            mean = F.linear(x, layer.mu_weight, layer.mu_bias)
            var = F.linear(x**2, sigma["rho_weight"]**2, sigma["rho_bias"]**2)
        return mean + var.sqrt() * torch.randn_like(mean)
    for layer in bayesian_layers(net).values():
        layer.forward = forward.__get__(layer)
    return net


class Record:
    """Collects values and tensors; writes them as HDF5 and as text with raw floats."""

    def __init__(self, name, full):
        self.name, self.full = name, full
        self.values, self.params, self.tensors = {}, {}, {}

    def write(self, versions):
        with h5py.File(OUT / f"{self.name}.h5", "w", libver=("v108", "v108")) as file:
            file.attrs["made_by"] = versions
            for key, tensor in self.tensors.items():
                if key.startswith("eps/") or key == "images" or "logits" in key:
                    packed = {"compression": 9, "shuffle": True} if tensor.size > 1000 else {}
                    file.create_dataset(key, data=tensor, **packed)
        lines, offset = [f"# {versions}"], 0
        lines += [f"value {key} {value:.12g}" for key, value in self.values.items()]
        lines += [" ".join(["param", key, *map(str, shape)]) for key, shape in self.params.items()]
        with open(OUT / f"{self.name}.bin", "wb") as raw:
            for key, tensor in self.tensors.items():
                if self.full or not (key.startswith("eps/") or key == "images"):
                    lines.append(" ".join(["tensor", key, str(offset), *map(str, tensor.shape)]))
                    raw.write(tensor.astype("<f4").tobytes())
                    offset += tensor.size
        (OUT / f"{self.name}.txt").write_text("\n".join(lines) + "\n")

    def tensor(self, key, value):
        self.tensors[key] = value.detach().numpy().astype(np.float32)

    def conversion(self, key, net, images, eps):
        """What a converted network must agree in."""
        self.values[f"{key}/kl_mean"] = get_kl_loss(net).item()
        per_weight = kl_in_double(net)
        self.values[f"{key}/kl_sum"] = sum(kl.sum().item() for kl in per_weight.values())
        other = kl_in_double(net, 0.1, 0.5)
        self.values[f"{key}/kl_sum_prior_0.1_0.5"] = sum(kl.sum().item() for kl in other.values())
        self.values[f"{key}/kl_mean_prior_0.1_0.5"] = sum(kl.mean().item() for kl in other.values())
        for name, value in net.state_dict().items():
            if ".rho_" in name:
                flat = value.flatten()
                self.values[f"{key}/rho_sum/{name}"] = flat.double().sum().item()
                self.tensor(f"{key}/rho_head/{name}", flat[:8])
        with torch.no_grad(), replayed(net, eps):
            self.tensor(f"{key}/logits/reparameterization", net(images))


def write_network(name, make, shape, n_draws, full, versions):
    record = Record(name, full)
    base = calibrate(make(), shape)
    state = {key: value.clone() for key, value in base.state_dict().items()}
    torch.save(base.state_dict(), OUT / f"{name}.pth")
    images = torch.randn(2, *shape).mul(16).round() / 16
    record.tensor("images", images)
    with torch.no_grad():
        record.tensor("logits/mean", base(images))

    net = convert(make, state)
    record.params = {key: value.shape for key, value in net.state_dict().items()}
    # Values in steps of 1/4 serve as well and compress.
    eps = {key: torch.randn_like(buffer).mul(4).round() / 4 for key, buffer in eps_buffers(net).items()}
    for key, value in eps.items():
        record.tensor(f"eps/{key}", value)
    record.conversion("moped", net, images, eps)
    net_at_mean = convert(make, state)
    record.values["moped/kl_mean_prior_at_mean"] = kl_with_prior_at_mean(net_at_mean)

    flipout = convert(make, state, type="Flipout")
    assert {k: v.shape for k, v in flipout.state_dict().items()} == record.params
    signs = []
    with torch.no_grad(), replayed(flipout, eps), recorded_signs(signs):
        record.tensor("moped/logits/flipout-pixel", flipout(images))
    if full:
        for key, value in state.items():
            if value.is_floating_point():
                record.tensor(f"weights/{key}", value)
        for key, value in net.state_dict().items():
            if ".rho_" in key:
                record.tensor(f"moped/rho/{key}", value)
        # Tiny's layers run in the order of its modules, so the signs come in that order.
        for layer, (sign_in, sign_out) in zip(bayesian_layers(flipout), zip(signs[::2], signs[1::2])):
            record.tensor(f"signs/{layer}/input", sign_in)
            record.tensor(f"signs/{layer}/output", sign_out)
        plain = convert(make, state, moped_enable=False)
        torch.save(plain.state_dict(), OUT / f"{name}_bnn.pth")
        for key, value in plain.state_dict().items():
            if ".mu_" in key or ".rho_" in key:
                record.tensor(f"plain/{key}", value)
        record.conversion("plain", plain, images, eps)
    record.values["n_draws"] = n_draws
    runs = {"reparameterization": (lambda: net(images), contextlib.nullcontext),
            "flipout-pixel": (lambda: flipout(images), contextlib.nullcontext),
            "flipout": (lambda: flipout(images), channel_signs)}
    if full:
        local = local_reparameterization(convert(make, state))
        runs["local-reparameterization"] = (lambda: local(images), contextlib.nullcontext)
    for estimator, (run, context) in runs.items():
        for key, value in moments(run, n_draws, context).items():
            record.tensor(f"moped/statistics/{estimator}/{key}", value)
    record.write(versions)


def main():
    versions = (f"make_bayes.py; bayesian-torch {metadata.version('bayesian-torch')}, torch {torch.__version__}, "
                f"numpy {np.__version__}, h5py {h5py.__version__}, Python {sys.version.split()[0]}")
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(20)
    write_network("tiny", make_tiny, (3, 13, 11), N_DRAWS, True, versions)
    write_network("resnet8", lambda: resnet.ResNet(resnet.BasicBlock, [1, 1, 1]), (3, 32, 32), N_DRAWS // 5, False,
                  versions)


if __name__ == "__main__":
    main()
