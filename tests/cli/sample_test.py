"""`sample`: chains against the formulas of their papers, step by step, and against a posterior that is known; the same on any
number of ranks and after stops; what others read of their file."""
import json
import shutil
import sys
import unittest

import h5py
import numpy as np
import xarray

import program
from program import DATA, ROOT, run

sys.path.insert(0, str(ROOT / "tests/golden"))
from chains_twin import Chain # noqa: E402

USAGE, INPUT, NUMERIC, RESUME, STOPPED = 2, 3, 5, 6, 75
N_IMAGES, N_IN, NOISE, START_SD = 40, 4, 0.5, 0.5
LANGEVIN = ("--batch-size", N_IMAGES)


def write_posterior(path, n_in):
    """A linear network of one output under the prior N(0, 1), q = N(0, START_SD^2); images are squares of n_in pixels."""
    side = int(n_in**0.5)
    ops = [{"name": "input", "kind": "Input", "inputs": [], "attrs": {}, "shape": [1, side, side]},
           {"name": "flatten", "kind": "Flatten", "inputs": ["input"], "attrs": {}, "shape": [n_in]},
           {"name": "linear", "kind": "Linear", "inputs": ["flatten"], "attrs": {"in_features": n_in, "out_features": 1, "bias": 1},
            "shape": [1]}]
    with h5py.File(path, "w") as file:
        file.attrs.update(format="credence-posterior", format_version=np.int64(1), command="test", seed=np.uint64(0),
                          created_at="2026-01-01T00:00:00Z")
        graph = json.dumps({"format": "credence-graph", "version": 1, "arch": "linear", "nodes": ops})
        file.create_dataset("graph", data=graph, dtype=h5py.string_dtype())
        for leaf, shape in (("weight", (1, n_in)), ("bias", (1,))):
            file[f"parameters/linear/mu_{leaf}"] = np.zeros(shape, np.float32)
            file[f"parameters/linear/rho_{leaf}"] = np.full(shape, np.log(np.expm1(START_SD)), np.float32)
        file.create_group("prior").attrs.update(prior_kind="normal", prior_scale="fixed", prior_mu=0.0, prior_sigma=1.0,
                                                prior_pi=0.5, prior_sigma2=0.0025)
        file.create_group("conversion").attrs.update(
            type="reparameterization", posterior_mu_init=0.0, posterior_rho_init=-3.0, moped_delta=0.1, sigma_min=0.0,
            moped_enable=np.int64(0), moped_prior=np.int64(0), seed=np.uint64(0))
        file.create_group("preprocessing").attrs.update(channels=np.int64(1), resize=np.int64(0), crop=np.int64(side),
                                                        interpolation="bilinear", mean=np.zeros(1, np.float32),
                                                        sd=np.ones(1, np.float32))


def error_of(x):
    """Mean of x[chain][draw], and its standard error from the means of quarters of chains."""
    parts = x.reshape(4 * len(x), -1).mean(1)
    return parts.mean(), parts.std(ddof=1) / len(parts)**0.5


def mcse_of(x):
    """ArviZ's mcse of the mean of x[chain][draw]: split chains, Geyer's initial monotone sequence (Vehtari et al. 2021)."""
    half = x.shape[1] // 2
    split = np.concatenate([x[:, :half], x[:, -half:]])
    m, n = split.shape
    gaps = split - split.mean(1, keepdims=True)
    covariance = np.array([(gaps[:, :n - lag] * gaps[:, lag:]).sum(1) / n for lag in range(n)]).mean(1)
    within, total = covariance[0] * n / (n - 1), covariance[0] + split.mean(1).var(ddof=1)
    rho = 1 - (within - covariance) / total
    rho[0], kept, t = 1, np.zeros(n), 1
    kept[:2] = even, odd = rho[:2]
    while t < n - 3 and even + odd > 0:
        even, odd = rho[t + 1], rho[t + 2]
        if even + odd >= 0:
            kept[t + 1:t + 3] = even, odd
        t += 2
    last = t - 2
    if even > 0:
        kept[last + 1] = even
    for t in range(1, last - 1, 2):
        if kept[t + 1] + kept[t + 2] > kept[t - 1] + kept[t]:
            kept[t + 1:t + 3] = (kept[t - 1] + kept[t]) / 2
    tau = max(-1 + 2 * kept[:last + 1].sum() + kept[last + 1], 1 / np.log10(m * n))
    return x.std(ddof=1) * (tau / (m * n))**0.5


class Chains(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = cls.folder / "made"
        cls.made.mkdir()
        random = np.random.RandomState(1)
        cls.x = random.normal(size=(N_IMAGES, N_IN)).astype(np.float32)
        cls.y = (cls.x @ random.normal(size=N_IN) + 0.3 + NOISE * random.normal(size=N_IMAGES)).astype(np.float32)
        with h5py.File(cls.made / "data.h5", "w") as file:
            file["images"], file["targets"] = cls.x.reshape(N_IMAGES, 1, 2, 2), cls.y[:, None]
        write_posterior(cls.made / "raw.h5", N_IN)
        write_posterior(cls.made / "raw9.h5", 9)
        for raw, name in (("raw.h5", "linear.h5"), ("raw9.h5", "other.h5")):
            made = run("inspect", raw, "--reseal", name, folder=cls.made)
            assert made.codes == [0], made.err

    def setUp(self):
        super().setUp()
        for path in self.made.iterdir():
            shutil.copy(path, self.work)

    def words(self, sampler, *more, chains=2, draws=20, burn_in=0, thin=1):
        return ["sample", "linear.h5", "data.h5", "--loss", "mse", "--noise-sd", NOISE, "--sampler", sampler, "--chains", chains,
                "--draws", draws, "--burn-in", burn_in, "--thin", thin, *more]

    def draws(self, path="c.h5"):
        """[chain][draw][weight], the bias last."""
        with h5py.File(self.work / path) as file:
            weights = np.concatenate([file["weights/linear/weight"][:, 0], file["weights/linear/bias"][()]], 1)
            n_chains = file["weights"].attrs["n_chains"]
        return weights.reshape(-1, n_chains, weights.shape[1]).swapaxes(0, 1).astype(float)

    def chain(self, number, **more):
        return Chain(self.x, self.y, number, NOISE, START_SD, **more)

    def test_steps_are_those_of_the_papers(self):
        cases = [("sgld", ["--step-size", 1e-3, *LANGEVIN], {}, lambda c: c.langevin(40, 1e-3)),
                 ("sghmc", ["--step-size", 1e-4, *LANGEVIN, "--temperature", 0.25], {"temperature": 0.25},
                  lambda c: c.langevin(40, 1e-4, 0.9)),
                 ("sghmc", ["--step-size", 1e-3, *LANGEVIN, "--preconditioner", "rmsprop", "--burn-in", 10], {},
                  lambda c: c.langevin(40, 1e-3, 0.9, rms_steps=10)),
                 ("csghmc", ["--step-size", 1e-4, *LANGEVIN, "--cycle-length", 10, "--draws-per-cycle", 10, "--exploration", 0,
                             "--momentum", 0.8], {}, lambda c: c.langevin(40, 1e-4, 0.8, cycle=10)),
                 ("hmc", ["--step-size", 0.05, "--leapfrog-steps", 5, "--burn-in", 20, "--temperature", 2], {"temperature": 2},
                  lambda c: c.hmc(40, 0.05, 5, 0.8, 20)),
                 ("mclmc", ["--step-size", 0.05, "--decoherence", 0.5, "--burn-in", 20, "--energy-variance", 1e-3], {},
                  lambda c: c.mclmc(40, 0.05, 0.5, 1e-3, 20)),
                 ("smile", ["--step-size", 0.05, *LANGEVIN, "--burn-in", 20], {}, lambda c: c.smile(40, 0.05, 20))]
        for sampler, options, more, steps in cases:
            n_burn = options[options.index("--burn-in") + 1] if "--burn-in" in options else 0
            # The last of an option that is given twice holds.
            self.succeed(*self.words(sampler, *options, draws=40 - n_burn), "--seed", 3, "-o", "c.h5")
            found = self.draws()
            for number in (0, 1):
                expected = np.array(list(steps(self.chain(number, seed=3, **more))))[n_burn:]
                # Rounding grows in chaotic stretches only slowly: a step of another formula is off by more at once.
                np.testing.assert_allclose(found[number], expected, rtol=0, atol=2e-4, err_msg=f"{sampler} {options}")

    def test_a_cycle_is_explored_without_noise(self):
        self.succeed(*self.words("csghmc", "--step-size", 1e-4, *LANGEVIN, "--cycle-length", 20, "--draws-per-cycle", 3, "--exploration",
                                 0.5, draws=7, thin=2), "-o", "c.h5")
        states = np.array(list(self.chain(1).langevin(60, 1e-4, 0.95, cycle=20, exploration=0.5)))
        np.testing.assert_allclose(self.draws()[1], states[[15, 17, 19, 35, 37, 39, 55]], rtol=0, atol=2e-4)

    def check_moments(self, covariance, *words):
        self.succeed(*words, "-o", "c.h5")
        w, mean = self.draws(), self.chain(0).mean
        for i in range(N_IN + 1):
            found, error = error_of(w[:, :, i])
            self.assertLess(abs(found - mean[i]), 4 * error, f"{words} mean {i}")
            for j in range(i + 1):
                found, error = error_of((w[:, :, i] - mean[i]) * (w[:, :, j] - mean[j]))
                self.assertLess(abs(found - covariance[i, j]), 4 * error, f"{words} covariance {i} {j}")

    def test_law_is_the_posterior(self):
        """Within four standard errors. Langevin dynamics in steps has a law near the posterior, which is known for a linear recursion:
        z' = A z + noise of covariance B has the covariance that solves S = A S A' + B."""
        precision = self.chain(0).precision
        posterior, one, n = np.linalg.inv(precision), np.eye(N_IN + 1), N_IN + 1

        def law_of(s, a):
            step = np.block([[one - s * precision, a * s**0.5 * one], [-s**0.5 * precision, a * one]])
            noise = np.block([[s * one, s**0.5 * one], [s**0.5 * one, one]]) * 2 * (1 - a)
            for _ in range(30): # the sum of A^k B A'^k, twice as many terms each time
                noise, step = noise + step @ noise @ step.T, step @ step
            return noise[:n, :n]
        self.assertLess(np.abs(law_of(2e-4, 0) / posterior - 1).max(), 0.1)
        self.check_moments(law_of(2e-4, 0), *self.words("sgld", "--step-size", 2e-4, *LANGEVIN, chains=8, draws=240, burn_in=300, thin=60))
        self.check_moments(law_of(2e-5, 0.9), *self.words("sghmc", "--step-size", 2e-5, *LANGEVIN, chains=8, draws=240, burn_in=300, thin=60))
        self.check_moments(posterior, *self.words("hmc", "--leapfrog-steps", 8, "--step-size", 0.05, chains=8, draws=400, burn_in=60))
        self.check_moments(0.2 * posterior, *self.words("hmc", "--leapfrog-steps", 8, "--step-size", 0.02, "--temperature", 0.2, chains=8,
                                                         draws=400, burn_in=60))
        self.check_moments(posterior, *self.words("mclmc", chains=8, draws=400, burn_in=400, thin=4))

    def test_batches_estimate_the_same_gradient(self):
        """SGLD on batches of 10: its mean is the posterior's, and its noise can only spread it."""
        self.succeed(*self.words("sgld", "--step-size", 2e-4, "--batch-size", 10, chains=8, draws=120, burn_in=300, thin=60), "-o", "c.h5")
        w = self.draws()
        for i in range(N_IN + 1):
            found, error = error_of(w[:, :, i])
            self.assertLess(abs(found - self.chain(0).mean[i]), 4 * error)
            variance, error = error_of((w[:, :, i] - found)**2)
            self.assertGreater(variance + 4 * error, np.linalg.inv(self.chain(0).precision)[i, i])
        # No two chains have the same batches.
        self.succeed(*self.words("sgld", "--batch-size", 10, "--temperature", 1e-9, "--start", "linear.h5", draws=2), "-o", "c.h5")
        self.assertGreater(np.abs(np.diff(self.draws(), axis=0)).max(), 1e-6)

    def test_same_on_all_ranks(self):
        for sampler, *options in (("csghmc", "--batch-size", 30, "--cycle-length", 20, "--draws-per-cycle", 1, "--preconditioner",
                                   "rmsprop"), ("hmc",), ("mclmc",),
                                  ("smile", "--batch-size", 30)):
            words = self.words(sampler, *options, "--micro-batch", 7, burn_in=20)
            digests = set()
            for ranks in (1, 2, 5):
                result = run(*words, "-o", "c.h5", ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [0] * ranks, result.err)
                digests.add(self.succeed("inspect", "c.h5", "--datasets"))
            self.assertEqual(len(digests), 1, sampler)

    def test_stopped_runs_continue(self):
        for sampler in ("hmc", "smile"):
            words = self.words(sampler, chains=3, draws=1000, burn_in=50)
            self.succeed(*words, "-o", "whole.h5")
            n_stops = 0
            for ranks in (2, 1, 4):
                result = run(*words, "--resume", "--max-time", "0.03s", "-o", "c.h5", ranks=ranks, folder=self.work)
                self.assertIn(result.codes, ([STOPPED] * ranks, [0] * ranks), result.err)
                n_stops += result.codes[0] == STOPPED
            self.assertGreater(n_stops, 0)
            self.succeed(*words, "--resume", "-o", "c.h5")
            self.assertEqual(self.succeed("inspect", "c.h5", "--datasets"), self.succeed("inspect", "whole.h5", "--datasets"))
            self.assertEqual([path.name for path in self.work.glob("c.h5.*")], [])
            (self.work / "c.h5").unlink()
        result = run(*words, "--max-time", "0.001s", "-o", "c.h5", folder=self.work)
        self.assertEqual(result.codes, [STOPPED], result.err)
        self.assertIn("checkpoint of chains", self.succeed("inspect", "c.h5.ckpt"))
        self.fails(RESUME, ["--seed: the checkpoint has 0, this run 1"], *words, "--seed", 1, "--resume", "-o", "c.h5")
        (self.work / "c.h5.ckpt.draws").unlink()
        self.fails(INPUT, ["c.h5.ckpt.draws: the draws of this run are not there"], *words, "--resume", "-o", "c.h5")

    def fails(self, code, texts, *words):
        for ranks in (1, 3):
            result = run(*words, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [code] * ranks, result.err)
            for text in texts:
                self.assertIn(text, result.err)

    def test_file(self):
        self.succeed(*self.words("hmc", chains=3, draws=10, burn_in=20, thin=2), "-o", "c.h5")
        with h5py.File(self.work / "c.h5") as file:
            np.testing.assert_array_equal(file["components/chain"], np.arange(30) % 3)
            np.testing.assert_array_equal(file["components/draw"], np.arange(30) // 3)
            self.assertEqual((file["weights"].attrs["family"], file["weights"].attrs["n_chains"]), ("members", 3))
        stats = xarray.open_dataset(self.work / "c.h5", group="sample_stats", engine="h5netcdf")
        self.assertEqual(dict(stats.sizes), {"chain": 3, "draw": 10})
        shown = xarray.open_dataset(self.work / "c.h5", group="posterior", engine="h5netcdf")
        self.assertEqual(shown["weights"].dims, ("chain", "draw", "weight"))
        np.testing.assert_array_equal(shown["weights"], self.draws().astype(np.float32))
        self.assertEqual(shown["weight"].values[-1], "linear.bias[0]")
        chain = self.chain(0)
        for c in range(3):
            for d in range(10):
                chain.w = self.draws()[c, d]
                self.assertAlmostEqual(float(stats["lp"][c, d]), -chain.u(), delta=1e-3)
        self.assertTrue((stats["energy"] > -stats["lp"]).all())
        self.assertTrue(((stats["acceptance_rate"] >= 0) & (stats["acceptance_rate"] <= 1)).all())
        self.assertEqual(np.unique(stats["step_size"], axis=1).shape, (3, 1))
        np.testing.assert_array_equal(stats["n_steps"], 40)
        self.assertRegex(self.succeed("inspect", "c.h5"), "members of 30 [^\n]*\n *10 draws of each of 3 chains")
        mixing = xarray.open_dataset(self.work / "c.h5", group="diagnostics", engine="h5netcdf")
        self.assertEqual(list(mixing["quantity"].values), ["lp", *shown["weight"].values])
        np.testing.assert_allclose(mixing["mean"][1:], self.draws().mean((0, 1)), rtol=1e-6)
        np.testing.assert_allclose(mixing["sd"][0], stats["lp"].values.std(ddof=1), rtol=1e-6)
        np.testing.assert_allclose(mixing["mcse_mean"]**2 * mixing["ess_mean"], mixing["sd"]**2, rtol=1e-6)
        self.assertTrue((mixing["rhat"] > 0.9).all() and (mixing["ess_bulk"] > 1).all())
        told = json.loads(self.succeed(*self.words("hmc"), "-o", "d.h5", "--json"))
        self.assertEqual((told["n_chains"], told["n_draws"], len(told["chains"])), (2, 20, 2))
        self.assertEqual((told["convergence"]["weights"]["n"], told["convergence"]["lp"]["rhat"] > 0.9), (N_IN + 1, True))

    def test_draws_predict_with_the_errors_of_chains(self):
        self.succeed(*self.words("hmc", chains=3, draws=10, burn_in=20), "-o", "c.h5")
        for path, n in (("whole.h5", ()), ("half.h5", ("--draws", 15))):
            self.succeed("predict", "c.h5", "data.h5", *n, "-o", path)
            w = self.draws()[:, :n[1] // 3 if n else None]
            f = np.column_stack([self.x, np.ones(N_IMAGES)]).astype(float) @ w.swapaxes(0, 1).reshape(-1, N_IN + 1).T
            with h5py.File(self.work / path) as file:
                np.testing.assert_allclose(file["predictive/mean"][:, 0], f.mean(1), rtol=0, atol=1e-5)
                np.testing.assert_allclose(file["predictive/mean_mcse"][:, 0], [mcse_of(g) for g in f.reshape(N_IMAGES, -1, 3).swapaxes(1, 2)],
                                           rtol=1e-3, atol=1e-6)
        self.succeed("predict", "c.h5", "data.h5", "--draws", 9, "-o", "few.h5") # 3 of each: only the chains' means tell
        w = self.draws()[:, :3]
        means = np.einsum("if,cdf->ic", np.column_stack([self.x, np.ones(N_IMAGES)]).astype(float), w) / 3
        with h5py.File(self.work / "few.h5") as file:
            np.testing.assert_allclose(file["predictive/mean_mcse"][:, 0], means.std(1, ddof=1) / 3**0.5, rtol=1e-3, atol=1e-6)
        self.assertIn("RMSE", self.succeed("evaluate", "c.h5", "data.h5", ranks=2))
        for chains, warnings in ((1, 1), (2, 0)): # of one chain no error can be told
            self.succeed(*self.words("hmc", chains=chains, draws=4), "-o", "n.h5")
            for ranks in (1, 3):
                done = run("predict", "n.h5", "data.h5", ranks=ranks, folder=self.work)
                self.assertEqual((done.codes, done.err.count("all its networks are of one chain")), ([0] * ranks, warnings))
        # Chains join chains; others do not.
        self.succeed(*self.words("hmc", "--seed", 1, chains=2, draws=10), "-o", "d.h5")
        self.succeed("ensemble", "c.h5", "d.h5", "-o", "e.h5")
        np.testing.assert_array_equal(self.draws("e.h5"), np.concatenate([self.draws("c.h5"), self.draws("d.h5")]))
        self.assertEqual(run("ensemble", "c.h5", "linear.h5", "-o", "f.h5", folder=self.work).codes, [INPUT])

    def test_plan_counts_what_the_run_does(self):
        for sampler, per_step, *options in (("hmc", 5, "--leapfrog-steps", 5), ("smile", 2, "--batch-size", 16), ("sgld", 1, "--batch-size", 16)):
            words = [*self.words(sampler, *options, chains=3, draws=10, burn_in=20, thin=2), "--micro-batch", 7]
            before = sorted(self.work.iterdir())
            plan = json.loads(self.succeed("plan-sample", *words[1:], "--ranks", "1,3,12", "--json", ranks=2 if sampler == "hmc" else 1))
            self.assertEqual(sorted(self.work.iterdir()), before)
            self.succeed(*words, "-o", "c.h5")
            with h5py.File(self.work / "c.h5") as file:
                n_gradients = 20 * per_step + file["sample_stats/n_steps"][0].sum() + 1 # the first one is before all steps
                self.assertEqual(file["sample_stats/lp"].shape, (plan["n_chains"], plan["n_draws"]))
            self.assertEqual((plan["n_gradients"], plan["n_weights"], plan["n_images"]), (n_gradients, N_IN + 1, N_IMAGES))
            numbers = []

            def take(path, item):
                group, name = path.split("/")[0], path.split("/")[-1]
                is_axis = name in ("chain", "draw", "quantity") or path == "posterior/weight"
                if isinstance(item, h5py.Dataset) and group in ("weights", "sample_stats", "posterior", "diagnostics") and not is_axis:
                    numbers.append(item.nbytes)
            with h5py.File(self.work / "c.h5") as file:
                file.visititems(take)
            self.assertEqual(plan["file_bytes"], sum(numbers))
            # Of a gradient of 16 of 40 images: 3, 3 and then 2 micro-batches of 7.
            self.assertAlmostEqual(plan["units_per_gradient"], 6 if sampler == "hmc" else (3 + 3 + 2) / 3)
            one, three, twelve = plan["ranks"]
            start, gradient = plan["start_seconds"], plan["unit_seconds"] * plan["units_per_gradient"] + plan["gradient_rest_seconds"]
            self.assertAlmostEqual(one["seconds"], start + 3 * n_gradients * gradient, places=6)
            self.assertAlmostEqual(three["seconds"], start + n_gradients * gradient, places=6)
            self.assertLess(twelve["seconds"], three["seconds"])
            self.assertAlmostEqual(twelve["core_hours"] * 300, twelve["seconds"], places=6)
            self.assertRegex(plan["sbatch"], f"jobs/sample.sbatch linear.h5 data.h5 .*--sampler {sampler} .*--draws 10 .*-o chains.h5")
        self.assertRegex(self.succeed("plan-sample", *words[1:]), "3 chains of 41 gradients and 10 draws each, of 5 weights")
        self.fails(USAGE, ["--sampler"], "plan-sample", *words[1:3])
        self.fails(USAGE, ["unknown option '-o'"], "plan-sample", *words[1:], "-o", "c.h5")
        self.fails(INPUT, ["data.h5[0]: this image has no label"], "plan-sample", *words[1:3], "--sampler", "sgld")

    def write_chains(self, path, n_chains, n_draws, rho):
        """Chains of the linear network whose weights are autoregressive, with variance 1 and correlation rho from draw to draw."""
        self.succeed(*self.words("hmc", "--leapfrog-steps", 1, chains=n_chains, draws=n_draws), "-o", "raw-chains.h5")
        random = np.random.RandomState(5)
        w = random.normal(size=(n_draws, n_chains, N_IN + 1))
        for d in range(1, n_draws):
            w[d] = rho * w[d - 1] + (1 - rho**2)**0.5 * w[d]
        w = w.reshape(-1, N_IN + 1).astype(np.float32)
        with h5py.File(self.work / "raw-chains.h5", "a") as file:
            file["weights/linear/weight"][:, 0], file["weights/linear/bias"][...] = w[:, :N_IN], w[:, N_IN:]
        self.succeed("inspect", "raw-chains.h5", "--reseal", path)
        f = np.column_stack([self.x, np.ones(N_IMAGES)]) @ w.astype(float).T
        return f.reshape(N_IMAGES, n_draws, n_chains).swapaxes(1, 2)

    def test_errors_count_how_draws_resemble_each_other(self):
        n_draws = 400
        for rho, n_chains, tolerance in ((0.8, 4, 0.2), (0, 4, 0.2), (0.8, 1, 0.4)):
            f = self.write_chains("ar.h5", n_chains, n_draws, rho)
            self.succeed("predict", "ar.h5", "data.h5", "-o", "p.h5")
            with h5py.File(self.work / "p.h5") as file:
                found = file["predictive/mean_mcse"][:, 0]
            naive = f.std((1, 2), ddof=1) / (n_chains * n_draws)**0.5
            arviz = np.array([mcse_of(image) for image in f])
            # The mean over images; they share 5 weights, of whose draws so many are worth one.
            self.assertAlmostEqual((found / arviz).mean(), 1, delta=tolerance)
            self.assertAlmostEqual((found / naive).mean() / ((1 + rho) / (1 - rho))**0.5, 1, delta=tolerance)
            if n_chains == 1:
                continue
            whole = self.succeed("inspect", "p.h5", "--datasets")
            for more, ranks in ((("--weights-memory", 0.01), 3), ((), 2)):
                done = run("predict", "ar.h5", "data.h5", *more, "-o", "p.h5", ranks=ranks, folder=self.work)
                self.assertEqual(done.codes, [0] * ranks, done.err)
                self.assertEqual(self.succeed("inspect", "p.h5", "--datasets"), whole)
            for part in ("1/2", "2/2"):
                self.succeed("predict", "ar.h5", "data.h5", "--part", part, "-o", f"part{part[0]}.h5")
            self.succeed("merge", "part1.h5", "part2.h5", "-o", "merged.h5")
            self.assertEqual(self.succeed("inspect", "merged.h5", "--datasets"), whole)
            # Sampling goes on until that error is small: 0.06 of the deviation, for rho 0.8 some 9 / 0.06^2 draws.
            self.succeed("predict", "ar.h5", "data.h5", "--draws", n_chains * n_draws, "--until-mcse", 0.06, "--min-draws", 200, "-o",
                         "u.h5")
            with h5py.File(self.work / "u.h5") as file:
                n, mcse, sd = (file["predictive"][name][...].ravel() for name in ("n_draws", "mean_mcse", "predictive_sd"))
            self.assertTrue(((mcse / sd <= 0.06) | (n == n_chains * n_draws)).all())
            self.assertGreater(n.mean(), 1100) if rho else self.assertLess(n.mean(), 600)

    def test_errors_of_probabilities_are_those_of_arviz(self):
        labelled = self.folder / "photos"
        for jpeg in (DATA / "images").glob("*.jpg"):
            folder = labelled / jpeg.stem.split("_", 1)[1].capitalize()
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(jpeg, folder)
        self.succeed("sample", DATA / "quickstart.h5", labelled, "--sampler", "sghmc", "--batch-size", 5, "--chains", 2, "--draws", 12,
                     "--burn-in", 2, "--thin", 1, "--step-size", 1e-5, "-o", "c.h5")
        self.succeed("predict", "c.h5", labelled, "--save-draws", "-o", "p.h5")
        with h5py.File(self.work / "p.h5") as file:
            chains = file["posterior_predictive/probs"][...].astype(float)
            found, naive = (file["predictive"][name][...] for name in ("probs_mcse", "probs_mcse_draws"))
            self.assertEqual(file["predictive"].attrs["n_draws"], 24)
            self.assertEqual(file["posterior/network"][...].tolist(), [list(range(0, 24, 2)), list(range(1, 24, 2))])
            kept = {name: file["posterior_predictive"][name][...] for name in ("logits", "probs", "label")}
            kept["likelihood"] = file["log_likelihood/label"][...]
        self.assertEqual(chains.shape[:2], (2, 12))
        expected = [[mcse_of(chains[:, :, i, c]) for c in range(10)] for i in range(chains.shape[2])]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)
        self.assertGreater((found / naive).max(), 1.2)
        # The same draws one after the other, where not every chain has as many; blocks that begin with either chain.
        self.succeed("predict", "c.h5", labelled, "--save-draws", "--draws", 23, "--draw-block", 3, "-o", "q.h5", ranks=2)
        with h5py.File(self.work / "q.h5") as file:
            flat = {name: file["posterior_predictive"][name][...] for name in ("logits", "probs", "label")}
            flat["likelihood"] = file["log_likelihood/label"][...]
            self.assertEqual(file["posterior/network"][...].tolist(), [list(range(23))])
        self.succeed("predict", "c.h5", labelled, "--save-draws", "--draw-block", 3, "-o", "r.h5", ranks=2)
        with h5py.File(self.work / "r.h5") as file:
            np.testing.assert_array_equal(file["posterior_predictive/label"], kept["label"])
        for name, values in flat.items():
            for d in range(23):
                np.testing.assert_allclose(values[0, d], kept[name][d % 2, d // 2], rtol=1e-4, atol=1e-4)

    def test_classification_and_start(self):
        labelled = self.folder / "set"
        for jpeg in (DATA / "images").glob("*.jpg"):
            folder = labelled / jpeg.stem.split("_", 1)[1].capitalize()
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(jpeg, folder)
        quickstart = DATA / "quickstart.h5"
        for seed in (1, 2):
            self.succeed("convert", "--weights", quickstart, "--no-moped", "--seed", seed, "-o", f"r{seed}.h5")
        self.succeed("ensemble", "--deterministic", quickstart, "r1.h5", "-o", "m.h5")
        words = ["sample", quickstart, labelled, "--sampler", "sghmc", "--batch-size", 5, "--chains", 2, "--draws", 3, "--burn-in", 2, "--thin", 1]
        self.succeed(*words, "--start", "m.h5", "--step-size", 1e-12, "--temperature", 1e-9, "-o", "c.h5")
        # Steps of nothing: the draws are where the chains began, and chain 1 has the statistics of its own start.
        with h5py.File(self.work / "c.h5") as file, h5py.File(self.work / "m.h5") as members:
            for name in ("linear/weight", "conv1/weight", "bn1/running_mean"):
                np.testing.assert_allclose(file["weights"][name][:2], members["weights"][name][()], rtol=0, atol=1e-5)
        for ranks in (1, 3): # the batch is smaller than the micro-batch
            self.succeed(*words, "-o", "c.h5", ranks=ranks)
        self.assertIn("6 draws", self.succeed("evaluate", "c.h5", labelled))
        with h5py.File(self.work / "c.h5") as file:
            self.assertEqual(len(file["classes"]), 10)

    def test_refusals(self):
        words = self.words("sgld", "-o", "c.h5")
        self.fails(USAGE, ["--chains: '0' is not a whole number from 1 to 256"], *words, "--chains", 0)
        self.fails(USAGE, ["--sampler"], *words[:3], "-o", "c.h5")
        self.fails(USAGE, ["--momentum needs --sampler sghmc"], *words, "--momentum", 0.5)
        self.fails(USAGE, ["burn-in: 0 steps leave none to adapt the preconditioner in"], *words, "--preconditioner", "rmsprop")
        self.fails(USAGE, ["burn-in: 5 steps are not whole cycles of 1000"], *self.words("csghmc", "-o", "c.h5", burn_in=5))
        self.fails(USAGE, ["cycle length: 3 draws 60 steps apart need more than the last 100"],
                   *self.words("csghmc", "-o", "c.h5", thin=60))
        self.fails(USAGE, ["would be written, but is an input"], *words[:-1], "linear.h5")
        self.fails(INPUT, ["data.h5[0]: this image has no label"], "sample", "linear.h5", "data.h5", "--sampler", "sgld", "-o", "c.h5")
        self.fails(INPUT, ["other.h5: an op of the graph is input Input(1, 3, 3), but linear.h5 has"], *words, "--start", "other.h5")
        self.fails(NUMERIC, ["chain 0, step 1: gradient of linear.weight: element", "must be a number below 131072; a smaller step size may help"],
                   *self.words("sgld", "--step-size", 1e4, "-o", "c.h5", chains=1))
        self.succeed("ensemble", "--deterministic", "linear.h5", "linear.h5", "-o", "m.h5")
        self.fails(INPUT, ["m.h5: is an ensemble (members): sample each"], "sample", "m.h5", *words[2:])
        with h5py.File(self.work / "raw.h5", "a") as file:
            for leaf in ("weight", "bias"):
                file[f"parameters/linear/{leaf}"] = file[f"parameters/linear/mu_{leaf}"][()]
                del file[f"parameters/linear/mu_{leaf}"], file[f"parameters/linear/rho_{leaf}"]
        self.succeed("inspect", "raw.h5", "--reseal", "fixed.h5")
        self.fails(INPUT, ["fixed.h5: 0 Bayesian weights"], "sample", "fixed.h5", *words[2:])
        self.assertFalse((self.work / "c.h5").exists())
        self.assertEqual([path.name for path in self.work.glob("c.h5*")], [])


if __name__ == "__main__":
    unittest.main()
