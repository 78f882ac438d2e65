"""Networks of the zoo: one of each kind (convolutional with squeeze and excitation, dense, transformer), and a recurrent one of an
ONNX file, answer the same on any number of ranks, killed or stopped or neither; every architecture becomes Bayesian, with a KL
divergence and draws.

`zoo_test.py CLASS...` runs some of them; by default CTest runs SqueezeExcite and Recurrent, and all others with -C slow -L zoo."""
import json
import os
import pathlib
import shutil
import signal
import tempfile
import unittest

import h5py
import numpy as np

import program
from program import Job, run, wait_for

STOPPED = 75
DELTA, N_CLASSES = 0.1, 10


def write_images(path, n, channels, size, n_classes=N_CLASSES):
    random = np.random.RandomState(3)
    with h5py.File(path, "w") as file:
        file["images"] = random.randint(0, 256, (n, channels, size, size)).astype(np.uint8)
        file["labels"] = np.arange(n) % n_classes


def convert(folder, arch, size):
    """posterior.h5 with random weights, and what `convert` says of it."""
    result = run("convert", "--arch", arch, "--moped", "--moped-delta", DELTA, "--bayesian", "*", "--n-classes", N_CLASSES, "--resize", 0,
                 "--crop", size, "--seed", 4, "--json", "-o", "posterior.h5", folder=folder)
    assert result.codes == [0], f"{arch}: {result.err}"
    return json.loads(result.out)


class SameAnswer:
    """Of `arch` at images of `size` pixels; of predictions and of training's steps."""
    n_classes, n_draws = N_CLASSES, 12

    @classmethod
    def make_posterior(cls):
        convert(cls.folder, cls.arch, cls.size)

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-zoo-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.make_posterior()
        write_images(cls.folder / "images.h5", 4, 3, cls.size, cls.n_classes)

    def command(self, name):
        draws = ("--draws", self.n_draws, "--draw-block", 2, "--batch", 2) if name == "predict" else (
            "--draws", 2, "--batch-size", 4, "--micro-batch", 2, "--epochs", 2, "--optimizer", "sgd", "--lr", "1e-4",
            "--kl-weight", "1e-4")
        return [name, "posterior.h5", "images.h5", *draws, "-o", f"{name}.h5"]

    def digests(self, name):
        """Of all datasets of the output, which then goes."""
        result = run("inspect", f"{name}.h5", "--datasets", folder=self.folder)
        self.assertEqual(result.codes, [0], result.err)
        self.assertGreater(len(result.out.splitlines()), 10)
        for path in self.folder.glob(f"{name}.h5*"):
            path.unlink()
        return result.out

    def run_to_its_end(self, name, ranks, *options, code=0):
        result = run(*self.command(name), *options, ranks=ranks, folder=self.folder)
        self.assertEqual(result.codes, [code] * ranks, result.err)

    def kill(self, name, ranks):
        """All ranks by SIGKILL when there is a checkpoint; again if the run was over before."""
        for _ in range(20):
            job = Job(*self.command(name), "--checkpoint-interval", "0.0001s", ranks=ranks, folder=self.folder)
            pids = [job.pid(rank) for rank in range(ranks)]
            wait_for((self.folder / f"{name}.h5.ckpt").exists, job.process)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            job.end()
            if not (self.folder / f"{name}.h5").exists():
                return
            for path in self.folder.glob(f"{name}.h5*"):
                path.unlink()
        self.fail("20 runs were over before they could be killed")

    def check(self, name):
        self.run_to_its_end(name, 1)
        expected = self.digests(name)
        for ranks in (2, 3):
            self.run_to_its_end(name, ranks)
            self.assertEqual(self.digests(name), expected, f"{ranks} ranks")
        self.run_to_its_end(name, 2, "--max-time", "0.001s", code=STOPPED)
        self.run_to_its_end(name, 3, "--resume")
        self.assertEqual(self.digests(name), expected, "stopped")
        self.kill(name, 2)
        self.run_to_its_end(name, 1, "--resume")
        self.assertEqual(self.digests(name), expected, "killed")

    def test_predictions(self):
        self.check("predict")

    def test_steps_of_training(self):
        self.check("train")


class SqueezeExcite(SameAnswer, unittest.TestCase):
    arch, size = "mobilenet_v3_small", 32


class Dense(SameAnswer, unittest.TestCase):
    arch, size = "densenet121", 64


class Transformer(SameAnswer, unittest.TestCase):
    arch, size = "swin_t", 32


class Recurrent(SameAnswer, unittest.TestCase):
    """With weights drawn at every step. So many draws that there is time to stop a run."""
    size, n_classes, n_draws = 8, 4, 4000

    @classmethod
    def make_posterior(cls):
        made = run("convert", program.ROOT / "tests" / "golden" / "onnx" / "plain_17.onnx", "--moped-delta", DELTA, "--estimator",
                   "reparameterization-step", "-o", "posterior.h5", folder=cls.folder)
        assert made.codes == [0], made.err


def kl_of(path):
    """Of all Bayesian tensors to N(0, 1), in double, and how many elements they have."""
    kl, n = 0.0, 0

    def visit(name, rho):
        nonlocal kl, n
        if "/rho_" not in name or not isinstance(rho, h5py.Dataset):
            return
        mu = parameters[name.replace("/rho_", "/mu_")]
        for first in range(0, max(len(rho), 1), 64):
            m, r = (tensor[first:first + 64].astype(float) for tensor in (mu, rho))
            sigma = np.log1p(np.exp(r))
            kl += (-np.log(sigma) + (sigma**2 + m**2) / 2 - 0.5).sum()
            n += m.size
    with h5py.File(path) as file:
        parameters = file["parameters"]
        parameters.visititems(visit)
    return kl, n


class Every(unittest.TestCase):
    def size_of(self, row):
        """As small as the family allows: whole patches of a ViT, whole windows of MaxViT."""
        if row["name"].startswith("vit"):
            return 28 if row["name"].endswith("14") else 64
        return row["image_size"] if row["name"].startswith("maxvit") else min(row["image_size"], 96)

    def check(self, folder, row):
        size = self.size_of(row)
        facts = convert(folder, row["name"], size)
        kl, n = kl_of(folder / "posterior.h5")
        self.assertEqual(n, facts["n_bayesian"])
        self.assertTrue(n > 0 and np.isfinite(facts["kl_sum"]))
        self.assertLess(abs(facts["kl_sum"] / kl - 1), 1e-5)
        write_images(folder / "images.h5", 2, row["in_channels"], size)
        result = run("predict", "posterior.h5", "images.h5", "--draws", 2, "--save-draws", "-o", "p.h5", folder=folder)
        self.assertEqual(result.codes, [0], result.err)
        with h5py.File(folder / "p.h5") as file:
            logits = file["posterior_predictive/logits"][0]
        self.assertEqual(logits.shape, (2, 2, N_CLASSES))
        self.assertTrue(np.isfinite(logits).all())
        self.assertGreater(np.abs(logits[0] - logits[1]).max(), 0)

    def test_every_architecture_has_a_divergence_and_draws(self):
        rows = json.loads(run("models", "--json").out)["models"]
        self.assertGreater(len(rows), 80)
        for row in rows:
            with self.subTest(row["name"]), tempfile.TemporaryDirectory(prefix="credence-zoo-") as folder:
                self.check(pathlib.Path(folder), row)


if __name__ == "__main__":
    unittest.main()
