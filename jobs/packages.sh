# Sourced by scripts: Debian's packages that Credence needs. Knows apt only; elsewhere it says what to install.
# shellcheck shell=sh disable=SC2034 # sourced

build_packages="cmake gcc libc6-dev make pkg-config libopenmpi-dev openmpi-bin libopenblas-dev libhdf5-dev
libjpeg-dev libjansson-dev libzip-dev zlib1g-dev libxxhash-dev"
test_packages="libcmocka-dev librandom123-dev python3 python3-numpy python3-h5py python3-xarray python3-h5netcdf
python3-netcdf4 python3-pil netcdf-bin hdf5-tools
dataset-fashion-mnist iproute2 slurm-wlm munge"

# install_packages NAME...: installs those that are missing, asking nothing; does nothing when all are there.
install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "no Debian system: these packages, or what they hold, must be installed: $*" >&2
        return 0
    fi
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "missing packages:$missing; neither root nor sudo can install them here" >&2
            return 1
        }
        as_root="sudo"
    fi
    echo "installing$missing"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
    # shellcheck disable=SC2086 # a list of names
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
}
