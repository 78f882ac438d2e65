"""The example programs of jobs/examples, built against an installed copy of the library as a user builds them: predict.c by
pkg-config, embed.c by CMake. What they print is what the program says; embed.c has never started MPI."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import program

BUILD = pathlib.Path(os.environ["CREDENCE_BUILD"])
CC = os.environ["CREDENCE_CC"]
EXAMPLES = program.ROOT / "jobs" / "examples"
POSTERIOR = program.ROOT / "data" / "quickstart.h5"
IMAGES = program.ROOT / "data" / "images"
MOST_LINES = 60
PROJECT = """\
cmake_minimum_required(VERSION 3.18)
project(outside LANGUAGES C)
find_package(credence 0.1 REQUIRED)
add_executable(embed embed.c)
target_link_libraries(embed credence::credence)
"""


def command(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=not isinstance(more.get("input"), bytes),
                          check=False, **more)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def setting(name):
    lines = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8").splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}:")), "")


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-examples-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        prefix = cls.folder / "prefix"
        command("cmake", "--install", BUILD, "--prefix", prefix)
        examples = prefix / "share" / "credence" / "jobs" / "examples" # what is built is what was installed
        flags = [f"-fsanitize={setting('CREDENCE_SANITIZE')}"] if setting("CREDENCE_SANITIZE") else []
        pc = next(prefix.rglob("credence.pc"))
        words = command("pkg-config", "--cflags", "--libs", "credence", env={**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}).split()
        cls.predict = cls.folder / "predict"
        command(CC, "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, "-o", cls.predict, examples / "predict.c", *words)
        (cls.folder / "CMakeLists.txt").write_text(PROJECT, encoding="ascii")
        shutil.copy(examples / "embed.c", cls.folder)
        command("cmake", "-S", cls.folder, "-B", cls.folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
                f"-DCMAKE_C_FLAGS=-Wall -Wextra -Werror {' '.join(flags)}", f"-DCMAKE_C_COMPILER={CC}")
        command("cmake", "--build", cls.folder / "build")
        cls.embed = cls.folder / "build" / "embed"
        cls.environment = {**os.environ, "LD_LIBRARY_PATH": str(next(prefix.rglob("libcredence.*")).parent)}
        cls.truth = json.loads(program.run("predict", POSTERIOR, IMAGES, "--draws", "200", "--json").out)["images"]

    def test_they_are_short(self):
        for name in ("predict.c", "embed.c"):
            self.assertLessEqual(len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()), MOST_LINES, name)

    def test_the_umbrella_header_is_cpp_too(self):
        if shutil.which("g++") is None:
            self.skipTest("no g++")
        command("g++", "-std=c++11", "-fsyntax-only", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-x", "c++", "-",
                f"-I{self.folder / 'prefix' / 'include'}", input=b"#include <credence/credence.h>\nint main() { return 0; }\n")

    def expected(self, image):
        top = image["top"][0]
        return (f"{image['name']}: class {top['class']}, {top['name']}, probability {top['probs_mean']:.4f} +- "
                f"{top['probs_mcse']:.4f}, entropy {image['predictive_entropy_debiased']:.4f} +- "
                f"{image['predictive_entropy_mcse']:.4f} nats")

    def test_a_folder_is_predicted_on_any_number_of_ranks(self):
        said = command(self.predict, POSTERIOR, IMAGES, env=self.environment).splitlines()
        self.assertEqual(said, [self.expected(image) for image in self.truth])
        self.assertGreater(len(said), 10)
        on_three = command(*program.MPIRUN, "-n", "3", self.predict, POSTERIOR, IMAGES, env=self.environment).splitlines()
        self.assertEqual(on_three, said)

    def test_an_image_in_memory_is_predicted_without_mpi(self):
        image = IMAGES / "17_ankle_boot.jpg"
        alone = json.loads(program.run("predict", POSTERIOR, image, "--draws", "200", "--json").out)["images"][0]
        said = command(self.embed, POSTERIOR, env=self.environment, input=image.read_bytes()).decode("utf-8").splitlines()
        listed = [f"class {top['class']}, {top['name']}, probability {top['probs_mean']:.4f} +- {top['probs_mcse']:.4f}"
                  for top in alone["top"]]
        self.assertEqual(said, [*listed, f"entropy {alone['predictive_entropy_debiased']:.4f} +- "
                                         f"{alone['predictive_entropy_mcse']:.4f} nats"])

    def test_what_is_wrong_is_said(self):
        done = subprocess.run([self.predict, POSTERIOR, self.folder / "none"], capture_output=True, text=True, check=False,
                              env=self.environment)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"^predict: .*/none: ")
        done = subprocess.run([self.embed, POSTERIOR], capture_output=True, check=False, env=self.environment, input=b"no jpeg")
        self.assertEqual(done.returncode, 3)
        self.assertTrue(re.match(rb"embed: standard input: ", done.stderr), done.stderr)


if __name__ == "__main__":
    unittest.main()
