"""The scripts of jobs/ under a real Slurm: jobs that are stopped go back to the queue and on to the undisturbed run's answer."""
import os
import re
import shlex
import shutil
import unittest

import h5py
import numpy as np

import program
from cluster import Case, skip_if_impossible
from program import DATA, ROOT

POSTERIOR, IMAGES = DATA / "quickstart.h5", DATA / "images"
TRAINING = ("--epochs", 100, "--seed", 3, "--checkpoint-interval", "0.5s")
MPIRUN = {"CREDENCE_LAUNCHER": "mpirun --bind-to none"}


class Batch(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with h5py.File(cls.folder / "labelled.h5", "w") as file:
            file["images"] = np.random.RandomState(1).randint(0, 255, (64, 1, 28, 28)).astype(np.uint8)
            file["labels"] = np.arange(64) % 10
        cls.training = (POSTERIOR, cls.folder / "labelled.h5", *TRAINING)
        cls.study = (POSTERIOR, IMAGES, "--draws", cls.draws_for(8, POSTERIOR, IMAGES)) # it is told to stop before its end
        cls.expected = cls.undisturbed("predict", *cls.study)

    def test_told_to_stop(self):
        """By both launchers, and training."""
        trained = self.undisturbed("train", *self.training)
        srun = self.submit("--nodelist=n1", "--ntasks=2", ROOT / "jobs/predict.sbatch", *self.study, "-o", "srun.h5")
        mpirun = self.submit("--nodelist=n2", "--ntasks=2", ROOT / "jobs/predict.sbatch", *self.study, "-o", "mpirun.h5",
                             environment=MPIRUN)
        train = self.submit("--nodelist=n3", "--ntasks=2", ROOT / "jobs/train.sbatch", *self.training, "-o", "train.h5")
        self.wait_for_file(".srun.h5.*.tmp", srun)
        self.cluster.call("scancel", "--signal=USR1", srun) # the ranks themselves
        self.wait_for_file(".mpirun.h5.*.tmp", mpirun)
        self.cluster.call("scancel", "--batch", "--signal=USR1", mpirun) # the script, which tells mpirun
        self.wait_for_file("train.h5.ckpt", train)
        self.cluster.call("scancel", "--batch", "--signal=USR1", train)
        self.check_requeued(srun, "srun.h5", self.expected)
        self.check_requeued(mpirun, "mpirun.h5", self.expected)
        self.check_requeued(train, "train.h5", trained)

    def test_preempted(self):
        """Slurm gives the signal before the end to a job whose cores another one is to get."""
        job = self.submit("--nodelist=n1", "--ntasks=2", ROOT / "jobs/predict.sbatch", *self.study, "-o", "p.h5")
        self.wait_for_file(".p.h5.*.tmp", job)
        self.finish(self.submit("--partition=urgent", "--nodelist=n1", "--ntasks=2", "--wrap=true"))
        self.check_requeued(job, "p.h5", self.expected)

    def test_out_of_time(self):
        """A run that ends itself before the limit of a minute; the same line once more, with other ranks, continues."""
        study = (POSTERIOR, IMAGES, "--draws", self.draws_for(30, POSTERIOR, IMAGES))
        words = (ROOT / "jobs/predict.sbatch", *study, "-o", "p.h5")
        job = self.submit("--time=1", "--no-requeue", "--signal=B:USR1@1", "--ntasks=1", *words, environment={"CREDENCE_MARGIN": "40"})
        self.finish(job, "FAILED", "75:0")
        self.assertRegex(self.log(job), r"credence predict --resume --max-time (1?[1-9]|[12]0) ")
        self.assertIn("but Slurm does not queue it again", self.log(job))
        self.assertFalse((self.work / "p.h5").exists())
        job = self.submit("--ntasks=2", *words)
        self.finish(job)
        self.assertIn("continuing after", self.log(job))
        self.assertEqual(self.digests(self.work / "p.h5"), self.undisturbed("predict", *study))

    def test_array(self):
        """The last task's job has the number of the array: only this task is queued again, and the join waits for it."""
        words = (ROOT / "jobs/study-array.sbatch", "p.h5", *self.study)
        array = self.submit("--array=1-3", "--ntasks=1", *words)
        join = self.submit(f"--dependency=afterok:{array}", "--ntasks=1", *words)
        self.wait_for_file(".p.part-3-of-3.h5.*.tmp", f"{array}_3")
        self.cluster.call("scancel", "--batch", "--signal=USR1", f"{array}_3")
        self.finish(join)
        restarts = [self.finish(f"{array}_{task}")["Restarts"] for task in (1, 2, 3)]
        self.assertEqual(restarts, ["0", "0", "1"])
        self.assertEqual(self.digests(self.work / "p.h5"), self.expected)
        self.assertEqual(sorted(path.name for path in self.work.glob("*.h5*")), ["p.h5"])

    def test_members_of_an_array(self):
        """What the array joins is what the same trainings by hand give; one of them is told to stop."""
        def weights(path):
            return [line for line in self.digests(path).splitlines() if "/weights" in line]
        for number in (1, 2):
            shutil.copy(POSTERIOR, self.work / f"start-{number}.h5")
        training = (*self.training[1:2], "--epochs", 100, "--checkpoint-interval", "0.5s", "--deterministic")
        words = (ROOT / "jobs/ensemble-array.sbatch", "e.h5", "start-%a.h5", *training)
        array = self.submit("--array=1-2", "--ntasks=1", *words)
        join = self.submit(f"--dependency=afterok:{array}", "--ntasks=1", *words)
        self.wait_for_file("e.member-2.h5.ckpt", f"{array}_2")
        self.cluster.call("scancel", "--batch", "--signal=USR1", f"{array}_2")
        self.finish(join)
        self.assertEqual([self.finish(f"{array}_{task}")["Restarts"] for task in (1, 2)], ["0", "1"])
        for number in (1, 2):
            done = program.run("train", POSTERIOR, *training, "--seed", number, "-o", self.work / f"hand-{number}.h5", ranks=2)
            self.assertEqual(done.codes, [0, 0], done.err)
        hands = [self.work / f"hand-{number}.h5" for number in (1, 2)]
        self.assertEqual(program.run("ensemble", "--deterministic", *hands, "-o", self.work / "by-hand.h5").codes, [0])
        self.assertTrue(weights(self.work / "e.h5"))
        self.assertEqual(weights(self.work / "e.h5"), weights(self.work / "by-hand.h5"))

    def test_chains(self):
        words = (POSTERIOR, self.folder / "labelled.h5", "--sampler", "sghmc", "--chains", 2, "--draws", 3, "--burn-in", 300, "--thin", 1,
                 "--batch-size", 8, "--checkpoint-interval", "0.5s")
        job = self.submit("--ntasks=2", ROOT / "jobs/sample.sbatch", *words, "-o", "c.h5")
        self.wait_for_file("c.h5.ckpt", job)
        self.cluster.call("scancel", "--batch", "--signal=USR1", job)
        self.check_requeued(job, "c.h5", self.undisturbed("sample", *words))

    def launcher(self, text):
        path = self.work / "launcher"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return {"CREDENCE_LAUNCHER": str(path)}

    def test_signal_before_the_ranks_heed_it(self):
        job = self.submit(ROOT / "jobs/predict.sbatch", "-o", "p.h5", environment=self.launcher(
            '[ "$SLURM_RESTART_COUNT" = 1 ] || kill -USR1 $$'))
        self.assertEqual(self.finish(job)["Restarts"], "1")
        self.assertIn("stopped (code 138) and queued again", self.log(job))

    def test_signal_to_a_run_that_gets_done(self):
        job = self.submit(ROOT / "jobs/predict.sbatch", "-o", "p.h5", environment=self.launcher(
            "trap 'touch USR1' USR1; trap 'touch USR2' USR2; touch ready; while [ ! -e USR1 ]; do sleep 0.1; done"))
        for signal, before in (("USR2", "ready"), ("USR1", "USR2")):
            self.wait_for_file(before, job)
            self.cluster.call("scancel", "--batch", f"--signal={signal}", job)
        self.assertEqual(self.finish(job)["Restarts"], "0")

    def test_a_failure_is_the_jobs(self):
        job = self.submit(ROOT / "jobs/predict.sbatch", "none.h5", IMAGES, "-o", "p.h5")
        self.assertEqual(self.finish(job, "FAILED", "3:0")["Restarts"], "0")
        self.assertIn("none.h5", self.log(job))

    def test_crowded_cores_are_named(self):
        core = min(os.sched_getaffinity(0))
        job = self.submit("--ntasks=2", ROOT / "jobs/predict.sbatch", POSTERIOR, IMAGES, "--draws", 8, "-o", "p.h5",
                          environment={"CREDENCE_LAUNCHER": f"srun --mpi=pmix taskset --cpu-list {core}"})
        self.finish(job)
        self.assertRegex(self.log(job), r"warning: 2 ranks of host \S+ share 1 core, and each could use one")
        job = self.submit("--ntasks=1", "--cpus-per-task=2", ROOT / "jobs/predict.sbatch", POSTERIOR, IMAGES, "--draws", 8, "-o", "q.h5")
        self.finish(job)
        self.assertIn("warning: --cpus-per-task=2: a rank uses one core", self.log(job))

    def test_line_of_plan(self):
        (self.work / "jobs").symlink_to(ROOT / "jobs")
        line = program.run("plan", POSTERIOR, IMAGES, "--draws", 64, "--ranks", 2, folder=self.work).out.splitlines()[-1]
        said = self.cluster.call(*shlex.split(line), folder=self.work)
        self.finish(re.search(r"\d+", said)[0])
        self.assertEqual(self.digests(self.work / "prediction.h5"), self.undisturbed("predict", POSTERIOR, IMAGES, "--draws", 64))


if __name__ == "__main__":
    skip_if_impossible()
    unittest.main()
