"""What installs Credence: Spack's recipe says what CMakeLists.txt says, and a script's stage is one line, with the rest in a log."""
import pathlib
import re
import subprocess
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = ROOT / "jobs/packaging/spack/spack_repo/credence/packages/credence/package.py"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
# Spack's name of what CMake looks for.
SPACK_NAMES = {"PkgConfig": "pkgconfig", "MPI": "mpi", "HDF5": "hdf5", "JPEG": "libjpeg-turbo", "ZLIB": "zlib-api", "Threads": None,
               "openblas": "openblas", "jansson": "jansson", "libzip": "libzip", "libxxhash": "xxhash"}


def run_recipe():
    """Runs the recipe with directives that note what they are told."""
    told = {"depends_on": [], "version": [], "variant": [], "license": []}
    spack, package, builtin, systems, cmake = map(types.ModuleType, (
        "spack", "spack.package", "spack_repo", "spack_repo.builtin.build_systems", "spack_repo.builtin.build_systems.cmake"))
    for name, list_of in told.items():
        setattr(package, name, lambda *words, list_of=list_of, **more: list_of.append(words[0]))
    package.run_after = lambda phase: lambda function: function
    package.on_package_attributes = lambda **which: lambda function: function
    package.Executable = None
    cmake.CMakePackage = type("CMakePackage", (), {"define": lambda self, name, value: f"-D{name}={value}",
                                                   "define_from_variant": lambda self, name, variant: f"-D{name}={variant}"})
    modules = {"spack": spack, "spack.package": package, "spack_repo": builtin,
               "spack_repo.builtin": types.ModuleType("spack_repo.builtin"), "spack_repo.builtin.build_systems": systems,
               "spack_repo.builtin.build_systems.cmake": cmake}
    sys.modules.update(modules)
    try:
        names = {}
        exec(compile(RECIPE.read_text(encoding="utf-8"), str(RECIPE), "exec"), names)
    finally:
        for name in modules:
            del sys.modules[name]
    return told, names["Credence"]().cmake_args()


class Recipe(unittest.TestCase):
    def test_it_says_what_cmake_says(self):
        told, arguments = run_recipe()
        self.assertEqual(told["version"], [re.search(r"VERSION (\d[\d.]*)", CMAKE.split("project(")[1])[1]])
        needed = dict(re.findall(r"^find_package\((\w+) ?([\d.]*)", CMAKE, re.M))
        needed.update(re.findall(r"^pkg_check_modules\(\w+ REQUIRED IMPORTED_TARGET (\w+)(?:>=)?([\d.]*)", CMAKE, re.M))
        self.assertEqual(sorted(needed), sorted(SPACK_NAMES))
        specs = {re.match(r"[\w-]+", spec)[0]: spec for spec in told["depends_on"]}
        for name, version in needed.items():
            if SPACK_NAMES[name] is None:
                continue
            self.assertIn(SPACK_NAMES[name], specs)
            if version:
                self.assertIn(f"@{version}:", specs[SPACK_NAMES[name]])
        options = [re.match(r"-D(\w+)=", word)[1] for word in arguments]
        self.assertEqual(options, ["BUILD_SHARED_LIBS", "BUILD_TESTING"])
        self.assertEqual(told["variant"], ["shared"])


class Stages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.log = self.folder / "logs" / "a.log"

    def sh(self, script):
        return subprocess.run(["sh", "-euc", f'. "$0/jobs/packages.sh"; LOG={self.log}; {script}', ROOT], text=True, check=False,
                              capture_output=True)

    def test_a_stage_is_one_line(self):
        done = self.sh('stage $LOG "counting" seq 900; stage $LOG "counting again" seq 2; echo done')
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"))
        self.assertEqual(done.stderr, f"counting (log: {self.log})\ncounting again (log: {self.log})\n")
        self.assertEqual(len(self.log.read_text().splitlines()), 902)

    def test_a_failure_shows_the_end_of_the_log(self):
        done = self.sh('stage $LOG "counting" sh -c "seq 900; echo no more numbers >&2; exit 7"; echo never')
        self.assertEqual((done.returncode, done.stdout), (7, ""))
        lines = done.stderr.splitlines()
        self.assertEqual(lines[0], f"counting (log: {self.log})")
        self.assertEqual(lines[-2:], ["no more numbers", f"this failed; all that was printed is in {self.log}"])
        self.assertEqual(len(lines), 32)

    def install(self, apt):
        """Of a package that is not there, by an apt of ours."""
        for name, text in {"dpkg-query": "exit 1", "apt-get": apt, "sudo": 'exec "$@"'}.items():
            path = self.folder / name
            path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
            path.chmod(0o755)
        return self.sh(f"PATH={self.folder}:$PATH; install_packages $LOG one two")

    def test_packages_are_installed_in_one_line(self):
        done = self.install('seq 400; echo "$@"')
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", f"installing one two (log: {self.log})\n"))
        self.assertIn("install -y --no-install-recommends one two", self.log.read_text())

    def test_an_apt_that_fails_is_shown(self):
        done = self.install('echo "E: Unable to locate package two"; exit 100')
        self.assertEqual(done.returncode, 100)
        self.assertIn("E: Unable to locate package two\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
