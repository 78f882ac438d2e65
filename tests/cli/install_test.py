"""Both kinds, a static and a shared libcredence, installed below folders of their own: what is there, that the program runs
wherever it was put, and that a program outside finds the library by pkg-config and by CMake.

The build under test is one kind; the other is built here, without optimization, in a folder that stays in the build's."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["CREDENCE_BUILD"])
CC = os.environ["CREDENCE_CC"]
ROOT = pathlib.Path(__file__).resolve().parents[2]

# The whole program in the documentation of the library.
PROGRAM = re.search(r"```c\n(#include.*?)```", (ROOT / "include" / "credence" / "README.md").read_text(encoding="utf-8"), re.S).group(1)
PROJECT = """\
cmake_minimum_required(VERSION 3.18)
project(outside LANGUAGES C)
find_package(credence 0.1 REQUIRED)
add_executable(outside outside.c)
target_link_libraries(outside credence::credence)
"""


def command(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def setting(name):
    """Of the build under test; empty if it has none."""
    lines = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8").splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}:")), "")


def is_shared(build):
    return any((build / "src").glob("libcredence.so*"))


def build_other_kind():
    other = BUILD / "other_kind"
    command("cmake", "-S", ROOT, "-B", other, f"-DBUILD_SHARED_LIBS={'OFF' if is_shared(BUILD) else 'ON'}", "-DBUILD_TESTING=OFF",
            "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=", f"-DCMAKE_C_COMPILER={CC}",
            *(f"-D{name}={setting(name)}" for name in ("CREDENCE_SANITIZE", "CMAKE_C_COMPILER_LAUNCHER") if setting(name)))
    command("cmake", "--build", other, "--parallel", "2")
    return other


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "outside.c").write_text(PROGRAM, encoding="ascii")
        (cls.folder / "CMakeLists.txt").write_text(PROJECT, encoding="ascii")
        cls.expected = "0.1.0 1 1000\n"
        cls.flags = [f"-fsanitize={setting('CREDENCE_SANITIZE')}"] if setting("CREDENCE_SANITIZE") else []
        cls.prefixes = {}
        for build in (BUILD, build_other_kind()):
            kind = "shared" if is_shared(build) else "static"
            cls.prefixes[kind] = cls.folder / kind
            command("cmake", "--install", build, "--prefix", cls.folder / "elsewhere")
            (cls.folder / "elsewhere").rename(cls.prefixes[kind]) # what is installed may be moved

    def test_both_kinds_are_there(self):
        self.assertEqual(sorted(self.prefixes), ["shared", "static"])

    def test_what_is_installed(self):
        for _, prefix in self.prefixes.items():
            names = {path.name for path in prefix.rglob("*") if path.is_file()}
            for name in ("credence", "predict.h", "version.h", "credence.pc", "credenceConfig.cmake", "LICENSE", "README.md",
                         "FORMATS.md", "imagenet_classes.txt", "slurm.sh", "predict.sbatch", "train.sbatch", "study-array.sbatch", "sample.sbatch", "ensemble-array.sbatch", "credence.1", "credence-predict.1", "_credence"):
                self.assertIn(name, names)
            self.assertTrue((prefix / "include" / "credence" / "README.md").is_file())
            for name in ("man/man1/credence.1", "bash-completion/completions/credence", "zsh/site-functions/_credence"):
                self.assertTrue((prefix / "share" / name).is_file(), name)

    def test_what_the_readme_names_is_installed(self):
        """Below share/credence, or it is of the source tree, which README.md says. So for the README.md of data/ and jobs/."""
        of_sources = {"jobs/quickstart.sh", "jobs/check.sh", "data/make_quickstart.py"}
        for _, prefix in self.prefixes.items():
            share = prefix / "share" / "credence"
            for text in (next(prefix.rglob("doc/**/README.md")), share / "data" / "README.md", share / "jobs" / "README.md"):
                named = set(re.findall(r"(?<![\w/])(?:jobs|data)/[\w./-]*\w", text.read_text(encoding="utf-8")))
                self.assertGreater(len(named), 3)
                self.assertEqual([name for name in sorted(named - of_sources) if not (share / name).exists()], [])

    def test_the_program_runs_where_it_was_put(self):
        """Without a path of libraries in the environment, and with the same answer."""
        images = ROOT / "data" / "images"
        words = ["predict", ROOT / "data" / "quickstart.h5", images / "17_ankle_boot.jpg", "--draws", 8]
        said = set()
        for kind, prefix in self.prefixes.items():
            program = prefix / "bin" / "credence"
            environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
            self.assertTrue(command(program, "--version", env=environment).startswith("credence 0.1.0"))
            said.add(re.sub(r"[\d.]+ s$", "", command(program, *words, env=environment), flags=re.M))
            libraries = command("ldd", program, env=environment)
            self.assertEqual(str(prefix) in libraries, kind == "shared", libraries)
            self.assertNotIn("not found", libraries)
        self.assertEqual(len(said), 1)

    def test_pkg_config(self):
        for kind, prefix in self.prefixes.items():
            pc = next(prefix.rglob("credence.pc"))
            self.assertNotRegex(pc.read_text(encoding="utf-8"), r"\.(so|a)\b") # of the machine it was built on
            words = command("pkg-config", "--cflags", "--libs", "credence",
                            env={**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}).split()
            if kind == "shared": # the library knows its own
                self.assertEqual([word for word in words if word.startswith("-l")], ["-lcredence"])
            program = self.folder / f"by_pkg_config_{kind}"
            command(CC, *self.flags, "-o", program, self.folder / "outside.c", *words)
            self.assertEqual(command(program, env=self.environment(prefix)), self.expected)

    def test_cmake(self):
        for kind, prefix in self.prefixes.items():
            build = self.folder / f"build_{kind}"
            command("cmake", "-S", self.folder, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
                    f"-DCMAKE_C_FLAGS={' '.join(self.flags)}", f"-DCMAKE_C_COMPILER={CC}")
            command("cmake", "--build", build)
            self.assertEqual(command(build / "outside"), self.expected)

    @staticmethod
    def environment(prefix):
        return {**os.environ, "LD_LIBRARY_PATH": str(next(prefix.rglob("libcredence.*")).parent)}


if __name__ == "__main__":
    unittest.main()
