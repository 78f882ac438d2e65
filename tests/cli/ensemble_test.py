"""`ensemble`: sets of networks and mixtures of posteriors, from their files to predictions with errors and parts of the
epistemic uncertainty; the same whatever the ranks."""
import os
import shutil
import signal
import unittest

import h5py
import numpy as np

import program
from program import DATA, Job, run, wait_for
from regression_test import write_data

USAGE, INPUT, STOPPED = 2, 3, 75
IMAGES = DATA / "images"


class Ensembles(program.Case):
    @classmethod
    def setUpClass(cls):
        """Two normal posteriors and two networks with weights of their own, joined; every test has copies."""
        super().setUpClass()
        quickstart, cls.made = DATA / "quickstart.h5", cls.folder / "made"
        cls.made.mkdir()
        commands = [("convert", "--weights", quickstart, "--moped-delta", delta, "--seed", i, "-o", f"n{i}.h5")
                    for i, delta in enumerate((0.1, 0.4, 0.7))]
        commands += [("convert", "--weights", quickstart, "--no-moped", "--seed", seed, "-o", f"r{seed}.h5") for seed in (1, 2)]
        commands += [("ensemble", "n0.h5", "n1.h5", "-o", "mixture.h5"),
                     ("ensemble", "--deterministic", quickstart, "r1.h5", "r2.h5", "-o", "members.h5")]
        for words in commands:
            result = run(*words, folder=cls.made)
            assert result.codes == [0], result.err

    def setUp(self):
        super().setUp()
        for path in self.made.iterdir():
            shutil.copy(path, self.work)

    def fails(self, code, texts, *words):
        for ranks in (1, 3) if words[0] in ("predict", "train") else (1,):
            result = run(*words, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [code] * ranks, result.err)
            for text in texts:
                self.assertIn(text, result.err)

    def predictive(self, path):
        with h5py.File(self.work / path) as file:
            return {name: data[()] for name, data in file["predictive"].items()}, dict(file.attrs)

    def test_same_on_all_ranks_and_in_parts(self):
        for posterior, draws in (("members.h5", ()), ("mixture.h5", ("--draws", 50))):
            words = ["predict", posterior, IMAGES, *draws]
            digests = set()
            for ranks in (1, 2, 3, 5):
                result = run(*words, "-o", "p.h5", ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [0] * ranks, result.err)
                digests.add(self.succeed("inspect", "p.h5", "--datasets"))
            for i in (1, 2):
                self.succeed(*words, "--draw-block", 2, "--part", f"{i}/2", "-o", f"part{i}.h5")
            self.succeed("merge", "part2.h5", "part1.h5", "-o", "p.h5")
            digests.add(self.succeed("inspect", "p.h5", "--datasets"))
            self.assertEqual(len(digests), 1, posterior)

    def test_members_are_their_networks(self):
        """The mean of three networks' probabilities, each of which `--deterministic` gives alone."""
        self.succeed("predict", "members.h5", IMAGES, "-o", "p.h5", "--save-draws")
        one, attrs = self.predictive("p.h5")
        alone = []
        for path in (DATA / "quickstart.h5", "r1.h5", "r2.h5"):
            self.succeed("predict", path, IMAGES, "--deterministic", "-o", "d.h5")
            alone.append(self.predictive("d.h5")[0]["probs_mean"])
        np.testing.assert_allclose(one["probs_mean"], np.mean(alone, axis=0, dtype=float), rtol=0, atol=1e-6)
        np.testing.assert_allclose(one["probs_mcse"], np.std(alone, axis=0, ddof=1, dtype=float) / 3**0.5, rtol=1e-4, atol=1e-6)
        self.assertEqual((attrs["weights_family"], attrs["n_components"]), ("members", "3"))
        self.assertNotIn("mutual_information_between", one)
        # The mean network of each component is the component itself.
        self.succeed("predict", "members.h5", IMAGES, "--deterministic", "-o", "d.h5")
        np.testing.assert_array_equal(self.predictive("d.h5")[0]["probs_mean"], one["probs_mean"])

    def test_mixture_against_its_components(self):
        n, seed = 400, 7
        self.succeed("predict", "mixture.h5", IMAGES, "--draws", n, "--seed", seed, "-o", "p.h5", "--save-draws")
        mixture, attrs = self.predictive("p.h5")
        parts = []
        for i in (0, 1):
            self.succeed("predict", f"n{i}.h5", IMAGES, "--draws", n, "--seed", seed + 1 + i, "-o", "c.h5")
            parts.append(self.predictive("c.h5")[0])
        mean = (parts[0]["probs_mean"] + parts[1]["probs_mean"]) / 2
        error = np.sqrt(mixture["probs_mcse_draws"]**2 + (parts[0]["probs_mcse"]**2 + parts[1]["probs_mcse"]**2) / 4)
        self.assertTrue(np.all(np.abs(mixture["probs_mean"] - mean) <= 4 * error + 1e-7))
        # The draws themselves: draw d is of component d mod 2; everything follows from them.
        with h5py.File(self.work / "p.h5") as file:
            logits = file["predictions/logits"][0, :, :].astype(float)
        probs = np.exp(logits - logits.max(-1, keepdims=True))
        probs /= probs.sum(-1, keepdims=True)
        of_component = np.stack([probs[c::2].mean(0) for c in (0, 1)])
        np.testing.assert_allclose(mixture["probs_mean"], of_component.mean(0), rtol=0, atol=1e-6)
        np.testing.assert_allclose(mixture["probs_mcse"], of_component.std(0, ddof=1) / 2**0.5, rtol=1e-3, atol=1e-6)

        def entropy(p):
            return -np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0), -1)
        between = entropy(of_component.mean(0)) - entropy(of_component).mean(0)
        within = entropy(of_component).mean(0) - entropy(probs).mean(0)
        np.testing.assert_allclose(mixture["mutual_information_between"], between, rtol=0, atol=1e-5)
        np.testing.assert_allclose(mixture["mutual_information_within"], within, rtol=0, atol=1e-5)
        np.testing.assert_allclose(between + within, mixture["mutual_information"], rtol=0, atol=1e-5)
        self.assertEqual(attrs["component_of_draw"], "draw mod n_components")
        self.assertIn("not independent evidence about components", attrs["evidence"])

    def draws(self, *words):
        self.succeed("predict", *words, IMAGES, "--save-draws", "-o", "d.h5")
        with h5py.File(self.work / "d.h5") as file:
            return file["predictions/logits"][0]

    def test_draws_are_the_components_own_bit_for_bit(self):
        for estimator in ("reparameterization", "flipout", "local-reparameterization"):
            for antithetic in ([], ["--antithetic"]):
                options = ["--draws", 8, "--estimator", estimator, *antithetic]
                mixture = self.draws("mixture.h5", *options)
                for c in (0, 1):
                    of_c = np.flatnonzero(np.arange(8) // (2 if antithetic else 1) % 2 == c)
                    np.testing.assert_array_equal(mixture[of_c], self.draws(f"n{c}.h5", *options)[of_c])
        # A member in a mixture is the same network in each of its draws.
        self.succeed("ensemble", "--deterministic", "r1.h5", "r2.h5", "-o", "two.h5")
        self.succeed("ensemble", "n0.h5", "two.h5", "-o", "mixed.h5")
        mixed = self.draws("mixed.h5", "--draws", 6)
        np.testing.assert_array_equal(mixed[1], mixed[4])
        np.testing.assert_allclose(mixed[1], self.draws("r1.h5", "--deterministic")[0], rtol=1e-5, atol=1e-6)
        self.assertTrue((mixed[0] != mixed[3]).any())

    def test_stopped_and_killed_runs_continue(self):
        for name, draws in (("members", ()), ("mixture", ("--draws", 2000))):
            command = ["predict", f"{name}.h5", IMAGES, *draws, "--draw-block", 1 if name == "members" else 4]
            self.succeed(*command, "-o", "whole.h5", ranks=2)
            for ranks in (2, 1):
                result = run(*command, "--resume", "--max-time", "0.001s", "-o", "p.h5", ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [STOPPED] * ranks, result.err)
            for ranks in (3, 1) if name == "mixture" else ():
                job = Job(*command, "--resume", "--checkpoint-interval", "0.02s", "-o", "p.h5", ranks=ranks, folder=self.work)
                pid, kept = job.pid(ranks - 1), self.work / "p.h5.ckpt"
                before = kept.stat().st_mtime_ns
                wait_for(lambda: not kept.exists() or kept.stat().st_mtime_ns != before, job.process)
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass # it was done before
                job.end()
            self.succeed(*command, "--resume", "-o", "p.h5", ranks=3)
            self.assertEqual(self.succeed("inspect", "p.h5", "--datasets"), self.succeed("inspect", "whole.h5", "--datasets"))

    def test_regression(self):
        data = self.work / "data.h5"
        write_data(data, 40, 2, 1)
        for seed in (1, 2):
            self.succeed("convert", "--arch", "lenet", "--moped", "--moped-delta", 0.1, "--n-classes", 4, "--seed", seed, "-o", "s.h5")
            self.succeed("train", "s.h5", data, "--loss", "gaussian-nll", "--epochs", 2, "--batch-size", 10, "--lr", "2e-3",
                         "--kl-weight", "1e-6", "-o", f"v{seed}.h5")
        self.succeed("ensemble", "v1.h5", "v2.h5", "-o", "values.h5")
        command = ["predict", "values.h5", data, "--draws", 24, "--draw-block", 4]
        self.succeed(*command, "--save-draws", "-o", "p.h5", ranks=2)
        row, _ = self.predictive("p.h5")
        with h5py.File(self.work / "p.h5") as file:
            x = file["posterior_predictive/mean"][0].astype(float)
        means = np.stack([x[c::2].mean(0) for c in (0, 1)])
        np.testing.assert_allclose(row["mean_mcse"], means.std(0, ddof=1) / 2**0.5, rtol=1e-6)
        np.testing.assert_allclose(row["mean_mcse_draws"], x.std(0, ddof=1) / 24**0.5, rtol=1e-6)
        np.testing.assert_allclose(row["epistemic_sd_between"]**2 + row["epistemic_sd_within"]**2, row["epistemic_sd"]**2, rtol=1e-6)
        within = sum(((x[c::2] - means[c])**2).sum(0) for c in (0, 1)) / 22
        np.testing.assert_allclose(row["epistemic_sd_within"]**2, np.minimum(within, row["epistemic_sd"]**2), rtol=1e-6)
        self.succeed(*command, "-o", "p.h5")
        for i in (1, 2, 3):
            self.succeed(*command, "--part", f"{i}/3", "-o", f"part{i}.h5")
        self.succeed("merge", *(f"part{i}.h5" for i in (1, 2, 3)), "-o", "q.h5")
        self.assertEqual(self.succeed("inspect", "q.h5", "--datasets"), self.succeed("inspect", "p.h5", "--datasets"))

    def test_file(self):
        with h5py.File(self.work / "mixture.h5") as file:
            self.assertEqual((file["weights"].attrs["family"], file["weights"].attrs["n_components"]), ("mixture", 2))
            mu, rho = file["weights/linear/mu_weight"], file["weights/linear/rho_weight"]
            self.assertEqual(mu.shape[0], 2)
            self.assertEqual(mu.shape, rho.shape)
            with h5py.File(self.work / "n1.h5") as component:
                np.testing.assert_array_equal(mu[1], component["parameters/linear/mu_weight"][()])
            self.assertEqual([name.decode() for name in file["components/file"]], ["n0.h5", "n1.h5"])
        self.assertRegex(self.succeed("inspect", "mixture.h5"), r"mixture of 2 posteriors[^\n]*\n +component 0 +[0-9a-f]{32} +n0.h5")
        # An ensemble of ensembles has all their components.
        self.assertIn("mixture of 5 ", self.succeed("ensemble", "mixture.h5", "members.h5", "-o", "all.h5"))

    def test_other_commands(self):
        labelled = self.folder / "set"
        for jpeg in IMAGES.glob("*.jpg"):
            folder = labelled / jpeg.stem.split("_", 1)[1].capitalize()
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(jpeg, folder)
        self.assertIn("2 draws", self.succeed("evaluate", "mixture.h5", labelled, "--deterministic"))
        self.assertIn("3 draws", self.succeed("evaluate", "members.h5", labelled))
        self.assertIn("draws", self.succeed("plan", "mixture.h5", IMAGES, "--until-mcse", 0.01))
        self.succeed("bench", "mixture.h5", "--batch", 1)

    def test_refusals(self):
        self.fails(USAGE, ["--draws: 4", "3 networks"], "predict", "members.h5", IMAGES, "--draws", 4)
        self.fails(USAGE, ["flipout", "3 deterministic networks"], "predict", "members.h5", IMAGES, "--estimator", "flipout")
        self.fails(INPUT, ["mixture.h5: is an ensemble (mixture): train each"], "train", "mixture.h5", IMAGES, "-o", "t.h5")
        self.succeed("convert", "--arch", "lenet", "-o", "lenet.h5")
        self.succeed("convert", "--weights", DATA / "quickstart.h5", "--channel-mean", 0.5, "-o", "other.h5")
        self.fails(INPUT, ["lenet.h5: the architecture is lenet, but n0.h5 has"], "ensemble", "n0.h5", "lenet.h5", "-o", "e.h5")
        self.fails(INPUT, ["other.h5: preprocessing: mean of channel 0 is 0.5"], "ensemble", "n0.h5", "other.h5", "-o", "e.h5")
        self.fails(INPUT, ["missing.h5"], "ensemble", "n0.h5", "missing.h5", "-o", "e.h5")
        self.fails(USAGE, ["too few"], "ensemble", "n0.h5", "-o", "e.h5")
        self.fails(INPUT, ["mixture.h5: is an ensemble"], "export", "mixture.h5", "--to", "npz", "-o", "e.npz")
        self.assertFalse((self.work / "e.h5").exists())


if __name__ == "__main__":
    unittest.main()
