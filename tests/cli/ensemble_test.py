"""`ensemble`: sets of networks and mixtures of posteriors, from their files to predictions with errors and parts of the
epistemic uncertainty; the same whatever the ranks."""
import shutil
import unittest

import h5py
import numpy as np

import program
from program import DATA, run

USAGE, INPUT = 2, 3
IMAGES = DATA / "images"


class Ensembles(program.Case):
    def setUp(self):
        super().setUp()
        quickstart = DATA / "quickstart.h5"
        for i, delta in enumerate((0.1, 0.4, 0.7)):
            self.succeed("convert", "--weights", quickstart, "--moped-delta", delta, "--seed", i, "-o", f"n{i}.h5")
        self.succeed("ensemble", "n0.h5", "n1.h5", "-o", "mixture.h5")
        # Three networks that differ: of the posterior's own, of other means and of both.
        for seed in (1, 2):
            self.succeed("convert", "--weights", quickstart, "--no-moped", "--seed", seed, "-o", f"r{seed}.h5")
        self.succeed("ensemble", "--deterministic", quickstart, "r1.h5", "r2.h5", "-o", "members.h5")

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
