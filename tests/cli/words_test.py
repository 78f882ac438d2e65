"""What the program says of what it was given, and how much of what it found."""
import json
import math
import os
import re
import subprocess
import unittest

import h5py
import numpy as np

import program
from program import DATA, PROGRAM, run

USAGE, INPUT = 2, 3
SHIRT = DATA / "images" / "00_t-shirt_top.jpg"


class Words(program.Case):
    def fails(self, code, text, *arguments, ranks=(1, 3)):
        for n in ranks:
            result = run(*arguments, ranks=n, folder=self.work)
            self.assertEqual((result.codes, result.out), ([code] * n, ""), result.err)
            self.assertIn(text, result.err)
            self.assertEqual(len(result.err.splitlines()), 1)

    def images(self, n, name="images.h5", **more):
        with h5py.File(self.work / name, "w") as file:
            file["images"] = np.random.RandomState(1).randint(0, 255, (n, 1, 28, 28)).astype(np.uint8)
            for key, values in more.items():
                file[key] = values
        return name

    def test_many_images_get_a_summary_and_the_most_uncertain_ones_a_line(self):
        data = self.images(130)
        options = ("predict", self.posterior, data, "--draws", 10)
        found = json.loads(self.succeed(*options, "--json"))["images"]
        self.assertEqual(len(found), 130)
        order = sorted(range(130), key=lambda i: (-found[i]["predictive_entropy_debiased"], i))
        short, every = self.succeed(*options), self.succeed(*options, "--all-images").splitlines()
        self.assertEqual(re.sub(r"3 ranks, .*", "", self.succeed(*options, ranks=3)), re.sub(r"1 rank, .*", "", short))
        short = short.splitlines()
        self.assertEqual(len(every), 132)
        self.assertEqual(short[:21], [every[0], *(every[1 + i] for i in order[:20])])
        self.assertEqual(short[21], "these 20 of 130 images are the most uncertain; --all-images lists all")
        mean = np.mean([image["predictive_entropy_debiased"] for image in found])
        self.assertIn(f"entropy {mean:.3f} nats", short[22])
        counts = np.bincount([image["top"][0]["class"] for image in found], minlength=10)
        self.assertIn(f" in {counts.max()}", short[23])
        self.assertRegex(short[24], "^130 images, 10 draws, 1 rank")
        self.assertEqual(len(self.succeed("predict", self.posterior, self.images(100), "--deterministic").splitlines()), 102)

    def test_an_error_from_few_draws_is_remarked(self):
        for draws, text in ((2, "± comes from 2 draws only: it is itself uncertain by about 71 %"), (9, "about 25 %"), (10, None)):
            result = run("predict", self.posterior, SHIRT, "--draws", draws)
            self.assertIn(text, result.err) if text else self.assertEqual(result.err, "")
        self.assertIn("2 pairs of draws", run("predict", self.posterior, SHIRT, "--draws", 4, "--antithetic").err)
        self.assertIn("4 images", run("evaluate", self.posterior, self.images(4, labels=np.arange(4)), folder=self.work).err)

    def test_printed_entropies_lie_where_the_truth_can_lie(self):
        """The file and JSON hold the debiased value as it is."""
        self.succeed("convert", "--arch", "lenet", "--channels", 1, "--crop", 28, "--n-classes", 2, "--posterior-rho-init", "-1", "-o", "two.h5")
        options = ("predict", "two.h5", self.images(100), "--draws", 2)
        kept = [image["predictive_entropy_debiased"] for image in json.loads(self.succeed(*options, "--json"))["images"]]
        self.assertGreater(max(kept), math.log(2) + 0.001)
        lines = self.succeed(*options).splitlines()[1:101]
        printed = [float(re.search(r" %  (\S+) ±", line).group(1)) for line in lines]
        for value, shown in zip(kept, printed):
            self.assertAlmostEqual(shown, min(max(value, 0), math.log(2)), delta=0.00051)
        self.assertNotIn("-0.0", "\n".join(lines))

    def test_numbers_are_read_whole(self):
        convert = ("convert", "--arch", "lenet", "--moped", "-o", "new.h5")
        zeros = "0.5" + 60 * "0"
        self.assertEqual(run(*convert, "--channel-mean", zeros, folder=self.work).codes, [0])
        self.fails(USAGE, "is too long for a number", *convert, "--channel-mean", zeros + " garbage")
        self.fails(USAGE, "is too long for a number", *convert, "--channel-mean", "0.5,0." + 70 * "5" + ",0.5", ranks=(1,))
        self.fails(USAGE, "is not a duration", "train", self.posterior, "x", "-o", "y.h5", "--max-time", 70 * "0" + "1s")
        self.fails(USAGE, "'garbage' is not a number", *convert, "--channel-mean", "0.5,garbage", ranks=(1,))

    def test_numbers_of_a_list_stand_in_one_word(self):
        self.fails(USAGE, "--channel-mean 0.5,0.5", "convert", "--arch", "resnet18", "--channel-mean", "0.5", "0.5", "0.5", "-o", "new.h5")
        self.fails(USAGE, "--ranks 1,2", "plan", self.posterior, SHIRT, "--ranks", "1", "2", ranks=(1,))

    def test_arguments_in_the_wrong_order(self):
        for command in ("predict", "evaluate", "plan"):
            self.fails(USAGE, f"{SHIRT} is no posterior, but {self.posterior} is: the posterior comes first", command, SHIRT,
                       self.posterior, ranks=(1, 3) if command == "predict" else (1,))

    def test_labels_under_another_name(self):
        data = self.images(2, label=np.arange(2))
        self.fails(INPUT, "images.h5[0]: this image has no label: the file has no dataset /labels, but /label", "evaluate",
                   self.posterior, data)

    def test_spellings_of_bayesian_torch(self):
        self.succeed("convert", "--weights", self.posterior, "--moped", "--estimator", "Flipout", "-o", "flipout.h5")
        self.assertIn("flipout", self.succeed("inspect", "flipout.h5"))
        same = [json.loads(self.succeed("predict", "flipout.h5", SHIRT, "--estimator", name, "--draws", 3, "--json"))["images"]
                for name in ("Reparameterization", "reparameterization")]
        self.assertEqual(*same)
        self.assertNotEqual(same[0], json.loads(self.succeed("predict", "flipout.h5", SHIRT, "--draws", 3, "--json"))["images"])

    def test_an_image_alone_in_batch_norm_is_found_before_the_first_step(self):
        """At 1 x 1 pixel batch norm has no statistics of one image: 9 images in batches of 8 leave one."""
        self.succeed("convert", "--arch", "resnet18", "--channels", 1, "--crop", 28, "--n-classes", 10, "--moped", "-o", "deep.h5")
        data = self.images(9, labels=np.arange(9))
        train = ("train", "deep.h5", data, "--batch-size", 8, "-o", "new.h5", "--epochs", 1)
        self.fails(USAGE, "of 9 images in batches of 8 and micro-batches of 8 one comes alone, but op ", *train)
        advice = re.search(r"take --batch-size (\d+), or --batch-norm eval", run(*train, folder=self.work).err).group(1)
        self.assertEqual(advice, "9")
        for better in (("--batch-size", advice), ("--batch-norm", "eval")):
            self.assertEqual(run(*train, *better, folder=self.work).codes, [0])
        self.fails(USAGE, "take another --batch-size or --micro-batch", *train, "--micro-batch", 1, ranks=(1,))

    def test_a_batch_larger_than_the_data_costs_no_more_memory(self):
        data = self.images(200, labels=np.arange(200) % 10)
        memory = {}
        for size in (200, 1000000):
            train = [PROGRAM, "train", self.posterior, data, "--batch-size", str(size), "--micro-batch", "8", "--epochs", "1", "-o",
                     f"new{size}.h5"]
            process = subprocess.Popen(list(map(str, train)), cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env={**os.environ, "OMP_NUM_THREADS": "1"})
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            memory[size] = usage.ru_maxrss
        self.assertLess(memory[1000000], 1.5 * memory[200])


if __name__ == "__main__":
    unittest.main()
