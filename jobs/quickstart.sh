#!/bin/sh
# From a bare Debian 12 to predictive distributions: packages, build, and the main job on the images in data/.
set -eu

usage() {
    cat <<'END'
usage: jobs/quickstart.sh [-n RANKS] [-h]

Installs the missing Debian packages (with sudo unless root), builds Credence into build/, runs the posterior in data/
(a small ResNet for Fashion-MNIST) on the images in data/ and prints what they are and how sure that is. The prediction
is written to build/quickstart_prediction.h5, what apt and the build print to build/quickstart.log.

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
log=build/quickstart.log
rm -f $log
# shellcheck disable=SC2086 # lists of names
install_packages $log $build_packages
stage $log "configuring the build" cmake -S . -B build -DBUILD_TESTING=OFF
stage $log "building, which takes a minute or two" cmake --build build --parallel "$(nproc)"
PATH=$root/build/src/cli:$PATH

echo "100 networks drawn from it say of 20 images:"
# On one's own machine root and more ranks than cores are no mistake.
mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" \
    credence predict data/quickstart.h5 data/images -o build/quickstart_prediction.h5
echo
echo "The whole is in build/quickstart_prediction.h5 (credence inspect, h5py, xarray); the program is build/src/cli/credence."
