#!/bin/sh
# Parity with torch, torchvision and bayesian-torch: run.sh BUILD_DIR [options of parity.py]
# Needs Debian's python3-torch, python3-torchvision, python3-h5py, python3-pil and python3-pip; takes
# bayesian-torch from PyPI into BUILD_DIR/parity (one small download, not done again).
set -eu
if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 BUILD_DIR [options of parity.py]" >&2
    exit 2
fi
build=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
packages=$build/parity
program=$(find "$build" -type f -name credence -perm -u+x | head -n 1)
if [ -z "$program" ]; then
    echo "$0: no program credence below $build: build it first" >&2
    exit 2
fi
if [ ! -d "$packages/bayesian_torch" ]; then
    "$python" -m pip install --quiet --root-user-action=ignore --no-deps --target "$packages" bayesian-torch==0.5.0
fi
PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH} exec "$python" "$here/parity.py" "$@" "$program"
