"""`laplace`: Laplace approximations of a last layer, against the same computed with numpy from the network's features; the same
whatever the ranks; and what the other commands make of them."""
import json
import shutil
import unittest

import h5py
import numpy as np

import program
from program import DATA, run

USAGE, INPUT = 2, 3
IMAGES = DATA / "images"
N, D, K, SEEN = 90, 16, 10, 3
HESSIANS = ("kron", "full", "diag")


def softmax(x):
    p = np.exp(x - x.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


class LaplaceTest(program.Case):
    @classmethod
    def setUpClass(cls):
        """A network that averages pixels and has one layer of them, so that numpy knows its features; images with labels; a
        posterior for each Hessian."""
        super().setUpClass()
        random = np.random.RandomState(0)
        cls.data, cls.seen, cls.network = cls.folder / "data.h5", cls.folder / "seen.h5", cls.folder / "network.h5"
        cls.images, cls.labels = random.normal(size=(N, 1, 28, 28)).astype(np.float32), random.randint(K, size=N)
        for path, n in ((cls.data, N), (cls.seen, SEEN)):
            with h5py.File(path, "w") as file:
                file["images"] = cls.images[:n]
                if n == N: # without labels predictions have one place for logits
                    file["labels"] = cls.labels.astype(np.int64)
        cls.features = cls.images.astype(float).reshape(N, 4, 7, 4, 7).mean((2, 4)).reshape(N, D)
        cls.weight, cls.bias = 9 * random.normal(size=(K, D)).astype(np.float32), random.normal(size=K).astype(np.float32)
        cls.change(cls.posterior, cls.network, cls.make_network)
        cls.printed = {}
        for hessian in HESSIANS:
            result = run("laplace", cls.network, cls.data, "--hessian", hessian, "--json", "-o", f"{hessian}.h5", folder=cls.folder)
            assert result.codes == [0], result.err
            cls.printed[hessian] = json.loads(result.out)

    @classmethod
    def outputs(cls, posterior, data, *options):
        """[draw][image][output]"""
        result = run("predict", posterior, data, *options, "--save-draws", "-o", "p.h5", folder=cls.folder)
        assert result.codes == [0], result.err
        with h5py.File(cls.folder / "p.h5") as file:
            return file["predictions/logits"][0]

    @classmethod
    def change(cls, path, changed, edit):
        """A copy whose open file, with its graph as an object, goes through `edit`."""
        raw = changed.with_suffix(".raw")
        shutil.copy(path, raw)
        with h5py.File(raw, "r+") as file:
            graph = json.loads(file["graph"][()])
            edit(file, graph)
            graph["outputs"] = [graph["ops"][-1]["name"]]
            file["graph"][()] = json.dumps(graph)
        result = run("inspect", "--reseal", changed, raw, folder=changed.parent)
        assert result.codes == [0], result.err

    @classmethod
    def make_network(cls, file, graph):
        """Its layer has a posterior, of which the means count."""
        parameters = file["parameters"]
        for name in list(parameters):
            del parameters[name]
        layer = parameters.create_group("linear")
        for name, values in (("weight", cls.weight), ("bias", cls.bias)):
            layer[f"mu_{name}"], layer[f"rho_{name}"] = values, 0 * values
        for data in layer.values():
            data.attrs["xxh3_64"] = np.bytes_("0" * 16)
        graph["ops"] = [
            {"name": "pool", "kind": "AvgPool2d", "inputs": ["input"], "shape": [1, 4, 4], "attrs":
             {"kernel_size": [7, 7], "stride": [7, 7], "padding": [0, 0], "ceil_mode": 0, "count_include_pad": 1}},
            {"name": "flatten", "kind": "Flatten", "inputs": ["pool"], "shape": [D], "attrs": {}},
            {"name": "linear", "kind": "Linear", "inputs": ["flatten"], "shape": [K], "attrs":
             {"in_features": D, "out_features": K, "bias": 1}}]

    def exact(self, hessian, precision):
        """Of the network's means: log likelihood, eigenvalues, covariance of the outputs of the images seen, squared norm."""
        weight, bias, phi = self.weight.astype(float), self.bias.astype(float), self.features
        p = softmax(phi @ weight.T + bias)
        slopes = np.einsum("na,ab->nab", p, np.eye(K)) - np.einsum("na,nb->nab", p, p)
        if hessian == "kron":
            outputs = slopes.sum(0)
            ggn = np.zeros((K * D + K,) * 2)
            ggn[:K * D, :K * D], ggn[K * D:, K * D:] = np.kron(outputs, phi.T @ phi / N), outputs
        else:
            # Image by image: of output k the derivatives are phi at weight k, 1 at bias k.
            jacobian = np.zeros((N, K, K * D + K))
            for k in range(K):
                jacobian[:, k, k * D:(k + 1) * D], jacobian[:, k, K * D + k] = phi, 1
            ggn = np.einsum("nai,nab,nbj->ij", jacobian, slopes, jacobian, optimize=True)
            if hessian == "diag":
                ggn = np.diag(np.diag(ggn))
        covariance = np.linalg.inv(ggn + precision * np.eye(len(ggn)))
        seen = np.zeros((SEEN, K, K * D + K))
        for k in range(K):
            seen[:, k, k * D:(k + 1) * D], seen[:, k, K * D + k] = phi[:SEEN], 1
        seen = seen.reshape(SEEN * K, -1)
        return (np.log(p[np.arange(N), self.labels]).sum(), np.linalg.eigvalsh(ggn).clip(0), seen @ covariance @ seen.T,
                (weight**2).sum() + (bias**2).sum())

    def test_against_numpy(self):
        n = 3000
        for hessian in HESSIANS:
            with self.subTest(hessian):
                said = self.printed[hessian]
                precision = said["prior_precision"]
                likelihood, values, covariance, norm = self.exact(hessian, precision)
                evidence = likelihood - (np.log1p(values / precision).sum() + precision * norm) / 2
                self.assertAlmostEqual(said["log_likelihood"], likelihood, delta=1e-4 * abs(likelihood))
                self.assertAlmostEqual(said["log_marginal_likelihood"], evidence, delta=1e-4 * abs(evidence))
                # Where the evidence is largest, the images determine as many weights as the prior's precision says.
                self.assertAlmostEqual((values / (values + precision)).sum(), precision * norm, delta=1e-3 * precision * norm)
                draws = self.outputs(f"{hessian}.h5", self.seen, "--draws", n, "--seed", 3).astype(float).reshape(n, -1)
                mean = self.outputs(self.network, self.seen, "--deterministic").reshape(-1)
                scale = np.diag(covariance)
                self.assertLess(np.abs((draws.mean(0) - mean) / np.sqrt(scale / n)).max(), 4)
                error = np.sqrt((covariance**2 + np.outer(scale, scale)) / (n - 1))
                self.assertLess(np.abs((np.cov(draws.T) - covariance) / error).max(), 4)
                # At its mean it is the network it was made of.
                np.testing.assert_allclose(self.outputs(f"{hessian}.h5", self.seen, "--deterministic").reshape(-1), mean, rtol=0,
                                           atol=2e-4)

    def test_same_on_all_ranks(self):
        for hessian in HESSIANS:
            digests = {run("inspect", f"{hessian}.h5", "--datasets", folder=self.folder).out.partition("\n")[2]}
            for ranks in (2, 3):
                self.succeed("laplace", self.network, self.data, "--hessian", hessian, "-o", "l.h5", ranks=ranks)
                digests.add(self.succeed("inspect", "l.h5", "--datasets").partition("\n")[2])
            self.assertEqual(len(digests), 1, hessian)
            if hessian == "diag":
                continue
            for ranks in (1, 2):
                self.succeed("predict", "l.h5", self.seen, "--draws", 20, "-o", "p.h5", ranks=ranks)
                digests.add(self.succeed("inspect", "p.h5", "--datasets").partition("\n")[2])
            self.assertEqual(len(digests), 2, hessian)

    def test_given_precision(self):
        self.succeed("laplace", self.network, self.data, "--prior-precision", 4, "-o", "l.h5")
        self.assertIn("prior precision 4, as given", self.succeed("inspect", "l.h5"))
        said = json.loads(self.succeed("inspect", "l.h5", "--json"))
        self.assertEqual((said["laplace"]["prior_precision"], said["posterior"]["prior_sigma"]), (4, 0.5))
        best = self.printed["kron"]
        self.assertLess(said["laplace"]["log_marginal_likelihood"], best["log_marginal_likelihood"])
        self.assertEqual(said["laplace"]["log_likelihood"], best["log_likelihood"])
        with h5py.File(self.work / "l.h5") as file:
            attributes = dict(file["laplace"].attrs)
            self.assertEqual((attributes["hessian"], attributes["n_images"], attributes["is_optimized"]), ("kron", N, 0))
            basis = file["parameters/linear_features/weight"][()].astype(float)
            np.testing.assert_allclose(basis @ basis.T, np.eye(D), atol=1e-5)

    def test_other_commands(self):
        for hessian in HESSIANS:
            shutil.copy(self.folder / f"{hessian}.h5", self.work)
            self.succeed("bench", f"{hessian}.h5", "--batch", 2)
        self.assertIn("20 draws", self.succeed("evaluate", "full.h5", self.data, "--draws", 20))
        self.assertIn("draws", self.succeed("plan", "kron.h5", IMAGES, "--draws", 100))
        self.succeed("export", "kron.h5", "--to", "npz", "-o", "kron.npz")
        # Several of them, and draws of each.
        self.succeed("laplace", self.network, self.data, "--prior-precision", 4, "-o", "other.h5")
        self.assertIn("mixture of 2 ", self.succeed("ensemble", "kron.h5", "other.h5", "-o", "both.h5"))
        self.succeed("predict", "both.h5", IMAGES, "--draws", 10, "-o", "p.h5", ranks=2)
        # What is trained further is no Laplace approximation any more.
        self.succeed("train", "kron.h5", self.data, "--epochs", 1, "-o", "t.h5")
        self.assertNotIn("Laplace", self.succeed("inspect", "t.h5"))

    def fails(self, code, text, posterior, *words, output="l.h5", all_ranks=(1,)):
        data = words or (self.data,)
        for ranks in all_ranks:
            result = run("laplace", posterior, *data, "-o", output, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [code] * ranks, result.err)
            self.assertIn(text, result.err)
            self.assertFalse((self.work / "l.h5").exists())

    def test_refusals(self):
        def add_op(kind, attrs):
            def edit(file, graph):
                graph["ops"].append({"name": "more", "kind": kind, "inputs": ["linear"], "attrs": attrs, "shape": [K]})
            self.change(self.network, self.work / "changed.h5", edit)

        shutil.copy(self.network, self.work / "p.h5")
        shutil.copy(self.folder / "kron.h5", self.work)
        self.fails(INPUT, "kron.h5: is a Laplace approximation already", "kron.h5")
        self.succeed("ensemble", "p.h5", "p.h5", "-o", "e.h5")
        self.fails(INPUT, "e.h5: is an ensemble (mixture): take each of its 2", "e.h5")
        add_op("ReLU", {})
        self.fails(INPUT, "changed.h5: its last op is more (ReLU); needed is a Linear layer", "changed.h5", all_ranks=(1, 3))
        add_op("Dropout", {"p": 0.5, "in_prediction": 1})
        self.fails(INPUT, "changed.h5: has dropout in prediction", "changed.h5")
        self.succeed("convert", "--arch", "cifar_resnet8", "--n-classes", 100, "-o", "wide.h5")
        self.fails(USAGE, "--hessian full: wide.h5 has 6500 weights and biases, allowed are 4096", "wide.h5", self.data, "--hessian",
                   "full", all_ranks=(1, 3))
        self.fails(INPUT, "missing.h5", "missing.h5")
        with h5py.File(self.work / "plain.h5", "w") as file:
            file["images"] = self.images[:4]
        self.fails(INPUT, "plain.h5", "p.h5", "plain.h5")
        with h5py.File(self.work / "large.h5", "w") as file:
            file["images"], file["labels"] = 1e6 * self.images[:40], self.labels[:40].astype(np.int64)
        self.fails(5, "of the last layer is", "p.h5", "large.h5", all_ranks=(1, 3))
        self.fails(USAGE, "p.h5: would be written, but is an input", "p.h5", output="p.h5")
        self.fails(USAGE, "prior-precision", "p.h5", self.data, "--prior-precision", 0)
        self.fails(USAGE, "hessian", "p.h5", self.data, "--hessian", "block")
        self.change(self.folder / "kron.h5", self.work / "changed.h5", lambda file, graph: None)
        with h5py.File(self.work / "changed.raw", "r+") as file:
            file["laplace"].attrs["hessian"] = "block"
        result = run("inspect", "--reseal", "bad.h5", "changed.raw", folder=self.work)
        self.assertEqual(result.codes, [INPUT], result.err)
        self.assertIn("/laplace: hessian", result.err)


if __name__ == "__main__":
    unittest.main()
