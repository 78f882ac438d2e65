"""`cmake --install` into an empty folder; a program outside finds the library by pkg-config and by CMake."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.environ["CREDENCE_BUILD"]
CC = os.environ["CREDENCE_CC"]

PROGRAM = """\
#include <stdio.h>
#include <credence/comm.h>
#include <credence/version.h>
#include <credence/zoo.h>

int main(void)
{
    crd_comm *comm;
    crd_network *network;
    if (crd_comm_create_world(&comm) != CRD_OK || crd_zoo_build(&network, "resnet18", 0, 0, 0) != CRD_OK)
        return 1;
    printf("%s %d %lld\\n", CREDENCE_VERSION, crd_comm_size(comm), (long long)crd_network_n_outputs(network));
    crd_network_destroy(network);
    crd_comm_destroy(comm);
    return 0;
}
"""
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


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prefix = cls.folder / "prefix"
        command("cmake", "--install", BUILD, "--prefix", cls.prefix)
        (cls.folder / "outside.c").write_text(PROGRAM, encoding="ascii")
        (cls.folder / "CMakeLists.txt").write_text(PROJECT, encoding="ascii")
        cls.expected = "0.1.0 1 1000\n"
        flags = [line for line in pathlib.Path(BUILD, "CMakeCache.txt").read_text(encoding="utf-8").splitlines()
                 if line.startswith("CREDENCE_SANITIZE:")]
        sanitizers = flags[0].partition("=")[2] if flags else ""
        cls.flags = [f"-fsanitize={sanitizers}"] if sanitizers else []

    def test_what_is_installed(self):
        names = {path.name for path in self.prefix.rglob("*") if path.is_file()}
        for name in ("credence", "predict.h", "version.h", "credence.pc", "credenceConfig.cmake", "LICENSE", "README.md",
                     "FORMATS.md", "imagenet_classes.txt", "slurm.sh", "predict.sbatch", "train.sbatch", "study-array.sbatch"):
            self.assertIn(name, names)
        self.assertTrue(command(self.prefix / "bin" / "credence", "--version").startswith("credence 0.1.0"))

    def test_pkg_config(self):
        pc = next(self.prefix.rglob("credence.pc"))
        words = command("pkg-config", "--define-prefix", "--cflags", "--libs", "credence",
                        env={**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}).split()
        program = self.folder / "by_pkg_config"
        command(CC, *self.flags, "-o", program, self.folder / "outside.c", *words)
        self.assertEqual(command(program, env=self.environment()), self.expected)

    def test_cmake(self):
        build = self.folder / "build"
        command("cmake", "-S", self.folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                f"-DCMAKE_C_FLAGS={' '.join(self.flags)}", f"-DCMAKE_C_COMPILER={CC}")
        command("cmake", "--build", build)
        self.assertEqual(command(build / "outside", env=self.environment()), self.expected)

    def environment(self):
        library = next(self.prefix.rglob("libcredence.*")).parent
        return {**os.environ, "LD_LIBRARY_PATH": str(library)}


if __name__ == "__main__":
    unittest.main()
