#!/bin/sh
# What must hold before a change is proposed: format, no warning of either compiler, tests, sanitizers.
set -eu

usage() {
    cat <<'END'
usage: jobs/check.sh [-h]

Checks the format (clang-format-14, if it is there), builds with gcc and with clang (if it is there) with warnings as
errors, runs the default tests, and the unit tests under the address, undefined-behaviour and leak sanitizers. Build
folders: build-check-gcc, build-check-clang, build-check-sanitized.
END
}

case ${1-} in
'') ;;
-h) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
. jobs/packages.sh
# shellcheck disable=SC2086 # lists of names
install_packages build-check-gcc/packages.log $build_packages $test_packages

say() {
    printf '\n== %s\n' "$1"
}

say "format"
if command -v clang-format-14 >/dev/null; then
    find src include tests -name '*.[ch]' -exec clang-format-14 --dry-run --Werror {} +
else
    echo "clang-format-14 is not installed: not checked"
fi

# build FOLDER COMPILER [OPTION...]
build() {
    build_folder=$1 build_compiler=$2
    shift 2
    cmake -S . -B "$build_folder" -DCMAKE_C_COMPILER="$build_compiler" -DCREDENCE_WERROR=ON -DBUILD_TESTING=ON \
        -DPython3_EXECUTABLE=/usr/bin/python3 "$@" >/dev/null
    cmake --build "$build_folder" --parallel "$(nproc)"
}

say "gcc"
build build-check-gcc gcc
if command -v clang >/dev/null; then
    say "clang"
    build build-check-clang clang
else
    echo "clang is not installed: not built with it"
fi

say "tests"
tests/run.sh -B build-check-gcc

say "sanitizers"
build build-check-sanitized gcc -DCMAKE_BUILD_TYPE=Debug -DCREDENCE_SANITIZE=address,undefined
# The huge request that unit.base makes must fail as malloc fails, not end the program.
ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
    ctest --test-dir build-check-sanitized -L '^unit$' --parallel "$(nproc)" --output-on-failure

say "all is well"
