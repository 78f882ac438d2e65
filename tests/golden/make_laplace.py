#!/usr/bin/python3
"""Golden values of last-layer Laplace approximations: writes tests/golden/laplace.txt.

Made with laplace-torch 0.3, backpack-for-pytorch 1.7.1 and torch 2.15 (pip install laplace-torch), in double. A layer of
6 features and 3 outputs, with and without a bias, on 50 images; its weights, features and labels are numbers of the
generator below, which laplace_golden_test.c has too. For each Hessian a line each of

  case        hessian, 1 with a bias, 0 without
  likelihood  log likelihood of the images
  evidence    prior precision, log marginal likelihood, for three precisions
  best        the precision of the largest marginal likelihood (Adam's steps until it stands still), that likelihood
  mean        of the outputs for 7 inputs: each feature alone, none
  covariance  of these 21 outputs at the best precision, row by row: with it all of the posterior's
  probit      predictive of the 7 inputs: laplace-torch's linearised one with its probit approximation
"""
import pathlib
import warnings

import numpy as np
import torch
from laplace import Laplace
from laplace.curvature import BackPackGGN
from torch.utils.data import DataLoader, TensorDataset

OUT = pathlib.Path(__file__).resolve().parent / "laplace.txt"
D, K, N = 6, 3, 50


def any_values(seed, n):
    """Numbers in (-1, 1), floats: fill_any of tests/unit/bayes_nets.h."""
    out = []
    for _ in range(n):
        seed = (seed * 1664525 + 1013904223) % 2**32
        out.append((seed >> 8) / 8388608 - 1)
    return torch.from_numpy(np.array(out, np.float32).astype(float))


def text(values):
    return " ".join(f"{v:.12g}" for v in torch.as_tensor(values).flatten().tolist())


def best_precision(la):
    """optimize_prior_precision has no rule to stop: its steps, ever smaller."""
    precision = torch.ones(1)
    for lr, steps in ((0.1, 300), (0.01, 300), (1e-3, 300), (1e-4, 300), (1e-5, 300), (1e-6, 300)):
        la.optimize_prior_precision(pred_type="glm", method="marglik", prior_structure="scalar", n_steps=steps, lr=lr,
                                    init_prior_prec=precision)
        precision = la.prior_precision.detach()
    return precision


def case(hessian, bias):
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(D, K, bias=bias))
    with torch.no_grad():
        model[1].weight[:] = 2 * any_values(1, K * D).view(K, D)
        if bias:
            model[1].bias[:] = any_values(2, K)
    features = 2 * any_values(3, N * D).view(N, D)
    labels = torch.arange(N) * 7 % 5 % K
    la = Laplace(model, "classification", subset_of_weights="last_layer", hessian_structure=hessian, backend=BackPackGGN)
    la.fit(DataLoader(TensorDataset(features, labels), batch_size=16))
    lines = [f"case {hessian} {int(bias)}", "likelihood " + text(la.log_likelihood)]
    for precision in (0.01, 1.0, 40.0):
        lines.append(f"evidence {precision} " + text(la.log_marginal_likelihood(prior_precision=torch.tensor([precision]))))
    precision = best_precision(la)
    lines.append("best " + text(precision) + " " + text(la.log_marginal_likelihood(prior_precision=precision)))
    inputs = torch.cat([torch.eye(D), torch.zeros(1, D)])
    lines.append("mean " + text(model(inputs)))
    jacobians, _ = la.backend.last_layer_jacobians(inputs)
    lines.append("covariance " + text(la.functional_covariance(jacobians)))
    lines.append("probit " + text(la(inputs, pred_type="glm", link_approx="probit")))
    return lines


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float64)
    cases = [line for bias in (True, False) for hessian in ("kron", "full", "diag") for line in case(hessian, bias)]
    OUT.write_text("\n".join(cases) + "\n")
