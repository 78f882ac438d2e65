#!/usr/bin/python3
"""Golden values of torch's losses, optimizers and schedules: writes tests/golden/training/.

Made with torch 1.13 (Debian 12, x86-64 with AVX2) and bayesian-torch 0.5.0, which is not in Debian:
  pip install --no-deps --target DIR bayesian-torch==0.5.0;  PYTHONPATH=DIR ./make_training.py

  optim.txt  one line a run: optimizer, lr, momentum, dampening, nesterov, beta1, beta2, eps, weight_decay
  optim.bin  little-endian float32: start[N]; gradients[100][N]; for each run the parameters after 1, 10, 100 steps
  rates.txt  one line a schedule: name, gamma, step_size, milestones (a,b or -), t_max, lr_min, warmup, 40 rates
  losses.txt logits, labels, values (rows of the inputs), then one line a loss: name, "labels" or "values", beta,
             threshold of the uncertainty, of the error, value, gradient; evaluated in double. gaussian-nll and the
             calibration terms on values take the first half of each row of values.
AvUC is bayesian-torch's class, run in double. EaU and EaC are newer than its last release: here they are the
formulas of its documentation, by torch's autograd.
"""
import pathlib
import sys
import types

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler

# avuc_loss imports scikit-learn for a class that is not used here.
sys.modules["sklearn"] = types.ModuleType("sklearn")
sys.modules["sklearn.metrics"] = types.ModuleType("sklearn.metrics")
sys.modules["sklearn.metrics"].auc = None
from bayesian_torch.utils.avuc_loss import AvULoss  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent / "training"
N, N_STEPS, N_EPOCHS = 37, 100, 40

RUNS = [
    ("sgd", dict(lr=0.1)),
    ("sgd", dict(lr=0.1, weight_decay=0.01)),
    ("sgd", dict(lr=0.05, momentum=0.9)),
    ("sgd", dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.001)),
    ("sgd", dict(lr=0.05, momentum=0.9, nesterov=True)),
    ("sgd", dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.02)),
    ("adam", dict()),
    ("adam", dict(lr=1e-4, weight_decay=0.05)),
    ("adam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3)),
    ("adamw", dict()),
    ("adamw", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    ("adamw", dict(lr=0.02, weight_decay=0.0)),
]


def run_optimizer(name, options, start, gradients):
    p = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name](
        [p], **{"lr": 1e-3, **options}, foreach=False)
    kept = []
    for step, gradient in enumerate(gradients, 1):
        p.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        if step in (1, 10, 100):
            kept.append(p.detach().numpy().copy())
    return optimizer.defaults, kept


def optimizers():
    rng = np.random.default_rng(3)
    start = rng.normal(size=N).astype(np.float32)
    # Sizes from 1e-6 to 10, so that eps and the bias corrections matter.
    size = 10.0 ** rng.uniform(-6, 1, size=N)
    gradients = (rng.normal(size=(N_STEPS, N)) * size + 0.2 * size).astype(np.float32)
    parts, lines = [start, gradients], []
    for name, options in RUNS:
        d, kept = run_optimizer(name, options, start, gradients)
        beta1, beta2 = d.get("betas", (0, 0))
        lines.append(f"{name} {d['lr']!r} {d.get('momentum', 0)!r} {d.get('dampening', 0)!r} "
                     f"{int(d.get('nesterov', False))} {beta1!r} {beta2!r} {d.get('eps', 0)!r} {d['weight_decay']!r}")
        parts += kept
    (OUT / "optim.txt").write_text("\n".join(lines) + "\n")
    np.concatenate([p.astype("<f4").ravel() for p in parts]).tofile(OUT / "optim.bin")


SCHEDULES = [
    ("constant", 0, 0, [], 0, 0, 0, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
    ("exponential", 0.9, 0, [], 0, 0, 0, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    ("step", 0.1, 7, [], 0, 0, 0, lambda o: lr_scheduler.StepLR(o, 7, 0.1)),
    ("multistep", 0.2, 0, [5, 6, 30], 0, 0, 0, lambda o: lr_scheduler.MultiStepLR(o, [5, 6, 30], 0.2)),
    ("cosine", 0, 0, [], 40, 1e-5, 0, lambda o: lr_scheduler.CosineAnnealingLR(o, 40, 1e-5)),
    ("cosine", 0, 0, [], 15, 0, 0, lambda o: lr_scheduler.CosineAnnealingLR(o, 15)),
    ("exponential", 0.95, 0, [], 0, 0, 5, lambda o: warm(o, 5, lr_scheduler.ExponentialLR(o, 0.95))),
    ("step", 0.5, 10, [], 0, 0, 5, lambda o: warm(o, 5, lr_scheduler.StepLR(o, 10, 0.5))),
]


def warm(optimizer, epochs, then):
    growth = lr_scheduler.LinearLR(optimizer, 1 / epochs, 1, epochs - 1)
    return lr_scheduler.SequentialLR(optimizer, [growth, then], [epochs])


def rates():
    lines = []
    for name, gamma, step_size, milestones, t_max, lr_min, warmup, make in SCHEDULES:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.05)
        scheduler, found = make(optimizer), []
        for _ in range(N_EPOCHS):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        lines.append(" ".join([name, repr(gamma), str(step_size), ",".join(map(str, milestones)) or "-", str(t_max),
                               repr(lr_min), str(warmup)] + [repr(float(r)) for r in found]))
    (OUT / "rates.txt").write_text("\n".join(lines) + "\n")


def agreement(good, certain, quality, certainty):
    """-log of the consistent share: masks good and certain, measures in [0, 1]."""
    w = torch.where(good, quality, 1 - quality) * torch.where(certain, certainty, 1 - certainty)
    return -torch.log(w[good == certain].sum() / (w.sum() + 1e-10) + 1e-10)


def losses():
    rng = np.random.default_rng(5)
    rows, width = 8, 6
    logits = torch.from_numpy((2 * rng.normal(size=(rows, width))).astype(np.float32).astype(np.float64))
    values = torch.from_numpy(rng.normal(size=(rows, width)).astype(np.float32).astype(np.float64))
    labels = torch.from_numpy(rng.integers(0, width, size=rows))
    labels[:4] = logits[:4].argmax(1)
    half = values[:, :width // 2]

    def nll(x):
        return F.gaussian_nll_loss(x[:, :width // 2], half, x[:, width // 2:].exp(), full=True, eps=1e-6)

    def of_labels(x):
        p = F.softmax(x, dim=1)
        return (1 - p[torch.arange(rows), labels], -(p * torch.log(p + 1e-10)).sum(1), p.max(1).values)

    def of_values(x):
        sd = (x[:, width // 2:] / 2).exp().reshape(-1)
        return (x[:, :width // 2] - half).abs().reshape(-1), sd, torch.exp(-sd)

    def eau(measures, u_th, e_th):
        error, uncertainty, _ = measures
        return agreement(error <= e_th, uncertainty <= u_th, 1 - torch.tanh(error), 1 - torch.tanh(uncertainty))

    def eac(measures, c_th, e_th):
        error, _, confidence = measures
        return agreement(error <= e_th, confidence > c_th, 1 - torch.tanh(error), confidence)

    cases = [
        ("cross-entropy", "labels", 0, 0, 0, lambda x: F.cross_entropy(x, labels)),
        ("mse", "values", 0, 0, 0, lambda x: F.mse_loss(x, values)),
        ("mse-distill", "values", 0, 0, 0, lambda x: F.mse_loss(x, values)),
        ("gaussian-nll", "values", 0, 0, 0, nll),
        ("avuc", "labels", 1.0, 0.9, 0, lambda x: AvULoss(1.0)(x, labels, 0.9)),
        ("avuc", "labels", 3.0, 0.0, 0, lambda x: AvULoss(3.0)(x, labels, 0.0)),
        ("eau", "labels", 2.0, 0.9, 0.5, lambda x: 2 * eau(of_labels(x), 0.9, 0.5)),
        ("eac", "labels", 2.0, 0.6, 0.5, lambda x: 2 * eac(of_labels(x), 0.6, 0.5)),
        ("eau", "values", 1.0, 1.0, 0.8, lambda x: eau(of_values(x), 1.0, 0.8)),
        ("eac", "values", 1.0, 0.4, 0.8, lambda x: eac(of_values(x), 0.4, 0.8)),
    ]
    lines = [" ".join(["logits"] + [f"{v:.9g}" for v in logits.ravel().tolist()]),
             " ".join(["labels"] + [str(v) for v in labels.tolist()]),
             " ".join(["values"] + [f"{v:.9g}" for v in values.ravel().tolist()])]
    torch.set_default_dtype(torch.float64)
    for name, target, beta, u_th, e_th, f in cases:
        x = logits.clone().requires_grad_(True)
        value = f(x).sum()
        value.backward()
        lines.append(" ".join([name, target, repr(beta), repr(u_th), repr(e_th)] +
                              [f"{v:.15g}" for v in [value.item()] + x.grad.ravel().tolist()]))
    torch.set_default_dtype(torch.float32)
    (OUT / "losses.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    optimizers()
    rates()
    losses()
