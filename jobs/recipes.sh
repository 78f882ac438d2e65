# Sourced by fashion_mnist.sh, cifar10.sh and hmc_reference.sh: a recipe for each kind of posterior, from random weights to its figures
# on the test set. They set: about, for the help; network, what `convert` is told of it; augment; ivon, swag_lr, swag_steps, csghmc: settings that
# were chosen on a part of the training images. They define find_data, which sets train and test, and hold_out, which sets them to
# parts in the working folder, with -t or if the script says part=some.
# shellcheck shell=sh disable=SC2034,SC2154,SC2164 # set and used by the script, under set -e

studies="twin moped ivon ensemble ivon_ensemble swag csghmc laplace"

usage() {
    cat <<END
usage: $0 [-n RANKS] [-e EPOCHS] [-x DATA] [-d DATA] [-o FOLDER] [-t] [-h] [STUDY...]

$about

Studies, all of them by default; those that a study begins with are made first:

  twin           the deterministic network
  moped          a posterior about the twin's weights, as MOPED makes it, trained with the ELBO by Adam
  ivon           variational training of the twin by IVON
  ensemble       five twins from five seeds
  ivon_ensemble  a mixture of three posteriors by IVON
  swag           SWAG about the twin, 30 draws with batch norm's statistics recomputed for each
  csghmc         cyclical SGHMC: chains from three twins
  laplace        Laplace approximation of the twin's last layer

Each prints a row of FOLDER/table.md: figures on the test set with their standard errors over images, and the processor time of all
trainings that the posterior took, from random weights on. All that \`credence evaluate\` says is in FOLDER/STUDY.json. A study that was
interrupted continues where it was; what is trained is not trained again. \`credence\` is taken from PATH, or from build/.

  -n RANKS   MPI ranks (default: 2); the result is the same for any number
  -e EPOCHS  of a twin; other trainings take as many or half of them (default: $epochs)
  -x DATA    other images, to be told from the test set's: adds AUROC
  -d DATA    where the data are
  -o FOLDER  where files go (default: build/NAME, of an installed script NAME)
  -t         to try settings: a tenth of the training images is held out, and stands for the test set
  -h         this help
END
}

# On one's own machine root and more ranks than cores are no mistake.
run() {
    mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" credence "$@"
}

# processor_s: of all that this shell has waited for; in a subshell it would be nothing.
processor_s() {
    times >times.txt
    awk -F'[ms ]+' 'NR == 2 {print 60 * $1 + $2 + 60 * $3 + $4}' times.txt
}

# make FILE COMMAND...: the command, which makes FILE, unless it is there. FILE.cost gets its processor time.
make() {
    made=$1
    shift
    [ ! -f "$made" ] || return 0
    processor_s >before.txt
    code=0
    run "$@" -o "$made" >"$made.txt" || code=$?
    processor_s >after.txt
    awk 'NR == 1 {before = $1} END {print $1 - before}' before.txt after.txt >>"$made.cost"
    return $code
}

# start SEED: random weights (He et al. 2015), prior N(0, 2 / fan_in).
start() {
    # shellcheck disable=SC2086 # options
    [ -f "start_$1.h5" ] || credence convert $network --moped --moped-delta 0.5 --sigma-min 0.025 --prior-scale he --seed "$1" \
        -o "start_$1.h5" >start.txt
}

# fit FROM TO OPTION...
fit() {
    from=$1 to=$2
    shift 2
    # shellcheck disable=SC2086
    make "$to" train "$from" "$train" --resume --checkpoint-interval 2min $augment "$@"
}

# join FILE OPTION... MEMBER...
join() {
    joined=$1
    shift
    [ -f "$joined" ] || credence ensemble "$@" -o "$joined" >"$joined.txt"
}

# What is in the table: name in the JSON of evaluate, title, factor, digits.
columns='accuracy|accuracy %|100|2
nll|NLL, nats|1|4
ece|ECE %|100|2
brier|Brier score|1|4
auroc|AUROC|1|3'

# evaluate STUDY POSTERIOR TRAINED... -- OPTION...: a row of the table; the costs are those of TRAINED.
evaluate() {
    study=$1 posterior=$2 costs=
    shift 2
    while [ "$1" != -- ]; do
        costs="$costs $1.cost"
        shift
    done
    shift
    [ -z "$other" ] || set -- "$@" --ood "$other"
    [ ! -f reference.h5 ] || set -- "$@" --reference reference.h5
    run evaluate "$posterior" "$test" --batch 32 "$@" --json >"$study.json"
    # shellcheck disable=SC2086 # a list of names
    awk -v study="$study" -v columns="$columns" '
        FILENAME != study ".json" {cost += $1; next}
        /": [{]$/ {split($0, word, "\""); name = word[2]}
        /"value":/ && !(name in error) {value[name] = $2 + 0}
        /"se":/ && !(name in error) {error[name] = $2 + 0}
        END {
            printf "| `%s` |", study
            n = split(columns, rows, "\n")
            for (i = 1; i <= n; i++) {
                split(rows[i], part, "|")
                digits = part[4]
                if (part[1] in error) printf " %.*f ± %.*f |", digits, part[3] * value[part[1]], digits, part[3] * error[part[1]]
                else printf " - |"
            }
            printf " %.0f |\n", cost
        }' $costs "$study.json" >row.txt
    grep -v "^| .$study. |" table.md >table.new || true
    cat table.new row.txt >table.md
    rm table.new
    cat row.txt
}

sgd="--deterministic --optimizer sgd --momentum 0.9 --nesterov --weight-decay 5e-4"
twin_lr=0.1 twin_warmup=1
epochs=12
draws=30
part=all

train_twin() {
    start "$1"
    # shellcheck disable=SC2086
    fit "start_$1.h5" "twin_$1.h5" $sgd --epochs "$epochs" --lr $twin_lr --warmup $twin_warmup --scheduler cosine --seed "$1"
}

train_ivon() {
    train_twin "$1"
    # shellcheck disable=SC2086
    fit "twin_$1.h5" "ivon_$1.h5" --optimizer ivon $ivon --epochs $((epochs / 2)) --scheduler cosine --seed "$1"
}

twin() {
    train_twin 1
    evaluate twin twin_1.h5 twin_1.h5 -- --deterministic
}

moped() {
    train_twin 1
    [ -f moped_start.h5 ] || credence convert --weights twin_1.h5 --moped --moped-delta 0.1 --sigma-min 0.003 --moped-prior \
        --prior-scale he --prior-sigma 0.1 -o moped_start.h5 >start.txt
    fit moped_start.h5 moped.h5 --epochs $((epochs / 2)) --lr 1e-3 --scheduler cosine --batch-norm eval
    evaluate moped moped.h5 twin_1.h5 moped.h5 -- --draws $draws
}

ivon() {
    train_ivon 1
    evaluate ivon ivon_1.h5 twin_1.h5 ivon_1.h5 -- --draws $draws
}

ensemble() {
    for seed in 1 2 3 4 5; do train_twin $seed; done
    set -- twin_1.h5 twin_2.h5 twin_3.h5 twin_4.h5 twin_5.h5
    join ensemble.h5 --deterministic "$@"
    evaluate ensemble ensemble.h5 "$@" -- --draws 5
}

ivon_ensemble() {
    for seed in 1 2 3; do train_ivon $seed; done
    set -- ivon_1.h5 ivon_2.h5 ivon_3.h5
    join ivon_ensemble.h5 "$@"
    evaluate ivon_ensemble ivon_ensemble.h5 twin_1.h5 twin_2.h5 twin_3.h5 "$@" -- --draws $draws
}

swag() {
    train_twin 1
    # shellcheck disable=SC2086
    fit twin_1.h5 swag.h5 $sgd --lr "$swag_lr" --epochs $((epochs / 2)) --collect swag --collect-start 0 --collect-steps "$swag_steps"
    make swag_draws.h5 refresh swag.h5 "$train" --draws $draws --images 10000
    evaluate swag swag_draws.h5 twin_1.h5 swag.h5 swag_draws.h5 --
}

csghmc() {
    for seed in 1 2 3; do train_twin $seed; done
    set -- twin_1.h5 twin_2.h5 twin_3.h5
    join chains_start.h5 --deterministic "$@"
    # shellcheck disable=SC2086
    make chains.h5 sample start_1.h5 "$train" --resume --start chains_start.h5 --chains 3 --sampler csghmc $csghmc
    evaluate csghmc chains.h5 "$@" chains.h5 --
}

laplace() {
    train_twin 1
    make laplace.h5 laplace twin_1.h5 "$train"
    evaluate laplace laplace.h5 twin_1.h5 laplace.h5 -- --draws $draws
}

# fashion_mnist_files: train and test of the folder $data, or of Debian's package.
fashion_mnist_files() {
    [ -n "$data" ] || install_packages "$folder/packages.log" dataset-fashion-mnist
    data=$(cd "${data:-/usr/share/datasets/fashion-mnist}" && pwd)
    train=idx:$data/train-images-idx3-ubyte.gz,$data/train-labels-idx1-ubyte.gz
    test=idx:$data/t10k-images-idx3-ubyte.gz,$data/t10k-labels-idx1-ubyte.gz
}

# fashion_mnist_part FIRST COUNT NAME: as many of the training images and labels, from number FIRST on. Counts in headers have four
# bytes, the highest first.
fashion_mnist_part() {
    [ ! -f "$3-labels.gz" ] || return 0
    count=$(printf '\\%03o\\%03o' $(($2 / 256)) $(($2 % 256)))
    # shellcheck disable=SC2059 # octal
    {
        printf "\\0\\0\\010\\003\\0\\0$count\\0\\0\\0\\034\\0\\0\\0\\034"
        zcat "$data/train-images-idx3-ubyte.gz" | tail -c +$((17 + 784 * $1)) | head -c $((784 * $2))
    } | gzip >"$3-images.gz"
    # shellcheck disable=SC2059
    {
        printf "\\0\\0\\010\\001\\0\\0$count"
        zcat "$data/train-labels-idx1-ubyte.gz" | tail -c +$((9 + $1)) | head -c "$2"
    } | gzip >"$3-labels.gz"
}

# recipes NAME OPTION... STUDY...: what the script does, given its name and arguments.
recipes() {
    name=$1
    shift
    ranks=2 other='' data='' folder=''
    while getopts n:e:x:d:o:th option; do
        case $option in
        n) ranks=$OPTARG ;;
        e) epochs=$OPTARG ;;
        x) other=$OPTARG ;;
        d) data=$OPTARG ;;
        o) folder=$OPTARG ;;
        t) part=held_out ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
    done
    shift $((OPTIND - 1))
    # shellcheck disable=SC2086 # a list of names
    [ $# -gt 0 ] || set -- $studies
    for study in "$@"; do
        case " $studies " in
        *" $study "*) ;;
        *) usage >&2; exit 2 ;;
        esac
    done
    # What is installed is not written to.
    if [ -z "$folder" ]; then
        folder=$PWD/$name
        [ ! -f "$root/CMakeLists.txt" ] || folder=$root/build/$name
    fi
    PATH=$PATH:$root/build/src/cli
    find_data
    command -v credence >/dev/null || {
        echo "jobs/$name.sh: credence is not in PATH, and not built by jobs/quickstart.sh" >&2
        exit 1
    }
    mkdir -p "$folder"
    cd "$folder"
    [ $part = all ] || hold_out
    [ -f table.md ] || echo "$columns" | awk -F'|' '
        {titles = titles " " $2 " |"; lines = lines "---|"}
        END {printf "| study |%s core-seconds |\n|---|%s---|\n", titles, lines}' >table.md
    head -n 2 table.md
    for study in "$@"; do $study; done
}
