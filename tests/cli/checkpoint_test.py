"""Runs that are stopped, refused, damaged or stuck: the answer is the undisturbed run's, or the reason is said."""
import os
import shutil
import signal
import unittest

import h5py
import numpy as np
import xarray

import program
from program import DATA, MPIRUN, PATIENCE_S, PROGRAM, Job, run, wait_for

INTERNAL, USAGE, INPUT, IO, RESUME, HANG, STOPPED = 1, 2, 3, 4, 6, 7, 75
IMAGES = DATA / "images"


class Checkpoint(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.command = ["predict", cls.posterior, IMAGES, "--draws", 96]
        cls.long = ["predict", cls.posterior, IMAGES, "--draws", 1000000] # longer than any test waits
        cls.expected = {}
        for options in ((), ("--save-draws",)):
            result = run(*cls.command, *options, "-o", cls.folder / "whole.h5")
            assert result.codes == [0], result.err
            cls.expected[options] = run("inspect", cls.folder / "whole.h5", "--datasets").out
        cls.rows = result.out.splitlines()[:-1]

    def stop(self, *options, ranks=1, code=STOPPED):
        result = run(*self.command, "-o", "p.h5", "--resume", *options, ranks=ranks, folder=self.work)
        self.assertEqual(result.codes, [code] * ranks, result.err)
        return result

    def names(self):
        return sorted(path.name for path in self.work.iterdir())

    def test_stopped_and_resumed_on_other_ranks(self):
        for options in ((), ("--save-draws",)):
            for ranks in (2, 1, 4):
                self.stop(*options, "--max-time", "0.001s", ranks=ranks)
                self.assertFalse((self.work / "p.h5").exists())
            result = self.stop(*options, ranks=3, code=0)
            self.assertEqual(result.out.splitlines()[:-1], self.rows)
            self.assertIn("continuing after", result.err)
            self.assertEqual(self.names(), ["p.h5"])
            self.assertEqual(self.succeed("inspect", "p.h5", "--datasets"), self.expected[options])
            (self.work / "p.h5").unlink()

    def test_checkpoints_by_the_clock_change_nothing(self):
        self.stop("--checkpoint-interval", "0.0001s", ranks=3, code=0)
        self.assertEqual(self.succeed("inspect", "p.h5", "--datasets"), self.expected[()])

    def test_checkpoint_is_a_prediction(self):
        self.stop("--max-time", "0.001s", ranks=2)
        facts = self.succeed("inspect", "p.h5.ckpt")
        self.assertRegex(facts, r"complete +0\n")
        data = xarray.open_dataset(self.work / "p.h5.ckpt", group="predictive", engine="h5netcdf")
        n = data.n_draws.values
        self.assertEqual(len(n), 20)
        self.assertTrue(0 < n.max() < 96 and n.min() == 0)
        for row in range(20):
            mean = data.probs_mean.values[row]
            self.assertEqual(np.isnan(mean).all(), n[row] == 0)
            if n[row] > 0:
                self.assertAlmostEqual(mean.sum(), 1, places=5)
                self.assertEqual(data.votes.values[row].sum(), n[row])
        with h5py.File(self.work / "p.h5.ckpt") as file:
            done = sum(bin(int(word)).count("1") for word in file["checkpoint/done"])
            self.assertEqual(done, file["checkpoint"].attrs["n_units_done"])
            self.assertEqual(n.sum(), sum(int(v) for v in file["checkpoint/sums"][:, -32:].sum(1)))
        for engine in ("h5netcdf", "netcdf4"): # no group of it may be one that readers refuse
            self.assertIn("sums", xarray.open_dataset(self.work / "p.h5.ckpt", group="checkpoint", engine=engine))

    def test_signals(self):
        for number in (signal.SIGUSR2, signal.SIGUSR1):
            job = Job(*self.long, "-o", "s.h5", ranks=3, folder=self.work)
            pid = job.pid(2) # the last rank: any may be told
            wait_for(lambda: any(name.endswith(".tmp") for name in self.names()), job.process)
            os.kill(pid, number)
            if number == signal.SIGUSR2:
                wait_for(lambda: "s.h5.ckpt" in self.names(), job.process)
                self.assertIsNone(job.process.poll())
                os.kill(job.pid(0), signal.SIGTERM) # what there is stays, the temporary file goes
                result = job.end()
                self.assertEqual(result.codes[0], 143)
            else:
                result = job.end()
                self.assertEqual(result.codes, [STOPPED] * 3, result.err)
                self.assertEqual(result.err.count("stopped after"), 1)
            self.assertIn("s.h5.ckpt", self.names())
            self.assertEqual([name for name in self.names() if name.endswith(".tmp")], [])

    def test_train_heeds_signals(self):
        with h5py.File(self.folder / "labelled.h5", "w") as file:
            file["images"] = np.random.RandomState(1).randint(0, 255, (64, 1, 28, 28)).astype(np.uint8)
            file["labels"] = np.arange(64) % 10
        job = Job("train", self.posterior, self.folder / "labelled.h5", "--epochs", 100000, "-o", "t.h5", ranks=2,
                  folder=self.work)
        wait_for(lambda: heeds_signals(job.pid(1)), job.process)
        os.kill(job.pid(1), signal.SIGUSR1)
        result = job.end()
        self.assertEqual(result.codes, [STOPPED] * 2, result.err)
        self.assertIn("t.h5.ckpt", self.names())

    def test_other_runs_are_refused_by_name(self):
        self.stop("--max-time", "0.001s")
        for words, options in ((["--draws", "96", "170"], ("--draws", 170)), (["--seed", "0", "3"], ("--seed", 3)),
                               (["--estimator", "default", "flipout"], ("--estimator", "flipout")), (["--batch", "8", "4"], ("--batch", 4)),
                               (["--precision", "fp32", "bf16"], ("--precision", "bf16")),
                               (["images", "20", "21"], (IMAGES / "00_t-shirt_top.jpg",))):
            for ranks in (1, 2) if words[0] == "--draws" else (1,):
                result = self.stop(*options, ranks=ranks, code=RESUME)
                self.assertEqual(len(result.err.splitlines()), 1, result.err)
                self.assertRegex(result.err, r"p\.h5\.ckpt: {}: the checkpoint has {}, this run {}".format(*words))
        other = run("predict", DATA / "quickstart.h5", *self.command[2:], "-o", "p.h5", "--resume", folder=self.work)
        self.assertEqual(other.codes, [RESUME])
        self.assertIn("posterior: the checkpoint has", other.err)
        other = run(*self.command, "-o", "p.h5", "--resume", folder=self.work, environment={"CREDENCE_KERNELS": "ref"})
        self.assertEqual(other.codes, [RESUME])
        self.assertIn("kernels: the checkpoint has", other.err)
        for option in (("--resume",), ("--max-time", "1h"), ("--checkpoint-interval", "1h")):
            alone = run(*self.command, *option, folder=self.work)
            self.assertEqual(alone.codes, [USAGE])
            self.assertIn(f"{option[0]} needs -o", alone.err)

    def test_other_pixels_are_refused(self):
        images = self.folder / "changing"
        shutil.copytree(IMAGES, images)
        command = ["predict", self.posterior, images, "--draws", 96, "-o", "p.h5", "--resume"]
        self.assertEqual(run(*command, "--max-time", "0.001s", folder=self.work).codes, [STOPPED])
        shutil.copy(IMAGES / "19_bag.jpg", images / "00_t-shirt_top.jpg") # the same names, other pixels
        for ranks in (1, 2):
            result = run(*command, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [RESUME] * ranks)
            self.assertRegex(result.err, r"^credence: p\.h5\.ckpt: pixels: the checkpoint has \w{16}, this run \w{16}\n$")
        shutil.copy(IMAGES / "00_t-shirt_top.jpg", images)
        self.assertEqual(run(*command, folder=self.work).codes, [0])
        digests, expected = self.succeed("inspect", "p.h5", "--datasets").splitlines(), self.expected[()].splitlines()
        self.assertEqual([new.split()[-1] for new, old in zip(digests, expected) if new != old], ["/predictions_constant_data/image_path"])

    def damage(self, name):
        content = bytearray((self.work / name).read_bytes())
        content[len(content) // 2] ^= 1
        (self.work / name).write_bytes(content)

    def test_damaged_checkpoints(self):
        for _ in range(2):
            self.stop("--save-draws", "--max-time", "0.001s")
        self.damage("p.h5.ckpt")
        result = self.stop("--save-draws", "--max-time", "0.001s")
        self.assertIn("damaged", result.err)
        self.assertIn("continuing from the checkpoint before it", result.err)
        # The damaged one did not become the one before: whole again after one more.
        result = self.stop("--save-draws", "--max-time", "0.001s")
        self.assertNotIn("damaged", result.err)
        for name in ("p.h5.ckpt", "p.h5.ckpt.prev"):
            self.damage(name)
        self.assertIn("and the checkpoint before it", self.stop("--save-draws", code=INPUT).err)

    def test_damaged_draws(self):
        self.stop("--save-draws", "--max-time", "0.001s")
        path = self.work / "p.h5.ckpt.draws"
        content = bytearray(path.read_bytes())
        content[next(i for i, byte in enumerate(content) if byte) + 20] ^= 1
        path.write_bytes(content)
        kept = (self.work / "p.h5.ckpt").read_bytes()
        self.begins_anew("p.h5.ckpt.draws: record 0 is damaged or missing")
        (self.work / "p.h5.ckpt").write_bytes(kept)
        self.begins_anew("p.h5.ckpt.draws: the draws of this run are not there: No such file or directory")
        # The user's file, under the name of the draws by a link, is left as it is.
        for make in (os.symlink, os.link):
            (self.work / "p.h5.ckpt").write_bytes(kept)
            (self.work / "mine").write_bytes(b"my own")
            make("mine" if make is os.symlink else self.work / "mine", path)
            self.begins_anew("p.h5.ckpt.draws: the draws of this run are not there: is no plain file of one name")
            self.assertEqual((self.work / "mine").read_bytes(), b"my own")
            make("mine" if make is os.symlink else self.work / "mine", path)
            result = run(*self.command, "-o", "p.h5", "--save-draws", folder=self.work)
            self.assertEqual(result.codes, [0], result.err)
            self.assertEqual((self.work / "mine").read_bytes(), b"my own")
            self.clear("p.h5", "mine")

    def begins_anew(self, reason):
        """What was lost is done again: a job that always resumes is not stuck."""
        result = self.stop("--save-draws", code=0)
        self.assertEqual(result.err, f"credence: warning: {reason}; the run begins anew\ncredence: written to p.h5\n")
        self.assertEqual(self.succeed("inspect", "p.h5", "--datasets"), self.expected[("--save-draws",)])
        self.assertEqual(result.out.splitlines()[:-1], self.rows)
        self.clear("p.h5")

    def clear(self, *names):
        for name in names:
            (self.work / name).unlink()

    def test_checkpoint_that_cannot_be_written(self):
        (self.work / "p.h5.ckpt").mkdir()
        try:
            result = run(*self.command, "-o", "p.h5", "--checkpoint-interval", "0.01s", ranks=2, folder=self.work)
            self.assertEqual(result.codes, [0, 0], result.err)
            self.assertIn("warning: no checkpoint: p.h5.ckpt", result.err)
            result = run(*self.command, "-o", "p.h5", "--max-time", "0.01s", ranks=2, folder=self.work)
            self.assertEqual(result.codes, [IO] * 2, result.err)
        finally:
            (self.work / "p.h5.ckpt").rmdir()

    def test_stuck_rank_is_named(self):
        """It stops at its 40th agreement: the watchdog has started long before."""
        result = Job(*self.long, "-o", "h.h5", "--hang-timeout", "10s", ranks=3, folder=self.work,
                     environment={"CREDENCE_FAULT": "1:40:stall"})
        wait_for(lambda: result.process.poll() is not None)
        code, ended = result.process.returncode, result.end()
        self.assertEqual(code, HANG, ended.err)
        self.assertRegex(ended.err, r"credence: rank 1 \(host \S+\) has not got on for [\d.]+ s: \w+")

    def test_stuck_rank_ends_other_commands(self):
        """It stops at its 16th agreement: all of them come to it after the watchdog has started."""
        labelled = self.folder / "labelled" / "Shirt"
        labelled.mkdir(parents=True)
        for jpeg in IMAGES.glob("*.jpg"):
            shutil.copy(jpeg, labelled)
        posterior, data = self.posterior, labelled.parent
        commands = (["evaluate", posterior, data], ["compare", posterior, posterior, data], ["laplace", posterior, data, "-o", "l.h5"])
        jobs = [Job(*words, "--hang-timeout", "5s", ranks=2, folder=self.work, environment={"CREDENCE_FAULT": "1:16:stall"})
                for words in commands]
        for job in jobs:
            wait_for(lambda: job.process.poll() is not None)
            code, ended = job.process.returncode, job.end()
            self.assertEqual(code, HANG, ended.err)
            self.assertRegex(ended.err, r"credence: rank 1 \(host \S+\) has not got on for [\d.]+ s: \w+")

    def test_stopped_process_is_named(self):
        job = Job(*self.long, "-o", "h.h5", "--hang-timeout", "10s", "--checkpoint-interval", "0.1s", ranks=2,
                  folder=self.work)
        wait_for(lambda: "h.h5.ckpt" in self.names(), job.process)
        os.kill(job.pid(1), signal.SIGSTOP)
        wait_for(lambda: job.process.poll() is not None)
        code, ended = job.process.returncode, job.end()
        self.assertEqual(code, HANG, ended.err)
        self.assertRegex(ended.err, r"credence: rank 1 \(host \S+\) has not (run at all|got on) for [\d.]+ s: ")

    def test_rank_with_other_kernels_is_named(self):
        words = list(map(str, [*self.command, "-o", "p.h5"]))
        done = program.subprocess.run([*MPIRUN, "-n", "2", PROGRAM, *words, ":", "-n", "1", "-x", "CREDENCE_KERNELS=ref",
                                       PROGRAM, *words], cwd=self.work, capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, INTERNAL, done.stderr)
        self.assertRegex(done.stderr, r"credence: rank 2 \(host \S+, kernels ref, BLAS core \w+\) computes other bits than 2 of "
                                      r"3 ranks")
        self.assertEqual(self.names(), [])


def heeds_signals(pid):
    """1 when the process obeys USR1: before that the signal would end it."""
    status = (program.pathlib.Path("/proc") / str(pid) / "status").read_text()
    caught = int(status.split("SigCgt:\t")[1].split()[0], 16)
    return caught >> (signal.SIGUSR1 - 1) & 1


if __name__ == "__main__":
    unittest.main()
