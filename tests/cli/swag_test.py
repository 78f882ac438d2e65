"""SWAG and snapshots: what `train` collects, against the arithmetic of its authors' code in numpy; the same whatever the ranks and
kills; and what becomes of it in other commands."""
import json
import os
import shutil
import signal
import unittest

import h5py
import numpy as np

import program
from program import DATA, Job, run, wait_for

USAGE, INPUT, STOPPED = 2, 3, 75
N, RANK, EPOCHS, START = 40, 3, 6, 1
TRAIN = ["--deterministic", "--optimizer", "sgd", "--momentum", 0.9, "--lr", 0.01, "--batch-size", 20, "--epochs", EPOCHS, "--quiet"]
SWAG = [*TRAIN, "--collect", "swag", "--collect-start", START, "--rank", RANK]
# Every network of the same training, as a member.
EACH = [*TRAIN, "--snapshot-every", 1, "--scheduler", "constant"]


def trained(file):
    """Names of what is trained: everything but a norm's running statistics."""
    names = []
    file["weights"].visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(name for name in names if "running" not in name)


class Swag(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.RandomState(1)
        labels = random.randint(10, size=N)
        images = random.normal(size=(N, 1, 28, 28)).astype(np.float32)
        for i in range(N):
            images[i, 0, 2 * labels[i]:2 * labels[i] + 6] += 1
        cls.made = cls.folder / "made"
        cls.made.mkdir()
        with h5py.File(cls.made / "data.h5", "w") as file:
            file["images"], file["labels"] = images, labels
        cls.images = images
        shutil.copy(cls.posterior, cls.made / "start.h5")
        for name, options in (("swag", SWAG), ("each", EACH)):
            result = run("train", "start.h5", "data.h5", *options, "-o", f"{name}.h5", folder=cls.made)
            assert result.codes == [0], result.err

    def setUp(self):
        super().setUp()
        for path in self.made.iterdir():
            shutil.copy(path, self.work)

    def fails(self, code, text, *words, ranks=(1, )):
        for n in ranks:
            result = run(*words, ranks=n, folder=self.work)
            self.assertEqual(result.codes, [code] * n, result.err)
            self.assertIn(text, result.err)

    def digest(self, path):
        """Of all its numbers but the times of its epochs."""
        return [row for row in self.succeed("inspect", path, "--datasets").splitlines() if "seconds" not in row]

    def logits(self, *words, ranks=1):
        self.succeed("predict", *words, "data.h5", "--save-draws", "-o", "p.h5", ranks=ranks)
        with h5py.File(self.work / "p.h5") as file:
            return file["posterior_predictive/logits"][0]

    def twin(self):
        """Names, and mean, mean of squares and deviations, as swag.py has them after the same networks."""
        with h5py.File(self.work / "each.h5") as file:
            names = trained(file)
            networks = np.concatenate([file["weights"][name][START:].reshape(EPOCHS - START, -1) for name in names], 1).astype(float)
        mean, squares, deviations = np.zeros(networks.shape[1]), np.zeros(networks.shape[1]), []
        for n, network in enumerate(networks):
            mean = mean * n / (n + 1) + network / (n + 1)
            squares = squares * n / (n + 1) + network**2 / (n + 1)
            deviations = [*deviations, network - mean][-RANK:]
        return names, mean, np.maximum(squares - mean**2, 1e-30), np.stack(deviations)

    def test_moments_are_those_of_the_authors_code(self):
        names, mean, variance, deviations = self.twin()
        with h5py.File(self.work / "swag.h5") as file:
            self.assertEqual(dict(file["weights"].attrs), {"family": "swag", "n_components": 1, "rank": RANK, "estimator": "reparameterization"})
            found = {kind: [] for kind in ("mean", "variance", "deviations")}
            for name in names:
                module, _, leaf = name.rpartition("/")
                leaf = "kernel" if f"{module}/mean_kernel" in file["weights"] and leaf == "weight" else leaf
                for kind, parts in found.items():
                    parts.append(file[f"weights/{module}/{kind}_{leaf}"][0].reshape(RANK if kind == "deviations" else 1, -1))
        for kind, expected in (("mean", mean), ("variance", variance), ("deviations", deviations)):
            values = np.concatenate(found[kind], 1)
            np.testing.assert_allclose(values, np.atleast_2d(expected), rtol=1e-6, atol=1e-6 * np.abs(expected).max(), err_msg=kind)
            self.assertGreater(np.abs(values).max(), 0)

    def test_drawn_network_is_that_of_the_authors_code(self):
        names, mean, variance, deviations = self.twin()
        random = np.random.RandomState(2)
        eps, factors = random.normal(size=mean.size).astype(np.float32), random.normal(size=RANK).astype(np.float32)
        drawn = mean + np.sqrt(0.5) * (np.sqrt(variance) * eps + deviations.T @ factors / np.sqrt(RANK - 1))
        self.succeed("train", "start.h5", "data.h5", *TRAIN, "--epochs", 1, "-o", "one.h5")
        with h5py.File(self.work / "swag.h5") as swag, h5py.File(self.work / "one.h5", "r+") as one, h5py.File(
                self.work / "eps.h5", "w") as noise:
            at = 0
            for name in names:
                module, _, leaf = name.rpartition("/")
                places = [f"parameters/{module}/{prefix}{end}" for prefix, end in (("mu_", leaf), ("mu_", "kernel"), ("", leaf))]
                place = next(path for path in places if path in one)
                shape = one[place].shape
                n, last = int(np.prod(shape)), place.rpartition("/")[2].replace("mu_", "")
                one[place][()] = drawn[at:at + n].reshape(shape)
                noise[f"eps/{module}/eps_{last}"] = eps[at:at + n].reshape(shape)
                at += n
            one.visititems(lambda name, item: item.write_direct(swag["weights" + name[len("parameters"):]][0])
                           if "running" in name else None)
            noise["low_rank"] = factors
        self.succeed("inspect", "one.h5", "--reseal", "twin.h5")
        expected = self.logits("twin.h5", "--deterministic")
        np.testing.assert_allclose(self.logits("swag.h5", "--draws", 1, "--import-eps", "eps.h5"), expected, rtol=0,
                                   atol=1e-5 * np.abs(expected).max())

    def check_statistics(self, kernel, mean, variance):
        """Of the first norm, all images being one micro-batch."""
        images, kernel = self.images[:, 0], kernel.astype(float)
        padded = np.pad(images.astype(float), ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        out = np.einsum("nyxij,cij->cnyx", windows, kernel[:, 0]).reshape(kernel.shape[0], -1)
        np.testing.assert_allclose(mean, out.mean(1), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(variance, out.var(1, ddof=1), rtol=1e-5)

    def test_statistics_are_those_of_the_mean_network(self):
        self.succeed("train", "start.h5", "data.h5", *SWAG, "--batch-size", N, "--micro-batch", N, "-o", "s.h5")
        with h5py.File(self.work / "s.h5") as file:
            self.check_statistics(file["weights/conv1/mean_kernel"][0], *(file[f"weights/bn1/running_{what}"][0] for what in ("mean", "var")))

    def test_refresh(self):
        for path, out in (("each.h5", "e.h5"), ("swag.h5", "s.h5"), ("start.h5", "n.h5")):
            said = self.succeed("refresh", path, "data.h5", "--micro-batch", N, "-o", out)
            self.assertIn(f"of {EPOCHS if path == 'each.h5' else 1} network", said)
            before, after = self.digest(path), self.digest(out)
            changed = [new for old, new in zip(before, after) if old != new]
            self.assertTrue(changed and all("running_" in row for row in changed), changed)
            self.assertEqual(len(before), len(after))
        with h5py.File(self.work / "e.h5") as file:
            for c in (0, EPOCHS - 1):
                self.check_statistics(file["weights/conv1/weight"][c], *(file[f"weights/bn1/running_{what}"][c] for what in ("mean", "var")))
        # In micro-batches too, of which the last one is short; whatever the ranks.
        self.succeed("refresh", "each.h5", "data.h5", "--micro-batch", 7, "-o", "a.h5")
        self.succeed("refresh", "each.h5", "data.h5", "--micro-batch", 7, "-o", "b.h5", ranks=3)
        self.assertEqual(self.digest("a.h5"), self.digest("b.h5"))
        self.assertNotEqual(self.digest("a.h5"), self.digest("e.h5"))
        self.succeed("predict", "e.h5", "data.h5")
        self.succeed("convert", "--arch", "lenet", "-o", "lenet.h5")
        self.fails(INPUT, "lenet.h5: lenet has no batch norm", "refresh", "lenet.h5", "data.h5", "-o", "x.h5", ranks=(1, 2))
        self.fails(USAGE, "swag.h5", "refresh", "swag.h5", "data.h5", "-o", "swag.h5", ranks=(1, 2))
        self.fails(INPUT, "missing.h5", "refresh", "swag.h5", "missing.h5", "-o", "x.h5", ranks=(2, ))

    def statistics(self, path, d):
        """Of member d; of a posterior of one network d is None."""
        with h5py.File(self.work / path) as file:
            group, found = file["weights" if "weights" in file else "parameters"], {}
            group.visititems(lambda name, item: found.update({name: item[()] if d is None else item[d]}) if "running" in name else None)
        self.assertTrue(found)
        return found

    def put(self, path, values, out):
        """A copy of a file with other numbers."""
        shutil.copy(self.work / path, self.work / "raw.h5")
        with h5py.File(self.work / "raw.h5", "r+") as file:
            for name, value in values.items():
                file[name][...] = value
        self.succeed("inspect", "raw.h5", "--reseal", out)
        return out

    def members(self, path):
        with h5py.File(self.work / path) as file:
            found = {}
            file["weights"].visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
            self.assertEqual((file["weights"].attrs["family"], len(file["components/file"])), ("members", len(found["linear/bias"])))
        return found

    def test_drawn_networks_get_statistics_of_their_own(self):
        n = 3
        draws = ("--draws", n, "--seed", 5)
        self.succeed("train", "start.h5", "data.h5", *TRAIN, "--epochs", 1, "-o", "one.h5")
        for micro in (N, 7):
            said = self.succeed("refresh", "swag.h5", "data.h5", *draws, "--micro-batch", micro, "-o", "m.h5")
            self.assertIn(f"of {n} networks from {N} images", said)
            members = self.members("m.h5")
            for d in range(n):
                # The same network alone, refreshed at its means, has the same statistics, to the bit.
                with h5py.File(self.work / "one.h5") as file:
                    places = {name: next(f"parameters/{at}{leaf}" for leaf in (end, f"mu_{end}", "mu_kernel") if f"parameters/{at}{leaf}" in file)
                              for name in members for at, end in [(name[:name.rfind("/") + 1], name.rpartition("/")[2])] if "running" not in name}
                self.put("one.h5", {place: members[name][d] for name, place in places.items()}, "alone.h5")
                self.succeed("refresh", "alone.h5", "data.h5", "--seed", 5, "--micro-batch", micro, "-o", "alone-new.h5")
                for name, value in self.statistics("alone-new.h5", None).items():
                    np.testing.assert_array_equal(members[name][d], value, err_msg=name)
                if micro == N:
                    self.check_statistics(members["conv1/weight"][d], members["bn1/running_mean"][d], members["bn1/running_var"][d])
        for ranks in (2, 3):
            self.succeed("refresh", "swag.h5", "data.h5", *draws, "--micro-batch", 7, "-o", "again.h5", ranks=ranks)
            self.assertEqual(self.digest("again.h5"), self.digest("m.h5"))
        with h5py.File(self.work / "m.h5") as file:
            self.assertEqual([name.decode() for name in file["components/file"]], [f"swag.h5, draw {d}" for d in range(n)])
        self.assertIn("3 draws", self.succeed("evaluate", "m.h5", "data.h5", ranks=2))
        # They are the networks that predict draws, but for their statistics.
        own = self.logits("m.h5")
        drawn = self.logits("swag.h5", *draws)
        tolerance = 1e-5 * np.abs(drawn).max()
        self.assertGreater(np.abs(own - drawn).max(), 100 * tolerance)
        self.put("m.h5", {f"weights/{name}": value for name, value in self.statistics("swag.h5", 0).items()}, "means.h5")
        np.testing.assert_allclose(self.logits("means.h5"), drawn, rtol=0, atol=tolerance)

    def test_drawn_networks_of_other_posteriors(self):
        with h5py.File(self.work / "start.h5") as file:
            rhos = []
            file["parameters"].visititems(lambda name, item: rhos.append(f"parameters/{name}") if "rho_" in name else None)
            statistics = {f"weights/{name}": file[f"parameters/{name}"][()] for name in self.statistics("start.h5", None)}
        self.assertTrue(rhos)
        # Without deviations: every draw is the network of the means.
        self.put("start.h5", {name: -1000 for name in rhos}, "narrow.h5")
        self.succeed("refresh", "narrow.h5", "data.h5", "--draws", 2, "-o", "m.h5")
        self.succeed("refresh", "narrow.h5", "data.h5", "-o", "n.h5")
        for d in range(2):
            for name, value in self.statistics("n.h5", None).items():
                np.testing.assert_array_equal(self.members("m.h5")[name][d], value)
        # Normal weights: predict draws them where norms are folded, which only rounds differently.
        self.succeed("refresh", "start.h5", "data.h5", "--draws", 3, "--images", 16, "-o", "m.h5")
        drawn = self.logits("start.h5", "--draws", 3)
        self.put("m.h5", statistics, "means.h5")
        np.testing.assert_allclose(self.logits("means.h5"), drawn, rtol=0, atol=1e-4 * np.abs(drawn).max())
        # Components have them in turn; a part of the images, whatever the ranks.
        self.succeed("train", "start.h5", "data.h5", *SWAG, "--seed", 1, "-o", "other.h5")
        self.succeed("ensemble", "swag.h5", "other.h5", "-o", "two.h5")
        found = {}
        for name, ranks in (("swag", 1), ("other", 2), ("two", 3)):
            self.succeed("refresh", f"{name}.h5", "data.h5", "--draws", 4, "--images", 16, "-o", f"{name}-m.h5", ranks=ranks)
            found[name] = self.members(f"{name}-m.h5")
        for name, values in found["two"].items():
            for d in range(4):
                np.testing.assert_array_equal(values[d], found["other" if d % 2 else "swag"][name][d])
        self.succeed("refresh", "two.h5", "data.h5", "--draws", 4, "-o", "all.h5")
        self.assertTrue((self.members("all.h5")["bn1/running_mean"] != found["two"]["bn1/running_mean"]).all(1).any())
        np.testing.assert_array_equal(self.members("all.h5")["conv1/weight"], found["two"]["conv1/weight"])

    def test_draws_that_cannot_be_refreshed(self):
        self.succeed("convert", "--arch", "lenet", "-o", "lenet.h5")
        self.succeed("convert", "--arch", "mobilenet_v2", "--mc-dropout", "-o", "dropout.h5")
        end = ("-o", "x.h5")
        self.fails(INPUT, "lenet.h5: lenet has no batch norm", "refresh", "lenet.h5", "data.h5", "--draws", 2, *end, ranks=(1, 2))
        self.fails(INPUT, "dropout.h5: has dropout in prediction", "refresh", "dropout.h5", "data.h5", "--draws", 2, *end, ranks=(2, ))
        self.fails(USAGE, "each.h5 has deterministic networks", "refresh", "each.h5", "data.h5", "--draws", 2, *end, ranks=(1, 2))
        self.fails(USAGE, "--draws", "refresh", "swag.h5", "data.h5", "--draws", 0, *end, ranks=(1, 2))
        self.fails(USAGE, f"--images: {N + 1}, but the data has {N} images", "refresh", "swag.h5", "data.h5", "--images", N + 1, *end,
                   ranks=(1, 2))
        self.assertFalse((self.work / "x.h5").exists())

    def test_same_on_all_ranks(self):
        for ranks, name, options in ((2, "swag", SWAG), (3, "swag", SWAG), (3, "each", EACH)):
            self.succeed("train", "start.h5", "data.h5", *options, "-o", "again.h5", ranks=ranks)
            self.assertEqual(self.digest("again.h5"), self.digest(f"{name}.h5"))
        words, digests = ["predict", "swag.h5", "data.h5", "--draws", 6, "--draw-block", 2], []
        for ranks in (1, 3):
            self.succeed(*words, "-o", "p.h5", ranks=ranks)
            digests.append(self.digest("p.h5"))
        for i in (1, 2):
            self.succeed(*words, "--part", f"{i}/2", "-o", f"part{i}.h5")
        self.succeed("merge", "part2.h5", "part1.h5", "-o", "p.h5")
        self.assertEqual([digests[0]] * 2, [digests[1], self.digest("p.h5")])

    def test_stopped_and_killed_runs_continue(self):
        for name, options in (("swag", [*SWAG, "--collect-start", 0, "--collect-steps", 1]), ("each", EACH)):
            command = ["train", "start.h5", "data.h5", *options]
            self.succeed(*command, "-o", "whole.h5")
            output = f"{name}_again.h5"
            for ranks in (2, 1):
                result = run(*command, "--resume", "--max-time", "0.001s", "-o", output, ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [STOPPED] * ranks, result.err)
            job = Job(*command, "--resume", "--checkpoint-interval", "0.01s", "-o", output, ranks=2, folder=self.work)
            pid, kept = job.pid(1), self.work / f"{output}.ckpt"
            before = kept.stat().st_mtime_ns
            wait_for(lambda: not kept.exists() or kept.stat().st_mtime_ns != before, job.process)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass # it was done before
            job.end()
            self.succeed(*command, "--resume", "-o", output)
            self.assertEqual(self.digest(output), self.digest("whole.h5"), name)
            self.fails(6, "--rank" if name == "swag" else "--snapshot-every", *command, "--resume", *(
                ["--rank", 2] if name == "swag" else ["--snapshot-every", 2]), "-o", output)

    def test_snapshots_of_cycles(self):
        self.succeed("train", "start.h5", "data.h5", *TRAIN, "--snapshot-every", 2, "-o", "cycles.h5")
        rates = [epoch["lr"] for epoch in json.loads(self.succeed("inspect", "cycles.h5", "--json"))["history"]]
        np.testing.assert_allclose(rates, [0.01, 0.005] * 3)
        with h5py.File(self.work / "cycles.h5") as file:
            self.assertEqual(file["weights"].attrs["n_components"], 3)
            self.assertEqual([name.decode() for name in file["components/file"]], [f"start.h5, step {step}" for step in (4, 8, 12)])
            last = file["weights/fc/weight" if "weights/fc" in file else "weights/linear/weight"][2]
        # The last one is the network that training ends with.
        self.succeed("train", "start.h5", "data.h5", *TRAIN, "--scheduler", "cosine-restarts", "--cycle", 2, "-o", "end.h5")
        with h5py.File(self.work / "end.h5") as file:
            np.testing.assert_array_equal(last, file["parameters/linear/mu_weight"][()])
        # Fast geometric ensembles: in the middle of a cycle, where the rate is lowest.
        self.succeed("train", "start.h5", "data.h5", *TRAIN, "--snapshot-every", 2, "--scheduler", "triangular", "--lr-min", 0.001, "-o",
                     "fge.h5")
        rates = [epoch["lr"] for epoch in json.loads(self.succeed("inspect", "fge.h5", "--json"))["history"]]
        np.testing.assert_allclose(rates, [0.01, 0.001] * 3)
        with h5py.File(self.work / "fge.h5") as file:
            self.assertEqual([name.decode() for name in file["components/file"]], [f"start.h5, step {step}" for step in (2, 6, 10)])
        self.assertIn("3 draws", self.succeed("predict", "fge.h5", "data.h5"))

    def test_several_in_equal_shares(self):
        self.succeed("train", "start.h5", "data.h5", *SWAG, "--seed", 1, "-o", "other.h5")
        self.assertIn("multiswag of 2 ", self.succeed("ensemble", "swag.h5", "other.h5", "-o", "two.h5"))
        for options in ([], ["--antithetic"]):
            both = self.logits("two.h5", "--draws", 8, *options)
            for c, name in enumerate(("swag.h5", "other.h5")):
                own = np.flatnonzero(np.arange(8) // (2 if options else 1) % 2 == c)
                np.testing.assert_array_equal(both[own], self.logits(name, "--draws", 8, *options)[own])
        means = self.logits("two.h5", "--deterministic")
        np.testing.assert_array_equal(means[1], self.logits("other.h5", "--deterministic")[0])
        # A network among them does not vary.
        self.succeed("ensemble", "swag.h5", "each.h5", "-o", "many.h5")
        many = self.logits("many.h5", "--draws", 14)
        np.testing.assert_array_equal(many[1], many[8])
        self.assertTrue((many[0] != many[7]).any())
        # Streamed by windows of fewer components than there are: mean, variance and three deviations of each.
        with h5py.File(self.work / "many.h5") as file:
            megabytes = 5 * 4e-6 * sum(file[f"weights/{name}"][0].size for name in trained(file) if "mean_" in name)
        for ranks in (1, 3):
            streamed = self.logits("many.h5", "--draws", 14, "--draw-block", 2, "--weights-memory", 4.5 * megabytes, ranks=ranks)
            np.testing.assert_array_equal(streamed, many)

    def test_other_commands(self):
        self.assertIn("1 SWAG posterior, rank 3", self.succeed("inspect", "swag.h5"))
        self.assertEqual(json.loads(self.succeed("inspect", "swag.h5", "--json"))["posterior"]["rank"], 3)
        self.assertIn("4 draws", self.succeed("evaluate", "swag.h5", "data.h5", "--draws", 4))
        self.assertIn("draws", self.succeed("plan", "swag.h5", "data.h5", "--draws", 50))
        self.succeed("bench", "swag.h5", "--batch", 1, "--draws", 2, "--repeats", 1)
        self.succeed("train", "start.h5", "data.h5", *SWAG, "--rank", 0, "-o", "diagonal.h5")
        self.succeed("predict", "diagonal.h5", "data.h5", "--draws", 2)

    def test_refusals(self):
        train = ["train", "start.h5", "data.h5"]
        self.fails(USAGE, "2 networks would be collected", *train, *SWAG, "--collect-start", 4, "-o", "x.h5", ranks=(1, 3))
        self.fails(USAGE, "--rank", *train, *SWAG, "--rank", 1, "-o", "x.h5")
        self.fails(USAGE, "--deterministic", *train, "--collect", "swag", "--collect-start", 1, "-o", "x.h5")
        self.fails(USAGE, "even number", *train, *TRAIN, "--snapshot-every", 3, "--scheduler", "triangular", "-o", "x.h5")
        self.fails(USAGE, "local-steps", *train, *SWAG, "--local-steps", 2, "-o", "x.h5")
        for estimator in ("flipout", "local-reparameterization"):
            self.fails(USAGE, f"{estimator} needs independent normal weights", "predict", "swag.h5", "data.h5", "--estimator", estimator,
                       ranks=(1, 2))
        self.fails(INPUT, "swag.h5: is a SWAG posterior; train takes", "train", "swag.h5", "data.h5", "-o", "x.h5", ranks=(1, 2))
        self.fails(INPUT, "swag.h5: is a SWAG posterior; export takes", "export", "swag.h5", "--to", "npz", "-o", "x.npz")
        self.fails(INPUT, "swag.h5: is a SWAG posterior; convert takes", "convert", "--weights", "swag.h5", "-o", "x.h5")
        self.fails(INPUT, "the family of weights is normal, but swag.h5 has swag", "ensemble", "swag.h5", "start.h5", "-o", "x.h5")
        self.succeed("train", "start.h5", "data.h5", *SWAG, "--rank", 2, "-o", "r2.h5")
        self.fails(INPUT, "the rank is 2, but swag.h5 has 3", "ensemble", "swag.h5", "r2.h5", "-o", "x.h5")
        with h5py.File(self.work / "swag.h5", "r+") as file:
            file["weights"].attrs["rank"] = np.int64(200)
        self.succeed("inspect", "start.h5", "--datasets")
        result = run("inspect", "swag.h5", "--reseal", "bad.h5", folder=self.work)
        self.assertEqual(result.codes, [INPUT], result.err)
        self.assertIn("rank is 200, but", result.err)
        self.assertFalse((self.work / "x.h5").exists())


if __name__ == "__main__":
    unittest.main()
