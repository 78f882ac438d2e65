#!/usr/bin/env python3
"""Golden values of chains' diagnostics: writes tests/golden/chain_diagnostics.txt.

Made with ArviZ 0.23.4, numpy 2.4.6 and scipy 1.17.1 (pip install arviz==0.23.4). Draws have few digits, so that they
are the same numbers in the file; some cases have ties, chains that stand still, infinities, or are too short.

  each case: a line "case" name n_chains n_draws; a line of draws a chain; a line of rhat, ess_bulk, ess_tail, ess_mean,
  mean, mcse_mean, sd; a line a probability: p, quantile, its mcse
"""
import pathlib
import warnings

import arviz
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent / "chain_diagnostics.txt"
PROBABILITIES = (0.05, 0.25, 0.5, 0.9)


def ar1(rng, n_chains, n_draws, phi):
    out = np.zeros((n_chains, n_draws))
    out[:, 0] = rng.normal(size=n_chains) / np.sqrt(1 - phi**2)
    for t in range(1, n_draws):
        out[:, t] = phi * out[:, t - 1] + rng.normal(size=n_chains)
    return out


def make_cases():
    rng = np.random.default_rng(7)
    apart = ar1(rng, 3, 80, 0.3) + np.array([[0.0], [0.5], [2.0]])
    wide = rng.normal(size=(4, 60)) * np.array([[1.0], [1.0], [1.0], [4.0]])
    metropolis = np.round(np.repeat(rng.normal(size=(2, 30)), rng.integers(1, 9, 30), axis=1)[:, :101], 1)
    stuck = np.broadcast_to(np.array([[1.0], [2.0]]), (2, 16))
    one_stuck = rng.normal(size=(3, 32))
    one_stuck[1] = 0.25
    nan, inf = rng.normal(size=(2, 20)), rng.normal(size=(2, 20))
    nan[1, 3], inf[0, 7], inf[1, 2] = np.nan, np.inf, -np.inf
    cases = {
        "independent": rng.normal(size=(4, 100)),
        "slow": ar1(rng, 4, 150, 0.95),
        "long": ar1(rng, 2, 700, 0.8),
        "antithetic": ar1(rng, 4, 64, -0.7),
        "odd": ar1(rng, 3, 51, 0.5),
        "apart": apart,
        "wide": wide,
        "heavy": rng.standard_cauchy(size=(4, 75)),
        "metropolis": metropolis,
        "coins": rng.integers(0, 2, (3, 40)).astype(float),
        "trend": np.linspace(0, 1, 41) + 0.05 * rng.normal(size=(2, 41)),
        "one_chain": ar1(rng, 1, 90, 0.6),
        "many_chains": rng.normal(size=(12, 9)),
        "constant": np.full((2, 10), 0.1),
        "stuck": stuck,
        "one_stuck": one_stuck,
        "nan": nan,
        "infinite": inf,
        "short_3": rng.normal(size=(2, 3)),
        "short_4": rng.normal(size=(2, 4)),
        "short_5": rng.normal(size=(1, 5)),
        "short_8": rng.normal(size=(2, 8)),
        "short_11": rng.normal(size=(3, 11)),
        "large": 1e6 + ar1(rng, 2, 40, 0.5),
    }
    return {name: np.round(draws, 3) for name, draws in cases.items()}


def figures(draws):
    return (arviz.rhat(draws), *(arviz.ess(draws, method=m) for m in ("bulk", "tail", "mean")), draws.mean(),
            arviz.mcse(draws, method="mean"), draws.std(ddof=1))


def numbers(values):
    return " ".join(f"{float(v):.12g}" for v in values)


def lines():
    for name, draws in make_cases().items():
        yield f"case {name} {draws.shape[0]} {draws.shape[1]}"
        yield from (numbers(chain) for chain in draws)
        yield numbers(figures(draws))
        for p in PROBABILITIES:
            quantile = arviz.stats.stats_utils.quantile(draws.ravel(), p)[0]
            yield numbers((p, quantile, arviz.mcse(draws, method="quantile", prob=p)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    OUT.write_text("\n".join(lines()) + "\n")
