#!/usr/bin/python3
"""Golden values of IVON: writes tests/golden/training/ivon.txt.

Made with ivon-opt 0.1.3 and torch 2.15 (pip install ivon-opt torch). A network 6-5-3 with ReLU makes 50 steps on
batches of 8; its weights, images and noise are numbers of the generator below, which ivon_golden_test.c has too. It
computes in double: what a float's rounding adds is on the test's side.

  each run: a line "run" lr ess hess_init beta1 beta2 weight_decay clip_radius debias rescale_lr, then at steps 1, 10
  and 50 a line each of "mu", "hess", "momentum": the step, and the parameters in the network's order
"""
import pathlib

import ivon
import numpy as np
import torch

OUT = pathlib.Path(__file__).resolve().parent / "training" / "ivon.txt"
IN, HIDDEN, CLASSES, BATCH, STEPS, KEPT = 6, 5, 3, 8, 50, (1, 10, 50)
N = HIDDEN * (IN + 1) + CLASSES * (HIDDEN + 1)

RUNS = [
    dict(lr=0.1, ess=400.0),
    dict(lr=0.3, ess=60.0, hess_init=0.05, beta1=0.8, beta2=0.9, weight_decay=0.02),
    dict(lr=0.2, ess=1000.0, hess_init=0.5, beta2=0.999, weight_decay=2e-3, clip_radius=0.3, debias=False,
         rescale_lr=False),
]


def any_values(seed, n):
    """Numbers in (-1, 1), floats: fill_any of tests/unit/bayes_nets.h."""
    out = []
    for _ in range(n):
        seed = (seed * 1664525 + 1013904223) % 2**32
        out.append((seed >> 8) / 8388608 - 1)
    return np.array(out, np.float32)


def run(options):
    torch.set_default_dtype(torch.float64)
    model = torch.nn.Sequential(torch.nn.Linear(IN, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES))
    torch.nn.utils.vector_to_parameters(torch.from_numpy(any_values(1, N).astype(float)), model.parameters())
    images = torch.from_numpy(any_values(2, STEPS * BATCH * IN).astype(float)).view(STEPS, BATCH, IN)
    labels = torch.arange(BATCH) % CLASSES
    optimizer = ivon.IVON(model.parameters(), **options)
    group = optimizer.param_groups[0]
    lines = ["run " + " ".join(repr(float(v)) for v in (
        group["lr"], group["ess"], group["hess_init"], group["beta1"], group["beta2"], group["weight_decay"],
        group["clip_radius"], optimizer.debias, optimizer.rescale_lr))]
    for step in range(1, STEPS + 1):
        noise = any_values(1000 + step, N) * np.float32(1.7320508)
        torch.randn = lambda n, **_: torch.from_numpy(noise.astype(float))  # noqa: B023
        with optimizer.sampled_params(train=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[step - 1]), labels).backward()
        optimizer.step()
        if step in KEPT:
            mu = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
            for name, values in (("mu", mu), ("hess", group["hess"]), ("momentum", group["momentum"])):
                lines.append(f"{name} {step} " + " ".join(f"{v:.10g}" for v in values.tolist()))
    return lines


if __name__ == "__main__":
    OUT.write_text("\n".join(line for options in RUNS for line in run(options)) + "\n")
