"""Bad input of every kind: one clear line, the documented exit code on all ranks, no hang, nothing left behind."""
import os
import pickle
import shutil
import subprocess
import unittest
import zipfile

import h5py
import numpy as np

import program
from program import DATA, run

USAGE, INPUT, IO = 2, 3, 4
SHIRT = DATA / "images" / "00_t-shirt_top.jpg"
RESEAL = os.environ["CREDENCE_RESEAL"]


def change(good, bad, dataset, edit):
    """`bad` is `good` with a dataset changed, with right checksum and seal: only its meaning is wrong."""
    shutil.copy(good, bad)
    with h5py.File(bad, "r+") as file:
        edit(file, dataset)
    digest = subprocess.run([RESEAL, "digest", bad, dataset], check=True, capture_output=True, text=True).stdout.strip()
    with h5py.File(bad, "r+") as file:
        file[dataset].attrs["xxh3_64"] = np.bytes_(digest)
    subprocess.run([RESEAL, "seal", bad], check=True)


def set_first(value):
    def edit(file, dataset):
        file[dataset][0, 0, 0, 0] = value
    return edit


def reshape(file, dataset):
    flat = file[dataset][...].ravel()
    del file[dataset]
    file[dataset] = flat


class Faults(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        jpeg = SHIRT.read_bytes()
        whole = cls.posterior.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        files = {"empty.jpg": b"", "truncated.jpg": jpeg[:len(jpeg) // 2], "text.jpg": b"no photograph at all\n",
                 "truncated.h5": whole[:len(whole) // 2], "flipped.h5": bytes(flipped), "empty.h5": b"",
                 "text.h5": b"no HDF5 file at all\n", "short.txt": b"cat\ndog\n"}
        for name, content in files.items():
            (cls.folder / name).write_bytes(content)
        (cls.folder / "no_images").mkdir()
        with h5py.File(cls.folder / "foreign.h5", "w") as file:
            file["x"] = [1.0, 2.0]
        change(cls.posterior, cls.folder / "nan.h5", "/parameters/conv1/mu_kernel", set_first(np.nan))
        change(cls.posterior, cls.folder / "minus-infinity.h5", "/parameters/conv1/rho_kernel", set_first(-np.inf))
        change(cls.posterior, cls.folder / "shape.h5", "/parameters/conv1/mu_kernel", reshape)

        class Call:
            def __reduce__(self):
                return os.system, ("touch called",)

        with zipfile.ZipFile(cls.folder / "call.pth", "w") as archive:
            archive.writestr("call/data.pkl", pickle.dumps(Call(), protocol=2))
            archive.writestr("call/version", "3\n")

    def fails(self, code, words, *arguments, ranks=(1, 3), environment=None):
        """The command ends with `code` on all ranks and says one line with all of `words`."""
        for n in ranks:
            with self.subTest(arguments=arguments, ranks=n):
                result = run(*arguments, ranks=n, folder=self.work, environment=environment)
                self.assertEqual(result.codes, [code] * n, result.err)
                lines = result.err.splitlines()
                self.assertEqual(len(lines), 1, result.err)
                for word in words:
                    self.assertIn(word, lines[0])
                self.assertFalse(lines[0].endswith("."))
                self.assertEqual(result.out, "")
                self.assertEqual(list(self.work.iterdir()), [])

    def predict(self, code, words, *arguments, **more):
        self.fails(code, words, "predict", *arguments, "--draws", 4, "-o", "out.h5", **more)

    def test_images(self):
        for name in ("missing.jpg", "empty.jpg", "truncated.jpg", "text.jpg"):
            self.predict(INPUT, [name], self.posterior, self.folder / name)
        self.predict(INPUT, ["truncated.jpg"], self.posterior, SHIRT, self.folder / "truncated.jpg")
        self.predict(INPUT, ["no_images", ".jpg"], self.posterior, self.folder / "no_images")
        self.fails(INPUT, ["text.jpg"], "preprocess", self.posterior, SHIRT, self.folder / "text.jpg", "-o", "t.h5")

    def test_data_sets(self):
        self.predict(INPUT, ["text.jpg", "not an IDX file"], self.posterior, f"idx:{self.folder / 'text.jpg'}")
        self.predict(INPUT, ["data_batch_1.bin"], self.posterior, f"cifar10:{self.folder}")
        self.predict(INPUT, ["foreign.h5", "/images"], self.posterior, self.folder / "foreign.h5")
        self.predict(USAGE, ["mnist:x", "idx:IMAGES[,LABELS]"], self.posterior, "mnist:x")
        with h5py.File(self.folder / "labelled.h5", "w") as file:
            file["images"] = np.zeros((1, 1, 28, 28), np.uint8)
            file["labels"] = np.zeros(1, np.int64)
        self.predict(INPUT, ["cannot be mixed"], self.posterior, SHIRT, self.folder / "labelled.h5")

    def test_evaluation(self):
        self.fails(INPUT, ["label"], "evaluate", self.posterior, SHIRT)
        self.fails(INPUT, ["none.h5"], "evaluate", "none.h5", DATA / "images")
        self.fails(USAGE, ["--deterministic"], "evaluate", self.posterior, DATA / "images", "--deterministic", "--draws", 3, ranks=(1,))
        labelled = self.folder / "labelled.h5"
        with h5py.File(labelled, "w") as file:
            file["images"] = np.zeros((2, 1, 28, 28), np.uint8)
            file["labels"] = np.arange(2)
        self.fails(INPUT, ["none.jpg"], "evaluate", self.posterior, labelled, "--ood", "none.jpg", ranks=(1,))

    def test_bad_images_are_skipped_on_demand(self):
        bad = [self.folder / name for name in ("missing.jpg", "empty.jpg", "truncated.jpg", "text.jpg")]
        for ranks in (1, 3):
            result = run("predict", self.posterior, bad[0], SHIRT, *bad[1:], "--draws", 4, "--skip-bad", "-o", "p.h5",
                         ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [0] * ranks, result.err)
            for path in bad:
                self.assertIn(path.name, result.err)
                self.assertRegex(result.out, rf"{path.name} +skipped")
            self.assertIn("T-shirt", result.out)
            with h5py.File(self.work / "p.h5") as file:
                self.assertEqual(list(file["predictive/skipped"]), [1, 0, 1, 1, 1])
        (self.work / "p.h5").unlink()
        result = run("predict", self.posterior, *bad, "--skip-bad", "-o", "p.h5", folder=self.work)
        self.assertEqual(result.codes, [INPUT])
        self.assertEqual(list(self.work.iterdir()), [])

    def test_posteriors(self):
        for name in ("missing.h5", "empty.h5", "text.h5", "truncated.h5", "flipped.h5", "foreign.h5"):
            self.predict(INPUT, [name], self.folder / name, SHIRT)
            self.fails(INPUT, [name], "inspect", self.folder / name, ranks=(1,))
        self.predict(INPUT, ["nan.h5", "conv1"], self.folder / "nan.h5", SHIRT)
        self.predict(INPUT, ["minus-infinity.h5", "conv1"], self.folder / "minus-infinity.h5", SHIRT)
        self.predict(INPUT, ["shape.h5", "conv1"], self.folder / "shape.h5", SHIRT)
        self.predict(INPUT, ["00_t-shirt_top.jpg"], SHIRT, SHIRT)

    def test_weights(self):
        weights = DATA / "quickstart_weights.pth"
        self.fails(INPUT, [], "convert", "--arch", "lenet", "--weights", weights, "-o", "out.h5")
        self.fails(INPUT, [], "convert", "--arch", "resnet18", "--weights", weights, "-o", "out.h5")
        self.fails(INPUT, ["call.pth", "system"], "convert", "--arch", "resnet18", "--weights",
                   self.folder / "call.pth", "-o", "out.h5")
        self.fails(INPUT, ["missing.pth"], "convert", "--arch", "resnet18", "--weights", "missing.pth", "-o", "out.h5")
        convert = ("convert", "--arch", "cifar_resnet8", "--weights", weights, "--crop", 28, "-o", "out.h5")
        self.fails(INPUT, ["short.txt", "2", "10"], *convert, "--classes", self.folder / "short.txt")
        self.fails(INPUT, ["nothing.txt"], *convert, "--classes", "nothing.txt", ranks=(1,))
        self.fails(USAGE, ["no_such_layer"], *convert, "--bayesian", "no_such_layer*", ranks=(1,))
        self.fails(USAGE, ["--moped-delta", "--moped"], *convert, "--no-moped", "--moped-delta", "0.1", ranks=(1,))
        self.fails(USAGE, ["--moped", "--no-moped", "exclude"], *convert, "--no-moped", "--moped", ranks=(1,))
        self.fails(USAGE, ["--weights-key"], "convert", "--arch", "lenet", "--weights-key", "model", "-o", "out.h5", ranks=(1,))
        self.fails(INPUT, ["quickstart_weights.pth", "missing", "the nearest architecture is cifar_resnet8, which they fit"],
                   "convert", "--arch", "cifar_resnet14", "--weights", weights, "-o", "out.h5")
        self.fails(USAGE, ["resnet19", "resnet18"], "convert", "--arch", "resnet19", "-o", "out.h5")
        self.fails(INPUT, ["missing.h5"], "export", "missing.h5", "-o", "out.npz")
        self.fails(USAGE, ["--output"], "export", self.posterior)
        self.fails(IO, ["no_folder"], "export", self.posterior, "-o", self.folder / "no_folder" / "x")
        self.fails(USAGE, ["--channel-sd", "3", "1"], *convert, "--channel-sd", "0.1,0.2,0.3", ranks=(1,))

    def test_pipes_and_devices_are_refused_wherever_a_file_is_named(self):
        """None is waited for and none is read: it would have no end."""
        folder = self.folder / "endless"
        (folder / "in").mkdir(parents=True)
        os.mkfifo(folder / "pipe")
        (folder / "zero.jpg").symlink_to("/dev/zero")
        os.mkfifo(folder / "in" / "image.jpg")
        (folder / "cifar").mkdir()
        os.mkfifo(folder / "cifar" / "data_batch_1.bin")
        why = "is not a regular file"
        for name in ("pipe", "zero.jpg", "in"):
            self.predict(INPUT, [name, why], self.posterior, folder / name)
            self.predict(INPUT, [name, why], self.posterior, SHIRT, folder / name, ranks=(1,))
        for form in (f"idx:{folder / 'pipe'}", f"idx:{folder / 'zero.jpg'}", f"cifar10:{folder / 'cifar'}"):
            self.predict(INPUT, [str(folder), why], self.posterior, form, ranks=(1,))
        for path in (folder / "pipe", folder / "zero.jpg", "/dev/zero"):
            self.predict(INPUT, [str(path), why], path, SHIRT, ranks=(1,))
            self.fails(INPUT, [str(path), why], "predict", self.posterior, SHIRT, "--import-eps", path)
            self.fails(INPUT, [str(path), why], "inspect", path, ranks=(1,))
            self.fails(INPUT, [str(path), why], "merge", path, "-o", "out.h5", ranks=(1,))
            convert = ("convert", "--arch", "cifar_resnet8", "-o", "out.h5")
            self.fails(INPUT, [str(path), why], *convert, "--weights", path)
            self.fails(INPUT, [str(path), why], *convert, "--classes", path)
        result = run("predict", self.posterior, folder / "in", folder / "zero.jpg", SHIRT, "--draws", 4, "--skip-bad", "-o",
                     "p.h5", ranks=3, folder=self.work)
        self.assertEqual(result.codes, [0] * 3, result.err)
        with h5py.File(self.work / "p.h5") as file:
            self.assertEqual(list(file["predictive/skipped"]), [1, 1, 0])

    def test_numbers(self):
        for text in ("0", "-5", "1e99", "abc", "", "67108865"):
            self.fails(USAGE, ["--draws", f"'{text}'", "67108864"], "predict", self.posterior, SHIRT, "--draws", text,
                       "-o", "out.h5")
        self.fails(USAGE, ["--seed", "-1"], "predict", self.posterior, SHIRT, "--seed", "-1", ranks=(1,))
        self.fails(USAGE, ["--prior-sigma", "nan"], "convert", "--prior-sigma", "nan", ranks=(1,))

    def test_words(self):
        self.fails(USAGE, ["predikt", "predict"], "predikt")
        self.fails(USAGE, ["--drawz", "--draws"], "predict", self.posterior, SHIRT, "--drawz", 3)
        self.fails(USAGE, ["command"])
        self.fails(USAGE, ["few"], "predict", self.posterior, ranks=(1,))
        self.fails(USAGE, ["many"], "inspect", "a", "b", ranks=(1,))
        self.fails(USAGE, ["--draws", "N"], "predict", self.posterior, SHIRT, "--draws", ranks=(1,))
        self.fails(USAGE, ["--deterministic"], "predict", self.posterior, SHIRT, "--deterministic=1", ranks=(1,))
        self.fails(USAGE, ["resnet17", "resnet18"], "convert", "--arch", "resnet17", "--weights", "x", "-o", "y")
        self.fails(USAGE, ["--estimator", "flipout-pixel"], "predict", self.posterior, SHIRT, "--estimator", "flip", ranks=(1,))
        self.fails(USAGE, ["--output"], "convert", "--arch", "resnet18", ranks=(1,))
        self.fails(USAGE, ["--arch"], "convert", "-o", "y", ranks=(1,))
        self.fails(USAGE, ["lenet", "cifar_resnet8"], "convert", "--arch", "lenet", "--weights", self.posterior, "-o", "y",
                   ranks=(1,))
        self.fails(USAGE, ["--channels", "--weights"], "convert", "--weights", self.posterior, "--channels", 3, "-o", "y",
                   ranks=(1,))
        self.fails(USAGE, ["-o"], "predict", self.posterior, SHIRT, "--save-draws")
        self.fails(USAGE, ["CREDENCE_KERNELS", "sse9"], "models", environment={"CREDENCE_KERNELS": "sse9"})

    def test_of_one_rank(self):
        for name in ("CREDENCE_KERNELS", "CREDENCE_SHUFFLE_UNITS"):
            for rank in range(3):
                result = run("predict", self.posterior, SHIRT, ranks=3, folder=self.work, of_rank=(rank, name, "sse9"))
                self.assertEqual(result.codes, [USAGE] * 3, result.err)
                self.assertIn(name, result.err)

    def test_outputs(self):
        for output in (self.folder / "no_folder" / "out.h5", self.folder / "no_images"):
            self.fails(IO, [str(output)], "predict", self.posterior, SHIRT, "--draws", 4, "-o", output)
            self.fails(IO, [str(output)], "convert", "--arch", "cifar_resnet8", "--weights",
                       DATA / "quickstart_weights.pth", "--crop", 28, "-o", output, ranks=(1,))

    def test_inputs_are_not_overwritten(self):
        before = self.posterior.read_bytes()
        self.fails(USAGE, ["posterior.h5", "input"], "predict", self.posterior, SHIRT, "-o", self.posterior)
        self.assertEqual(self.posterior.read_bytes(), before)

    def test_eps(self):
        with h5py.File(self.folder / "eps.h5", "w") as file:
            file["eps/conv1/eps_kernel"] = [1.0, 2.0]
        self.fails(INPUT, ["eps.h5"], "predict", self.posterior, SHIRT, "--import-eps", self.folder / "eps.h5")
        self.fails(USAGE, ["--import-eps", "--draws"], "predict", self.posterior, SHIRT, "--import-eps", "x",
                   "--draws", 5, ranks=(1,))


if __name__ == "__main__":
    unittest.main()
