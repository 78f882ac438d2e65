"""64 ranks, most of them without work at a time, give one rank's answer."""
import shutil
import unittest

import program
from program import DATA, run

RANKS = 64


class Ranks(program.Case):
    def same(self, *words):
        for ranks in (1, RANKS):
            result = run(*words, "-o", f"{ranks}.h5", ranks=ranks, folder=self.work)
            self.assertEqual(result.codes, [0] * ranks, result.err)
        one, many = (self.succeed("inspect", f"{ranks}.h5", "--datasets") for ranks in (1, RANKS))
        self.assertGreater(len(one.splitlines()), 10)
        self.assertEqual(one, many)

    def test_predict(self):
        # 3 batches of 20 blocks: fewer units than ranks.
        self.same("predict", self.posterior, DATA / "images", "--draws", 160, "--save-draws")

    def test_means(self):
        """On nodes of their own too, between which the model travels; what the means need is shared, and no more."""
        for words in (("--deterministic",), ("--draws", 20)):
            digests = set()
            for ranks, node in ((1, 1), (3, 1), (3, 2), (3, 3)):
                result = run("predict", self.posterior, DATA / "images", *words, "-o", "p.h5", ranks=ranks, folder=self.work,
                             environment={"CREDENCE_RANKS_PER_NODE": str(node)})
                self.assertEqual(result.codes, [0] * ranks, result.err)
                digests.add(self.succeed("inspect", "p.h5", "--datasets"))
            self.assertEqual(len(digests), 1, words)

    def test_train(self):
        labelled = self.folder / "labelled"
        for jpeg in (DATA / "images").iterdir():
            name = jpeg.stem.split("_", 1)[1].capitalize()
            (labelled / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(jpeg, labelled / name)
        self.same("train", self.posterior, labelled, "--batch-size", 20, "--micro-batch", 1, "--draws", 4, "--lr", "1e-3",
                  "--epochs", 1)


if __name__ == "__main__":
    unittest.main()
