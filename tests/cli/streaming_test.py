"""Ensembles that take more memory than they may: their components are streamed from the file, and nothing else changes."""
import json
import os
import shutil
import signal
import subprocess
import unittest

import h5py
import numpy as np

import program
from program import DATA, Job, run, wait_for

USAGE, INPUT, IO, STOPPED = 2, 3, 4, 75
IMAGES = DATA / "images"
RESEAL = os.environ["CREDENCE_RESEAL"]
COMPONENT_MB = 0.302 # of a member; a component of a mixture has a sigma too
MEMBERS = ["members.h5", IMAGES, "--draw-block", 2]
MIXTURE = ["mixture.h5", IMAGES, "--draws", 30, "--draw-block", 2]


class Streaming(program.Case):
    @classmethod
    def setUpClass(cls):
        """Seven networks of random weights, and a mixture of five posteriors one of which is a network."""
        super().setUpClass()
        for i in range(7):
            cls.make("convert", "--weights", DATA / "quickstart.h5", *(["--no-moped"] if i > 3 else ["--moped-delta", 0.2 * (i + 1)]),
                     "--seed", i, "-o", f"{i}.h5")
        cls.make("ensemble", "--deterministic", *(f"{i}.h5" for i in (4, 5, 6, 4, 5, 6, 4)), "-o", "members.h5")
        cls.make("ensemble", "--deterministic", "5.h5", "6.h5", "-o", "two.h5")
        cls.make("ensemble", "0.h5", "1.h5", "2.h5", "two.h5", "-o", "mixture.h5")

    @classmethod
    def make(cls, *words):
        result = run(*words, folder=cls.folder)
        assert result.codes == [0], result.err

    def setUp(self):
        super().setUp()
        for name in ("members.h5", "mixture.h5"):
            shutil.copy(self.folder / name, self.work)

    def figures(self, *words, ranks=1, environment=None):
        result = run("predict", *words, "-o", "p.h5", ranks=ranks, folder=self.work, environment=environment)
        self.assertEqual(result.codes, [0] * ranks, result.err)
        return self.succeed("inspect", "p.h5", "--datasets")

    def labelled(self):
        """The images in a folder for each class."""
        for jpeg in IMAGES.glob("*.jpg"):
            folder = self.folder / "set" / jpeg.stem.split("_", 1)[1].capitalize()
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(jpeg, folder)
        return self.folder / "set"

    def test_same_as_in_memory(self):
        """Two windows of two or more components, that is fewer than there are; also on nodes of one rank each."""
        for words, memory in ((MEMBERS, 4.1 * COMPONENT_MB), (MIXTURE, 8.1 * COMPONENT_MB),
                              ([*MIXTURE, "--antithetic", "--draw-block", 4], 8.1 * COMPONENT_MB),
                              ([*MIXTURE[:2], "--deterministic", "--draw-block", 2], 4.1 * COMPONENT_MB),
                              ([*MIXTURE, "--estimator", "flipout", "--save-draws"], 8.1 * COMPONENT_MB)):
            expected = self.figures(*words)
            for ranks, environment in ((1, None), (3, None), (3, {"CREDENCE_RANKS_PER_NODE": "1"})):
                self.assertEqual(self.figures(*words, "--weights-memory", memory, ranks=ranks, environment=environment), expected, words)

    def test_parts_looks_and_evaluation(self):
        memory = ["--weights-memory", 8.1 * COMPONENT_MB]
        expected = self.figures(*MIXTURE)
        for i in (1, 2):
            self.succeed("predict", *MIXTURE, *memory, "--part", f"{i}/2", "-o", f"part{i}.h5", ranks=2)
        self.succeed("merge", "part1.h5", "part2.h5", "-o", "p.h5")
        self.assertEqual(self.succeed("inspect", "p.h5", "--datasets"), expected)
        looks = [*MIXTURE, "--draws", 300, "--until-mcse", 0.05]
        self.assertEqual(self.figures(*looks, *memory, ranks=2), self.figures(*looks))
        words = ["evaluate", "mixture.h5", self.labelled(), "--draws", 20, "--draw-block", 2, "--json"]
        whole, streamed = json.loads(self.succeed(*words)), json.loads(self.succeed(*words, *memory, ranks=3))
        for result in (whole, streamed):
            del result["seconds"], result["n_ranks"]
        self.assertEqual(whole, streamed)

    def test_plan_and_bench(self):
        plan = json.loads(self.succeed("plan", *MEMBERS, "--weights-memory", 4.1 * COMPONENT_MB, "--json"))
        self.assertEqual((plan["n_components"], plan["n_held"]), (7, 4))
        self.assertLess(plan["weights_bytes"], 4.1e6 * COMPONENT_MB)
        self.assertGreater(plan["weights_seconds"], 0)
        self.assertIn("--weights-memory", plan["sbatch"])
        whole = json.loads(self.succeed("plan", *MEMBERS, "--json"))
        self.assertEqual((whole["n_held"], whole["weights_seconds"]), (7, 0))
        self.assertGreater(whole["weights_bytes"], plan["weights_bytes"])
        self.succeed("bench", "members.h5", "--batch", 1, "--draws", 4, "--draw-block", 2, "--weights-memory", 4.1 * COMPONENT_MB)

    def test_killed_and_stopped_runs_continue(self):
        """With another limit, or none, and on another number of ranks."""
        words = [*MIXTURE, "--draws", 1200]
        expected = self.figures(*words)
        streamed = ["--weights-memory", 8.1 * COMPONENT_MB, "--resume"]
        result = run("predict", *words, *streamed, "--max-time", "0.001s", "-o", "q.h5", ranks=2, folder=self.work)
        self.assertEqual(result.codes, [STOPPED] * 2, result.err)
        job = Job("predict", *words, *streamed, "--checkpoint-interval", "0.02s", "-o", "q.h5", ranks=3, folder=self.work)
        pid, kept = job.pid(2), self.work / "q.h5.ckpt"
        before = kept.stat().st_mtime_ns
        wait_for(lambda: not kept.exists() or kept.stat().st_mtime_ns != before, job.process)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass # it was done before
        job.end()
        result = run("predict", *words, "--resume", "--max-time", "0.001s", "-o", "q.h5", folder=self.work)
        self.assertIn(result.codes[0], (0, STOPPED), result.err)
        self.succeed("predict", *words, *streamed[:1], 9.5 * COMPONENT_MB, "--resume", "-o", "q.h5", ranks=2)
        self.assertEqual(self.succeed("inspect", "q.h5", "--datasets"), expected)

    def test_file_that_changes_meanwhile(self):
        for change, text in ((lambda path: os.truncate(path, path.stat().st_size // 2), "mixture.h5: became shorter while it was read"),
                             (lambda path: os.utime(path), "mixture.h5: was changed while it was read")):
            shutil.copy(self.folder / "mixture.h5", self.work)
            job = Job("predict", *MIXTURE, "--draws", 3000, "--weights-memory", 8.1 * COMPONENT_MB, "--checkpoint-interval", "0.02s",
                      "-o", "c.h5", ranks=3, folder=self.work)
            wait_for((self.work / "c.h5.ckpt").exists, job.process)
            change(self.work / "mixture.h5")
            result = job.end()
            self.assertEqual(result.codes, [IO] * 3, result.err)
            self.assertEqual(result.err.count(text), 1, result.err)
            self.assertFalse((self.work / "c.h5").exists())
            (self.work / "c.h5.ckpt").unlink()

    def test_too_little(self):
        for ranks in (1, 3):
            result = run("predict", "members.h5", IMAGES, "--weights-memory", 0.1, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [USAGE] * ranks)
            self.assertIn("memory for weights: 0.1 MB do not hold two draw blocks", result.err)

    def test_values_that_cannot_be_used(self):
        """Found in a component when it is read, as in memory: the seal is right, and one weight is not a number."""
        path, dataset = self.work / "members.h5", "weights/linear/weight"
        with h5py.File(path, "r+") as file:
            file[dataset][5, 0, 0] = np.nan
        digest = subprocess.run([RESEAL, "digest", path, dataset], check=True, capture_output=True, text=True).stdout.strip()
        with h5py.File(path, "r+") as file:
            file[dataset].attrs["xxh3_64"] = np.bytes_(digest)
        subprocess.run([RESEAL, "seal", path], check=True)
        errors = set()
        for memory in ([], ["--weights-memory", 4.1 * COMPONENT_MB]):
            for ranks in (1, 3):
                result = run("predict", *MEMBERS, *memory, ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [INPUT] * ranks, result.err)
                errors.add(result.err[result.err.index("credence: members.h5"):].splitlines()[0])
        self.assertEqual(errors, {"credence: members.h5: component 5: linear.weight: element 0 of the mean is nan; it must be finite"})

    def test_damage_in_what_is_not_sealed(self):
        """More than 1 MiB of numbers are guarded by their checksum: it counts, although fewer draws than networks end the reading early."""
        self.make("ensemble", "--deterministic", *(f"{i}.h5" for i in (4, 5, 6, 4, 5, 6, 4, 5)), "-o", "eight.h5")
        dataset = "/weights/layer3.0.conv2/weight"
        with h5py.File(self.folder / "eight.h5", "r") as file:
            found = file[dataset]
            self.assertGreaterEqual(found.nbytes, 1 << 20)
            place = found.id.get_offset() + found.nbytes - 2
        path = self.work / "eight.h5"
        shutil.copy(self.folder / "eight.h5", path)
        words = ["eight.h5", IMAGES, "--draw-block", 2, "--draws", 4]
        expected = self.figures(*words)
        self.assertEqual(self.figures(*words, "--weights-memory", 4.1 * COMPONENT_MB, ranks=2), expected)
        (self.work / "p.h5").unlink()
        with open(path, "r+b") as file:
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 1]))
        for command, data, output in (("predict", IMAGES, ["-o", "p.h5"]), ("evaluate", self.labelled(), [])):
            for memory in ([], ["--weights-memory", 4.1 * COMPONENT_MB]):
                for ranks in (1, 3):
                    result = run(command, "eight.h5", data, *words[2:], *memory, *output, ranks=ranks, folder=self.work)
                    self.assertEqual(result.codes, [INPUT] * ranks, result.err)
                    self.assertEqual(result.err.count(f"credence: eight.h5: {dataset}: damaged (checksum "), 1, result.err)
                    self.assertFalse((self.work / "p.h5").exists())
        (self.work / "4.h5").write_bytes((self.folder / "4.h5").read_bytes())
        result = run("ensemble", "--deterministic", "eight.h5", "4.h5", "eight.h5", "-o", "nine.h5", folder=self.work)
        self.assertEqual(result.codes, [INPUT], result.err)
        self.assertIn(f"eight.h5: {dataset}: damaged (checksum ", result.err)
        self.assertFalse((self.work / "nine.h5").exists())


if __name__ == "__main__":
    unittest.main()
