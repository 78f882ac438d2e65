#!/bin/sh
# Installs what tests need, builds, and runs them.
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
cmake -S . -B "$folder" -DBUILD_TESTING=ON -DPython3_EXECUTABLE=/usr/bin/python3
cmake --build "$folder" --parallel "$(nproc)"
# shellcheck disable=SC2086 # none or two words
ctest --test-dir "$folder" -L "$pattern" --parallel "$(nproc)" --output-on-failure $configuration
