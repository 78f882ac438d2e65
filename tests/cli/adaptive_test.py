"""Fewer draws for the same error: antithetic pairs, and sampling that stops when the error is small enough."""
import json
import os
import shlex
import shutil
import unittest

import h5py
import numpy

import program
from program import DATA, run

IMAGES = DATA / "images"
USAGE = 2


class Adaptive(program.Case):
    def fails(self, code, words, *arguments, ranks=1):
        result = run(*arguments, ranks=ranks, folder=self.work)
        self.assertEqual(result.codes, [code] * ranks, result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(list(self.work.glob("out.h5")), [])

    def predict(self, output, *options, ranks=1, inputs=IMAGES):
        self.succeed("predict", self.posterior, inputs, "-o", output, *options, ranks=ranks)
        return self.work / output

    def datasets(self, output):
        return self.succeed("inspect", output, "--datasets")

    def test_antithetic_pairs(self):
        options = ("--draws", 24, "--draw-block", 6, "--save-draws")
        for estimator in ("reparameterization", "flipout"):
            paired = self.predict("p.h5", *options, "--antithetic", "--estimator", estimator)
            plain = self.predict("q.h5", *options, "--estimator", estimator)
            with h5py.File(paired) as p, h5py.File(plain) as q:
                logits, others = p["predictions/logits"][0], q["predictions/logits"][0]
                self.assertTrue((logits[0::2] == others[0::2]).all())
                self.assertFalse((logits[1::2] == others[1::2]).any())
                # Opposite normals: what is linear in them cancels.
                mean = logits.mean(axis=0)
                self.assertLess(numpy.std((logits[0::2] + logits[1::2]) / 2 - mean), numpy.std(others - mean) / 3)
                # The error is that of the pairs' means.
                probs = p["predictions/probs"][0].astype(float)
                pairs = (probs[0::2] + probs[1::2]) / 2
                error = pairs.std(axis=0, ddof=1) / numpy.sqrt(len(pairs))
                numpy.testing.assert_allclose(p["predictive/probs_mcse"], error, rtol=1e-3, atol=1e-7)
                numpy.testing.assert_allclose(p["predictive/probs_sd"], probs.std(axis=0, ddof=1), rtol=1e-3, atol=1e-7)

    def test_antithetic_answer_does_not_depend_on_ranks(self):
        self.predict("p.h5", "--draws", 34, "--antithetic")
        alone = self.datasets("p.h5")
        self.predict("p.h5", "--draws", 34, "--antithetic", ranks=3)
        self.assertEqual(self.datasets("p.h5"), alone)

    def test_antithetic_needs_pairs(self):
        for ranks in (1, 3):
            self.fails(USAGE, ["--draws must be even, not 33"], "predict", self.posterior, IMAGES, "--antithetic",
                       "--draws", 33, "-o", "out.h5", ranks=ranks)
        self.fails(USAGE, ["--draw-block must be even, not 5"], "predict", self.posterior, IMAGES, "--antithetic",
                   "--draw-block", 5, "-o", "out.h5")
        self.fails(USAGE, ["--deterministic", "--antithetic"], "predict", self.posterior, IMAGES, "--antithetic", "--deterministic")

    def test_half_widths(self):
        wide = self.predict("p.h5", "--draws", 64)
        sure = self.predict("q.h5", "--draws", 64, "--confidence", 0.999)
        with h5py.File(wide) as p, h5py.File(sure) as q:
            mcse, half, more = (f["predictive"][name][:].astype(float) for f, name in
                                ((p, "probs_mcse"), (p, "probs_half_width"), (q, "probs_half_width")))
        for confidence, width in ((0.95, half), (0.999, more)):
            log = numpy.log(4 / (1 - confidence))
            numpy.testing.assert_allclose(width, numpy.minimum(numpy.sqrt(2 * log) * mcse + 7 * log / 3 / 63, 1),
                                          rtol=1e-5)
        answer = json.loads(self.succeed("predict", self.posterior, IMAGES, "--draws", 64, "--json"))
        top = answer["images"][10]["top"][0]
        self.assertAlmostEqual(top["probs_half_width"], half[10][top["class"]], places=6)
        lists = self.succeed("predict", self.posterior, IMAGES / "10_t-shirt_top.jpg", "--draws", 640, "--confidence", 0.9)
        self.assertRegex(lists, r"\d % ± \d\.\d\d, within \d+\.\d\d at 90 %   \(draws")
        self.fails(USAGE, ["--confidence", "'1.5'"], "predict", self.posterior, IMAGES, "--confidence", 1.5)

    def test_images_stop_when_they_are_known(self):
        options = ("--until-mcse", 0.02, "--draws", 400, "--topk", 3)
        stopped = self.predict("p.h5", *options)
        alone = self.datasets("p.h5")
        with h5py.File(stopped) as p:
            draws, mcse, mean = (p["predictive"][name][:] for name in ("n_draws", "probs_mcse", "probs_mean"))
            top = p["predictive_top/top_class"][:]
        self.assertEqual(set(draws) - {32, 40, 56, 72, 96, 120, 152, 192, 240, 304, 384, 400}, set())
        self.assertGreater(len(set(draws)), 3)
        self.assertEqual(draws.min(), 32)
        known = numpy.take_along_axis(mcse, top, axis=1).max(axis=1) < 0.02
        self.assertTrue((known | (draws == 400)).all())
        # A stopped image has the row of a run with so many draws.
        for n in sorted(set(draws))[:3]:
            with h5py.File(self.predict("q.h5", "--draws", n, "--topk", 3)) as q:
                self.assertTrue((q["predictive/probs_mean"][draws == n] == mean[draws == n]).all())
        for ranks in (2, 3):
            self.predict("p.h5", *options, ranks=ranks)
            self.assertEqual(self.datasets("p.h5"), alone, f"{ranks} ranks")

    def test_stopping_survives_kills(self):
        options = ("--until-mcse", 0.015, "--draws", 300, "--batch", 3)
        self.predict("p.h5", *options)
        alone, codes = self.datasets("p.h5"), []
        while not codes or codes[-1] == 75:
            ranks = len(codes) % 3 + 1
            limit = ("--max-time", "0.001s") if len(codes) < 5 else () # after a unit or two each, then to the end
            result = run("predict", self.posterior, IMAGES, "-o", "q.h5", *options, "--resume", *limit, ranks=ranks,
                         folder=self.work)
            codes.append(result.codes[0])
            self.assertEqual(result.codes, codes[-1:] * ranks, result.err)
        self.assertEqual(codes[-1], 0, result.err)
        self.assertEqual(len(codes), 6)
        self.assertEqual(self.datasets("q.h5"), alone)

    def test_stopping_is_said(self):
        options = ("--until-mcse", 0.02, "--draws", 200)
        lines = self.succeed("predict", self.posterior, IMAGES, *options).splitlines()
        self.assertRegex(lines[0], r"^image +class +draws  probability")
        self.assertRegex(lines[1], r"^00_t-shirt_top\.jpg  0, T-shirt/top +32   99\.")
        self.assertRegex(lines[-1], r"^20 images, 32 to \d+ draws, 1 rank, ")
        answer = json.loads(self.succeed("predict", self.posterior, IMAGES, *options, "--json"))
        self.assertEqual(answer["images"][0]["n_draws"], 32)
        paired = json.loads(self.succeed("predict", self.posterior, IMAGES, *options, "--json", "--antithetic"))
        self.assertLess(sum(image["n_draws"] for image in paired["images"]),
                        sum(image["n_draws"] for image in answer["images"]))

    def test_stopping_has_its_limits(self):
        predict = ("predict", self.posterior, IMAGES, "--until-mcse", 0.01, "-o", "out.h5")
        for ranks in (1, 3):
            self.fails(USAGE, ["--until-mcse", "--save-draws"], *predict, "--save-draws", ranks=ranks)
        self.fails(USAGE, ["--until-mcse", "--deterministic"], *predict, "--deterministic")
        self.fails(USAGE, ["--min-draws: 50 is more than --draws 40"], *predict, "--draws", 40, "--min-draws", 50)
        self.fails(USAGE, ["--min-draws", "--until-mcse"], "predict", self.posterior, IMAGES, "--min-draws", 50)

    def parts(self, n, *options, ranks=1):
        return [self.predict(f"part-{i}.h5", "--part", f"{i}/{n}", *options, ranks=ranks if i % 2 else 1)
                for i in range(1, n + 1)]

    def test_parts_join_to_the_whole(self):
        for options in (("--draws", 50), ("--draws", 36, "--draw-block", 4, "--antithetic", "--confidence", 0.9)):
            self.predict("one.h5", *options)
            parts = self.parts(3, *options, ranks=3)
            out = self.succeed("merge", *reversed(parts), "-o", "all.h5")
            self.assertIn(f"{options[1]} draws of 20 images, from 3 parts", out)
            self.assertEqual(self.datasets("all.h5"), self.datasets("one.h5"))
        # A part is a prediction of its own draws, on any ranks, stopped or not.
        self.assertRegex(self.succeed("predict", self.posterior, IMAGES, "--draws", 50, "--part", "2/3", "-o", "q.h5"),
                         r"20 images, 16 draws, 1 rank")
        self.predict("one.h5", "--draws", 50)
        attributes = [json.loads(self.succeed("inspect", name, "--json"))["attributes"] for name in ("all.h5", "one.h5")]
        self.assertEqual(attributes[0]["posterior_digest"], attributes[1]["posterior_digest"])
        self.assertNotIn("option_part", attributes[0])

    def test_labels_and_skipped_images_survive_merging(self):
        folder = self.work / "data"
        try:
            for label in ("0, T-shirt/top", "1, Trouser"):
                (folder / label.replace("/", "_")).mkdir(parents=True)
            (folder / "0, T-shirt_top" / "a.jpg").write_bytes((IMAGES / "00_t-shirt_top.jpg").read_bytes())
            (folder / "0, T-shirt_top" / "b.jpg").write_bytes(b"no picture")
            (folder / "1, Trouser" / "c.jpg").write_bytes((IMAGES / "01_trouser.jpg").read_bytes())
            options = ("--draws", 16, "--skip-bad")
            self.predict("one.h5", *options, inputs=folder)
            parts = [self.predict(f"part-{i}.h5", *options, "--part", f"{i}/2", inputs=folder) for i in (1, 2)]
            self.succeed("merge", *parts, "-o", "all.h5")
            self.assertEqual(self.datasets("all.h5"), self.datasets("one.h5"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def test_parts_that_do_not_fit_are_refused(self):
        first, second, third = self.parts(3, "--draws", 50)
        other = self.predict("other.h5", "--draws", 50, "--part", "2/3", "--seed", 1)
        fewer = self.predict("fewer.h5", "--draws", 50, "--part", "2/3", inputs=IMAGES / "19_bag.jpg")
        whole = self.predict("whole.h5", "--draws", 16)
        bad = self.work / "bad.h5"
        data = bytearray(second.read_bytes())
        data[len(data) // 2] ^= 1
        bad.write_bytes(bytes(data))
        for words, parts in ((["draws 16 to 31 of 50 are missing", "part-3.h5"], (first, third)),
                             (["draws 32 to 49 of 50 are missing", "part-2.h5"], (first, second)),
                             (["draws 0 to 15 of 50 are missing"], (second, third)),
                             (["draws 16 to 31 are in", "too"], (first, second, second, third)),
                             (["other.h5: --seed: this part has 1", "part-1.h5 0"], (first, other, third)),
                             (["fewer.h5: images: this part has 1", "20"], (first, fewer, third)),
                             (["whole.h5: is a prediction, not one made with --part"], (whole,)),
                             (["bad.h5"], (first, bad, third)),
                             (["posterior.h5"], (self.posterior,))):
            for ranks in (1, 3):
                self.fails(3, words, "merge", *parts, "-o", "out.h5", ranks=ranks)
        self.fails(USAGE, ["-o"], "merge", first, second, third)
        predict = ("predict", self.posterior, IMAGES, "-o", "out.h5", "--part")
        self.fails(USAGE, ["'half' is not I/N"], *predict, "half")
        self.fails(USAGE, ["--part: I", "'4'"], *predict, "4/3")
        self.fails(USAGE, ["--part: N", "'14'"], *predict, "1/14")
        self.fails(USAGE, ["--part", "--until-mcse"], *predict, "1/2", "--until-mcse", 0.1)
        self.fails(USAGE, ["--part", "--save-draws"], *predict, "1/2", "--save-draws")

    def plan(self, *options, ranks=1, inputs=IMAGES):
        return json.loads(self.succeed("plan", self.posterior, inputs, *options, "--json", ranks=ranks))

    def test_plan(self):
        for ranks in (1, 3):
            plain = self.plan("--draws", 1000, "--batch", 5, "--ranks", "1,10,500", ranks=ranks)
            self.assertEqual((plain["n_units"], plain["mean_draws"]), (4 * 125, 1000))
            for row in plain["ranks"]: # the images are read by the ranks of a node, of which one here has as many as cores
                readers = min(row["ranks"], os.cpu_count())
                self.assertAlmostEqual(row["seconds"], plain["start_seconds"] + 20 / readers * plain["image_seconds"] +
                                       500 / row["ranks"] * plain["unit_seconds"], places=4)
        # The draws that are foretold are near those that are needed.
        options = ("--draws", 1000, "--until-mcse", 0.01)
        foretold = self.plan(*options)
        with h5py.File(self.predict("p.h5", *options)) as p:
            needed = p["predictive/n_draws"][:].mean()
        self.assertTrue(0.6 < foretold["mean_draws"] / needed < 1.6, (foretold["mean_draws"], needed))
        self.assertLess(self.plan(*options, "--antithetic")["mean_draws"], foretold["mean_draws"])

    def test_plan_gives_a_line_for_slurm(self):
        image = self.work / "it's a bag.jpg"
        image.write_bytes((IMAGES / "19_bag.jpg").read_bytes())
        out = self.succeed("plan", self.posterior, image, "--draws", 64, "--until-mcse", 0.01, "--ranks", 4)
        sbatch = shlex.split(out.splitlines()[-1])
        self.assertEqual(sbatch[:2], ["sbatch", "--ntasks=4"])
        self.assertRegex(" ".join(sbatch[2:4]), r"^--mem-per-cpu=\d+M --time=0:1[0-9]:00$")
        self.assertEqual(sbatch[4:], ["jobs/predict.sbatch", str(self.posterior), str(image), "--draws", "64", "--until-mcse",
                                      "0.01", "-o", "prediction.h5"])
        self.assertTrue((program.ROOT / sbatch[4]).exists()) # what the script makes of it: tests/slurm
        self.assertEqual(run("predict", *sbatch[5:], folder=self.work).codes, [0])

    def test_plan_refuses_draws_that_predict_would(self):
        for options in (("--draws", 101, "--antithetic"), ("--draws", 16, "--until-mcse", 0.1, "--min-draws", 17)):
            ends = [run(command, self.posterior, IMAGES, *options, folder=self.work) for command in ("predict", "plan")]
            self.assertEqual([end.codes for end in ends], [[2], [2]])
            self.assertEqual(ends[0].err, ends[1].err)


if __name__ == "__main__":
    unittest.main()
