#!/bin/sh
# Builds everything for 64-bit Arm and runs the tests under qemu-user: NEON gives the reference's bits.
set -eu

usage() {
    cat <<END
usage: tests/neon/run.sh [-B FOLDER] [-c COMPILER] [-a] [-h]

Cross-builds Credence for AArch64 and runs there, under qemu-user, the unit, golden and MPI tests, draws compared with
what x86-64 gives among them; then compares a prediction of this machine with one of Arm. Needs Debian: compilers and
qemu are installed like other packages (with sudo unless root); the libraries for Arm go to FOLDER/sysroot and touch
nothing else.

  -B FOLDER    all files (default: build-neon)
  -c COMPILER  clang, or aarch64-linux-gnu-gcc (default)
  -a           also the tests that take many minutes under qemu
  -h           this help
END
}

folder=build-neon
compiler=aarch64-linux-gnu-gcc
slow='prior|unit.gradient|golden_bayes|checkpoint|logits|mpi\..*(ranks[14]|node[12])'
while getopts B:c:ah option; do
    case $option in
    B) folder=$OPTARG ;;
    c) compiler=$OPTARG ;;
    a) slow= ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/../.."
. jobs/packages.sh
# shellcheck disable=SC2086 # lists of names
install_packages $build_packages python3 gcc-aarch64-linux-gnu qemu-user-static
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
sysroot=$folder/sysroot

# Debian's packages for Arm, with all they depend on: an apt of its own that thinks it has an empty Arm machine.
fill_sysroot() {
    apt=$folder/apt
    rm -rf "$sysroot" "$apt"
    mkdir -p "$sysroot" "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    cat >"$apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
END
    packages=
    for package in $build_packages $test_packages; do
        case $package in *-dev) packages="$packages $package" ;; esac
    done
    APT_CONFIG=$apt/apt.conf apt-get -q update
    # shellcheck disable=SC2086 # a list of names
    APT_CONFIG=$apt/apt.conf apt-get -q install -y --download-only $packages libgcc-12-dev
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$sysroot"
    done
    rm -rf "$apt"
    # What the package's script would have done.
    ln -s openblas-pthread/libopenblas.so.0 "$sysroot/usr/lib/aarch64-linux-gnu/libopenblas.so.0"
    touch "$sysroot/complete"
}

[ -e "$sysroot/complete" ] || fill_sysroot
cmake -S . -B "$folder/arm" --toolchain "$PWD/tests/neon/aarch64.cmake" -DCMAKE_SYSROOT="$sysroot" \
    -DCMAKE_C_COMPILER="$compiler" -DBUILD_TESTING=ON -DCREDENCE_WERROR=ON -DPython3_EXECUTABLE=/usr/bin/python3
cmake --build "$folder/arm" --parallel "$(nproc)"
# qemu knows no reading of another process's memory, which Open MPI likes to use.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
ctest --test-dir "$folder/arm" -L '^(unit|golden|mpi)$' ${slow:+-E "$slow"} --parallel "$(nproc)" --output-on-failure

# The whole program, here with the reference and there with NEON.
cmake -S . -B "$folder/here" -DBUILD_TESTING=OFF
cmake --build "$folder/here" --parallel "$(nproc)" --target credence
arm="qemu-aarch64-static -L $sysroot $folder/arm/src/cli/credence"
$arm --version
$arm selftest
set -- predict data/quickstart.h5 data/images --draws 20 --json --quiet
CREDENCE_KERNELS=ref "$folder/here/src/cli/credence" "$@" >"$folder/here.json"
CREDENCE_KERNELS=neon $arm "$@" >"$folder/arm.json"
python3 tests/neon/same_prediction.py "$folder/here.json" "$folder/arm.json"
