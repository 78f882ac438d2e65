"""Regression of real data, scikit-learn's diabetes set (442 patients, ten measurements): diabetes.py PROGRAM

Needs scikit-learn, whose package holds the data (Debian: python3-sklearn); exit code 77 where it is not there. Of 342 patients a small
network is trained with gaussian-nll and with mse; of the other 100 `credence evaluate` must give the figures that numpy finds in the
saved draws, to 1e-6; predictions must be better than the mean; and the intervals of gaussian-nll must hold about as often
as they say. Linear regression's figures stand beside.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    from sklearn import datasets, linear_model
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import regression_scores  # noqa: E402 (beside the tests of the program)

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
N_TRAIN, N_DRAWS, TOLERANCE = 342, 64, 1e-6


def credence(*words):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def write(path, features, targets):
    """A measurement is a band of two rows."""
    images = np.zeros((len(features), 1, 28, 28), np.float32)
    for k in range(features.shape[1]):
        images[:, 0, 2 * k + 4:2 * k + 6] = features[:, k, None, None]
    with h5py.File(path, "w") as file:
        file["images"], file["targets"] = images, targets[:, None].astype(np.float32)


features, targets = datasets.load_diabetes(return_X_y=True, scaled=False)
order = np.random.RandomState(0).permutation(len(targets))
features, targets = features[order], targets[order]
features = (features - features[:N_TRAIN].mean(axis=0)) / features[:N_TRAIN].std(axis=0)
targets = (targets - targets[:N_TRAIN].mean()) / targets[:N_TRAIN].std()
rest = slice(N_TRAIN, None)
linear = linear_model.LinearRegression().fit(features[:N_TRAIN], targets[:N_TRAIN])
plain = math.sqrt((targets[rest] ** 2).mean())
print(f"the mean: RMSE {plain:.4f}; linear regression: "
      f"{math.sqrt(((linear.predict(features[rest]) - targets[rest]) ** 2).mean()):.4f}")

with tempfile.TemporaryDirectory(prefix="credence-diabetes-") as folder:
    folder = pathlib.Path(folder)
    write(folder / "train.h5", features[:N_TRAIN], targets[:N_TRAIN])
    write(folder / "test.h5", features[rest], targets[rest])
    for loss, n_outputs in (("mse", 1), ("gaussian-nll", 2)):
        start, posterior, drawn = folder / "start.h5", folder / f"{loss}.h5", folder / "drawn.h5"
        credence("convert", "--arch", "lenet", "--moped", "--moped-delta", 0.1, "--n-classes", n_outputs, "-o", start)
        credence("train", start, folder / "train.h5", "--loss", loss, "--epochs", 40, "--batch-size", 38, "--lr", "1e-3",
                 "--scheduler", "cosine", "-o", posterior)
        credence("predict", posterior, folder / "test.h5", "--draws", N_DRAWS, "--save-draws", "-o", drawn)
        answer = json.loads(credence("evaluate", posterior, folder / "test.h5", "--draws", N_DRAWS, "--json"))
        expected = regression_scores.figures(*regression_scores.read_draws(drawn))
        worst = 0
        for key, (value, se) in expected.items():
            if not math.isnan(value) and answer[key]["value"] is not None:
                worst = max(worst, abs(answer[key]["value"] - value), abs(answer[key]["se"] - se))
        print(f"{loss}: " + ", ".join(f"{key} {figure['value']:.4f} ± {figure['se']:.4f}" for key, figure in answer.items()
                                      if isinstance(figure, dict) and figure.get("value") is not None))
        print(f"  largest difference from numpy's of the saved draws: {worst:.1e}")
        assert worst < TOLERANCE
        assert answer["rmse"]["value"] < 0.85 * plain
        if loss == "gaussian-nll":
            for share in (50, 90, 95):
                assert abs(answer[f"coverage_{share}"]["value"] - share / 100) < 0.2, share  # 0.05: one standard error
