/** The one table of options. It makes the parser, the checks of what goes together, help, man
 * pages and completion, the table of jobs/README.md, the options that a file's provenance and a
 * checkpoint's key record, and those that `plan` hands to predict. */
#ifndef CRD_CLI_OPTIONS_H
#define CRD_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "credence/status.h"

/** The commands, in the order in which help lists them. */
#define CRD_EACH_COMMAND(X)                                                                        \
    X(CONVERT)                                                                                     \
    X(PREDICT)                                                                                     \
    X(TRAIN)                                                                                       \
    X(SAMPLE)                                                                                      \
    X(ENSEMBLE)                                                                                    \
    X(REFRESH)                                                                                     \
    X(LAPLACE)                                                                                     \
    X(EVALUATE)                                                                                    \
    X(COMPARE)                                                                                     \
    X(MERGE)                                                                                       \
    X(PLAN)                                                                                        \
    X(PLAN_SAMPLE)                                                                                 \
    X(PREPROCESS)                                                                                  \
    X(INSPECT)                                                                                     \
    X(EXPORT)                                                                                      \
    X(MODELS)                                                                                      \
    X(BENCH)                                                                                       \
    X(SELFTEST)                                                                                    \
    X(VERSION)                                                                                     \
    X(HELP)

/** Rows of the table of commands: CRD_COMMAND_PREDICT. */
#define CRD_ID_OF_COMMAND(name) CRD_COMMAND_##name,
typedef enum crd_command_id { CRD_EACH_COMMAND(CRD_ID_OF_COMMAND) CRD_N_COMMANDS } crd_command_id;

/** Commands as bits, so that an option can say which of them take it: CRD_PREDICT. */
#define CRD_BIT_OF_COMMAND(name) CRD_##name = 1 << CRD_COMMAND_##name,
enum {
    CRD_EACH_COMMAND(CRD_BIT_OF_COMMAND) CRD_EVERY = (1 << CRD_N_COMMANDS) - 1,
    CRD_CHAINS = CRD_SAMPLE | CRD_PLAN_SAMPLE /**< the run, and its plan */
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
    CRD_OPT_NONE, /**< no option: ends lists of them */
    CRD_OPT_OUTPUT,
    /* convert */
    CRD_OPT_ARCH,
    CRD_OPT_WEIGHTS,
    CRD_OPT_WEIGHTS_KEY,
    CRD_OPT_INPUT_SIZE,
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
    CRD_OPT_CONVERT_ESTIMATOR,
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
    CRD_OPT_DETERMINISTIC,
    CRD_OPT_ESTIMATOR,
    CRD_OPT_PRECISION,
    CRD_OPT_ANTITHETIC,
    CRD_OPT_UNTIL_MCSE,
    CRD_OPT_MIN_DRAWS,
    CRD_OPT_CONFIDENCE,
    CRD_OPT_PART,
    CRD_OPT_DRAW_BLOCK,
    CRD_OPT_BATCH,
    CRD_OPT_WEIGHTS_MEMORY,
    CRD_OPT_TOPK,
    CRD_OPT_ALL_IMAGES,
    CRD_OPT_SHOW_DRAWS,
    CRD_OPT_SAVE_DRAWS,
    CRD_OPT_IMPORT_EPS,
    CRD_OPT_SKIP_BAD,
    /* evaluate */
    CRD_OPT_OOD,
    CRD_OPT_REFERENCE,
    /* laplace */
    CRD_OPT_HESSIAN,
    CRD_OPT_PRIOR_PRECISION,
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
    CRD_OPT_TEMPERATURE,
    CRD_OPT_EPOCHS,
    CRD_OPT_BATCH_SIZE,
    CRD_OPT_MICRO_BATCH,
    CRD_OPT_TRAIN_DRAWS,
    CRD_OPT_TRAIN_DETERMINISTIC,
    CRD_OPT_OPTIMIZER,
    CRD_OPT_LR,
    CRD_OPT_MOMENTUM,
    CRD_OPT_NESTEROV,
    CRD_OPT_WEIGHT_DECAY,
    CRD_OPT_BETA1,
    CRD_OPT_BETA2,
    CRD_OPT_ESS,
    CRD_OPT_HESS_INIT,
    CRD_OPT_CLIP_RADIUS,
    CRD_OPT_NO_DEBIAS,
    CRD_OPT_NO_RESCALE_LR,
    CRD_OPT_SCHEDULER,
    CRD_OPT_GAMMA,
    CRD_OPT_STEP_SIZE,
    CRD_OPT_MILESTONES,
    CRD_OPT_T_MAX,
    CRD_OPT_CYCLE,
    CRD_OPT_LR_MIN,
    CRD_OPT_WARMUP,
    CRD_OPT_CLIP_NORM,
    CRD_OPT_KEEP_GRADIENTS,
    CRD_OPT_LOCAL_STEPS,
    CRD_OPT_BATCH_NORM,
    CRD_OPT_AUGMENT,
    CRD_OPT_COLLECT,
    CRD_OPT_COLLECT_START,
    CRD_OPT_COLLECT_EVERY,
    CRD_OPT_COLLECT_STEPS,
    CRD_OPT_RANK,
    CRD_OPT_SNAPSHOT_EVERY,
    CRD_OPT_VALIDATE,
    CRD_OPT_VALIDATE_SHARE,
    CRD_OPT_VALIDATE_EVERY,
    CRD_OPT_VALIDATE_DRAWS,
    /* refresh */
    CRD_OPT_REFRESH_DRAWS,
    CRD_OPT_REFRESH_IMAGES,
    /* sample */
    CRD_OPT_SAMPLER,
    CRD_OPT_CHAINS,
    CRD_OPT_CHAIN_DRAWS,
    CRD_OPT_BURN_IN,
    CRD_OPT_THIN,
    CRD_OPT_CHAIN_STEP_SIZE,
    CRD_OPT_CHAIN_TEMPERATURE,
    CRD_OPT_CHAIN_MOMENTUM,
    CRD_OPT_PRECONDITIONER,
    CRD_OPT_CYCLE_LENGTH,
    CRD_OPT_DRAWS_PER_CYCLE,
    CRD_OPT_EXPLORATION,
    CRD_OPT_LEAPFROG_STEPS,
    CRD_OPT_TARGET_ACCEPT,
    CRD_OPT_ENERGY_VARIANCE,
    CRD_OPT_DECOHERENCE,
    CRD_OPT_START,
    CRD_OPT_LIKELIHOOD,
    CRD_OPT_NOISE_SD,
    CRD_OPT_CHAIN_BATCH_SIZE,
    CRD_OPT_CHAIN_MICRO_BATCH,
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

/** Headings of help and man pages, in their order. Every option has one. */
typedef enum crd_option_group {
    CRD_GROUP_NONE,
    CRD_GROUP_OUTPUT,
    CRD_GROUP_NETWORK,
    CRD_GROUP_POSTERIOR,
    CRD_GROUP_IMAGES,
    CRD_GROUP_DRAWS,
    CRD_GROUP_WORK,
    CRD_GROUP_LOSS,
    CRD_GROUP_OPTIMIZER,
    CRD_GROUP_COLLECTION,
    CRD_GROUP_VALIDATION,
    CRD_GROUP_CHECKPOINTS,
    CRD_GROUP_GENERAL,
    CRD_N_GROUPS
} crd_option_group;

/** What another value does to a run's result, and so to the key of its checkpoint. Every option has
 * one. */
typedef enum crd_option_effect {
    CRD_EFFECT_MISSING,
    CRD_EFFECT_NONE,     /**< the same result */
    CRD_EFFECT_RESULT,   /**< another result: part of the key */
    CRD_EFFECT_BY_DIGEST /**< another result; the key holds a digest of what the option names */
} crd_option_effect;

/** What `plan` does with an option that predict takes too. Every such option has one. */
typedef enum crd_option_plan {
    CRD_PLAN_MISSING,
    CRD_PLAN_PASSES, /**< its line for predict has the option */
    CRD_PLAN_KEEPS   /**< it means plan itself */
} crd_option_plan;

#define CRD_OPTION_MAX_NEEDS 2
#define CRD_OPTION_MAX_EXCLUDES 6

typedef struct crd_option_need {
    crd_option_id option;  /**< must be given, or have one of `values` */
    const char *values[5]; /**< NULL-terminated; none: any */
} crd_option_need;

typedef struct crd_option {
    const char *name;        /**< without the dashes */
    const char *old_name;    /**< understood too, but shown nowhere; NULL: none */
    char letter;             /**< short form, or 0 */
    const char *placeholder; /**< of the value in help: "N"; NULL for a flag */
    crd_option_type type;
    const char *default_text;            /**< parsed as if it had been given; NULL: none */
    const char *default_note;            /**< what holds where there is no default_text, for help */
    double min, max;                     /**< of numbers */
    const char *const *(*choices)(void); /**< names, NULL-terminated */
    unsigned commands;                   /**< bits of the commands that take it */
    unsigned required;                   /**< bits of those that cannot do without */
    unsigned argument; /**< bits of those whose first argument it may be, without its name */
    crd_option_group group;
    crd_option_effect effect;
    crd_option_plan plan;
    crd_option_need needs[CRD_OPTION_MAX_NEEDS];     /**< ends at CRD_OPT_NONE */
    crd_option_id excludes[CRD_OPTION_MAX_EXCLUDES]; /**< ends at CRD_OPT_NONE */
    const char *why_not;                             /**< reason of `excludes` */
    const char *help; /**< one line, no final period; what it needs is said before it */
} crd_option;

/** The table, CRD_N_OPTIONS rows by crd_option_id; the first one, CRD_OPT_NONE, is empty. */
const crd_option *crd_option_table(void);
#define CRD_FORM_SIZE 64
/** "-o, --output FILE", or "--draws N". */
void crd_option_form(char out[CRD_FORM_SIZE], const crd_option *option);
/** Writes "--optimizer sgd", or "-o" where a letter is enough; returns its length. */
size_t crd_option_need_text(char *out, size_t size, const crd_option_need *need);
/** Heading of a group. */
const char *crd_option_group_title(crd_option_group group);

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

/** Parses argv[0 .. argc), the words after the command's name, for the command of that bit.
 * Options may stand anywhere before "--"; "--name value" and "--name=value" mean the same; the last
 * of a repeated option holds. `argv` is borrowed until crd_options_clear. Errors: CRD_ERR_USAGE:
 * unknown option (the nearest is named), missing or wrong value. Clear it in any case. */
crd_status crd_options_parse(crd_options *out, unsigned command, int argc, char *const *argv);
void crd_options_clear(crd_options *options);

/** Checks what the table says of options that go together. Errors: CRD_ERR_USAGE: an option is
 * given without one that it needs, or with one that it excludes, or a required one is not. */
crd_status crd_options_check(const crd_options *options, unsigned command);

/** A value after defaults. Which accessor fits an option is checked against the table by
 * tests/lint/rooms.py. */
int crd_opt_given(const crd_options *options, crd_option_id id);
/** Name of the first of ids, which end at CRD_OPT_NONE, that is given; NULL: none is. */
const char *crd_opt_first_given(const crd_options *options, const crd_option_id *ids);
int crd_opt_flag(const crd_options *options, crd_option_id id);      /**< FLAG */
int64_t crd_opt_int(const crd_options *options, crd_option_id id);   /**< INT64 */
double crd_opt_number(const crd_options *options, crd_option_id id); /**< DOUBLE, DURATION in s */
/** CHOICE: its place among the choices. */
int crd_opt_choice(const crd_options *options, crd_option_id id);
/** TEXT, CHOICE. NULL: not given and no default. */
const char *crd_opt_text(const crd_options *options, crd_option_id id);

/** Value of option `id` after defaults as text: what provenance records. NULL: not given and no
 * default. Lists are joined by blanks in `buffer`. */
const char *crd_option_text(char *buffer, size_t size, const crd_options *options,
                            crd_option_id id);

/** The name nearest to `word`, or NULL if none is near. names[n]. */
const char *crd_nearest_name(const char *word, const char *const *names, int n);

#endif
