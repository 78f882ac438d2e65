"""`credence train` on the quickstart's images: the same posterior on any ranks, killed and resumed, and its faults."""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy as np

import program
from program import DATA, MPIRUN, PATIENCE_S, PROGRAM, run

INTERNAL, USAGE, INPUT, IO, NUMERIC, RESUME, STOPPED = 1, 2, 3, 4, 5, 6, 75


def children(pid):
    """The processes below a process, itself last."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended meanwhile
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return [p for child in parents.get(pid, []) for p in children(child)] + [pid]


class Train(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.RandomState(5)
        labels = np.arange(96) % 10
        images = random.randint(0, 120, (96, 1, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels):  # a class is a bright row
            image[0, 2 * label:2 * label + 4] += 100
        values = np.outer(labels - 4.5, np.arange(10)) / 30
        holed = values.copy()
        holed[7, 3] = np.nan
        contents = {"labelled": ("labels", labels), "wrong": ("labels", labels + 1), "plain": (None, None),
                    "values": ("targets", values), "narrow": ("targets", values[:, :5].astype(np.float32)),
                    "holed": ("targets", holed), "short": ("targets", values[:-1]), "flat": ("targets", values[:, 0]),
                    "whole": ("targets", labels[:, None])}
        for name, (key, rows) in contents.items():
            with h5py.File(cls.folder / f"{name}.h5", "w") as file:
                file["images"] = images
                if key is not None:
                    file[key] = rows
        for name in ("cat", "dog"):
            (cls.folder / "pets" / name).mkdir(parents=True)
            shutil.copy(DATA / "images" / "00_t-shirt_top.jpg", cls.folder / "pets" / name / "a.jpg")
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

    def test_finished_and_prolonged(self):
        self.train("long.h5", "--epochs", 5)
        self.train("p.h5")
        self.train("p.h5", "--epochs", 5, "--resume", ranks=2)
        self.assertEqual(self.digest("p.h5"), self.digest("long.h5"))
        result = self.train("p.h5", "--epochs", 4, "--resume", code=RESUME)
        self.assertIn("--epochs", result.err)
        self.train("p.h5", "--epochs", 5, "--lr", "0.002", "--resume")  # the same number, written otherwise
        for options, words in ((("--lr", "1e-3"), ("--lr", "0.002", "0.001")), (("--seed", 7), ("--seed", "0", "7")),
                               (("--augment", "crop4"), ("--augment", "flip", "flip crop4")),
                               (("--scheduler", "cosine"), ("--scheduler", "constant", "cosine"))):
            for ranks in (1, 3):
                result = self.train("p.h5", "--epochs", 5, *options, "--resume", ranks=ranks, code=RESUME)
                for word in ("p.h5.ckpt", *words):
                    self.assertIn(word, result.err)
        # The cosine's period follows from the epochs, unless it is given.
        self.train("c.h5", "--epochs", 2, "--scheduler", "cosine")
        result = self.train("c.h5", "--epochs", 3, "--scheduler", "cosine", "--resume", code=RESUME)
        self.assertRegex(result.err, "--t-max: the checkpoint has 2, this run 3")
        self.train("c.h5", "--epochs", 3, "--scheduler", "cosine", "--t-max", 2, "--resume")

    def test_other_pixels_are_refused(self):
        data = self.folder / "changing.h5"
        shutil.copy(self.folder / "labelled.h5", data)
        command = ["train", self.posterior, data, "--epochs", 2, "-o", "p.h5", "--resume"]
        self.assertEqual(run(*command, "--max-time", "0.001s", folder=self.work).codes, [STOPPED])
        with h5py.File(data, "r+") as file:
            file["images"][95, 0, 27, 27] ^= 1
        result = run(*command, ranks=2, folder=self.work)
        self.assertEqual(result.codes, [RESUME] * 2)
        self.assertRegex(result.err, r"^credence: p\.h5\.ckpt: pixels: the checkpoint has \w{16}, this run \w{16}\n$")

    def test_rank_with_other_kernels_is_named(self):
        words = list(map(str, ["train", *self.options, "-o", "p.h5"]))
        for more in ([], ["--local-steps", "2"], ["--loss", "mse-distill"]):
            done = subprocess.run([*MPIRUN, "-n", "2", PROGRAM, *words, *more, ":", "-n", "1", "-x", "CREDENCE_KERNELS=ref",
                                   PROGRAM, *words, *more], cwd=self.work, capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(done.returncode, INTERNAL, done.stderr)
            self.assertRegex(done.stderr, r"rank 2 \(host \S+, kernels ref, BLAS core \w+\) computes other bits than 2 of 3 ranks")
            self.assertNotIn("p.h5", [path.name for path in self.work.iterdir()])

    def kill_and_resume(self, options):
        """Kills a run soon after it wrote some checkpoints, again and again on other ranks; returns how often."""
        chance, n_kills = random.Random(), 0
        checkpoint = self.work / "killed.h5.ckpt"
        for ranks in (2, 1, 3, 2):
            launcher = [*MPIRUN, "-n", str(ranks)] if ranks > 1 else []
            def version():
                return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

            seen = version()
            job = subprocess.Popen([*launcher, PROGRAM, *map(str, options)], cwd=self.work, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
            for _ in range(chance.randint(1, 6)):
                program.wait_for(lambda: version() != seen or job.poll() is not None)
                seen = version()
            time.sleep(chance.uniform(0, 0.005))
            running = job.poll() is None
            for pid in children(job.pid) if running else []:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            n_kills += running
            job.wait()
        return n_kills

    def test_killed_and_resumed(self):
        self.train("whole.h5", "--epochs", 30)
        n_kills = self.kill_and_resume(["train", *self.options, "--epochs", 30, "-o", "killed.h5",
                                        "--checkpoint-interval", "0.001s", "--resume"])
        self.assertGreaterEqual(n_kills, 2)
        self.train("killed.h5", "--epochs", 30, "--resume", ranks=3)
        self.assertEqual(self.digest("killed.h5"), self.digest("whole.h5"))

    def test_ivon_is_the_same_on_any_ranks_killed_and_resumed(self):
        ivon = ["--optimizer", "ivon", "--lr", "0.2", "--hess-init", "0.5", "--beta2", "0.99", "--epochs", 12]
        self.train("whole.h5", *ivon)
        expected = self.digest("whole.h5")
        for ranks in (2, 3, 4):
            self.train("many.h5", *ivon, ranks=ranks)
            self.assertEqual(self.digest("many.h5"), expected, f"{ranks} ranks")
        self.kill_and_resume(["train", *self.options, *ivon, "-o", "killed.h5", "--checkpoint-interval", "0.001s", "--resume"])
        self.train("killed.h5", *ivon, "--resume", ranks=3)
        self.assertEqual(self.digest("killed.h5"), expected)
        self.train("killed.h5", *ivon, "--hess-init", "0.4", "--resume", code=RESUME)

    def test_ivon_has_the_prior_of_its_weight_decay(self):
        def history(name):
            result = run("inspect", name, "--json", folder=self.work)
            return json.loads(result.out)["history"]

        ivon = ["--optimizer", "ivon", "--weight-decay", "0.01", "--epochs", 1]
        for options, ess in (((), 96), (("--ess", 960), 960), (("--temperature", "0.1"), 960)):
            self.train("p.h5", *ivon, *options)
            with h5py.File(self.work / "p.h5") as file:
                prior = file["prior"].attrs
                self.assertAlmostEqual(prior["prior_sigma"] ** 2 * ess * 0.01, 1)
                self.assertEqual(prior["prior_mu"], 0)
            self.assertAlmostEqual(history("p.h5")[0]["temperature"], 96 / ess)

    def test_temperature_is_a_share_of_the_elbo(self):
        self.train("cold.h5", "--temperature", "0.5")
        self.train("weighted.h5", "--kl-weight", repr(0.5 / 96))
        self.assertEqual(self.digest("cold.h5"), self.digest("weighted.h5"))

    def test_what_ivon_cannot_use_is_refused(self):
        labelled = self.folder / "labelled.h5"
        for option in (["--kl-weight", 1], ["--kl", "mean"], ["--kl-anneal", 2], ["--deterministic"], ["--clip-norm", 1],
                       ["--keep-gradients"], ["--local-steps", 2]):
            self.fails(USAGE, [f"{option[0]} needs --optimizer sgd, adam, adamw"], self.posterior, labelled,
                       "--optimizer", "ivon", *option)
        self.fails(USAGE, ["weight_decay: 0 leaves ivon without a prior"], self.posterior, labelled, "--optimizer", "ivon",
                   "--weight-decay", 0)
        self.fails(USAGE, ["--ess needs --optimizer ivon"], self.posterior, labelled, "--ess", 9)
        self.fails(USAGE, ["--temperature and --ess exclude each other"], self.posterior, labelled, "--optimizer", "ivon",
                   "--ess", 9, "--temperature", 1)

    def test_damaged_checkpoint_falls_back(self):
        def damage(name):
            content = bytearray((self.work / name).read_bytes())
            content[len(content) // 2] ^= 1
            (self.work / name).write_bytes(content)

        self.train("whole.h5")
        for ranks in (1, 3):
            for _ in range(2):  # two checkpoints: the newer is damaged below
                self.train("d.h5", "--max-time", "0.001s", "--resume", code=STOPPED)
            damage("d.h5.ckpt")
            result = self.train("d.h5", "--resume", ranks=ranks)
            self.assertRegex(result.err, r"d\.h5\.ckpt: .*continuing from the checkpoint before it, .*d\.h5\.ckpt\.prev")
            self.assertEqual(self.digest("d.h5"), self.digest("whole.h5"))
            for name in ("d.h5.ckpt", "d.h5.ckpt.prev"):
                damage(name)
            result = self.train("d.h5", "--resume", ranks=ranks, code=INPUT)
            self.assertRegex(result.err, r"d\.h5\.ckpt: .*; and the checkpoint before it: .*d\.h5\.ckpt\.prev: ")
            for path in self.work.glob("d.h5*"):
                path.unlink()

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount a small file system")
    def test_disk_full_during_a_checkpoint(self):
        self.train("whole.h5")
        size = self.measure_checkpoint()
        for ranks in (1, 3):
            with tempfile.TemporaryDirectory() as disk:
                mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(size * 1.7)}", "tmpfs", disk],
                                         capture_output=True, text=True)
                if mounted.returncode != 0:
                    self.skipTest(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
                try:
                    self.run_on_full_disk(pathlib.Path(disk), ranks)
                finally:
                    subprocess.run(["umount", disk], check=True)

    def measure_checkpoint(self):
        self.train("m.h5", "--max-time", "0.001s", code=STOPPED)
        return (self.work / "m.h5.ckpt").stat().st_size

    def run_on_full_disk(self, disk, ranks):
        """The disk holds a checkpoint and the posterior, but no two checkpoints."""
        result = self.train(disk / "full.h5", "--checkpoint-interval", "0.001s", ranks=ranks)
        self.assertRegex(result.err, r"warning: no new checkpoint: .*No space left.*; the one of step 1 is intact")
        self.assertEqual(self.digest(disk / "full.h5"), self.digest("whole.h5"))
        self.assertEqual(sorted(path.name for path in disk.iterdir()), ["full.h5", "full.h5.ckpt"])
        (disk / "full.h5").unlink()  # its room is needed for its successor
        self.train(disk / "full.h5", "--resume", ranks=ranks)
        self.assertEqual(self.digest(disk / "full.h5"), self.digest("whole.h5"))

    def fails(self, code, words, *options, output="no.h5"):
        for ranks in (1, 3):
            with self.subTest(options=options, ranks=ranks):
                result = run("train", *options, "-o", output, ranks=ranks, folder=self.work)
                self.assertEqual(result.codes, [code] * ranks, result.err)
                lines = [line for line in result.err.splitlines() if line.startswith("credence:")]
                for word in words:
                    self.assertIn(word, lines[-1])
                self.assertFalse((self.work / "no.h5").exists())

    def test_faults(self):
        labelled = self.folder / "labelled.h5"
        self.fails(INPUT, ["plain.h5[0]", "no label"], self.posterior, self.folder / "plain.h5")
        self.fails(INPUT, ["wrong.h5[9]", "label 10", "0 to 9"], self.posterior, self.folder / "wrong.h5")
        self.fails(INPUT, ["'cat' is no class", "0 to 9"], self.posterior, self.folder / "pets")
        self.fails(INPUT, ["no label"], self.posterior, labelled, "--validate", self.folder / "plain.h5")
        self.fails(USAGE, ["--epochs"], self.posterior, labelled, "--epochs", "0")
        self.fails(USAGE, ["--optimizer"], self.posterior, labelled, "--optimizer", "adm")
        self.fails(USAGE, ["--kl-weight 0"], self.posterior, labelled, "--keep-gradients")
        for place in ("missing/no.h5", "/proc/no.h5", self.work):
            self.fails(IO, [str(place), "cannot be written"], self.posterior, labelled, output=place)

    def test_not_a_number(self):
        labelled = self.folder / "labelled.h5"
        self.fails(NUMERIC, ["step 2: ", "a smaller learning rate may help", "there is no checkpoint"], self.posterior, labelled, "--optimizer", "sgd", "--lr",
                   "1e30")
        for path in self.work.iterdir():
            path.unlink()
        # The learning rate explodes after the first epoch: the checkpoint before it is good, and named.
        self.fails(NUMERIC, ["step ", "no.h5.ckpt holds step "], self.posterior, labelled, "--optimizer", "sgd", "--lr",
                   "1e-6", "--scheduler", "exponential", "--gamma", "1000", "--checkpoint-interval", "0.001s", "--epochs", 9)
        self.assertEqual(run("inspect", "no.h5.ckpt", folder=self.work).codes, [0])

    def test_calibration(self):
        labelled = self.folder / "labelled.h5"
        self.train("plain.h5")
        for name, options in (("avuc", ()), ("eau", ("--error-threshold", 0.5)), ("eac", ("--error-threshold", 0.5))):
            self.train(f"{name}.h5", "--calibration", name, "--uncertainty-threshold", 0.5, *options)
            self.assertNotEqual(self.digest(f"{name}.h5"), self.digest("plain.h5"))
            self.train("null.h5", "--calibration", name, "--calibration-beta", 0, "--uncertainty-threshold", 0.5, *options)
            self.assertEqual(self.digest("null.h5"), self.digest("plain.h5"))
        for words, *options in ((["avuc, eau, eac"], "--calibration", "ava"),
                                (["--uncertainty-threshold"], "--calibration", "avuc"),
                                (["--error-threshold"], "--calibration", "eau", "--uncertainty-threshold", 1),
                                (["--calibration"], "--calibration-beta", 2),
                                (["--error-threshold", "eau, eac"], "--calibration", "avuc", "--uncertainty-threshold", 1,
                                 "--error-threshold", 1),
                                (["cross-entropy"], "--calibration", "avuc", "--uncertainty-threshold", 1, "--loss",
                                 "mse-distill")):
            self.fails(USAGE, words, self.posterior, labelled, *options)

    def history(self, *options, **more):
        result = run("train", self.posterior, *options, "-o", "r.h5", "--json", folder=self.work, **more)
        self.assertEqual(set(result.codes), {0}, result.err)
        return [json.loads(line) for line in result.out.splitlines()][:-1]

    def test_regression(self):
        values, narrow = self.folder / "values.h5", self.folder / "narrow.h5"
        # The untrained network: data term and validation are the same figure, found on two ways.
        still = ["--deterministic", "--lr", 0, "--epochs", 1, "--batch-norm", "eval", "--micro-batch", 7]
        for loss, data, figure in (("mse", values, "validation_mse"), ("gaussian-nll", narrow, "validation_nll")):
            epoch, = self.history(data, "--validate", data, "--loss", loss, *still)
            self.assertAlmostEqual(epoch["data_term"] / epoch[figure], 1, 5)
            self.assertIsNone(epoch["accuracy"])
            self.assertIsNone(epoch["validation_accuracy"])
            self.assertEqual(epoch["validation_nll"] is None, loss == "mse")
            learnt = [self.history(data, "--validate", data, "--loss", loss, "--epochs", 4, "--lr", "1e-3",
                                   "--batch-size", 16, "--kl-weight", "1e-6", ranks=ranks)
                      for ranks in (1, 3)]
            for both in zip(*learnt):
                one, three = ({**line, "seconds": 0, "validation_seconds": 0} for line in both)
                self.assertEqual(one, three)
            self.assertLess(learnt[0][-1][figure], 0.5 * epoch[figure])
        self.history(narrow, "--loss", "gaussian-nll", "--calibration", "eac", "--uncertainty-threshold", 0.5,
                     "--error-threshold", 0.5, "--epochs", 1)
        for data, words in (("labelled", ["no target"]), ("narrow", ["5 targets", "10 values"]),
                            ("holed", ["targets[7, 3]", "nan"]), ("short", ["(95", "96 images"]),
                            ("flat", ["(image, output)"]), ("whole", ["int64", "float32"])):
            self.fails(INPUT, words, self.posterior, self.folder / f"{data}.h5", "--loss", "mse")
        self.fails(INPUT, ["no target"], self.posterior, values, "--loss", "mse", "--validate", self.folder / "plain.h5")
        self.fails(INPUT, ["10 targets", "5 values"], self.posterior, values, "--loss", "gaussian-nll")

    def test_history(self):
        validation = self.folder / "labelled.h5"
        result = self.train("h.h5", "--validate", validation, "--json")
        lines = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([line["epoch"] for line in lines[:-1]], [1, 2, 3])
        self.assertEqual((lines[-1]["epochs"], lines[-1]["steps"]), (3, 9))
        with h5py.File(self.work / "h.h5.ckpt") as file:
            for key, values in file["history"].items():
                for line, value in zip(lines, values):
                    if line[key] is None:
                        self.assertTrue(np.isnan(value))
                    else:
                        np.testing.assert_allclose(line[key], value, rtol=1e-8)
        self.assertEqual([line["validation_seconds"] > 0 for line in lines[:-1]], [True] * 3)
        # The posteriors hold the history too: the whole run's, and up to the best epoch.
        best = min(lines[:-1], key=lambda line: line["validation_nll"])
        self.assertEqual((lines[-1]["best"]["epoch"], lines[-1]["best"]["posterior"]), (best["epoch"], "h.best.h5"))
        for name, n_epochs in (("h.h5", 3), ("h.best.h5", best["epoch"])):
            with h5py.File(self.work / name) as file, h5py.File(self.work / "h.h5.ckpt") as checkpoint:
                self.assertEqual(file["history"].attrs["best_epoch"], best["epoch"])
                self.assertAlmostEqual(file["history"].attrs["best_score"], best["validation_nll"], 7)
                self.assertEqual(set(checkpoint["history"]) - set(file["history"]), {"seconds", "validation_seconds"})
                for key, values in file["history"].items():
                    np.testing.assert_array_equal(values, checkpoint["history"][key][:n_epochs])
            facts = json.loads(run("inspect", name, "--json", folder=self.work).out)
            # What a clock says differs from run to run: it is in the checkpoint, not in a posterior.
            self.assertEqual(facts["history"], [{**line, "seconds": None, "validation_seconds": None} for line in lines[:n_epochs]])
            shown = run("inspect", name, folder=self.work).out
            self.assertRegex(shown, rf"history of {n_epochs} epochs?\n")
            self.assertRegex(shown, rf"(?m)^ +{best['epoch']}  loss .*; the best$")

    def test_progress_on_a_terminal(self):
        """One line that renews itself, with the time left."""
        code, text = program.run_on_terminal(self, "train", *self.options, "-o", "t.h5", "--epochs", 20, cwd=self.work)
        self.assertEqual(code, 0)
        self.assertRegex(text, r"\r[^\n]*steps[^\n]*left")

    def test_last_line_names_the_best_and_the_log_says_what_validation_takes(self):
        for ranks in (1, 3):
            result = self.train("b.h5", "--validate", self.folder / "labelled.h5", "--validate-every", 2, ranks=ranks)
            self.assertRegex(result.out.splitlines()[-1], r"^b\.best\.h5: epoch [23], .*: accuracy .*, NLL .*, ECE ")
            self.assertIn("validation every 2 epochs: 96 images, each with 4 draws", result.err)
            epochs = [line for line in result.err.splitlines() if ": epoch " in line]
            self.assertEqual(["; validation: accuracy" in line for line in epochs], [False, True, True])
            self.assertRegex(epochs[1], r"lr 0\.002, [0-9.]+ s; validation: .*, [0-9.]+ s$")
        self.assertNotIn("best", self.train("b.h5").out)

    def test_no_divergence_where_there_is_none(self):
        self.assertIn("nats at temperature 1", self.train("k.h5").out)
        for options in (("--kl-weight", 0), ("--deterministic",)):
            result = run("train", self.posterior, self.folder / "labelled.h5", "--epochs", 1, *options, "-o", "k.h5",
                         folder=self.work)
            self.assertEqual(result.codes, [0], result.err)
            self.assertNotIn("temperature", result.out + result.err)
            with h5py.File(self.work / "k.h5") as file:
                self.assertTrue(np.isnan(file["history/kl_sum"][0]))

    def test_share_is_held_out_by_the_seed(self):
        """What is trained on and what is held out are all images: their figures at fixed weights add up to the whole's."""
        still = [self.posterior, self.folder / "labelled.h5", "--deterministic", "--lr", 0, "--epochs", 1, "--batch-norm", "eval",
                 "--micro-batch", 8, "--batch-size", 8, "-o", "s.h5", "--json"]

        def epoch(*options, ranks=1):
            result = run("train", *still, *options, ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [0] * ranks, result.err)
            return json.loads(result.out.splitlines()[0])
        whole, held = epoch()["data_term"], []
        for seed, share, n_held in ((0, 0.25, 24), (1, 0.25, 24), (1, 0.001, 1)):
            for ranks in (1, 3):
                figures = epoch("--seed", seed, "--validate-share", share, ranks=ranks)
                both = ((96 - n_held) * figures["data_term"] + n_held * figures["validation_nll"]) / 96
                self.assertAlmostEqual(both / whole, 1, 5)
            held.append(figures["validation_nll"])
        self.assertNotAlmostEqual(held[0], held[1], 4)
        labelled = self.folder / "labelled.h5"
        for words, *options in ((["exclude"], "--validate-share", 0.5, "--validate", labelled),
                                (["--validate-share"], "--validate-draws", 2), (["--validate-share"], "--validate-share", 1)):
            self.fails(USAGE, words, self.posterior, labelled, *options)
        self.fails(USAGE, ["leaves none"], self.posterior, DATA / "images" / "13_shirt.jpg", "--validate-share", 0.5, "--loss",
                   "mse-distill")
        # Stopped and resumed it holds out the same.
        self.train("w.h5", "--validate-share", 0.3)
        self.train("p.h5", "--validate-share", 0.3, "--max-time", "0.001s", code=STOPPED)
        self.train("p.h5", "--validate-share", 0.4, "--resume", code=RESUME)
        self.train("p.h5", "--validate-share", 0.3, "--resume", ranks=2)
        self.assertEqual(self.digest("p.h5"), self.digest("w.h5"))
        self.assertEqual(self.digest("p.best.h5"), self.digest("w.best.h5"))

    def test_checkpoints_that_stay(self):
        for n, names in ((0, []), (1, ["c.h5.ckpt"]), (2, ["c.h5.ckpt", "c.h5.ckpt.prev"])):
            for ranks in (1, 3):
                interval = ["--checkpoint-interval", "0.001s"] if n > 0 else []
                result = self.train("c.h5", "--checkpoints", n, *interval, ranks=ranks)
                self.assertEqual(sorted(path.name for path in self.work.glob("c.h5.*")), names)
                self.assertRegex(result.err, r"c\.h5\.ckpt.*: \d+\.\d MB" if n else "cannot be resumed")
                for path in self.work.glob("c.h5*"):
                    path.unlink()
        for more in (("--resume",), ("--max-time", "1s"), ("--checkpoint-interval", "1s")):
            self.fails(USAGE, [more[0], "--checkpoints 0"], self.posterior, self.folder / "labelled.h5", "--checkpoints", 0, *more)
        self.train("w.h5")
        self.train("c.h5", "--max-time", "0.001s", "--checkpoints", 1, code=STOPPED)
        self.train("c.h5", "--resume", "--checkpoints", 2)
        self.assertEqual(self.digest("c.h5"), self.digest("w.h5"))

    def test_outputs_that_are_inputs(self):
        images, labels = self.work / "i-idx3-ubyte", self.work / "l-idx1-ubyte"
        images.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(2 * 784))
        labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
        (self.work / "test_batch.bin").write_bytes(bytes(2 * 3073))
        shutil.copy(DATA / "images" / "00_t-shirt_top.jpg", self.work / "a.jpg")
        shutil.copy(self.posterior, self.work / "p.h5.ckpt")
        shutil.copy(self.posterior, self.work / "p.best.h5")
        shutil.copy(self.folder / "labelled.h5", self.work / "data.h5")
        idx, cifar = f"idx:{images},{labels}", f"cifar10:{self.work}:test"
        before = {path.name: path.read_bytes() for path in self.work.iterdir()}
        for output, *inputs in ((images, self.posterior, idx), (labels, self.posterior, idx),
                                ("test_batch.bin", self.posterior, cifar), ("a.jpg", self.posterior, "a.jpg"),
                                ("a.jpg", self.posterior, "."), ("data.h5", self.posterior, "data.h5"),
                                ("data.h5", self.posterior, idx, "--validate", "data.h5"),
                                ("p.h5", "p.h5.ckpt", idx), ("p.h5", "p.best.h5", idx), ("p.best.h5", "p.best.h5", idx)):
            self.fails(USAGE, ["is an input"], *inputs, output=output)
        self.assertEqual({path.name: path.read_bytes() for path in self.work.iterdir()}, before)

    def test_kept_gradients(self):
        options = [self.posterior, DATA / "images" / "13_shirt.jpg", "--loss", "mse-distill", "--kl-weight", 0, "--epochs",
                   4, "--batch-norm", "eval"]
        for name, more in (("zeroed.h5", []), ("kept.h5", ["--keep-gradients"])):
            self.assertEqual(run("train", *options, *more, "-o", name, folder=self.work).codes, [0])
        self.assertNotEqual(self.digest("kept.h5"), self.digest("zeroed.h5"))
        for ranks, code in ((2, STOPPED), (3, STOPPED), (1, 0)):
            limit = ["--max-time", "0.001s"] if code else []
            result = run("train", *options, "--keep-gradients", *limit, "--resume", "-o", "part.h5", ranks=ranks,
                         folder=self.work)
            self.assertEqual(result.codes, [code] * ranks, result.err)
        self.assertEqual(self.digest("part.h5"), self.digest("kept.h5"))

    def test_distilling_and_the_deterministic_twin(self):
        result = run("train", self.posterior, DATA / "images" / "00_t-shirt_top.jpg", "--loss", "mse-distill", "--kl-weight",
                     0, "--batch-norm", "eval", "--epochs", 2, "-o", "distilled.h5", folder=self.work)
        self.assertEqual(result.codes, [0], result.err)
        result = run("train", self.posterior, self.folder / "labelled.h5", "--deterministic", "--epochs", 1, "--optimizer", "sgd",
                     "--momentum", "0.9", "--scheduler", "cosine", "-o", "mean.h5", folder=self.work)
        self.assertEqual(result.codes, [0], result.err)


if __name__ == "__main__":
    unittest.main()
