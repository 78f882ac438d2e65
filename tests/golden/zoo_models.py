"""The zoo's architectures as torch modules, and the formula that gives them weights.

torchvision's come from torchvision, the CIFAR ResNets and the simple CNN from bayesian-torch (PyPI, put its
folder on PYTHONPATH); LeNet is written out here. Used by make_names.py and make_logits.py.
"""
import functools

import numpy as np
import torch
import torchvision
from bayesian_torch.models.deterministic import resnet as cifar_resnet
from bayesian_torch.models.deterministic import simple_cnn

TORCHVISION = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
               "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]
CIFAR = {8: 1, 14: 2, 20: 3, 32: 5, 44: 7, 56: 9, 110: 18}
VERSIONS = f"torch {torch.__version__}, torchvision {torchvision.__version__}"


class LeNet(torch.nn.Module):
    def __init__(self, in_channels, image_size, n_classes):
        super().__init__()
        side = (image_size // 2 - 4) // 2
        self.conv1 = torch.nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(16 * side * side, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, n_classes)

    def forward(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


class Logits(torch.nn.Module):
    """What the last linear layer gives, without a softmax behind it."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.register_forward_hook(lambda module, args, out: setattr(self, "logits", out))

    def forward(self, x):
        self.model(x)
        return self.logits


def build(arch, in_channels=3, image_size=224, n_classes=1000):
    if arch in TORCHVISION:
        model = getattr(torchvision.models, arch)(weights=None, num_classes=n_classes)
        if in_channels != 3:
            model.conv1 = torch.nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        return model
    if arch.startswith("cifar_resnet"):
        n = CIFAR[int(arch[len("cifar_resnet"):])]
        return cifar_resnet.ResNet(cifar_resnet.BasicBlock, [n, n, n], n_classes)
    if arch == "simple_cnn":
        return simple_cnn.SCNN()
    return LeNet(in_channels, image_size, n_classes)


def state(model):
    return {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}


def fill(name, shape, scale, offset):
    """offset + scale * u with u in [-1, 1) from a hash of name and index; float32 throughout, so that C gives the
    same bits (tests/unit/walker.c)."""
    seed = functools.reduce(lambda h, c: ((h ^ c) * 16777619) & 0xFFFFFFFF, name.encode(), 2166136261)
    x = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    u = (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return torch.from_numpy((u * np.float32(scale) + np.float32(offset)).reshape(shape))


def fill_parameter(name, shape):
    """Of a size that keeps activations near 1: He et al. 2015 for layers, batch norm near the identity."""
    leaf = name.rsplit(".", 1)[1]
    if len(shape) > 1:
        return fill(name, shape, np.sqrt(6.0 / np.prod(shape[1:])), 0)
    scale, offset = {"weight": (0.2, 0.7), "bias": (0.1, 0), "running_mean": (0.1, 0), "running_var": (0.2, 1)}[leaf]
    return fill(name, shape, scale, offset)
