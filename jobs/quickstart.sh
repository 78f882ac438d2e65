#!/bin/sh
# From a bare Debian 12 to predictive distributions: packages, build, and the main job on the images in data/.
set -eu

usage() {
    cat <<'END'
usage: jobs/quickstart.sh [-n RANKS] [-h]

Installs the missing Debian packages (with sudo unless root), builds Credence into build/, runs the posterior in data/
(a small ResNet for Fashion-MNIST) on the images in data/ and prints what they are and how sure that is. The prediction
is written to build/quickstart_prediction.h5.

  -n RANKS  MPI ranks (default: 2)
  -h        this help
END
}

ranks=2
while getopts n:h option; do
    case $option in
    n) ranks=$OPTARG ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. jobs/packages.sh
# shellcheck disable=SC2086 # lists of names
install_packages $build_packages

mkdir -p build
log=build/quickstart.log
if ! { cmake -S . -B build -DBUILD_TESTING=OFF && cmake --build build --parallel "$(nproc)"; } >$log 2>&1; then
    tail -n 30 $log >&2
    echo "jobs/quickstart.sh: the build failed; all of it is in $log" >&2
    exit 1
fi
PATH=$root/build/src/cli:$PATH

echo "100 networks drawn from it say of 20 images:"
# On one's own machine root and more ranks than cores are no mistake.
mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" \
    credence predict data/quickstart.h5 data/images -o build/quickstart_prediction.h5
echo
echo "The whole is in build/quickstart_prediction.h5 (credence inspect, h5py, xarray); the program is build/src/cli/credence."
