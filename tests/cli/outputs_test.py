"""Outputs and what lies beside them: one run at a time writes a file; links, modes and the user's own files stay what they are; signals and closed
descriptors leave nothing behind; the file says what it was made from."""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import unittest

import h5py

import program
from program import DATA, PROGRAM, Job, run, wait_for

IO, RESUME = 4, 6
IMAGES = DATA / "images"
SHIRT = IMAGES / "00_t-shirt_top.jpg"


class Outputs(program.Case):
    def setUp(self):
        self.small = ["predict", self.posterior, SHIRT, "--draws", 4, "--quiet"]
        self.long = ["predict", self.posterior, IMAGES, "--draws", 40000] # longer than any test waits

    def names(self):
        return sorted(path.name for path in self.work.iterdir())

    def start(self, *more, ranks=1):
        """A run that writes p.h5, and rank 0's process."""
        job = Job(*self.long, "-o", "p.h5", *more, ranks=ranks, folder=self.work)
        pid = job.pid(0)
        wait_for(lambda: any(name.endswith(".tmp") for name in self.names()))
        return job, pid

    def test_second_run_is_refused_and_the_first_goes_on(self):
        job, pid = self.start("--save-draws", "--checkpoint-interval", "0.01s", ranks=2)
        wait_for(lambda: "p.h5.ckpt" in self.names())
        os.symlink("p.h5", self.work / "link.h5")
        for ranks in (1, 3):
            for name in ("p.h5", "link.h5"):
                second = run(*self.small, "-o", name, "--resume", ranks=ranks, folder=self.work)
                self.assertEqual(second.codes, [IO] * ranks, second.err)
                self.assertEqual(second.err, f"credence: {name}: another run is writing it: process {pid} on "
                                             f"{socket.gethostname()}\n")
        other = run(*self.small, "-o", "q.h5", folder=self.work)
        self.assertEqual(other.codes, [0], other.err)
        os.kill(pid, signal.SIGKILL) # the lock ends with the process
        job.end()
        again = run(*self.long, "-o", "p.h5", "--save-draws", "--resume", "--max-time", "0.001s", folder=self.work)
        self.assertEqual(again.codes, [75], again.err)
        self.assertIn("continuing after", again.err)
        self.assertEqual(self.names(), ["link.h5", "p.h5.ckpt", "p.h5.ckpt.draws", "p.h5.ckpt.prev", "q.h5"])

    def test_file_systems_without_locks_stop_no_run(self):
        shim = {"LD_PRELOAD": os.environ["CREDENCE_SHIM"], "FAIL_CALL": "lock:1:sticky", "FAIL_MARK": str(self.folder / "mark")}
        result = run(*self.small, "-o", "p.h5", folder=self.work, environment=shim)
        self.assertEqual((result.codes, result.err), ([0], ""))
        self.assertTrue((self.folder / "mark").exists())
        self.assertEqual(self.names(), ["p.h5"])

    def test_users_own_files_stay(self):
        mine = [".p.h5.backup.tmp", ".p.h5.abcdef.tmp", ".p.h5.abcdefghijkl.tmp", ".p.h5.lock"]
        for name in mine:
            (self.work / name).write_text("my own")
        self.assertEqual(run(*self.small, "-o", "p.h5", folder=self.work).codes, [0])
        self.assertEqual(self.names(), sorted([*mine, "p.h5"]))
        self.assertEqual({(self.work / name).read_text() for name in mine}, {"my own"})

    def test_what_a_killed_run_has_left_is_removed(self):
        job, pid = self.start()
        os.kill(pid, signal.SIGKILL)
        job.end()
        self.assertTrue(any(name.endswith(".tmp") for name in self.names()))
        self.assertEqual(run(*self.small, "-o", "p.h5", folder=self.work).codes, [0])
        self.assertEqual(self.names(), ["p.h5"])

    def test_mode_of_a_replaced_file_stays(self):
        for mode in (0o600, 0o640, 0o666):
            (self.work / "p.h5").touch()
            (self.work / "p.h5").chmod(mode)
            self.assertEqual(run(*self.small, "-o", "p.h5", folder=self.work).codes, [0])
            self.assertEqual((self.work / "p.h5").stat().st_mode & 0o777, mode)

    def test_link_to_nothing_stays_a_link(self):
        os.symlink("target.h5", self.work / "link.h5")
        self.assertEqual(run(*self.small, "-o", "link.h5", folder=self.work).codes, [0])
        self.assertTrue((self.work / "link.h5").is_symlink())
        self.assertEqual(self.names(), ["link.h5", "target.h5"])
        self.assertFalse((self.work / "target.h5").is_symlink())
        for name in ("a.h5", "b.h5"):
            os.symlink("b.h5" if name == "a.h5" else "a.h5", self.work / name)
        result = run(*self.small, "-o", "a.h5", folder=self.work)
        self.assertEqual(result.codes, [IO], result.err)

    def alone(self, *before):
        """A run without a launcher, a shell of which would have it ignore INT and QUIT."""
        job = subprocess.Popen([*before, PROGRAM, *map(str, self.long), "-o", "p.h5", "--save-draws", "--checkpoint-interval", "1d"],
                               cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: "p.h5.ckpt.draws" in self.names())
        return job

    def test_signals_leave_nothing(self):
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGXCPU):
            with self.subTest(signal=number.name):
                job = self.alone()
                job.send_signal(number)
                self.assertEqual(job.wait(), -number)
                self.assertEqual(self.names(), [])

    def test_ignored_signals_stay_ignored(self):
        job = self.alone("nohup")
        job.send_signal(signal.SIGHUP)
        job.send_signal(signal.SIGUSR1) # stop with a checkpoint
        self.assertEqual(job.wait(), 75)

    def test_closed_descriptors(self):
        """Whatever is closed, no byte goes where it does not belong."""
        def shell(redirections, *words):
            done = subprocess.run(["sh", "-c", f'exec "$@" {redirections}', "sh", PROGRAM, *map(str, words)], cwd=self.work,
                                  capture_output=True, text=True, check=False, timeout=program.PATIENCE_S)
            return done.returncode, done.stdout, done.stderr

        lost = "credence: standard output: cannot be written\n"
        for closed in ("<&- >&-", ">&-"):
            self.assertEqual(shell(closed, *self.small), (IO, "", lost))
            self.assertEqual(shell(closed, *self.small, "-o", "p.h5"), (0, "", ""))
            self.assertEqual(shell(closed, "--version"), (IO, "", lost))
        self.assertEqual(shell("<&- >&- 2>&-", *self.small, "-o", "p.h5"), (0, "", ""))
        self.assertEqual(shell("<&- >&- 2>&-", *self.small), (IO, "", ""))
        self.assertEqual(shell(">/dev/full", *self.small, "-o", "p.h5"),
                         (IO, "", "credence: standard output: cannot be written; p.h5 is complete\n"))
        self.succeed("inspect", "p.h5", "--datasets")

    def test_image_that_changes_ends_the_run(self):
        """The images are read when the run begins, for their digests, and again when it is their turn."""
        for ranks in (1, 3):
            folder = self.folder / f"changing-{ranks}"
            shutil.copytree(IMAGES, folder)
            last = sorted(folder.iterdir())[-1]
            job = Job("predict", self.posterior, folder, "--draws", 4, "--batch", 1, "--skip-bad", "-o", "p.h5", ranks=ranks,
                      folder=self.work, environment={"LD_PRELOAD": os.environ["CREDENCE_SHIM"], "SWAP_FILE": str(last), "SWAP_AT": "2",
                                                     "SWAP_FOR": str(SHIRT)})
            result = job.end()
            self.assertEqual(result.codes, [IO] * ranks, result.err)
            self.assertIn(f"{last}: has changed since the run began", result.err)
            self.assertNotIn("p.h5", self.names())

    def test_output_says_what_it_was_made_from(self):
        digests = {}
        for i, images in enumerate(([SHIRT], [SHIRT], [IMAGES])):
            self.assertEqual(run("predict", self.posterior, *images, "--draws", 4, "-o", "p.h5", folder=self.work).codes, [0])
            with h5py.File(self.work / "p.h5") as file:
                digests[i] = [file.attrs[key].decode() if isinstance(file.attrs[key], bytes) else file.attrs[key]
                              for key in ("images_digest", "data_digest", "posterior_digest")]
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[0][:2], digests[2][:2])
        self.assertRegex(digests[0][0], "^[0-9a-f]{16}$")

    def test_key_of_a_checkpoint_is_exact(self):
        words = [*self.small[:3], "--draws", 64, "--until-mcse", "0.1", "-o", "p.h5", "--resume", "--max-time", "0.001s"]
        self.assertEqual(run(*words, folder=self.work).codes, [75])
        with h5py.File(self.work / "p.h5.ckpt") as file:
            key = file["checkpoint/fingerprint"][()].decode()
        self.assertIn("\ngit=", key)
        for value, code in (("0.10000000000000001", 0), ("1e-1", 0)):
            shutil.copy(self.work / "p.h5.ckpt", self.folder / "kept")
            result = run(*[value if word == "0.1" else word for word in words[:-2]], folder=self.work)
            self.assertEqual(result.codes, [code], result.err)
            shutil.copy(self.folder / "kept", self.work / "p.h5.ckpt")
        result = run(*["0.10000000000000002" if word == "0.1" else word for word in words], folder=self.work)
        self.assertEqual(result.codes, [RESUME], result.err)
        self.assertIn("--until-mcse", result.err)


if __name__ == "__main__":
    unittest.main()
