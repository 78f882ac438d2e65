"""The recipes of jobs/: a study of a network trained from nothing gives its row of the table; what is trained is not trained again; what
a script does not understand it refuses. The data are made here, in the files of the MNIST family."""
import gzip
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

import numpy as np
import program

JOBS = program.ROOT / "jobs"
USAGE = 2


def write_idx(path, array):
    header = struct.pack(">BBBB" + "I" * array.ndim, 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), 1))


def make_data(folder):
    """Classes are the bright row of an image."""
    random = np.random.RandomState(1)
    for name, n in (("train", 1000), ("t10k", 50)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = random.randint(0, 120, (n, 28, 28)).astype(np.uint8)
        for i, label in enumerate(labels):
            images[i, 2 * label:2 * label + 5] += 100
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", labels)


class Recipes(unittest.TestCase):
    def script(self, name, *words):
        path = f"{pathlib.Path(program.PROGRAM).parent}:{os.environ['PATH']}"
        return subprocess.run([JOBS / name, *map(str, words)], capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": path})

    def test_studies_give_rows(self):
        with tempfile.TemporaryDirectory(prefix="credence-recipes-") as name:
            folder = pathlib.Path(name)
            make_data(folder)
            out = folder / "out"
            words = ("hmc_reference.sh", "-n", 1, "-d", folder, "-o", out)
            done = self.script(*words, "laplace", "swag")
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = done.stdout.splitlines()
            table = (out / "table.md").read_text(encoding="utf-8").splitlines()
            self.assertEqual(rows, table)
            self.assertEqual([row.split("|")[1].strip() for row in rows[2:]], ["`laplace`", "`swag`"])
            for row in rows[2:]:
                cells = [cell.strip() for cell in row.split("|")[2:-1]]
                self.assertEqual(len(cells), rows[0].count("|") - 2)
                self.assertGreater(float(cells[0].split()[0]), 50, row) # it has learnt something: chance is 10 %
                self.assertEqual(cells[3:5], ["-", "-"]) # there is no reference
                self.assertGreater(int(cells[-1]), 0)
            before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.h5")}
            self.assertEqual(self.script(*words, "swag").stdout.splitlines()[2:], rows[3:])
            self.assertEqual({path.name: path.stat().st_mtime_ns for path in out.glob("*.h5")}, before)

    def test_refusals(self):
        for name in ("fashion_mnist.sh", "cifar10.sh", "hmc_reference.sh"):
            self.assertIn("Studies" if name != "hmc_reference.sh" else "reference", self.script(name, "-h").stdout)
            self.assertEqual(self.script(name, "nope").returncode, USAGE)
            self.assertEqual(self.script(name, "-z").returncode, USAGE)
        folder = pathlib.Path(tempfile.gettempdir()) / f"credence-recipes-none-{os.getpid()}"
        done = self.script("cifar10.sh", "-o", folder, "twin")
        self.assertEqual(done.returncode, USAGE)
        self.assertFalse(folder.exists())
        self.assertEqual(done.stderr, "jobs/cifar10.sh: -d DATA is missing: the folder of CIFAR-10\n")


if __name__ == "__main__":
    unittest.main()
