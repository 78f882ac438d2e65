"""Every command on the data of the quickstart, and the promises about its output."""
import gzip
import json
import os
import pathlib
import re
import struct
import subprocess
import unittest

import h5py
import numpy as np
import PIL.Image

import program
from program import DATA, run

IMAGES = DATA / "images"
SHIRT = IMAGES / "00_t-shirt_top.jpg"


class Commands(program.Case):
    def test_help_and_version(self):
        self.assertIn("convert", self.succeed("-h"))
        version = self.succeed("--version")
        for word in ("credence", "HDF5", "Open MPI", "OpenBLAS", "libjpeg", "kernels"):
            self.assertIn(word, version)
        names = re.findall(r"^  (\w+) ", self.succeed("help"), re.M)
        self.assertIn("selftest", names)
        for name in names:
            self.assertTrue(self.succeed(name, "-h").startswith(f"usage: credence {name}"))
            self.assertEqual(self.succeed(name, "--help"), self.succeed("help", name))

    def test_one_rank_speaks(self):
        self.assertEqual(self.succeed("models", ranks=3), self.succeed("models"))
        self.assertEqual(self.succeed("predict", "-h", ranks=3), self.succeed("predict", "-h"))

    def test_models(self):
        models = {m["name"]: m for m in json.loads(self.succeed("models", "--json"))["models"]}
        self.assertEqual(models["resnet18"]["n_parameters"], 11689512)
        self.assertEqual(models["resnet50"]["n_parameters"], 25557032)

    def test_convert(self):
        facts = json.loads(program.convert(self.work / "new.h5", "--json").out)
        self.assertEqual((facts["n_bayesian"], facts["n_classes"]), (74522, 10))
        self.assertGreater(facts["kl_sum"], facts["kl_mean"])

    def test_quickstart_posterior_knows_the_clear_images(self):
        """It was trained by `credence train`; images 00 to 09 were chosen as clear, and their names say what they are."""
        attributes = json.loads(self.succeed("inspect", DATA / "quickstart.h5", "--json"))["attributes"]
        self.assertTrue(attributes["command"].startswith("credence train "))
        self.assertRegex(attributes["credence_git"], r"^[0-9a-f]{12}$")  # of a committed tree
        found = json.loads(self.succeed("predict", DATA / "quickstart.h5", DATA / "images", "--draws", 8, "--json"))
        for image in found["images"][:10]:
            label = pathlib.Path(image["name"]).stem.split("_", 1)[1]
            name = image["top"][0]["name"].split(", ", 1)[1].lower().replace("/", "_")
            self.assertEqual(name, label)
            self.assertGreater(image["top"][0]["probs_mean"], 0.9)

    def test_convert_from_scratch(self):
        classes = DATA / "fashion_mnist_classes.txt"
        make = ("convert", "--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--classes", classes, "--moped")
        self.assertIn("74,522 numbers", self.succeed(*make, "-o", "random.h5"))
        self.succeed(*make, "--seed", 1, "-o", "other.h5")
        with h5py.File(self.work / "random.h5") as file, h5py.File(self.work / "other.h5") as other:
            weight = file["parameters/layer3.0.conv2/mu_kernel"][...]
            self.assertFalse(np.array_equal(weight, other["parameters/layer3.0.conv2/mu_kernel"][...]))
        self.assertAlmostEqual(weight.std(), (2 / (64 * 9)) ** 0.5, delta=0.001)  # 36,864 weights
        self.assertLess(abs(weight.mean()), 0.001)

    def test_convert_the_means_of_a_posterior(self):
        """Arch, classes and transform come with it; the same options give the same file."""
        self.succeed("convert", "--weights", self.posterior, "--moped", "--moped-delta", "0.05", "-o", "again.h5")
        self.assertEqual(self.succeed("inspect", "again.h5", "--datasets"),
                         self.succeed("inspect", self.posterior, "--datasets"))
        self.succeed("convert", "--weights", self.posterior, "--moped", "--channel-mean", "0.5", "--crop", 32, "-o", "other.h5")
        self.assertIn("crop 32; mean 0.5, sd 0.353", self.succeed("inspect", "other.h5"))

    def test_convert_keeps_the_rest_fixed(self):
        everything = json.loads(self.succeed("inspect", self.posterior, "--json"))["ops"]
        last = [op["name"] for op in everything if op["kind"] == "Linear"][-1]
        self.succeed("convert", "--arch", "cifar_resnet8", "--weights", DATA / "quickstart_weights.pth", "--crop", 28,
                     "--bayesian", last, "-o", "last.h5")
        ops = json.loads(self.succeed("inspect", "last.h5", "--json"))["ops"]
        self.assertEqual([op["name"] for op in ops if op["bayesian"]], [last])

    def test_dropout_stays_on(self):
        """MC dropout: the only randomness there is, the same draws on any ranks; not without dropout."""
        self.succeed("convert", "--arch", "simple_cnn", "--mc-dropout", "--seed", 1, "-o", "mc.h5")
        with h5py.File(self.work / "images.h5", "w") as file:
            file["images"] = (np.arange(2 * 28 * 28) % 251).astype(np.uint8).reshape(2, 1, 28, 28)
        for name, ranks in (("one", 1), ("three", 3)):
            self.succeed("predict", "mc.h5", "images.h5", "--draws", 12, "-o", f"{name}.h5", ranks=ranks)
        self.succeed("predict", "mc.h5", "images.h5", "--mean", "-o", "mean.h5")
        with h5py.File(self.work / "one.h5") as one, h5py.File(self.work / "three.h5") as three, \
                h5py.File(self.work / "mean.h5") as mean:
            self.assertGreater(one["predictive/probs_sd"][...].min(), 0)
            for name in ("probs_mean", "probs_sd", "mutual_information"):
                self.assertTrue(np.array_equal(one[f"predictive/{name}"], three[f"predictive/{name}"]))
            self.assertFalse(np.array_equal(one["predictive/probs_mean"], mean["predictive/probs_mean"]))
        self.succeed("convert", "--arch", "simple_cnn", "--mc-dropout", "--bayesian", "fc*", "--moped", "-o", "both.h5")
        self.assertIn("in 4 tensors", self.succeed("convert", "--arch", "simple_cnn", "--mc-dropout", "--bayesian", "fc*",
                                                   "-o", "both.h5"))
        result = run("convert", "--arch", "lenet", "--mc-dropout", "-o", "none.h5", folder=self.work, ranks=3)
        self.assertEqual(result.codes, [2] * 3)
        self.assertIn("--mc-dropout: network lenet has no dropout", result.err)

    def test_inspect_checkpoint(self):
        writer = pathlib.Path(os.environ["CREDENCE_BUILD"]) / "tests/interop/interop_files"
        subprocess.run([writer, self.work], check=True)
        facts = json.loads(self.succeed("inspect", "checkpoint.h5", "--json"))
        self.assertEqual(facts["kind"], "checkpoint")
        self.assertEqual(facts["training"], {"step": 77, "epoch": 3, "batch": 0, "best_nll": None})
        self.assertEqual(facts["posterior"]["arch"], "cifar_resnet20")
        text = self.succeed("inspect", "checkpoint.h5")
        self.assertIn("77 steps: 3 epochs and 0 batches of the next\n", text)
        self.assertIn("history of 3 epochs\n       1  loss 20 ", text)
        self.assertIn("\n       3  loss 22 ", text)
        self.assertIn("/optimizer/1/rho", self.succeed("inspect", "checkpoint.h5", "--datasets"))

    def test_inspect_posterior(self):
        facts = json.loads(self.succeed("inspect", self.posterior, "--json"))
        self.assertEqual(facts["kind"], "posterior")
        self.assertEqual(facts["posterior"]["moped_delta"], 0.05)
        self.assertEqual(facts["preprocessing"]["crop"], 28)
        self.assertEqual(facts["attributes"]["option_moped_delta"], "0.05")
        self.assertIn("convert", facts["attributes"]["command"])
        for tensor in facts["tensors"]:
            self.assertAlmostEqual(tensor["snr_50"], 20, delta=0.1)  # MOPED: sigma = 0.05 |mu|
        text = self.succeed("inspect", self.posterior)
        self.assertIn("Conv2d", text)
        self.assertIn("MOPED", text)

    def test_predict_one_image(self):
        out = self.succeed("predict", self.posterior, SHIRT, "--draws", 20)
        lines = out.splitlines()
        self.assertRegex(lines[0], r"^00_t-shirt_top\.jpg +20 draws, 1 rank, \d+\.\d s$")
        self.assertRegex(lines[1], r"^  0, T-shirt/top +99\.\d\d % ± 0\.\d\d   \(draws .* … .*, top-1 in 20\)$")
        self.assertEqual(len(lines), 7)
        self.assertRegex(lines[6], r"predictive entropy .* nats = aleatoric .* \+ epistemic ")

    def test_predict_folder(self):
        lines = self.succeed("predict", self.posterior, IMAGES, "--draws", 8, ranks=2).splitlines()
        self.assertEqual(len(lines), 22)
        self.assertRegex(lines[-1], r"^20 images, 8 draws, 2 ranks, ")
        lists = self.succeed("predict", self.posterior, IMAGES, "--draws", 8, "--topk", 2).splitlines()
        self.assertEqual(len(lists), 20 * 4 + 1)

    def test_predict_json(self):
        answer = json.loads(self.succeed("predict", self.posterior, IMAGES, "--draws", 8, "--json", "--topk", 3))
        self.assertEqual((answer["n_images"], answer["n_draws"]), (20, 8))
        first = answer["images"][0]
        self.assertEqual(first["name"], str(SHIRT))
        self.assertEqual([len(image["top"]) for image in answer["images"]], [3] * 20)
        self.assertEqual(first["top"][0]["name"], "0, T-shirt/top")
        self.assertGreater(first["top"][0]["probs_mean"], 0.99)

    def test_what_a_prediction_cost(self):
        for ranks in (1, 3):
            facts = json.loads(self.succeed("predict", self.posterior, SHIRT, "--draws", 32, "--json", ranks=ranks))
            cost = facts["cost"]
            self.assertEqual(cost["n_units"], 4)
            shares = [cost[name] for name in ("draw_share", "weighted_share", "rest_share", "comm_share")]
            self.assertTrue(all(0 <= share < 1 for share in shares), shares)
            self.assertLess(sum(shares), 1.01)
            self.assertEqual(cost["comm_bytes"] > 0, ranks > 1)

    def test_predict_draws(self):
        out = self.succeed("predict", self.posterior, SHIRT, "--draws", 12, "--show-draws", "--draw-block", 5)
        shown = [line for line in out.splitlines() if line.startswith("draw ")]
        self.assertEqual([line.split(":")[0] for line in shown], [f"draw {d}" for d in range(12)])
        self.assertRegex(shown[0], r"^draw 0: 0, T-shirt/top 99\.\d\d %$")

    def test_predict_mean_is_certain(self):
        out = self.succeed("predict", self.posterior, SHIRT, "--deterministic")
        self.assertIn("deterministic network", out)
        self.assertNotIn("±", out)
        self.assertEqual(len(set(re.sub(r"\d+\.\d s", "", self.succeed("predict", self.posterior, SHIRT, "--deterministic",
                                                                       "--seed", seed)) for seed in (1, 2))), 1)

    def test_estimators(self):
        answers = {}
        for name in ("reparameterization", "flipout", "flipout-pixel", "local-reparameterization"):
            answer = json.loads(self.succeed("predict", self.posterior, IMAGES / "10_t-shirt_top.jpg", "--estimator", name,
                                             "--json", "--draws", 64))
            self.assertEqual(answer["estimator"], name)
            answers[name] = answer["images"][0]["top"][0]["probs_mean"]
        self.assertEqual(len(set(answers.values())), 4)

    def datasets(self, *options, ranks=1, environment=None):
        result = run("predict", self.posterior, IMAGES, "--draws", 33, "--save-draws", "-o", "p.h5", *options, ranks=ranks,
                     folder=self.work, environment=environment)
        self.assertEqual(result.codes, [0] * ranks, result.err)
        return self.succeed("inspect", "p.h5", "--datasets")

    def test_nothing_varies_beside_a_bright_spot(self):
        """A fast convolution's rounding leaves variances below 0 where the input is 0: no reason for a number that is none."""
        images = np.zeros((8, 1, 28, 28), np.float32)
        images[:, :, 9:11, 9:11] = 1000
        with h5py.File(self.work / "spot.h5", "w") as file:
            file["images"] = images
        self.succeed("convert", "--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--moped", "-o", "random.h5")
        for type_ in ("reparameterization", "flipout", "flipout-pixel", "local-reparameterization"):
            for batch in (1, 8):
                self.succeed("predict", "random.h5", "spot.h5", "--draws", 4, "--estimator", type_, "--batch", batch)

    def test_answer_does_not_depend_on_ranks(self):
        alone = self.datasets()
        self.assertIn("/probs_mean", alone)
        self.assertIn("/logits", alone)
        for ranks in (2, 3, 4, 16):
            self.assertEqual(self.datasets(ranks=ranks), alone, f"{ranks} ranks")
        for key in ("1", "987654321987654321"):
            shuffled = {"CREDENCE_SHUFFLE_UNITS": key, "CREDENCE_RANKS_PER_NODE": "2"}
            self.assertEqual(self.datasets(ranks=3, environment=shuffled), alone, f"shuffled by {key}")
        self.assertNotEqual(self.datasets("--seed", 1), alone)

    def test_precision(self):
        """bf16: the answer is near that of fp32, well within its Monte Carlo error, and alike on any number of ranks."""
        def answer(*options):
            found = self.datasets("--precision", "bf16", *options)
            with h5py.File(self.work / "p.h5") as file:
                return found, file["predictive/probs_mean"][:], file["predictive/probs_mcse"][:], dict(file.attrs)
        alone, half, mcse, attributes = answer()
        self.assertEqual(attributes["option_precision"], "bf16")
        for ranks in (2, 3):
            self.assertEqual(self.datasets("--precision", "bf16", ranks=ranks), alone)
        self.assertNotEqual(self.datasets(), alone)
        with h5py.File(self.work / "p.h5") as file:
            full = file["predictive/probs_mean"][:]
            self.assertEqual(file.attrs["option_precision"], "fp32")
        self.assertLess(np.abs(half - full).max(), 0.01)
        self.assertLess(np.abs(half - full).max(), mcse.max())
        with h5py.File(self.work / "labelled.h5", "w") as file:
            file["images"] = np.random.RandomState(3).randint(0, 255, (8, 1, 28, 28)).astype(np.uint8)
            file["labels"] = np.arange(8)
        facts = json.loads(self.succeed("evaluate", self.posterior, "labelled.h5", "--draws", 2, "--precision", "bf16", "--json"))
        self.assertEqual(facts["precision"], "bf16")
        result = run("predict", self.posterior, SHIRT, "--precision", "fp16")
        self.assertEqual(result.codes, [2])
        self.assertIn("--precision: 'fp16' is not one of fp32, bf16", result.err)
        plan = self.succeed("plan", self.posterior, SHIRT, "--draws", 8, "--precision", "bf16")
        self.assertIn("--precision bf16", plan)

    def test_more_ranks_than_units(self):
        out = self.succeed("predict", self.posterior, SHIRT, "--draws", 1, "-o", "p.h5", ranks=4)
        self.assertIn("1 draw, 4 ranks", out)

    def test_prediction_names_its_posterior(self):
        digests = []
        for posterior in (self.posterior, DATA / "quickstart.h5"):
            self.succeed("predict", posterior, SHIRT, "--draws", 2, "-o", "p.h5")
            attributes = json.loads(self.succeed("inspect", "p.h5", "--json"))["attributes"]
            self.assertRegex(attributes["posterior_digest"], r"^[0-9a-f]{32}$")
            self.assertEqual(attributes["option_draws"], "2")
            digests.append(attributes["posterior_digest"])
        self.assertNotEqual(*digests) # made at different times

    def test_preprocess(self):
        self.succeed("preprocess", self.posterior, IMAGES, "-o", "t.h5")
        facts = json.loads(self.succeed("inspect", "t.h5", "--json"))
        shapes = {d["path"]: d["shape"] for d in facts["datasets"]}
        self.assertEqual(shapes["/constant_data/images"], [20, 1, 28, 28])

    def test_folders_are_classes(self):
        photos = self.folder / "photos"
        for name in ("Trouser", "Bag"):
            (photos / name).mkdir(parents=True)
        for number, source, folder in ((1, "01_trouser.jpg", "Trouser"), (2, "08_bag.jpg", "Bag")):
            (photos / folder / f"{number}.JPEG").write_bytes((IMAGES / source).read_bytes())
        (photos / "Bag" / "notes.txt").write_text("no image")
        answer = json.loads(self.succeed("predict", self.posterior, photos, "--draws", 2, "--json", "-o", "p.h5"))
        self.assertEqual([image["name"] for image in answer["images"]],
                         [str(photos / "Bag" / "2.JPEG"), str(photos / "Trouser" / "1.JPEG")])
        self.assertRegex(self.succeed("inspect", "p.h5", "--datasets"), r"/observed_data/")

    def test_all_forms_of_inputs_give_the_same(self):
        """The quickstart's 20 photographs as JPEG files, as IDX, as HDF5 and as preprocessed tensors."""
        paths = sorted(IMAGES.glob("*.jpg"))
        pixels = np.stack([np.asarray(PIL.Image.open(path)) for path in paths])
        labels = np.arange(20, dtype=np.uint8) % 10
        for name, values in (("images", pixels), ("labels", labels)):
            header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            (self.work / f"{name}.gz").write_bytes(gzip.compress(header + values.tobytes()))
        with h5py.File(self.work / "images.h5", "w") as file:
            file["images"] = pixels[:, None]
            file["labels"] = labels.astype(np.int64)
        self.succeed("preprocess", self.posterior, IMAGES, "-o", "tensors.h5")
        expected = json.loads(self.succeed("predict", self.posterior, IMAGES, "--draws", 4, "--json"))["images"]
        for form, labelled in (("idx:images.gz", False), ("idx:images.gz,labels.gz", True), ("images.h5", True),
                               ("tensors.h5", False)):
            answer = json.loads(self.succeed("predict", self.posterior, form, "--draws", 4, "--json", "-o", "p.h5",
                                             ranks=2))["images"]
            for one, other in zip(answer, expected):
                self.assertEqual({**one, "name": ""}, {**other, "name": ""})
            with h5py.File(self.work / "p.h5") as file:
                self.assertEqual("observed_data" in file, labelled)
                if labelled:
                    self.assertEqual([list(v) for k, v in file["observed_data"].items() if k != "image"],
                                     [labels.tolist()])

    def test_cifar10(self):
        """Colour images of 32 x 32 pixels for a network of gray ones with 28 x 28: luma, and the middle."""
        pixels = np.random.default_rng(1).integers(0, 256, (4, 3, 32, 32), np.uint8)
        (self.work / "test_batch.bin").write_bytes(b"".join(bytes([k]) + pixels[k].tobytes() for k in range(4)))
        self.assertEqual(program.convert(self.work / "cut.h5", "--resize", 0).codes, [0])
        result = run("preprocess", "cut.h5", f"cifar10:{self.work}:test", "-o", "t.h5", folder=self.work)
        self.assertEqual(result.codes, [0])
        self.assertIn("test_batch.bin[0]: colours become grey", result.err)
        with h5py.File(self.work / "t.h5") as file:
            tensors = file["constant_data/images"][:]
        gray = [np.asarray(PIL.Image.fromarray(p.transpose(1, 2, 0)).convert("L"))[2:30, 2:30] for p in pixels]
        order = np.argsort(np.concatenate(gray).ravel(), kind="stable")
        self.assertTrue((np.diff(tensors.ravel()[order]) >= 0).all()) # the same up to the normalisation
        self.assertEqual(len(set(zip(tensors.ravel(), np.concatenate(gray).ravel()))), len(set(tensors.ravel())))

    def test_labels_that_are_no_classes(self):
        with h5py.File(self.work / "images.h5", "w") as file:
            file["images"] = np.zeros((2, 1, 28, 28), np.uint8)
            file["labels"] = np.array([3, 10])
        result = run("predict", self.posterior, "images.h5", "--draws", 2, "-o", "p.h5", folder=self.work)
        self.assertEqual(result.codes, [0])
        self.assertIn("images.h5[1]: label 10", result.err)
        with h5py.File(self.work / "p.h5") as file:
            self.assertNotIn("observed_data", file)

    def test_options_may_stand_anywhere(self):
        first = self.succeed("predict", "--draws=3", "--quiet", self.posterior, "--json", "--", SHIRT)
        second = self.succeed("predict", self.posterior, SHIRT, "--draws", 9, "--draws", 3, "--json")
        self.assertEqual(json.loads(first)["images"], json.loads(second)["images"])

    def test_evaluate(self):
        """Against figures made from what predict says, on any number of ranks."""
        images = self.folder / "evaluated.h5"
        random = np.random.RandomState(3)
        with h5py.File(images, "w") as file:
            file["images"] = random.randint(0, 255, (40, 1, 28, 28)).astype(np.uint8)
            file["labels"] = np.arange(40) % 10
        options = (images, "--draws", 16, "--batch", 8, "--ood", DATA / "images", "--json")
        found = json.loads(self.succeed("evaluate", self.posterior, *options))
        many = json.loads(self.succeed("evaluate", self.posterior, *options, ranks=3))
        for facts in (found, many):
            del facts["seconds"], facts["n_ranks"]
        self.assertEqual(found, many)
        for ranks in (1, 3):  # whose progress begins anew
            said = run("evaluate", self.posterior, images, "--draws", 1, "--ood", DATA / "images", ranks=ranks, folder=self.work)
            self.assertIn(f"{images} is done; now --ood {DATA / 'images'}", said.err)
        self.succeed("predict", self.posterior, images, "--draws", 16, "--batch", 8, "-o", "p.h5")
        with h5py.File(self.work / "p.h5") as file:
            group = file["predictive"]
            probs = group["probs_mean"][...].astype(float)
            known = group["predictive_entropy_debiased"][...]
        self.succeed("predict", self.posterior, DATA / "images", "--draws", 16, "--batch", 8, "-o", "q.h5")
        with h5py.File(self.work / "q.h5") as file:
            unknown = file["predictive/predictive_entropy_debiased"][...]
        right = probs.argmax(1) == np.arange(40) % 10
        self.assertAlmostEqual(found["accuracy"]["value"], right.mean(), places=8)
        self.assertAlmostEqual(found["nll"]["value"], -np.log(probs[np.arange(40), np.arange(40) % 10]).mean(), places=6)
        self.assertAlmostEqual(found["predictive_entropy"]["value"], known.mean(), places=8)
        self.assertAlmostEqual(found["ood"]["predictive_entropy"]["auroc"]["value"],
                               (unknown[:, None] > known).mean(), places=8)
        text = self.succeed("evaluate", self.posterior, images, "--deterministic")
        self.assertRegex(text, r"40 images, 1 draw, .*\n  accuracy .* % ± ")
        self.assertNotIn("epistemic", text)

    def test_bench(self):
        for ranks in (1, 2):
            facts = json.loads(self.succeed("bench", self.posterior, "--batch", "1,4", "--draws", 2, "--repeats", 1,
                                            "-v", "--json", ranks=ranks))
            self.assertEqual(facts["n_ranks"], ranks)
            self.assertEqual([row["batch"] for row in facts["batches"]], [1, 4])
            for row in facts["batches"]:
                self.assertEqual(row["n_allocations"], 0)
                self.assertAlmostEqual(row["draw_share"] + row["weighted_share"] + row["rest_share"], 1, places=6)
                self.assertGreater(row["passes_per_draw"], 0)
                self.assertIn(("layer2.0.conv2", "winograd 4x4"), [(layer["layer"], layer["method"]) for layer in row["layers"]])
        text = self.succeed("bench", "--arch", "lenet", "--bayesian", "fc3", "--batch", 2, "--draws", 2, "-v")
        self.assertRegex(text, r"fc3 +gemm +\d+\.\d{3}")
        self.assertNotIn("conv1", text)  # no draw influences it: computed before the repeats
        result = run("bench", self.posterior, "--bayesian", "fc3")
        self.assertEqual(result.codes, [2])
        self.assertIn("a posterior file or --bayesian, not both", result.err)

    def test_selftest(self):
        for ranks in (1, 3):
            lines = self.succeed("selftest", ranks=ranks).splitlines()
            self.assertEqual(len(lines), 7)
            self.assertTrue(all(line.startswith("ok ") for line in lines), lines)

    def test_kernels_draw_the_same_networks(self):
        """Drawn weights are equal in every bit; sums in convolutions take another order."""
        answers = []
        for kernels in ("ref", None):
            result = run("predict", self.posterior, SHIRT, "--draws", 5, "--json",
                         environment={"CREDENCE_KERNELS": kernels} if kernels else None)
            self.assertEqual(result.codes, [0], result.err)
            answers.append(json.loads(result.out)["images"][0])
        ref, fast = answers
        self.assertEqual([top["class"] for top in ref["top"]], [top["class"] for top in fast["top"]])
        for one, other in zip(ref["top"], fast["top"]):
            self.assertAlmostEqual(one["probs_mean"], other["probs_mean"], delta=1e-5)
        self.assertAlmostEqual(ref["predictive_entropy"], fast["predictive_entropy"], delta=1e-5)

    def test_full_output_is_noticed(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = program.subprocess.run([program.PROGRAM, "models"], stdout=full, stderr=program.subprocess.PIPE,
                                          text=True, check=False)
        self.assertEqual(done.returncode, 4)
        self.assertIn("standard output", done.stderr)


if __name__ == "__main__":
    unittest.main()
