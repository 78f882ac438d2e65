# Sourced by scripts: Debian's packages that Credence needs, and stages whose output goes to a log. Knows apt only; elsewhere
# it says what to install.
# shellcheck shell=sh disable=SC2034 # sourced

build_packages="cmake gcc libc6-dev make pkg-config libopenmpi-dev openmpi-bin libopenblas-dev libhdf5-dev
libjpeg-dev libjansson-dev libzip-dev zlib1g-dev libxxhash-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev"
test_packages="libcmocka-dev librandom123-dev python3 python3-numpy python3-h5py python3-xarray python3-h5netcdf
python3-netcdf4 python3-pil netcdf-bin hdf5-tools
dataset-fashion-mnist libonnx-testdata iproute2 slurm-wlm munge"

# stage LOG TEXT COMMAND...: one line that says TEXT; what the command prints is added to LOG. Should it fail, the end of the
# log is shown, and its code returned.
stage() {
    stage_log=$1
    echo "$2 (log: $stage_log)" >&2
    shift 2
    mkdir -p "$(dirname "$stage_log")"
    stage_code=0
    "$@" >>"$stage_log" 2>&1 || stage_code=$?
    [ $stage_code -eq 0 ] || {
        tail -n 30 "$stage_log" >&2
        echo "this failed; all that was printed is in $stage_log" >&2
    }
    return $stage_code
}

# install_packages LOG NAME...: installs those that are missing, asking nothing; does nothing when all are there.
install_packages() {
    install_log=$1
    shift
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
    # shellcheck disable=SC2086 # a list of names
    stage "$install_log" "installing$missing" apt_install $missing
}

# apt_install NAME...: as root, or by sudo if $as_root says so.
apt_install() {
    # shellcheck disable=SC2086 # a word or none
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}
