"""Files of weights as people have them: each becomes the same posterior, and what was done is said; and a posterior for others."""
import argparse
import functools
import json
import pathlib
import shutil
import unittest

import h5py
import numpy as np

import program
import torch_files
from program import DATA, run

WEIGHTS = DATA / "quickstart_weights.pth"
USAGE, INPUT = 2, 3


def parameters(path):
    """Every dataset below /parameters, by name."""
    found = {}
    with h5py.File(path) as file:
        file["parameters"].visititems(lambda name, item: found.update({name.replace("/", "."): item[...]})
                                      if isinstance(item, h5py.Dataset) else None)
    return found


class Weights(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.state = torch_files.load(WEIGHTS)
        cls.expected = parameters(cls.posterior)

    def convert(self, *arguments):
        result = run("convert", "--weights", "x.pth", "--crop", "28", "--moped-delta", "0.05", "-o", "out.h5", *arguments,
                     folder=self.work)
        self.assertEqual(result.codes, [0], result.err)
        return result.err

    def is_the_same(self):
        found = parameters(self.work / "out.h5")
        self.assertEqual(found.keys(), self.expected.keys())
        for name, values in self.expected.items():
            np.testing.assert_array_equal(found[name], values, name)

    def under(self, prefix, more=None):
        return {**{prefix + name: value for name, value in self.state.items()}, **(more or {})}

    def test_prefixes_are_taken_off_and_said(self):
        one = torch_files.tensor(bytes(4), (1,))
        for prefix, said in (("", []), ("module.", ["module."]), ("_orig_mod.", ["_orig_mod."]),
                             ("module._orig_mod.module.", ["_orig_mod.", "more than once"]), ("model.", ["'model.' is taken off"]),
                             ("module.encoder_q.", ["module.", "'encoder_q.' is taken off"])):
            with self.subTest(prefix=prefix):
                torch_files.save(self.work / "x.pth", self.under(prefix))
                err = self.convert()
                self.is_the_same()
                for words in ["cifar_resnet8, by the names and shapes", *said]:
                    self.assertIn(words, err)
        torch_files.save(self.work / "x.pth", {"state_dict": self.under("net.", {"loss.weight": one})})
        self.assertIn("1 tensors beside, the first is loss.weight, are passed over", self.convert())
        self.is_the_same()

    def test_objects_beside_are_passed_over_and_never_called(self):
        twice = {name: torch_files.tensor((2 * np.frombuffer(value.storage.data, "<f4")).astype("<f4").tobytes(), value.size)
                 if value.storage.cls.__name__ == "FloatStorage" else value for name, value in self.state.items()}
        counter = torch_files.tensor(bytes(8), (), "LongStorage")
        thing = {"model": self.state, "model_ema": {"n_averaged": counter, **{"module." + k: v for k, v in twice.items()}},
                 "args": argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("a")), "scheduler": functools.partial(max, 1),
                 "best": np.float64(0.5), "rng": np.arange(3)}
        for protocol in (2, 4, 5):
            torch_files.save(self.work / "x.pth", thing, protocol)
            err = self.convert()
            self.is_the_same()
            self.assertIn("'model_ema'", err)
        self.convert("--weights-key", "model_ema")
        found = parameters(self.work / "out.h5")
        np.testing.assert_array_equal(found["conv1.mu_kernel"], 2 * self.expected["conv1.mu_kernel"])

    def test_containers(self):
        torch_files.save(self.work / "x.pth", self.state, crc=False)
        self.assertIn("without checksums", self.convert())
        self.is_the_same()
        torch_files.save_stacked(self.work / "x.pth", {"state_dict": self.state})
        self.convert()
        self.is_the_same()
        torch_files.save_safetensors(self.work / "x.pth", self.state)
        self.convert()
        self.is_the_same()

    def test_a_head_of_any_size_is_taken(self):
        name, bias = [key for key in self.state if self.state[key].size[:1] == (10,)]
        size = self.state[name].size
        torch_files.save(self.work / "x.pth", {**self.state, name: torch_files.tensor(bytes(4 * 3 * size[1]), (3, size[1])),
                                               bias: torch_files.tensor(bytes(12), (3,))})
        self.convert()
        self.assertEqual(json.loads(self.succeed("inspect", "out.h5", "--json"))["posterior"]["n_classes"], 3)

    def test_misfits_are_named_and_counted(self):
        bad = dict(self.state)
        first = next(iter(bad))
        size = bad[first].size
        bad[first] = torch_files.tensor(bytes(int(np.prod(size))), size, "CharStorage")
        torch_files.save(self.work / "x.pth", bad)
        for arguments in ((), ("--arch", "cifar_resnet8")):
            result = run("convert", "--weights", "x.pth", *arguments, "-o", "out.h5", folder=self.work, ranks=3)
            self.assertEqual(result.codes, [INPUT] * 3)
            for words in ("x.pth", "cifar_resnet8", f"1 missing, the first is {first} (there as int8, which is not read)"):
                self.assertIn(words, result.err)
        torch_files.save(self.work / "x.pth", self.under("", {"more.weight": torch_files.tensor(bytes(4), (1,))}))
        result = run("convert", "--weights", "x.pth", "-o", "out.h5", folder=self.work)
        self.assertEqual(result.codes, [INPUT])
        self.assertIn("1 that it does not have, the first is more.weight", result.err)

    def test_weights_are_not_thrown_away_without_a_word(self):
        torch_files.save(self.work / "x.pth", self.state)
        convert = ("convert", "--weights", "x.pth", "--crop", "28", "-o", "out.h5")
        result = run(*convert, folder=self.work)
        self.assertNotIn("warning", result.err)
        self.assertIn("MOPED: mu = weight, sigma = 0.5 |weight|", result.out)
        np.testing.assert_array_equal(parameters(self.work / "out.h5")["conv1.mu_kernel"], self.expected["conv1.mu_kernel"])
        result = run(*convert, "--no-moped", folder=self.work)
        self.assertEqual(result.codes, [0])
        self.assertIn("warning: --no-moped: the weights of all Bayesian layers in --weights are not used", result.err)
        self.assertIn("were not used (--no-moped)", self.succeed("inspect", "out.h5"))
        self.assertEqual(json.loads(self.succeed("inspect", "out.h5", "--json"))["posterior"]["initial_values"], "discarded")
        self.succeed("convert", "--arch", "lenet", "-o", "out.h5")
        text = self.succeed("inspect", "out.h5")
        self.assertIn("initial mu ~ N(0, 0.1^2), rho ~ N(-3, 0.1^2)", text)
        self.assertNotIn("not used", text)

    def test_a_file_that_is_not_there_is_said_in_one_line(self):
        (self.work / "folder").mkdir()
        for kind in ("onnx", "pth", "safetensors", "h5"):
            (self.work / "folder" / f"x.{kind}").mkdir()
            (self.work / f"empty.{kind}").touch()
            for path, fault in ((f"missing.{kind}", "cannot be opened: No such file or directory"), (f"folder/x.{kind}", "is a folder, not a file"),
                                (f"empty.{kind}", "is empty")):
                result = run("convert", path, "-o", "no.h5", folder=self.work)
                if "built without ONNX" not in result.err:
                    self.assertEqual((result.codes, result.err), ([INPUT], f"credence: {path}: {fault}\n"))
        self.assertFalse((self.work / "no.h5").exists())
        shutil.rmtree(self.work / "folder")

    def test_images_of_an_onnx_model_may_be_wide(self):
        golden = program.ROOT / "tests" / "golden" / "onnx"
        made = run("convert", golden / "empty.onnx", "-o", "wide.h5", folder=self.work)
        if "built without ONNX" in made.err:
            self.skipTest("built without ONNX")
        self.assertEqual(made.codes, [0], made.err)
        self.assertIn("resize 1 (bilinear), crop 1 x 3; mean", self.succeed("inspect", "wide.h5"))
        images = np.fromfile(golden / "empty.in.f32", "<f4").reshape(-1, 1, 1, 3)
        with h5py.File(self.work / "images.h5", "w") as file:
            file["images"] = images
        self.succeed("predict", "wide.h5", "images.h5", "--deterministic", "--save-draws", "-o", "out.h5")
        with h5py.File(self.work / "out.h5") as file:
            logits = file["posterior_predictive/logits"][0, 0] if "posterior_predictive" in file else file["predictions/logits"][0, 0]
        np.testing.assert_allclose(logits.ravel(), np.fromfile(golden / "empty.out.f32", "<f4"), atol=1e-6)
        with h5py.File(self.work / "images.h5", "w") as file:
            file["images"] = images.reshape(-1, 1, 3, 1)
        for code, text, *arguments in ((INPUT, "float32 images are 1 x 3 x 1; the network takes 1 x 1 x 3", "predict", "wide.h5", "images.h5"),
                                       (USAGE, "--input-size: 3 numbers", "convert", golden / "empty.onnx", "--input-size", "1,3,3")):
            result = run(*arguments, "-o", "no.h5", folder=self.work)
            self.assertEqual((result.codes, len(result.err.splitlines())), ([code], 1), result.err)
            self.assertIn(text, result.err)

    def test_transformers_of_onnx_files_are_drawn_and_trained(self):
        golden = program.ROOT / "tests" / "golden" / "onnx"
        for name in ("transformer_20", "windows_17"):
            made = run("convert", golden / f"{name}.onnx", "--moped-delta", "0.05", "-o", "t.h5", folder=self.work)
            if "built without ONNX" in made.err:
                self.skipTest("built without ONNX")
            self.assertEqual(made.codes, [0], made.err)
            with h5py.File(self.work / "images.h5", "w") as file:
                file["images"] = np.fromfile(golden / f"{name}.in.f32", "<f4").reshape(-1, 3, 8, 8)
                file["labels"] = np.int64([0, 2])
            self.succeed("predict", "t.h5", "images.h5", "--deterministic", "--save-draws", "-o", "mean.h5")
            with h5py.File(self.work / "mean.h5") as file:
                np.testing.assert_allclose(file["posterior_predictive/logits"][0, 0].ravel(), np.fromfile(golden / f"{name}.out.f32", "<f4"),
                                           atol=1e-5)
            drawn = []
            for ranks in (1, 3):
                result = run("predict", "t.h5", "images.h5", "--draws", "12", "--save-draws", "-o", f"{ranks}.h5", ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [0] * ranks, result.err)
                with h5py.File(self.work / f"{ranks}.h5") as file:
                    drawn.append(file["posterior_predictive/logits"][...])
            np.testing.assert_array_equal(*drawn)
            self.assertGreater(drawn[0].std(1).min(), 1e-4)
            self.succeed("train", "t.h5", "images.h5", "--epochs", "2", "--batch-size", "2", "-o", "trained.h5")
            before, after = parameters(self.work / "t.h5"), parameters(self.work / "trained.h5")
            still = {key for key, values in before.items() if np.array_equal(values, after[key])}
            self.assertEqual(len(still), name.startswith("transformer"), still) # the mask

    def test_a_posterior_goes_out_and_comes_back(self):
        self.succeed("export", self.posterior, "--to", "npz", "-o", "p.npz")
        with np.load(self.work / "p.npz") as arrays:
            counters = {name for name in arrays if name.endswith("num_batches_tracked")}
            self.assertEqual(len(counters), sum(name.endswith("running_var") for name in arrays))
            self.assertEqual(set(arrays) - counters, set(self.expected))
            for name, values in self.expected.items():
                np.testing.assert_array_equal(arrays[name], values, name)
        self.assertIn("safetensors", self.succeed("export", self.posterior, "-o", "x.pth"))
        result = run("convert", "--weights", "x.pth", "--crop", "28", "-o", "out.h5", folder=self.work)
        self.assertEqual(result.codes, [0], result.err)
        self.is_the_same()
        text = self.succeed("inspect", "out.h5")
        self.assertIn("mu and rho taken as they were from a state dict of bayesian-torch", text)
        for words in ("initial mu", "MOPED"):
            self.assertNotIn(words, text)
        for option in (["--moped"], ["--no-moped"], ["--moped-delta", "0.1"], ["--posterior-rho-init", "-5"]):
            result = run("convert", "--weights", "x.pth", "--crop", "28", *option, "-o", "y.h5", folder=self.work)
            self.assertEqual(result.codes, [USAGE])
            self.assertIn("taken as they are", result.err)


if __name__ == "__main__":
    unittest.main()
