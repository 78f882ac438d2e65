#!/usr/bin/python3
"""Golden activations by torch, in double: writes tests/golden/activations.txt.

A line: torch's function, its two parameters (0 where it has none), x, its value, its derivative by autograd.
"""
import pathlib

import torch
from torch.nn import functional as F

X = [-60.0, -20.5, -9.0, -6.5, -4.0, -3.25, -2.0, -1.5, -1.0, -0.75, -0.5, -0.3125, -0.125, -1e-3, -1e-6,
     1e-6, 1e-3, 0.125, 0.3125, 0.5, 0.625, 0.9375, 1.0, 1.5, 2.0, 2.5, 3.25, 4.0, 5.75, 6.5, 9.0, 20.5, 60.0]
FUNCTIONS = {
    "relu": (0, 0, F.relu),
    "clamp": (0, 6, F.relu6),
    "leaky_relu": (0.01, 0, F.leaky_relu),
    "elu": (1.25, 0, lambda x: F.elu(x, alpha=1.25)),
    "sigmoid": (0, 0, torch.sigmoid),
    "tanh": (0, 0, torch.tanh),
    "silu": (0, 0, F.silu),
    "gelu": (0, 0, F.gelu),
    "gelu_tanh": (0, 0, lambda x: F.gelu(x, approximate="tanh")),
    "hardsigmoid": (0, 0, F.hardsigmoid),
    "hardswish": (0, 0, F.hardswish),
}


def main():
    lines = []
    for name, (a, b, function) in FUNCTIONS.items():
        # Float's values, so that a test in float begins at the same x.
        x = torch.tensor(X, dtype=torch.float32).double().requires_grad_(True)
        y = function(x)
        slope, = torch.autograd.grad(y.sum(), x)
        for row in zip(x.tolist(), y.tolist(), slope.tolist()):
            lines.append(" ".join([name, str(a), str(b), *(v.hex() for v in row)]))
    path = pathlib.Path(__file__).with_name("activations.txt")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
