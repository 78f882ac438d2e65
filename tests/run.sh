#!/bin/sh
# Installs what tests need, builds, runs them, and says what each step took.
set -eu

default_labels="unit mpi golden cli lint interop onnx hosts slurm"
usage() {
    cat <<END
usage: tests/run.sh [-L LABEL]... [-B FOLDER] [-h]

Installs the missing Debian packages (with sudo unless root), builds Credence with its tests and runs those with the
labels (default: $default_labels). Labels outside the default (parity,
statistics, fuzz, soak, digests, zoo, long) take minutes to hours; parity needs Python packages that their scripts name.

  -L LABEL   run this label; may be repeated
  -B FOLDER  build folder (default: build)
  -h         this help
END
}

labels=
folder=build
while getopts L:B:h option; do
    case $option in
    L) labels="$labels $OPTARG" ;;
    B) folder=$OPTARG ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
. jobs/packages.sh
# shellcheck disable=SC2086 # lists of names
install_packages "$folder/packages.log" $build_packages $test_packages

configuration=
for label in $labels; do
    case " $default_labels " in
    *" $label "*) ;;
    *) configuration="-C slow" ;;
    esac
done
# shellcheck disable=SC2086 # a list of names
pattern="^($(echo ${labels:-$default_labels} | tr ' ' '|'))\$"
begin=$(date +%s)
# say_time WHAT: seconds since the last one.
say_time() {
    now=$(date +%s)
    echo "tests/run.sh: $1 took $((now - begin)) s on $(nproc) cores"
    begin=$now
}
cmake -S . -B "$folder" -DBUILD_TESTING=ON -DPython3_EXECUTABLE=/usr/bin/python3
cmake --build "$folder" --parallel "$(nproc)"
say_time "the build"
code=0
# shellcheck disable=SC2086 # none or two words
ctest --test-dir "$folder" -L "$pattern" --parallel "$(nproc)" --output-on-failure $configuration || code=$?
say_time "the tests"
exit "$code"
