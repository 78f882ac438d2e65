"""The zoo's architectures as torch modules, and the formula that gives them weights.

torchvision's come from torchvision, the CIFAR ResNets and the simple CNN from bayesian-torch 0.5.0, EfficientNet-Lite
from efficientnet-lite-pytorch (PyPI, both); LeNet and the CIFAR ResNets with filter response norm are written out here.
Used by make_names.py, make_logits.py and tests/parity/zoo.py.
"""
import functools
import importlib
import re

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

CIFAR = {8: 1, 14: 2, 20: 3, 32: 5, 44: 7, 56: 9, 110: 18}
VERSIONS = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
HEADS_OF_TRAINING = ("aux1.", "aux2.", "AuxLogits.")  # torchvision runs them in training only


class LeNet(nn.Module):
    def __init__(self, in_channels, image_size, n_classes):
        super().__init__()
        side = (image_size // 2 - 4) // 2
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


class SmallLeNet(nn.Module):
    def __init__(self, in_channels, image_size, n_classes):
        super().__init__()
        side = image_size // 2 // 2
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 12, 3, padding=1)
        self.fc1 = nn.Linear(12 * side * side, 24)
        self.fc2 = nn.Linear(24, n_classes)

    def forward(self, x):
        x = nn.functional.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = nn.functional.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.fc2(torch.tanh(self.fc1(x.flatten(1))))


class Logits(nn.Module):
    """What the last linear layer gives, without a softmax after it."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
        last.register_forward_hook(lambda module, args, out: setattr(self, "logits", out))

    def forward(self, x):
        self.model(x)
        return self.logits


class FilterResponseNorm(nn.Module):
    """Singh and Krishnan 2020, with its threshold."""

    def __init__(self, n):
        super().__init__()
        self.weight, self.bias, self.tau = (nn.Parameter(torch.zeros(n)) for _ in range(3))

    def forward(self, x):
        x = x * torch.rsqrt(x.square().mean((2, 3), keepdim=True) + 1e-6)
        weight, bias, tau = (p[:, None, None] for p in (self.weight, self.bias, self.tau))
        return torch.maximum(weight * x + bias, tau)


class SameConv(nn.Conv2d):
    """XLA's "SAME": an output for every stride-th pixel, the odd pixel of padding at the end."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            room = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [room // 2, room - room // 2]
        return super().forward(F.pad(x, pads))


class FrnBlock(nn.Module):
    def __init__(self, n_in, n, stride):
        super().__init__()
        self.conv1, self.frn1 = SameConv(n_in, n, 3, stride), FilterResponseNorm(n)
        self.conv2, self.frn2 = SameConv(n, n, 3), FilterResponseNorm(n)
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(SameConv(n_in, n, 1, stride), FilterResponseNorm(n))

    def forward(self, x):
        y = self.frn2(self.conv2(F.silu(self.frn1(self.conv1(x)))))
        return F.silu(self.shortcut(x) + y)


class FrnResNet(nn.Module):
    """The ResNet of google-research/bnn_hmc with FRN and SiLU (Izmailov et al. 2021)."""

    def __init__(self, n, n_classes):
        super().__init__()
        self.conv1, self.frn1 = SameConv(3, 16, 3), FilterResponseNorm(16)
        for stage in range(3):
            width = 16 << stage
            blocks = [FrnBlock(width // (1 if stage == 0 else 2), width, 1 if stage == 0 else 2)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks, *(FrnBlock(width, width, 1) for _ in range(n - 1))))
        self.linear = nn.Linear(64, n_classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.silu(self.frn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def build(arch, in_channels=3, image_size=224, n_classes=1000):
    cifar = re.fullmatch(r"cifar_resnet(\d+)(_frn)?", arch)
    if cifar and cifar[2]:
        return FrnResNet(CIFAR[int(cifar[1])], n_classes)
    if cifar:
        resnet = importlib.import_module("bayesian_torch.models.deterministic.resnet")
        return resnet.ResNet(resnet.BasicBlock, [CIFAR[int(cifar[1])]] * 3, n_classes)
    if arch == "simple_cnn":
        return importlib.import_module("bayesian_torch.models.deterministic.simple_cnn").SCNN()
    if arch == "lenet":
        return LeNet(in_channels, image_size, n_classes)
    if arch == "lenet_small":
        return SmallLeNet(in_channels, image_size, n_classes)
    if arch.startswith("efficientnet_lite"):
        package = importlib.import_module("efficientnet_lite_pytorch")
        return package.EfficientNet.from_name(arch.replace("_", "-"), image_size=image_size, num_classes=n_classes)
    options = {"init_weights": False} if arch in ("googlenet", "inception_v3") else {}
    if arch.startswith("vit_"):
        options = {"image_size": image_size}
    if arch.startswith("maxvit_"):
        options = {"input_size": (image_size, image_size)}
    model = getattr(torchvision.models, arch)(weights=None, num_classes=n_classes, **options)
    if in_channels != 3:
        model.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
    return model


NOT_WEIGHTS = ("num_batches_tracked", "relative_position_index", "relative_coords_table")
# Where torch lists modules in another order than it runs them: parts of the names by pass.
RUN_ORDER = {"SwinTransformerBlockV2": ["logit_scale", "qkv", "cpb_mlp", "proj", "norm1", "mlp", "norm2"],
             "PatchMerging": ["norm", "reduction"]}


def in_run_order(model):
    """The state dict with the modules of RUN_ORDER sorted."""
    kinds = {name + ".": RUN_ORDER[type(m).__name__] for name, m in model.named_modules()
             if type(m).__name__ in RUN_ORDER}

    def place(item):
        at, name = item
        for prefix, order in kinds.items():
            if name.startswith(prefix):
                first = firsts.setdefault(prefix, at)
                path = name[len(prefix):].removeprefix("attn.").split(".")[0]
                return first, order.index(path) if path in order else -1, at
        return at, 0, 0
    firsts, values = {}, model.state_dict()
    return {name: values[name] for _, name in sorted(enumerate(values), key=place)}


def state(model):
    """Without buffers that are no weights and what only training runs, in the order of a pass: a layer_scale after the
    layers that it scales."""
    kept, held = {}, None
    for name, value in in_run_order(model).items():
        if name.endswith(NOT_WEIGHTS) or name.startswith(HEADS_OF_TRAINING):
            continue
        if name.endswith("layer_scale"):
            held = name, value
            continue
        kept[name] = value
        if held and name == held[0].replace("layer_scale", "block.5.bias"):
            kept[held[0]] = held[1]
            held = None
    return kept


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
    """Of a size that keeps activations near 1: He et al. 2015 for layers, norms near the identity."""
    leaf = name.rsplit(".", 1)[-1]
    if np.prod(shape[1:]) > 1:
        return fill(name, shape, np.sqrt(6.0 / np.prod(shape[1:])), 0)
    scale, offset = {"weight": (0.2, 0.7), "layer_scale": (0.2, 0.7), "running_var": (0.2, 1)}.get(leaf, (0.1, 0))
    return fill(name, shape, scale, offset)
