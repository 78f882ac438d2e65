"""`evaluate --reference` and `compare`: agreement with another method's probabilities, and paired differences of two posteriors;
each figure and each of its errors against numpy and the saved draws."""
import json
import math
import unittest

import h5py
import numpy as np
import xarray

import program
import regression_scores
from program import DATA, run
from regression_test import write_data

USAGE, INPUT = 2, 3
QUICKSTART = DATA / "quickstart.h5"
N, DRAWS, FLOOR = 48, 20, 2.0**-126


def philox(counter, key):
    """Philox4x32-10 of Salmon et al. (2011): counter [4][n], key [2], 32-bit words in uint64."""
    c, k, low = [np.array(x, np.uint64) for x in counter], list(key), np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & low, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & low]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return np.stack(c)


def resample(n, number, seed):
    """How often each image counts: Poisson(1) by inversion."""
    place = np.arange(-(-n // 4))
    zero = np.zeros_like(place)
    words = philox([place, zero + number, zero, zero + 10], (seed % 2**32, seed >> 32)).T.ravel()[:n]
    upto = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(13)])
    return np.searchsorted(upto, (words + 0.5) / 2**32, side="right")


def half_samples(probs, n_groups):
    """Mean probabilities [2 R][image][class] of the pairs of half-samples of draws [draw][image][class], by the definition."""
    n, size = len(probs), 2 ** math.ceil(math.log2(n_groups))
    signs = np.ones((1, 1))
    while len(signs) < size:
        signs = np.block([[signs, signs], [signs, -signs]])
    of_draw = signs[:, np.arange(n) % n_groups]
    weights = np.stack([1 + of_draw / 2, 1 - of_draw / 2], 1).reshape(2 * size, n)
    mean = probs.mean(0)
    out = mean + np.einsum("rd,dic->ric", weights - 1, probs - mean) / n
    out[:2] = mean
    return out


def mcse(values, n_filled):
    values = np.asarray(values)
    pairs = values[2::2] - values[3::2]
    return math.sqrt((pairs**2).sum() / (len(values) / 2) * n_filled / (n_filled - 1))


def class_rows(probs, labels):
    """[image] each: what a row of probabilities is worth."""
    rows = np.arange(len(labels))
    return {"accuracy": (probs.argmax(-1) == labels).astype(float), "nll": -np.log(np.maximum(probs[rows, labels], FLOOR)),
            "brier": ((probs - np.eye(probs.shape[1])[labels])**2).sum(-1)}


def pair_rows(p, q):
    return {"agreement": (p.argmax(-1) == q.argmax(-1)).astype(float), "total_variation": np.abs(p - q).sum(-1) / 2,
            "kl": np.where(q > 0, q * (np.log(np.maximum(q, 1e-300)) - np.log(np.maximum(p, FLOOR))), 0).sum(-1)}


def ece(probs, labels, weights=None):
    weights = np.ones(len(labels)) if weights is None else weights
    confidence = np.minimum(probs.max(-1), 1)
    gap = (probs.argmax(-1) == labels) - confidence
    return np.abs(np.bincount((confidence * 15).astype(int), weights * gap, 16)).sum() / weights.sum()


def se(rows):
    return rows.std(ddof=1) / math.sqrt(len(rows))


class Compare(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.RandomState(2)
        cls.data, cls.labels = cls.folder / "data.h5", random.randint(0, 10, N)
        with h5py.File(cls.data, "w") as file:
            file["images"], file["labels"] = random.randint(0, 256, (N, 1, 28, 28)).astype("u1"), cls.labels
        cls.a, cls.b, cls.mixture = cls.folder / "a.h5", cls.folder / "b.h5", cls.folder / "mixture.h5"
        cls.parts = [cls.folder / f"n{i}.h5" for i in range(3)]
        for words in ([("convert", "--weights", QUICKSTART, "--moped-delta", delta, "--seed", seed, "-o", path) for path, delta, seed in
                       ((cls.a, 0.2, 0), (cls.b, 0.5, 0), *((path, 0.3, i) for i, path in enumerate(cls.parts)))] +
                      [("ensemble", *cls.parts, "-o", cls.mixture)]):
            result = run(*words, folder=cls.folder)
            assert result.codes == [0], result.err
        cls.drawn = {}
        for path in (cls.a, cls.b, cls.mixture):
            words = ("predict", path, cls.data, "--draws", DRAWS, "--save-draws", "-o", path.with_suffix(".p.h5"))
            result = run(*words, folder=cls.folder)
            assert result.codes == [0], result.err
            with h5py.File(path.with_suffix(".p.h5")) as file:
                cls.drawn[path] = (file["predictive/probs_mean"][()].astype(float),
                                   file["posterior_predictive/probs"][0].astype(float))

    def fails(self, code, texts, *words, ranks=(1,)):
        for n in ranks:
            result = run(*words, ranks=n, folder=self.work)
            self.assertEqual(result.codes, [code] * n, result.err)
            lines = [line for line in result.err.splitlines() if line.startswith("credence: ")]
            self.assertEqual(len(lines), 1, result.err)
            for text in texts:
                self.assertIn(text, lines[0])

    def facts(self, *words, ranks=(1, 3)):
        found = []
        for n in ranks:
            found.append(json.loads(self.succeed(*words, "--json", ranks=n)))
            self.assertEqual(found[-1].pop("n_ranks"), n)
            del found[-1]["seconds"]
        for other in found[1:]:
            self.assertEqual(found[0], other)
        return found[0]

    def near(self, found, value, over_images, of_draws):
        np.testing.assert_allclose((found["value"], found["se"]), (value, over_images), rtol=1e-8, atol=1e-9)
        # The draws as they are saved are rounded to float.
        np.testing.assert_allclose(found["mcse"], of_draws, rtol=1e-4, atol=1e-6)

    def check_pairs(self, found, p, q, samples):
        """samples: pairs (halves of p, halves of q, groups with draws), whose variances add up."""
        rows = pair_rows(p, q)
        for key, own in rows.items():
            errors = [mcse([pair_rows(x, y)[key].mean() for x, y in zip(*halves)], n) for *halves, n in samples]
            self.near(found[key], own.mean(), se(own), math.hypot(*errors))

    def test_reference(self):
        """Another method's probabilities, in each form that a file may have."""
        random = np.random.RandomState(3)
        probs, draws = self.drawn[self.a]
        reference = random.dirichlet(np.full(10, 0.3), N) * 0.4 + 0.6 * probs / probs.sum(-1, keepdims=True)
        reference[5] = np.eye(10)[3]  # 0 log 0
        rows = [[f"{p:.17g}" for p in row] for row in reference]
        (self.work / "names.csv").write_text(",".join("abcdefghij") + "\n" + "".join(",".join(row) + "\n" for row in rows))
        (self.work / "blanks.txt").write_text("# of HMC\n\n" + "".join(" ".join(row) + " \r\n" for row in rows))
        (self.work / "parted.csv").write_text("\n".join(" ; ".join(row) for row in rows))
        with h5py.File(self.work / "named.h5", "w") as file:
            file["probs"], file["other"] = reference, np.zeros((3, 4))
        with h5py.File(self.work / "only.h5", "w") as file:
            file.create_dataset("hmc/p", data=reference, chunks=(7, 10), compression="gzip")
            file["labels"], file["logits"] = self.labels, np.zeros((2, N, 10))
        words = ("evaluate", self.a, self.data, "--draws", DRAWS, "--reference")
        found = self.facts(*words, "names.csv", ranks=(1, 2, 3))
        halves = half_samples(draws, 32)
        self.check_pairs(found["reference"], probs, reference, [(halves, [reference] * len(halves), DRAWS)])
        for name in ("blanks.txt", "parted.csv", "named.h5", "only.h5"):
            self.assertEqual(found, self.facts(*words, name, ranks=(1,)), name)
        plain = self.facts(*words[:-1], ranks=(1,))
        del found["reference"]
        self.assertEqual(found, plain)
        text = self.succeed(*words, "names.csv")
        self.assertRegex(text, r"against names.csv \(± over images ± of the draws\)\n +agreement +[0-9.]+ ± [0-9.]+ ± [0-9.]+ %")

    def test_reference_of_ours(self):
        """A prediction file: of the same run, nothing differs; of a mixture the components are the evidence."""
        words = ("evaluate", self.mixture, self.data, "--draws", DRAWS, "--reference")
        same = self.facts(*words, self.mixture.with_suffix(".p.h5"), ranks=(1,))["reference"]
        self.assertEqual((same["agreement"]["value"], same["total_variation"]["value"]), (1, 0))
        self.assertLess(abs(same["kl"]["value"]), 1e-12)
        found, digests = [], []
        for ranks in (1, 3):  # whose files differ in the time and their command only
            found.append(self.facts(*words, self.a.with_suffix(".p.h5"), "-o", "s.h5", ranks=(ranks,))["reference"])
            digests.append(self.succeed("inspect", "s.h5", "--datasets"))
        self.assertEqual((found[0], digests[0]), (found[1], digests[1]))
        self.assertRegex(self.succeed("inspect", "s.h5"), r"^s.h5: scores\n")
        rows = pair_rows(self.drawn[self.mixture][0], self.drawn[self.a][0])
        rows["correct"] = class_rows(self.drawn[self.mixture][0], self.labels)["accuracy"]
        rows["confidence"] = self.drawn[self.mixture][0].max(-1)
        with xarray.open_dataset(self.work / "s.h5", group="scores", engine="h5netcdf") as file:
            for key, values in rows.items():
                self.assertEqual(file[key].dims, ("image",))
                np.testing.assert_allclose(file[key], values, rtol=1e-12, atol=1e-15)
        with h5py.File(self.mixture.with_suffix(".p.h5")) as own, h5py.File(self.work / "s.h5") as file:
            np.testing.assert_array_equal(own["predictive/mutual_information_debiased"], file["scores/mutual_information"])
            self.assertEqual(file.attrs["option_reference"], str(self.a.with_suffix(".p.h5")))
        found = found[0]
        halves = half_samples(self.drawn[self.mixture][1], 3)
        self.check_pairs(found, self.drawn[self.mixture][0], self.drawn[self.a][0],
                         [(halves, [self.drawn[self.a][0]] * len(halves), 3)])
        words = ("evaluate", self.a, self.data, "--deterministic", "--reference", self.a.with_suffix(".p.h5"))
        self.assertIsNone(self.facts(*words, ranks=(1,))["reference"]["kl"]["mcse"])
        self.assertRegex(self.succeed(*words), r"p.h5\n +agreement +[0-9.]+ ± [0-9.]+ % of")

    def test_reference_refusals(self):
        self.fails(USAGE, ["-o", "--reference"], "evaluate", self.a, self.data, "-o", "s.h5")
        good = np.full((N, 10), 0.1)

        def csv(name, lines):
            (self.work / name).write_text("".join(line + "\n" for line in lines))

        def change(row, text):
            lines = [",".join(["0.1"] * 10)] * N
            return lines[:row] + [text] + lines[row + 1:]
        csv("sum.csv", change(3, ",".join(["0.2"] * 10)))
        csv("logits.csv", change(0, ",".join(["-1.5"] * 10)))
        csv("ragged.csv", change(7, "0.5,0.5"))
        csv("word.csv", change(2, "0.1,x" + ",0.1" * 8))
        csv("nan.csv", change(4, ",".join(["nan"] * 10)))
        csv("few.csv", change(0, ",".join(["0.1"] * 10))[1:])
        csv("nine.csv", [",".join(["0.125"] * 8)] * N)
        csv("empty.csv", ["# nothing"])
        self.fails(USAGE, ["sum.csv"], "evaluate", self.a, self.data, "--reference", "sum.csv", "-o", "sum.csv")
        (self.work / "bytes.bin").write_bytes(b"\x00\x01\x02" * 9)
        for name, sets in (("two.h5", {"x": good, "y": good}), ("none.h5", {"z": good[0]}), ("cube.h5", {"probs": good[None]}),
                           ("whole.h5", {"probs": good.astype(int)})):
            with h5py.File(self.work / name, "w") as file:
                for key, values in sets.items():
                    file[key] = values
        cases = (("sum.csv", "row 3 (from 0) sums to 2; "), ("logits.csv", "row 0, class 0", "-1.5", "no softmax"),
                 ("ragged.csv", "ragged.csv:8: 2 numbers, but there are 10"), ("word.csv", "word.csv:3: 'x' is not a number"),
                 ("nan.csv", "row 4, class 0", "nan"), ("few.csv", "47 images of 10 classes", "48 images of 10"),
                 ("nine.csv", "48 images of 8 classes", "of 10 classes here"), ("empty.csv", "no rows"), ("bytes.bin", "neither text nor"),
                 ("two.h5", "several datasets", "/probs"), ("none.h5", "no dataset", "/probs"), ("cube.h5", "/probs", "(1, 48, 10)"),
                 ("whole.h5", "int64"), (self.a, "posterior", "prediction"), ("gone.csv", "gone.csv"))
        for name, *texts in cases:
            with self.subTest(name=name):
                self.fails(INPUT, [str(name).rsplit("/", maxsplit=1)[-1], *texts], "evaluate", self.a, self.data, "--reference", name,
                           ranks=(1, 3) if name in ("sum.csv", "few.csv", "two.h5") else (1,))

    def test_compare(self):
        found = self.facts("compare", self.a, self.b, self.data, "--draws", DRAWS, ranks=(1, 2, 3))
        self.check_classes(found, self.a, self.b, 32, 32)
        self.assertEqual(found["figures"]["nll"]["better"], "B")  # which errs by less: these images are noise
        text = self.succeed("compare", self.a, self.b, self.data, "--draws", DRAWS)
        self.assertRegex(text, r"\n  NLL +[0-9.]+ ± [0-9.]+ +[0-9.]+ ± [0-9.]+ +\+[0-9.]+ \[\+[0-9.]+, \+[0-9.]+\]  B is better\n")

    def test_mixtures(self):
        found = self.facts("compare", self.mixture, self.a, self.data, "--draws", DRAWS, "--seed", 0, "--confidence", 0.5)
        self.check_classes(found, self.mixture, self.a, 3, 32, z=0.6744897501960817)

    def test_same(self):
        found = self.facts("compare", self.a, self.a, self.data, "--deterministic", ranks=(1,))
        for figure in found["figures"].values():
            self.assertEqual(figure["difference"], {"value": 0, "se": 0, "mcse": None, "low": 0, "high": 0})
            self.assertIsNone(figure["better"])
        self.assertEqual(found["agreement"]["agreement"]["value"], 1)

    def check_classes(self, found, path_a, path_b, n_a, n_b, z=1.959963984540054):
        p, q = (self.drawn[path][0] for path in (path_a, path_b))
        halves = [half_samples(self.drawn[path][1], n) for path, n in ((path_a, n_a), (path_b, n_b))]
        filled = [min(n, DRAWS) for n in (n_a, n_b)]
        are_paired = n_a == n_b
        rows = [class_rows(x, self.labels) for x in (p, q)]
        for key, figure in found["figures"].items():
            if key == "ece":
                own = [ece(x, self.labels) for x in (p, q)]
                weights = [resample(N, r, 0) for r in range(200)]
                errors = [np.std([ece(x, self.labels, w) for w in weights], ddof=1) for x in (p, q)]
                errors.append(np.std([ece(p, self.labels, w) - ece(q, self.labels, w) for w in weights], ddof=1))
                samples = [np.array([ece(x, self.labels) for x in half]) for half in halves]
                for i in (0, 1):  # linearised
                    gap = (p, q)[i].max(-1) - ((p, q)[i].argmax(-1) == self.labels)
                    errors[i] = math.sqrt(((gap**2).sum() - N * own[i]**2) / (N - 1) / N)
            else:
                own = [x[key].mean() for x in rows]
                errors = [se(x[key]) for x in rows] + [se(rows[0][key] - rows[1][key])]
                samples = [np.array([class_rows(x, self.labels)[key].mean() for x in half]) for half in halves]
            of_draws = [mcse(x, n) for x, n in zip(samples, filled)]
            of_draws.append(mcse(samples[0] - samples[1], filled[0]) if are_paired else math.hypot(*of_draws))
            difference = figure["difference"]
            for part, value, error, drawn in zip((figure["A"], figure["B"], difference), (*own, own[0] - own[1]), errors, of_draws):
                self.near(part, value, error, drawn)
            half = z * math.hypot(difference["se"], difference["mcse"])
            np.testing.assert_allclose((difference["low"], difference["high"]),
                                       (difference["value"] - half, difference["value"] + half), rtol=0, atol=1e-7)
            is_clear = difference["low"] * difference["high"] > 0
            is_a = (difference["value"] > 0) == (key == "accuracy")
            self.assertEqual(figure["better"], ("A" if is_a else "B") if is_clear else None)
        samples = [(*halves, filled[0])] if are_paired else [(halves[0], [q] * len(halves[0]), filled[0]),
                                                            ([p] * len(halves[1]), halves[1], filled[1])]
        self.check_pairs(found["agreement"], p, q, samples)

    def test_regression(self):
        data = self.work / "values.h5"
        write_data(data, 30, 2, 1)
        drawn = []
        for name, loss, n_outputs, epochs in (("u", "gaussian-nll", 4, 1), ("v", "gaussian-nll", 4, 6), ("w", "mse", 2, 2)):
            self.succeed("convert", "--arch", "lenet", "--moped", "--moped-delta", 0.1, "--n-classes", n_outputs, "-o", "s.h5")
            self.succeed("train", "s.h5", data, "--loss", loss, "--epochs", epochs, "--batch-size", 10, "--lr", "2e-3",
                         "--kl-weight", "1e-6", "-o", f"{name}.h5")
            self.succeed("predict", f"{name}.h5", data, "--draws", 12, "--save-draws", "-o", "p.h5")
            drawn.append(regression_scores.image_rows(*regression_scores.read_draws(self.work / "p.h5")))
        for names, keys in (((0, 1), ["rmse", "mae", "nll", "crps"]), ((1, 2), ["rmse", "mae", "crps"])):
            found = self.facts("compare", *("uvw"[i] + ".h5" for i in names), data, "--draws", 12, ranks=(1, 3) if 0 in names else (1,))
            self.assertNotIn("agreement", found)
            self.assertEqual(list(found["figures"]), keys)
            for key, figure in found["figures"].items():
                rows = np.stack([drawn[i][0][key] for i in names])
                values, slopes = rows.mean(1), np.ones(2)
                if key in drawn[0][1]:
                    values = np.sqrt(values)
                    slopes = 1 / (2 * values)
                rows = rows * slopes[:, None]
                difference = figure["difference"]
                for part, value, own in zip((figure["A"], figure["B"], difference), (*values, values[0] - values[1]),
                                            (*rows, rows[0] - rows[1])):
                    np.testing.assert_allclose((part["value"], part["se"]), (value, se(own)), rtol=1e-7, atol=1e-8)
                    self.assertIsNone(part["mcse"])
                np.testing.assert_allclose(difference["high"] - difference["value"], 1.959963984540054 * difference["se"], rtol=1e-6)
        self.fails(USAGE, ["--reference", "regression"], "evaluate", "u.h5", data, "--reference", "u.h5")
        self.fails(INPUT, ["u.h5", "regression", "classification"], "compare", self.a, "u.h5", self.data)
        self.fails(INPUT, ["a.h5", "classification", "regression"], "compare", "u.h5", self.a, data)

    def test_compare_refusals(self):
        self.succeed("convert", "--arch", "cifar_resnet8", "--channels", 1, "--n-classes", 7, "-o", "seven.h5")
        (self.work / "other.txt").write_text("".join(f"thing {i}\n" for i in range(10)))
        self.succeed("convert", "--weights", QUICKSTART, "--classes", "other.txt", "-o", "other.h5")
        self.fails(INPUT, ["seven.h5", "7 classes", "10 are"], "compare", self.a, "seven.h5", self.data, ranks=(1, 3))
        self.fails(INPUT, ["other.h5", "class 0 is 'thing 0'"], "compare", self.a, "other.h5", self.data)
        self.fails(INPUT, ["label"], "compare", self.a, self.b, DATA / "images" / "05_sandal.jpg")
        self.fails(INPUT, ["gone.h5"], "compare", self.a, "gone.h5", self.data)
        self.fails(USAGE, ["--confidence"], "compare", self.a, self.b, self.data, "--confidence", 2)
        self.fails(USAGE, ["compare"], "compare", self.a, self.b)


if __name__ == "__main__":
    unittest.main()
