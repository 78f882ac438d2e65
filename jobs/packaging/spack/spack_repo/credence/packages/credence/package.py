# Spack's recipe (Spack 1.0 and later). It builds the sources at hand, from their top folder:
#
#   spack repo add jobs/packaging/spack/spack_repo/credence
#   spack env create credence && spack env activate credence
#   spack develop --path "$PWD" credence@0.1.0
#   spack add credence@0.1.0 && spack install
#   spack load credence
from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Credence(CMakePackage):
    """Monte Carlo over Bayesian neural networks on HPC clusters."""

    license("MIT")

    version("0.1.0")

    variant("shared", default=True, description="Build libcredence as a shared library")

    depends_on("c", type="build")
    depends_on("cmake@3.18:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("openblas threads=none")
    depends_on("hdf5@1.10: +hl ~mpi")
    depends_on("libjpeg-turbo@2.0.3:")
    depends_on("jansson@2.13:")
    depends_on("libzip@1.7:")
    depends_on("zlib-api")
    depends_on("xxhash@0.8:")

    def cmake_args(self):
        return [
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define("BUILD_TESTING", False),
        ]

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def selftest(self):
        Executable(self.prefix.bin.credence)("selftest")
