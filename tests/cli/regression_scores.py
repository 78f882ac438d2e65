"""What the draws of a regression say of true values, by numpy and the definitions: the other way to `credence evaluate`'s figures."""
import math

import h5py
import numpy as np

erf = np.vectorize(math.erf, otypes=[float])


def below(z):
    return 0.5 * (1 + erf(z / math.sqrt(2)))


def distance(mean, sd):
    """E|x| for x ~ N(mean, sd^2); sd 0: |mean|."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = mean / sd
        value = 2 * sd * np.exp(-z * z / 2) / math.sqrt(2 * math.pi) + mean * erf(np.nan_to_num(z) / math.sqrt(2))
    return np.where(sd > 0, value, np.abs(mean))


def crps(mean, sd, target):
    """mean, sd: [draw]."""
    near = distance(target - mean, sd).mean()
    apart = distance(mean[:, None] - mean[None], np.hypot(sd[:, None], sd[None])).mean()
    return near - apart / 2


def covers(mean, sd, target, share):
    if (sd > 0).all():
        return abs(below((target - mean) / sd).mean() - 0.5) <= share / 2
    low, high = np.quantile(mean, [(1 - share) / 2, (1 + share) / 2])
    return low <= target <= high


def nll(mean, sd, target):
    logs = -0.5 * ((target - mean) / sd) ** 2 - np.log(sd) - 0.5 * math.log(2 * math.pi)
    return math.log(len(logs)) - logs.max() - math.log(np.exp(logs - logs.max()).sum())


def read_draws(path):
    """(means, sds, targets): [draw][image][value] twice, [image][value]; sds are 0 where the network tells no noise."""
    with h5py.File(path) as file:
        drawn = file["posterior_predictive"]
        means = drawn["mean"][0].astype(float)
        sds = drawn["sd"][0].astype(float) if "sd" in drawn else np.zeros_like(means)
        return means, sds, file["observed_data/target"][:].astype(float)


def image_rows(means, sds, targets):
    """({key: [image]}, keys whose figure is the root of the mean over images)."""
    n_draws, n_images, n_values = means.shape
    own = {key: np.zeros((n_images, n_values)) for key in ("crps", "nll", "coverage_50", "coverage_90", "coverage_95")}
    for i in range(n_images):
        for k in range(n_values):
            m, s, y = means[:, i, k], sds[:, i, k], targets[i, k]
            own["crps"][i, k] = crps(m, s, y)
            own["nll"][i, k] = nll(m, s, y) if (s > 0).all() else np.nan
            for share in (50, 90, 95):
                own[f"coverage_{share}"][i, k] = covers(m, s, y, share / 100)
    own["mae"] = abs(means.mean(axis=0) - targets)
    roots = {"rmse": (means.mean(axis=0) - targets) ** 2, "epistemic_sd": means.var(axis=0, ddof=1),
             "aleatoric_sd": (sds ** 2).mean(axis=0)}
    roots["predictive_sd"] = roots["epistemic_sd"] + roots["aleatoric_sd"]
    return {key: values.mean(axis=1) for key, values in {**own, **roots}.items()}, set(roots)


def figures(means, sds, targets):
    """{key: (value, standard error over images)} as `credence evaluate --json` says them."""
    found, (all_rows, roots) = {}, image_rows(means, sds, targets)
    for key, rows in all_rows.items():
        value, se = rows.mean(), rows.std(ddof=1) / math.sqrt(len(rows))
        found[key] = (math.sqrt(value), se / 2 / math.sqrt(value) if value > 0 else 0) if key in roots else (value, se)
    return found
