"""Ensembles: members and mixtures give what their components give, whatever the ranks, parts and kills; errors count components as what
they are; what does not fit together is refused with one line."""
import os
import signal
import unittest

import h5py
import numpy as np

import faults_test
import program
from program import DATA, Job, run, wait_for
from regression_test import write_data

USAGE, INPUT, STOPPED = 2, 3, 75
IMAGES = DATA / "images"
N_DRAWS = 16


def quietly(*words, folder):
    result = run(*words, folder=folder)
    assert result.codes == [0], result.err


def softmax(logits):
    powers = np.exp(logits.astype(float) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def entropy(p):
    return -(p * np.log(p)).sum(-1)


def cluster_error(x, component):
    """Standard error of the mean by the means of components, of x[draw, ...] with as many draws of each."""
    means = np.stack([x[component == c].mean(0) for c in np.unique(component)])
    return means.std(0, ddof=1) / np.sqrt(len(means))


class Ensemble(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        f = cls.folder
        for seed in range(1, 4):
            random = ["convert", "--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--seed", seed, "--classes",
                      DATA / "fashion_mnist_classes.txt"]
            quietly(*random, "--deterministic", "-o", f / f"m{seed}.h5", folder=f)
            quietly(*random, "-o", f / f"n{seed}.h5", folder=f)
        quietly("ensemble", *(f / f"m{seed}.h5" for seed in (1, 2, 3)), "-o", f / "members.h5", folder=f)
        quietly("ensemble", f / "n1.h5", f / "n2.h5", "-o", f / "mixture.h5", folder=f)
        cls.commands = {"members": ["predict", f / "members.h5", IMAGES], "mixture": ["predict", f / "mixture.h5", IMAGES, "--draws",
                                                                                    N_DRAWS]}

    def digests(self, path):
        return self.succeed("inspect", path, "--datasets")

    def predict(self, *words, ranks=1):
        """Prediction file, of which the name is p.h5."""
        self.succeed("predict", *words, "-o", "p.h5", ranks=ranks)
        return self.work / "p.h5"

    def draws(self, *words):
        with h5py.File(self.predict(*words, IMAGES, "--save-draws")) as file:
            return file["predictions/logits"][0]

    def test_same_on_all_ranks_in_parts_and_stopped(self):
        for command in self.commands.values():
            self.succeed(*command, "-o", "p.h5")
            whole = self.digests("p.h5")
            for ranks in (2, 3, 5):
                self.succeed(*command, "-o", "p.h5", ranks=ranks)
                self.assertEqual(self.digests("p.h5"), whole)
            blocks = ["--draw-block", 2]
            self.succeed(*command, *blocks, "-o", "p.h5")
            whole = self.digests("p.h5")
            for i in (1, 2):
                self.succeed(*command, *blocks, "--part", f"{i}/2", "-o", f"part{i}.h5", ranks=i)
            self.succeed("merge", "part2.h5", "part1.h5", "-o", "p.h5")
            self.assertEqual(self.digests("p.h5"), whole)
            with h5py.File(self.work / "p.h5") as file:
                self.assertEqual(file.attrs["component_of_draw"], "draw mod n_components")
            (self.work / "p.h5").unlink()
            for ranks, code in ((2, STOPPED), (1, STOPPED), (3, 0)):
                limit = ["--max-time", "0.001s"] if code == STOPPED else []
                result = run(*command, *blocks, "--resume", *limit, "-o", "p.h5", ranks=ranks, folder=self.work)
                self.assertIn(result.codes, ([code] * ranks, [0] * ranks), result.err)
            self.assertEqual(self.digests("p.h5"), whole)

    def test_killed_and_resumed(self):
        command = ["predict", self.folder / "mixture.h5", IMAGES, "--draws", 2000, "--draw-block", 4]
        self.succeed(*command, "-o", "whole.h5", ranks=2)
        for ranks in (3, 1, 2):
            job = Job(*command, "--resume", "--checkpoint-interval", "0.02s", "-o", "p.h5", ranks=ranks, folder=self.work)
            pid = job.pid(ranks - 1)
            seen = self.work / "p.h5.ckpt.prev"
            wait_for(lambda: seen.exists() or (self.work / "p.h5").exists(), job.process)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            job.end()
        self.succeed(*command, "--resume", "-o", "p.h5", ranks=3)
        self.assertEqual(self.digests("p.h5"), self.digests("whole.h5"))

    def test_draws_are_the_components_draws(self):
        members = self.draws(self.folder / "members.h5")
        for c in range(3):
            own = self.draws(self.folder / f"m{c + 1}.h5", "--deterministic")
            np.testing.assert_allclose(members[c], own[0], rtol=1e-5, atol=1e-6)
        for estimator in ("reparameterization", "flipout", "local-reparameterization"):
            for antithetic in ([], ["--antithetic"]):
                options = ["--draws", 8, "--estimator", estimator, *antithetic]
                mixture = self.draws(self.folder / "mixture.h5", *options)
                for c in range(2):
                    own = self.draws(self.folder / f"n{c + 1}.h5", *options)
                    of_c = np.flatnonzero((np.arange(8) // (2 if antithetic else 1)) % 2 == c)
                    np.testing.assert_array_equal(mixture[of_c], own[of_c])

    def test_deterministic_is_every_component_at_its_mean(self):
        means = self.draws(self.folder / "mixture.h5", "--deterministic")
        self.assertEqual(len(means), 2)
        for c in range(2):
            own = self.draws(self.folder / f"n{c + 1}.h5", "--deterministic")
            np.testing.assert_allclose(means[c], own[0], rtol=1e-5, atol=1e-6)

    def test_figures_of_a_mixture(self):
        for antithetic in ([], ["--antithetic"]):
            path = self.predict(self.folder / "mixture.h5", IMAGES, "--draws", 32, "--save-draws", *antithetic)
            component = (np.arange(32) // (2 if antithetic else 1)) % 2
            with h5py.File(path) as file:
                logits = file["predictions/logits"][0]
                row = {key: file["predictive"][key][...] for key in file["predictive"]}
            p = softmax(logits)
            np.testing.assert_allclose(row["probs_mean"], p.mean(0), atol=1e-6)
            np.testing.assert_allclose(row["probs_mcse"], cluster_error(p, component), atol=1e-6)
            if not antithetic:
                np.testing.assert_allclose(row["probs_mcse_draws"], p.std(0, ddof=1) / np.sqrt(32), atol=1e-6)
            of_components = np.stack([p[component == c].mean(0) for c in range(2)])
            between = entropy(p.mean(0)) - entropy(of_components).mean(0)
            within = entropy(of_components).mean(0) - entropy(p).mean(0)
            np.testing.assert_allclose(row["mutual_information_between"], between, atol=1e-8)
            np.testing.assert_allclose(row["mutual_information_within"], within, atol=1e-8)
            np.testing.assert_allclose(row["mutual_information_between"] + row["mutual_information_within"],
                                       row["mutual_information"], atol=1e-8)
            self.assertTrue((row["mutual_information_between"] > 0).all() and (row["mutual_information_within"] > 0).all())
            cross = -(p * np.log(p.mean(0))).sum(-1)
            np.testing.assert_allclose(row["mutual_information_mcse"], cluster_error(cross - entropy(p), component), rtol=1e-4)

    def test_only_mixtures_have_parts(self):
        for words in ([self.folder / "members.h5", IMAGES], [self.folder / "n1.h5", IMAGES, "--draws", 4]):
            with h5py.File(self.predict(*words)) as file:
                self.assertFalse([key for key in file["predictive"] if "between" in key or "mcse_draws" in key])

    def test_moments_against_the_components(self):
        n = 400
        with h5py.File(self.predict(self.folder / "mixture.h5", IMAGES, "--draws", n)) as file:
            mean, error = file["predictive/probs_mean"][...], file["predictive/probs_mcse_draws"][...]
        halves = []
        for c in (1, 2): # another seed: other draws
            with h5py.File(self.predict(self.folder / f"n{c}.h5", IMAGES, "--draws", n // 2, "--seed", 7)) as file:
                halves.append((file["predictive/probs_mean"][...], file["predictive/probs_mcse"][...]))
        expected = (halves[0][0] + halves[1][0]) / 2
        apart = np.sqrt(error**2 + (halves[0][1]**2 + halves[1][1]**2) / 4)
        self.assertLess((np.abs(mean - expected) / apart).max(), 4)

    def test_regression(self):
        data = self.folder / "data.h5"
        if not data.exists():
            write_data(data, 40, 2, 1)
            for seed in (1, 2):
                quietly("convert", "--arch", "lenet", "--moped", "--moped-delta", 0.1, "--n-classes", 4, "--seed", seed, "-o",
                        self.folder / f"start{seed}.h5", folder=self.folder)
                quietly("train", self.folder / f"start{seed}.h5", data, "--loss", "gaussian-nll", "--epochs", 2, "--batch-size", 10,
                        "--lr", "2e-3", "--kl-weight", "1e-6", "-o", self.folder / f"r{seed}.h5", folder=self.folder)
        self.succeed("ensemble", self.folder / "r1.h5", self.folder / "r2.h5", "-o", "r.h5")
        command = ["predict", "r.h5", data, "--draws", 24, "--draw-block", 4]
        self.succeed(*command, "--save-draws", "-o", "p.h5", ranks=2)
        component = np.arange(24) % 2
        with h5py.File(self.work / "p.h5") as file:
            x = file["posterior_predictive/mean"][0].astype(float)
            row = {key: file["predictive"][key][...] for key in file["predictive"]}
        np.testing.assert_allclose(row["mean_mcse"], cluster_error(x, component), rtol=1e-6)
        np.testing.assert_allclose(row["mean_mcse_draws"], x.std(0, ddof=1) / np.sqrt(24), rtol=1e-6)
        np.testing.assert_allclose(row["epistemic_sd_between"]**2 + row["epistemic_sd_within"]**2, row["epistemic_sd"]**2, rtol=1e-6)
        scatter = sum(((x[component == c] - x[component == c].mean(0))**2).sum(0) for c in range(2)) / 22
        np.testing.assert_allclose(row["epistemic_sd_within"]**2, np.minimum(scatter, row["epistemic_sd"]**2), rtol=1e-6)
        self.succeed(*command, "-o", "p.h5")
        whole = self.digests("p.h5")
        for i in (1, 2, 3):
            self.succeed(*command, "--part", f"{i}/3", "-o", f"part{i}.h5")
        self.succeed("merge", *(f"part{i}.h5" for i in (1, 2, 3)), "-o", "q.h5")
        self.assertEqual(self.digests("q.h5"), whole)
        self.succeed("evaluate", "r.h5", data, "--draws", 8, ranks=2)

    def test_other_commands_take_ensembles(self):
        for name in ("members", "mixture"):
            path = self.folder / f"{name}.h5"
            self.assertIn("sbatch", self.succeed("plan", path, IMAGES))
            self.succeed("bench", path, "--batch", 1, "--draws", 4, "--repeats", 1)
            self.assertIn("m1.h5" if name == "members" else "n1.h5", self.succeed("inspect", path))
            self.succeed("predict", path, IMAGES, "--precision", "bf16")
        self.succeed("predict", self.folder / "mixture.h5", IMAGES, "--draws", 256, "--until-mcse", 0.02)

    def test_ensembles_are_flattened(self):
        self.succeed("ensemble", self.folder / "mixture.h5", self.folder / "m3.h5", self.folder / "n3.h5", "-o", "e.h5")
        with h5py.File(self.work / "e.h5") as file:
            self.assertEqual((file.attrs["format_version"], file["weights"].attrs["family"]), (2, "mixture"))
            self.assertEqual([name.decode().rsplit("/", 1)[-1] for name in file["components/file"][...]],
                             ["n1.h5", "n2.h5", "m3.h5", "n3.h5"])
            mu, rho = file["weights/conv1/mu_kernel"][...], file["weights/conv1/rho_kernel"][...]
            self.assertTrue(np.isneginf(rho[2]).all() and np.isfinite(rho[[0, 1, 3]]).all())
        with h5py.File(self.folder / "m3.h5") as file:
            np.testing.assert_array_equal(mu[2], file["parameters/conv1/weight"][...])
        draws, own = self.draws("e.h5", "--draws", 8), self.draws(self.folder / "m3.h5", "--deterministic")
        np.testing.assert_allclose(draws[2], own[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(draws[2], draws[6])

    def check_refused(self, words, code, message):
        for ranks in (1, 3):
            result = run(*words, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [code] * ranks, result.err)
            self.assertEqual(len(result.err.splitlines()), 1, result.err)
            self.assertIn(message, result.err)
        self.assertFalse((self.work / "e.h5").exists())

    def test_what_does_not_fit_is_refused(self):
        f = self.folder
        others = {"lenet.h5": ["--arch", "lenet", "--crop", 28, "--channels", 1],
                  "preprocessing.h5": ["--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--channel-mean", "0.25", "--classes",
                                       DATA / "fashion_mnist_classes.txt"],
                  "nameless.h5": ["--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--n-classes", 10]}
        for name, options in others.items():
            quietly("convert", *options, "-o", self.work / name, folder=f)
        ensemble = ["ensemble", f / "n1.h5"]
        end = ["-o", "e.h5"]
        for name, message in (("lenet.h5", "lenet.h5: the architecture is lenet, but"), ("nameless.h5", "the list of classes"),
                              ("preprocessing.h5", "preprocessing: mean of channel 0 is 0.25, but")):
            self.check_refused([*ensemble, name, *end], INPUT, message)
        self.check_refused([*ensemble, "missing.h5", *end], INPUT, "missing.h5")
        self.check_refused([*ensemble, *end], USAGE, "ensemble")
        members = f / "members.h5"
        self.check_refused(["predict", members, IMAGES, "--draws", 4, *end], USAGE, "--draws: 4 is more than the 3 networks")
        self.check_refused(["predict", members, IMAGES, "--estimator", "flipout", *end], USAGE, "flipout needs normal weights")
        self.check_refused(["predict", members, IMAGES, "--antithetic", *end], USAGE, "antithetic")
        for name in ("members", "mixture"):
            self.check_refused(["train", f / f"{name}.h5", IMAGES, *end], INPUT, "train each of its")
            self.check_refused(["export", f / f"{name}.h5", *end], INPUT, "export each of its")
            self.check_refused(["convert", "--weights", f / f"{name}.h5", *end], INPUT, "convert each of its")

    def test_damaged_ensembles_are_refused(self):
        def shorten(file, dataset):
            values = file[dataset][...]
            del file[dataset]
            file[dataset] = values[:1]
        for dataset, edit, message in (
                ("/weights/conv1/mu_kernel", lambda file, name: file[name].__setitem__((1, 0, 0, 0, 0), np.nan),
                 "component 1: conv1.weight: element 0 of mu is nan"),
                ("/weights/conv1/rho_kernel", lambda file, name: file[name].__setitem__((1, 0, 0, 0, 0), -np.inf),
                 "component 1: conv1.weight: element 0 of rho is -inf"),
                ("/weights/conv1/mu_kernel", shorten, "/weights/conv1/mu_kernel: shape (1, 16, 1, 3, 3), but it must be (2, 16")):
            faults_test.change(self.folder / "mixture.h5", self.work / "bad.h5", dataset, edit)
            self.check_refused(["predict", "bad.h5", IMAGES, "-o", "e.h5"], INPUT, message)


if __name__ == "__main__":
    unittest.main()
