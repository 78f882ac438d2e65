"""Two hosts with a network between them: the answer is one host's; a cable that is cut ends the job, in time and with words, and the run
continues from its checkpoint."""
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

import program
from hosts import NAMES, Hosts, Unavailable
from program import DATA, Job, run, wait_for

HANG = 7
HOSTS = None


class TwoHosts(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.predict = ["predict", cls.posterior, DATA / "images"]
        labelled = cls.folder / "labelled"
        for jpeg in (DATA / "images").iterdir():
            name = jpeg.stem.split("_", 1)[1].capitalize()
            (labelled / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(jpeg, labelled / name)
        cls.train = ["train", cls.posterior, labelled, "--batch-size", 10, "--micro-batch", 5, "--lr", "1e-3"]
        cls.expected = {}

    def across(self, *arguments, n_a=1, n_b=1):
        result = run(*arguments, ranks=n_a + n_b, folder=self.work, mpirun=HOSTS.mpirun(n_a, n_b))
        self.assertEqual(result.codes, [0] * (n_a + n_b), result.err)
        return result

    def digests(self, name):
        return self.succeed("inspect", name, "--datasets").splitlines()

    def whole(self, *words):
        """Digests of the undisturbed run on one rank."""
        if words not in self.expected:
            self.succeed(*words, "-o", "whole.h5")
            self.expected[words] = self.digests("whole.h5")
            self.assertGreater(len(self.expected[words]), 3)
        return self.expected[words]

    def cut(self, words, mpirun, retries=15):
        """Cuts the cable once there is a checkpoint, and mends it when the job is over, everywhere. Returns mpirun's code and what was
        said."""
        job = Job(*words, "--checkpoint-interval", "0.1s", "-o", "cut.h5", ranks=2, folder=self.work, mpirun=mpirun)
        try:
            wait_for((self.work / "cut.h5.ckpt").exists, job.process)
            HOSTS.set_retries(retries)
            HOSTS.cut_cable()
            wait_for(lambda: job.process.poll() is not None)
            # On the host that is cut off too: nothing runs there for a job that is over.
            wait_for(lambda: not any(HOSTS.processes(host) for host in NAMES))
        finally:
            said = job.end()
            HOSTS.set_retries()
            HOSTS.mend_cable()
        self.assertFalse((self.work / "cut.h5").exists())
        return job.process.returncode, said.err

    def test_same_answer(self):
        words = (*self.predict, "--draws", 200, "--save-draws")
        result = self.across(*words, "-o", "p.h5", n_a=2, n_b=2)
        self.assertIn("4 ranks", result.out)
        self.assertEqual(self.digests("p.h5"), self.whole(*words))
        words = (*self.train, "--epochs", 3)
        self.across(*words, "-o", "t.h5", n_a=1, n_b=2)
        self.assertEqual(self.digests("t.h5"), self.whole(*words))

    def test_cut_is_found_by_mpirun(self):
        """As it is found by default, only sooner: after 3 s instead of 8 minutes."""
        keepalive = {"time": 1, "intvl": 1, "probes": 2}
        options = [word for key, value in keepalive.items() for word in ("--mca", f"oob_tcp_keepalive_{key}", str(value))]
        words = (*self.predict, "--draws", 800)
        code, said = self.cut(words, HOSTS.mpirun(1, 1, *options))
        self.assertNotEqual(code, 0)
        self.assertRegex(said, r"lost communication with a remote daemon[^$]*on node hostb")
        self.succeed(*words, "--resume", "-o", "cut.h5", ranks=2)
        self.assertEqual(self.digests("cut.h5"), self.whole(*words))

    def test_cut_is_found_by_the_watch(self):
        """The ranks of a lost host end after twice --hang-timeout, 8 s; TCP gives up after 12.6 s here, and then mpirun ends too."""
        for words in (*self.predict, "--draws", 800), (*self.train, "--epochs", 60):
            code, said = self.cut([*words, "--hang-timeout", "4s"], HOSTS.mpirun(1, 1), retries=5)
            self.assertEqual(code, HANG, said)
            self.assertRegex(said, r"credence: all ranks of host hosta, rank 0 the first, have waited for others for \d\S* s: "
                                   r"another host, or the network to it, is lost")
            self.across(*words, "--resume", "-o", "cut.h5")
            self.assertEqual(self.digests("cut.h5"), self.whole(*words))
            self.tearDown()


def main():
    global HOSTS
    # What ends this test runs its clean-up too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="credence-hosts-") as folder:
        try:
            HOSTS = Hosts(pathlib.Path(folder))
        except Unavailable as why:
            print(f"skipped: no hosts can be made here: {why}")
            return 77
        try:
            return 0 if unittest.main(exit=False).result.wasSuccessful() else 1
        finally:
            HOSTS.remove()


if __name__ == "__main__":
    sys.exit(main())
