"""`credence train` on the quickstart's images: the same posterior on any ranks, killed and resumed, and its faults."""
import os
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np

import program
from program import DATA, MPIRUN, PROGRAM, run

USAGE, INPUT, NUMERIC, RESUME, STOPPED = 2, 3, 5, 6, 75


class Train(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.RandomState(5)
        labels = np.arange(96) % 10
        images = random.randint(0, 120, (96, 1, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels):  # a class is a bright row
            image[0, 2 * label:2 * label + 4] += 100
        for name, rows in (("labelled", labels), ("wrong", labels + 1), ("plain", None)):
            with h5py.File(cls.folder / f"{name}.h5", "w") as file:
                file["images"] = images
                if rows is not None:
                    file["labels"] = rows.astype(np.int64)
        cls.options = [cls.posterior, cls.folder / "labelled.h5", "--epochs", 3, "--batch-size", 32, "--micro-batch", 8,
                       "--lr", "2e-3", "--augment", "flip", "--draws", 2]

    def train(self, output, *options, ranks=1, code=0):
        result = run("train", *self.options, "-o", output, *options, ranks=ranks, folder=self.work)
        self.assertEqual(result.codes, [code] * ranks, result.err)
        return result

    def digest(self, name):
        result = run("inspect", name, "--datasets", folder=self.work)
        self.assertEqual(result.codes, [0], result.err)
        return [line for line in result.out.splitlines() if "/parameters/" in line]

    def test_ranks_do_not_matter(self):
        one = self.train("one.h5")
        self.assertIn("3 epochs, 9 steps", one.out)
        expected = self.digest("one.h5")
        self.assertGreater(len(expected), 20)
        for ranks in (2, 3):
            self.train("many.h5", ranks=ranks)
            self.assertEqual(self.digest("many.h5"), expected, f"{ranks} ranks")
        self.train("other.h5", "--seed", 1)
        self.assertNotEqual(self.digest("other.h5"), expected)

    def test_stopped_and_resumed(self):
        self.train("whole.h5")
        self.train("part.h5", "--max-time", "0.001s", ranks=2, code=STOPPED)
        self.assertFalse((self.work / "part.h5").exists())
        self.train("part.h5", "--max-time", "0.001s", "--resume", ranks=3, code=STOPPED)
        self.train("part.h5", "--lr", "1e-3", "--resume", code=RESUME)
        self.train("part.h5", "--resume", ranks=2)
        self.assertEqual(self.digest("part.h5"), self.digest("whole.h5"))

    def test_killed_and_resumed(self):
        self.train("whole.h5")
        words = [*MPIRUN, "-n", "2", PROGRAM, "train", *map(str, self.options), "-o", "killed.h5",
                 "--checkpoint-interval", "0.001s", "--resume"]
        for delay in (0.6, 0.9, 1.3):
            job = subprocess.Popen(words, cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
            time.sleep(delay)
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
        self.train("killed.h5", "--resume", ranks=3)
        self.assertEqual(self.digest("killed.h5"), self.digest("whole.h5"))

    def test_damaged_checkpoint_falls_back(self):
        self.train("whole.h5")
        for _ in range(2):  # two checkpoints: the newer is damaged below
            self.train("d.h5", "--max-time", "0.001s", "--resume", code=STOPPED)
        checkpoint = self.work / "d.h5.ckpt"
        content = bytearray(checkpoint.read_bytes())
        content[len(content) // 2] ^= 1
        checkpoint.write_bytes(content)
        result = self.train("d.h5", "--resume")
        self.assertIn("d.h5.ckpt", result.err)
        self.assertEqual(self.digest("d.h5"), self.digest("whole.h5"))

    def test_faults(self):
        def fails(code, words, *options):
            for ranks in (1, 3):
                result = run("train", *options, "-o", "no.h5", ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [code] * ranks, result.err)
                lines = [line for line in result.err.splitlines() if line.startswith("credence:")]
                for word in words:
                    self.assertIn(word, lines[-1])
            self.assertFalse((self.work / "no.h5").exists())

        labelled = self.folder / "labelled.h5"
        fails(INPUT, ["label"], self.posterior, self.folder / "plain.h5")
        fails(INPUT, ["10"], self.posterior, self.folder / "wrong.h5")
        fails(NUMERIC, ["step "], self.posterior, labelled, "--optimizer", "sgd", "--lr", "1e30")
        fails(USAGE, ["--epochs"], self.posterior, labelled, "--epochs", "0")
        fails(USAGE, ["--optimizer"], self.posterior, labelled, "--optimizer", "adm")

    def test_distilling_and_the_deterministic_twin(self):
        result = run("train", self.posterior, DATA / "images" / "00_t-shirt_top.jpg", "--loss", "mse-distill", "--kl-weight",
                     0, "--batch-norm", "eval", "--epochs", 2, "-o", "distilled.h5", folder=self.work)
        self.assertEqual(result.codes, [0], result.err)
        result = run("train", self.posterior, self.folder / "labelled.h5", "--mean", "--epochs", 1, "--optimizer", "sgd",
                     "--momentum", "0.9", "--scheduler", "cosine", "-o", "mean.h5", folder=self.work)
        self.assertEqual(result.codes, [0], result.err)


if __name__ == "__main__":
    unittest.main()
