"""Regression: predict, evaluate, plan and merge with posteriors of `mse` and `gaussian-nll`, against numpy and the saved draws."""
import json
import pathlib
import shutil
import tempfile
import unittest

import h5py
import numpy as np

import program
import regression_scores
from program import DATA, run

USAGE, INPUT, STOPPED = 2, 3, 75
N_IMAGES, N_VALUES = 90, 2


def write_data(path, n, n_values, seed):
    """Tables as UCI's: ten features, of which a value depends, with noise that depends on the third; a feature is a band of rows."""
    random = np.random.RandomState(seed)
    features = random.normal(size=(n, 10))
    images = np.zeros((n, 1, 28, 28), np.float32)
    for k in range(10):
        images[:, 0, 2 * k + 4:2 * k + 6] = features[:, k, None, None]
    slopes = random.normal(size=(10, n_values))
    values = features @ slopes + 3 * np.arange(n_values) + random.normal(size=(n, n_values)) * np.exp(features[:, 2:3] / 2)
    with h5py.File(path, "w") as file:
        file["images"], file["targets"] = images, values


class Regression(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-regression-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.data = cls.folder / "data.h5"
        write_data(cls.data, N_IMAGES, N_VALUES, 1)
        write_data(cls.folder / "narrow.h5", 6, 1, 2)
        with h5py.File(cls.folder / "plain.h5", "w") as file, h5py.File(cls.data) as data:
            file["images"] = data["images"][:7]
        for name in ("cat", "dog"):
            (cls.folder / "pets" / name).mkdir(parents=True)
            shutil.copy(DATA / "images" / "00_t-shirt_top.jpg", cls.folder / "pets" / name / "a.jpg")
        for loss, n_outputs in (("mse", N_VALUES), ("gaussian-nll", 2 * N_VALUES)):
            start = cls.folder / f"start-{loss}.h5"
            for words in (["convert", "--arch", "lenet", "--moped", "--moped-delta", 0.1, "--n-classes", n_outputs, "-o", start],
                          ["train", start, cls.data, "--loss", loss, "--epochs", 6, "--batch-size", 15, "--lr", "2e-3",
                           "--kl-weight", "1e-6", "-o", cls.folder / f"{loss}.h5"]):
                result = run(*words, folder=cls.folder)
                assert result.codes == [0], result.err

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="work-", dir=self.folder))

    def posterior(self, loss="gaussian-nll"):
        return self.folder / f"{loss}.h5"

    def succeed(self, *words, ranks=1, codes=0):
        result = run(*words, ranks=ranks, folder=self.work)
        self.assertEqual(result.codes, [codes] * ranks, result.err)
        return result

    def digests(self, path):
        return self.succeed("inspect", path, "--datasets").out

    def test_columns_are_what_the_draws_say(self):
        for loss in ("mse", "gaussian-nll"):
            self.succeed("predict", self.posterior(loss), self.data, "--draws", 40, "--save-draws", "-o", "p.h5")
            means, sds, targets = regression_scores.read_draws(self.work / "p.h5")
            self.assertEqual(means.shape, (40, N_IMAGES, N_VALUES))
            with h5py.File(self.data) as data, h5py.File(self.work / "p.h5") as file:
                np.testing.assert_array_equal(targets, data["targets"][:].astype(np.float32))
                found = {name: values[:] for name, values in file["predictive"].items()}
                self.assertEqual(file["predictive"].attrs["reducer"], "regression")
            near = {"rtol": 1e-6, "atol": 1e-9}
            epistemic, noise = means.var(axis=0, ddof=1), (sds ** 2).mean(axis=0)
            np.testing.assert_allclose(found["mean"], means.mean(axis=0), **near)
            np.testing.assert_allclose(found["mean_mcse"], np.sqrt(epistemic / 40), **near)
            np.testing.assert_allclose(found["epistemic_sd"], np.sqrt(epistemic), **near)
            np.testing.assert_allclose(found["predictive_sd"], np.sqrt(epistemic + noise), **near)
            np.testing.assert_allclose(found["draws_max"], means.max(axis=0))
            np.testing.assert_allclose(found["draws_min"], means.min(axis=0))
            self.assertEqual(list(found["quantile"]), [0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975])
            if loss == "mse":
                self.assertTrue(np.isnan(found["aleatoric_sd"]).all())
                np.testing.assert_allclose(found["quantiles"], np.moveaxis(np.quantile(means, found["quantile"], axis=0), 0, 2),
                                           **near)
                continue
            np.testing.assert_allclose(found["aleatoric_sd"], np.sqrt(noise), **near)
            for q, p in enumerate(found["quantile"]):
                shares = regression_scores.below((found["quantiles"][:, :, q] - means) / sds).mean(axis=0)
                np.testing.assert_allclose(shares, p, atol=1e-6)
            for name in ("mean", "predictive_sd", "aleatoric_sd", "epistemic_sd", "quantiles"):
                self.assertTrue((found[name + "_mcse"] > 0).all(), name)

    def test_figures_are_those_of_the_saved_draws(self):
        for loss in ("mse", "gaussian-nll"):
            self.succeed("predict", self.posterior(loss), self.data, "--draws", 40, "--save-draws", "-o", "p.h5")
            expected = regression_scores.figures(*regression_scores.read_draws(self.work / "p.h5"))
            answers = [json.loads(self.succeed("evaluate", self.posterior(loss), self.data, "--draws", 40, "--json",
                                               ranks=ranks).out) for ranks in (1, 3)]
            for key, (value, se) in expected.items():
                self.assertEqual(answers[0][key], answers[1][key])
                if np.isnan(value) or (loss == "mse" and key == "aleatoric_sd"):
                    self.assertIsNone(answers[0][key]["value"])
                    continue
                self.assertLess(abs(answers[0][key]["value"] - value), 1e-6 * max(1, abs(value)), key)
                self.assertLess(abs(answers[0][key]["se"] - se), 1e-6 * max(1, abs(se)), key)
            text = self.succeed("evaluate", self.posterior(loss), self.data, "--draws", 40).out
            self.assertRegex(text, r"CRPS +\d+\.\d+ ± \d")
            self.assertRegex(text, r"coverage 90 % +\d+\.\d+ % ± \d")
            self.assertEqual("NLL" in text, loss != "mse")

    def test_the_answer_does_not_depend_on_ranks(self):
        for options in (("--draws", 20, "--save-draws"), ("--draws", 20, "--antithetic"),
                        ("--draws", 120, "--min-draws", 16, "--until-mcse", 0.05)):
            self.succeed("predict", self.posterior(), self.data, *options, "-o", "p.h5")
            alone = self.digests("p.h5")
            for ranks in (2, 3, 5):
                self.succeed("predict", self.posterior(), self.data, *options, "-o", "p.h5", ranks=ranks)
                self.assertEqual(self.digests("p.h5"), alone, f"{options} {ranks}")

    def test_images_stop_when_their_error_is_small(self):
        self.succeed("predict", self.posterior(), self.data, "--draws", 400, "--min-draws", 16, "--until-mcse", 0.06, "-o", "p.h5")
        with h5py.File(self.work / "p.h5") as file:
            n_draws = file["predictive/n_draws"][:]
            errors = (file["predictive/mean_mcse"][:] / file["predictive/predictive_sd"][:]).max(axis=1)
        self.assertTrue((errors < 0.06).all())
        self.assertLess(n_draws.min(), 400)
        plan = json.loads(self.succeed("plan", self.posterior(), self.data, "--draws", 400, "--min-draws", 16,
                                       "--until-mcse", 0.06, "--json", ranks=2).out)
        self.assertLess(abs(np.log(plan["mean_draws"] / n_draws.mean())), np.log(2))

    def test_stopped_and_resumed(self):
        words = ["predict", self.posterior(), self.data, "--draws", 32, "--save-draws"]
        self.succeed(*words, "-o", "whole.h5")
        # One rank stops after its first unit; several may be done before they hear of it, however many there are.
        self.succeed(*words, "-o", "part.h5", "--max-time", "0.001s", codes=STOPPED)
        self.assertIn("/checkpoint/sums", self.digests("part.h5.ckpt"))
        for ranks in (2, 1, 3, 5):
            result = run(*words, "-o", "part.h5", "--max-time", "0.001s", "--resume", ranks=ranks, folder=self.work)
            self.assertIn(result.codes, ([STOPPED] * ranks, [0] * ranks), result.err)
            if result.codes[0] == 0:
                break
        else:
            self.succeed(*words, "-o", "part.h5", "--resume", ranks=5)
        self.assertEqual(self.digests("part.h5"), self.digests("whole.h5"))

    def test_parts_are_merged(self):
        for more in ((), ("--antithetic",)):
            words = ["predict", self.posterior(), self.data, "--draws", 640, "--batch", 30, *more]
            self.succeed(*words, "-o", "whole.h5")
            for part in (3, 1, 2):  # the third one begins behind the draws that quantiles are made of
                self.succeed(*words, "--part", f"{part}/3", "-o", f"{part}.h5", ranks=part)
            self.succeed("merge", "2.h5", "1.h5", "3.h5", "-o", "merged.h5")
            self.assertEqual(self.digests("merged.h5"), self.digests("whole.h5"))
        self.succeed("predict", self.posterior("mse"), self.data, "--draws", 640, "--part", "2/3", "-o", "2.h5")
        for ranks in (1,):
            result = run("merge", "2.h5", "1.h5", "3.h5", "-o", "m.h5", ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [INPUT] * ranks)

    def test_text_and_json(self):
        options = ("--draws", 24)
        table = self.succeed("predict", self.posterior(), self.data, *options).out.splitlines()
        self.assertRegex(table[0], "image +value +mean +predictive sd +aleatoric sd +epistemic sd")
        self.assertEqual(len(table), 1 + N_IMAGES * N_VALUES + 1)
        self.assertRegex(table[1], r"data\.h5\[0\] +0 +-?[\d.]+ ± [\d.]+ +[\d.]+ ± ")
        answer = json.loads(self.succeed("predict", self.posterior(), self.data, *options, "--json").out)
        self.assertEqual(answer["n_values"], N_VALUES)
        self.assertEqual(len(answer["quantile"]), 7)
        value = answer["images"][3]["values"][1]
        self.assertEqual(len(value["quantiles"]), 7)
        self.assertEqual(value["quantiles"], sorted(value["quantiles"]))
        one = self.work / "one.h5"
        with h5py.File(one, "w") as file, h5py.File(self.data) as data:
            file["images"] = data["images"][:1]
        shown = self.succeed("predict", self.posterior(), one, *options).out
        self.assertRegex(shown, r"quantile 0\.975 +-?[\d.]+ ± [\d.]+")
        lines = self.succeed("predict", self.posterior(), one, "--draws", 2, "--show-draws").out
        self.assertRegex(lines, r"draw 1: mean -?[\d.]+ -?[\d.]+, sd [\d.]+ [\d.]+\n")
        still = self.succeed("predict", self.posterior(), one, "--deterministic").out  # one network has no error, and its own noise
        self.assertNotIn("±", still)
        self.assertRegex(still, r"epistemic sd +-\n")

    def test_bad_input(self):
        narrow, pets, plain = (self.folder / name for name in ("narrow.h5", "pets", "plain.h5"))
        classes = self.folder / "classes.h5"
        self.succeed("convert", "--arch", "lenet", "--moped", "-o", classes)
        cases = ((INPUT, ["a.jpg", "no target"], "evaluate", self.posterior(), pets),
                 (INPUT, ["plain.h5", "no target"], "evaluate", self.posterior(), plain),
                 (INPUT, ["narrow.h5", "1 targets", "2 values"], "evaluate", self.posterior(), narrow),
                 (INPUT, ["data.h5", "no label"], "evaluate", classes, self.data),
                 (USAGE, ["--ood", "regression"], "evaluate", self.posterior(), self.data, "--ood", plain),
                 (USAGE, ["--topk", "regression"], "predict", self.posterior(), self.data, "--topk", 3),
                 (USAGE, ["--confidence", "regression"], "predict", self.posterior(), self.data, "--confidence", 0.9))
        for code, words, *command in cases:
            for ranks in (1, 3):
                result = run(*command, ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [code] * ranks, result.err)
                self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
                for word in words:
                    self.assertIn(word, result.err)
        result = self.succeed("predict", self.posterior(), narrow, "--draws", 8, "-o", "p.h5")
        self.assertIn("no targets are recorded", result.err)


if __name__ == "__main__":
    unittest.main()
