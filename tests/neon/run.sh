#!/bin/sh
# Builds everything for 64-bit Arm and runs the tests under qemu-user: what shows that NEON gives the reference's bits.
set -eu

usage() {
    cat <<END
usage: tests/neon/run.sh [-B FOLDER] [-c COMPILER] [-h]

Cross-builds Credence for AArch64 and runs there, under qemu-user, the unit and golden tests and what compares the
draws of this machine with those of Arm. Needs Debian: the cross-compiler and qemu are installed like other packages
(with sudo unless root); the libraries for Arm go to FOLDER/sysroot and touch nothing else. 900 MB, four minutes.

  -B FOLDER    all files (default: build/neon)
  -c COMPILER  clang, or aarch64-linux-gnu-gcc (default)
  -h           this help
END
}

folder=build/neon
compiler=aarch64-linux-gnu-gcc
while getopts B:c:h option; do
    case $option in
    B) folder=$OPTARG ;;
    c) compiler=$OPTARG ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/../.."
. jobs/packages.sh
install_packages cmake make pkg-config python3 gcc-aarch64-linux-gnu qemu-user-static
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
ctest --test-dir "$folder/arm" -L '^(unit|golden)$' --parallel "$(nproc)" --output-on-failure
