/** The one table of options. It makes the parser, the help of every command, the option table of
 * README.md and the options that a file's provenance records.
 */
#ifndef CRD_CLI_OPTIONS_H
#define CRD_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "credence/status.h"

/** Commands as bits, so that an option can say which of them take it. */
enum {
    CRD_CONVERT = 1 << 0,
    CRD_PREDICT = 1 << 1,
    CRD_PREPROCESS = 1 << 2,
    CRD_INSPECT = 1 << 3,
    CRD_MODELS = 1 << 4,
    CRD_BENCH = 1 << 5,
    CRD_SELFTEST = 1 << 6,
    CRD_HELP = 1 << 7,
    CRD_TRAIN = 1 << 8,
    CRD_EVALUATE = 1 << 9,
    CRD_MERGE = 1 << 10,
    CRD_PLAN = 1 << 11,
    CRD_EXPORT = 1 << 12,
    CRD_EVERY = (1 << 13) - 1
};

typedef enum crd_option_type {
    CRD_OPTION_FLAG,   /**< no value */
    CRD_OPTION_INT64,  /**< a whole number in [min, max] */
    CRD_OPTION_DOUBLE, /**< a number in [min, max] */
    CRD_OPTION_INT64S, /**< up to CRD_OPTION_MAX_NUMBERS whole numbers, separated by commas */
    CRD_OPTION_DOUBLES,
    CRD_OPTION_TEXT,
    CRD_OPTION_TEXTS, /**< may be given more than once; each one of `choices`, if there are any */
    CRD_OPTION_DURATION, /**< seconds in [min, max], or with a unit: 90s, 10min, 2h, 1d */
    CRD_OPTION_CHOICE    /**< one of `choices` */
} crd_option_type;

/** Row numbers of the table. A name that means different things to two commands has two rows. */
typedef enum crd_option_id {
    CRD_OPT_OUTPUT,
    /* convert */
    CRD_OPT_ARCH,
    CRD_OPT_WEIGHTS,
    CRD_OPT_WEIGHTS_KEY,
    CRD_OPT_CHANNELS,
    CRD_OPT_N_CLASSES,
    CRD_OPT_PRIOR_MU,
    CRD_OPT_PRIOR_SIGMA,
    CRD_OPT_PRIOR_KIND,
    CRD_OPT_PRIOR_SCALE,
    CRD_OPT_PRIOR_PI,
    CRD_OPT_PRIOR_SIGMA2,
    CRD_OPT_POSTERIOR_MU_INIT,
    CRD_OPT_POSTERIOR_RHO_INIT,
    CRD_OPT_CONVERT_TYPE,
    CRD_OPT_MOPED,
    CRD_OPT_NO_MOPED,
    CRD_OPT_MOPED_DELTA,
    CRD_OPT_MOPED_PRIOR,
    CRD_OPT_MC_DROPOUT,
    CRD_OPT_SIGMA_MIN,
    CRD_OPT_BAYESIAN,
    CRD_OPT_CLASSES,
    CRD_OPT_RESIZE,
    CRD_OPT_CROP,
    CRD_OPT_CHANNEL_MEAN,
    CRD_OPT_CHANNEL_SD,
    CRD_OPT_INTERPOLATION,
    /* predict */
    CRD_OPT_DRAWS,
    CRD_OPT_MEAN,
    CRD_OPT_TYPE,
    CRD_OPT_PRECISION,
    CRD_OPT_ANTITHETIC,
    CRD_OPT_UNTIL_MCSE,
    CRD_OPT_MIN_DRAWS,
    CRD_OPT_CONFIDENCE,
    CRD_OPT_PART,
    CRD_OPT_DRAW_BLOCK,
    CRD_OPT_BATCH,
    CRD_OPT_TOPK,
    CRD_OPT_ALL_IMAGES,
    CRD_OPT_SHOW_DRAWS,
    CRD_OPT_SAVE_DRAWS,
    CRD_OPT_IMPORT_EPS,
    CRD_OPT_SKIP_BAD,
    /* evaluate */
    CRD_OPT_OOD,
    /* plan */
    CRD_OPT_RANKS,
    /* train */
    CRD_OPT_LOSS,
    CRD_OPT_CALIBRATION,
    CRD_OPT_CALIBRATION_BETA,
    CRD_OPT_UNCERTAINTY_THRESHOLD,
    CRD_OPT_ERROR_THRESHOLD,
    CRD_OPT_KL,
    CRD_OPT_KL_WEIGHT,
    CRD_OPT_KL_ANNEAL,
    CRD_OPT_EPOCHS,
    CRD_OPT_BATCH_SIZE,
    CRD_OPT_MICRO_BATCH,
    CRD_OPT_TRAIN_DRAWS,
    CRD_OPT_TRAIN_MEAN,
    CRD_OPT_OPTIMIZER,
    CRD_OPT_LR,
    CRD_OPT_MOMENTUM,
    CRD_OPT_NESTEROV,
    CRD_OPT_WEIGHT_DECAY,
    CRD_OPT_SCHEDULER,
    CRD_OPT_GAMMA,
    CRD_OPT_STEP_SIZE,
    CRD_OPT_MILESTONES,
    CRD_OPT_T_MAX,
    CRD_OPT_WARMUP,
    CRD_OPT_CLIP_NORM,
    CRD_OPT_KEEP_GRADIENTS,
    CRD_OPT_LOCAL_STEPS,
    CRD_OPT_BATCH_NORM,
    CRD_OPT_AUGMENT,
    CRD_OPT_VALIDATE,
    CRD_OPT_VALIDATE_SHARE,
    CRD_OPT_VALIDATE_EVERY,
    CRD_OPT_VALIDATE_DRAWS,
    /* runs that take time */
    CRD_OPT_CHECKPOINT_INTERVAL,
    CRD_OPT_CHECKPOINTS,
    CRD_OPT_MAX_TIME,
    CRD_OPT_RESUME,
    CRD_OPT_HANG_TIMEOUT,
    /* inspect */
    CRD_OPT_DATASETS,
    CRD_OPT_RESEAL,
    /* export */
    CRD_OPT_TO,
    /* bench */
    CRD_OPT_BENCH_ARCH,
    CRD_OPT_BENCH_BATCH,
    CRD_OPT_BENCH_DRAWS,
    CRD_OPT_REPEATS,
    CRD_OPT_VERBOSE,
    /* all */
    CRD_OPT_SEED,
    CRD_OPT_JSON,
    CRD_OPT_QUIET,
    CRD_OPT_HELP,
    CRD_OPT_MARKDOWN,
    CRD_N_OPTIONS
} crd_option_id;

typedef struct crd_option {
    const char *name;        /**< without the dashes */
    char letter;             /**< short form, or 0 */
    const char *placeholder; /**< of the value in help: "N"; NULL for a flag */
    crd_option_type type;
    const char *default_text;            /**< parsed as if it had been given; NULL: none */
    const char *default_note;            /**< what holds where there is no default_text, for help */
    double min, max;                     /**< of numbers */
    const char *const *(*choices)(void); /**< names, NULL behind the last */
    unsigned commands;                   /**< bits of the commands that take it */
    const char *help;                    /**< one line, no final period */
} crd_option;

/** The table, CRD_N_OPTIONS rows by crd_option_id. */
const crd_option *crd_option_table(void);

#define CRD_OPTION_MAX_NUMBERS 16

typedef struct crd_option_value {
    int given;        /**< 1: on the command line; 0: the default, if there is one */
    int64_t integer;  /**< INT64, FLAG as 0 or 1, and CHOICE as its place among the choices */
    double number;    /**< DOUBLE, and DURATION in seconds */
    const char *text; /**< TEXT and CHOICE; of numbers the text they were read from; borrowed */
    double numbers[CRD_OPTION_MAX_NUMBERS]; /**< INT64S and DOUBLES */
    int n_numbers;
    const char **texts; /**< TEXTS; the array is owned, the texts are borrowed */
    int64_t n_texts;
} crd_option_value;

/** A parsed command line: values by crd_option_id, and what is no option. */
typedef struct crd_options {
    crd_option_value values[CRD_N_OPTIONS];
    const char **arguments; /**< positional arguments; the array is owned */
    int n_arguments;
} crd_options;

/** Parses argv[0 .. argc), the words behind the command's name, for the command of that bit.
 * Options may stand anywhere before "--"; "--name value" and "--name=value" mean the same; the last
 * of a repeated option holds. `argv` is borrowed until crd_options_clear. Errors: CRD_ERR_USAGE:
 * unknown option (the nearest is named), missing or wrong value. Clear it in any case. */
crd_status crd_options_parse(crd_options *out, unsigned command, int argc, char *const *argv);
void crd_options_clear(crd_options *options);

/** Value of option `id` after defaults as text: what provenance records. NULL: not given and no
 * default. Lists are joined by blanks in `buffer`. */
const char *crd_option_text(char *buffer, size_t size, const crd_options *options,
                            crd_option_id id);

/** The name nearest to `word`, or NULL if none is near. names[n]. */
const char *crd_nearest_name(const char *word, const char *const *names, int n);

#endif
