/* The options of `predict` as the library takes them, and what the table of options cannot say of
 * their values. */
#include "cli/predict_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/integers.h"
#include "base/text.h"

/** Order of the units, from the environment: for tests, as it changes nothing in the answer. */
static crd_status read_shuffle(uint64_t *shuffle)
{
    const char *text = getenv("CREDENCE_SHUFFLE_UNITS");
    int64_t key = 0;
    crd_status status = CRD_OK;
    if (text != NULL)
        status = crd_text_to_int64(&key, text, 0, INT64_MAX, "CREDENCE_SHUFFLE_UNITS");
    *shuffle = (uint64_t)key;
    return status;
}

/** A pair of draws lies within one block. */
static crd_status check_pairs(const crd_options *options)
{
    const crd_option_id even[] = {CRD_OPT_DRAWS, CRD_OPT_DRAW_BLOCK};
    for (size_t i = 0; i < sizeof even / sizeof *even; i++)
        if (crd_opt_int(options, even[i]) % 2 != 0)
            return CRD_FAIL(CRD_ERR_USAGE, "--antithetic draws pairs: --%s must be even, not %lld",
                            crd_option_table()[even[i]].name,
                            (long long)crd_opt_int(options, even[i]));
    return CRD_OK;
}

crd_status crd_predict_options_check(const crd_options *options)
{
    crd_status status = CRD_OK;
    int64_t draws = crd_opt_int(options, CRD_OPT_DRAWS),
            least = crd_opt_int(options, CRD_OPT_MIN_DRAWS);
    if (crd_opt_flag(options, CRD_OPT_ANTITHETIC))
        CRD_TRY(check_pairs(options));
    CRD_REQUIRE(!crd_opt_given(options, CRD_OPT_MIN_DRAWS) || least <= draws, CRD_ERR_USAGE,
                "--min-draws: %lld is more than --draws %lld", (long long)least, (long long)draws);
    CRD_REQUIRE(!crd_opt_given(options, CRD_OPT_IMPORT_EPS) ||
                    !crd_opt_given(options, CRD_OPT_DRAWS) || draws == 1,
                CRD_ERR_USAGE, "--import-eps holds one draw: --draws must be 1");
cleanup:
    return status;
}

/** "I/N". */
static crd_status take_part(crd_predict_files_options *out, const char *text, int64_t n_draws)
{
    crd_status status = CRD_OK;
    const char *slash = strchr(text, '/');
    int64_t block = out->predict.sampler.draw_block;
    int64_t n_blocks = (n_draws + block - 1) / block;
    char first[24] = "";
    CRD_REQUIRE(slash != NULL && slash - text < (int)sizeof first, CRD_ERR_USAGE,
                "--part: '%s' is not I/N, as in 2/8", text);
    memcpy(first, text, (size_t)(slash - text));
    CRD_TRY(crd_text_to_int64(&out->n_parts, slash + 1, 1, n_blocks, "--part: N"));
    CRD_TRY(crd_text_to_int64(&out->part, first, 1, out->n_parts, "--part: I"));
cleanup:
    return status;
}

int64_t crd_opt_weights_bytes(const crd_options *options)
{
    if (!crd_opt_given(options, CRD_OPT_WEIGHTS_MEMORY))
        return 0;
    return crd_larger((int64_t)(1e6 * crd_opt_number(options, CRD_OPT_WEIGHTS_MEMORY)), 1);
}

void crd_predict_options_take(crd_predict_options *out, const crd_options *options)
{
    crd_predict_options_init(out);
    out->sampler.estimator = crd_opt_text(options, CRD_OPT_ESTIMATOR);
    out->sampler.seed = (uint64_t)crd_opt_int(options, CRD_OPT_SEED);
    out->sampler.precision = (crd_precision)crd_opt_choice(options, CRD_OPT_PRECISION);
    out->sampler.batch = crd_opt_int(options, CRD_OPT_BATCH);
    out->sampler.draw_block = crd_opt_int(options, CRD_OPT_DRAW_BLOCK);
    out->weights_bytes = crd_opt_weights_bytes(options);
    out->n_draws = crd_opt_given(options, CRD_OPT_DRAWS) ? crd_opt_int(options, CRD_OPT_DRAWS) : 0;
}

static void take_rest(crd_predict_options *out, const crd_options *options)
{
    out->sampler.mean = crd_opt_flag(options, CRD_OPT_DETERMINISTIC);
    out->sampler.antithetic = crd_opt_flag(options, CRD_OPT_ANTITHETIC);
    if (crd_opt_given(options, CRD_OPT_IMPORT_EPS))
        out->n_draws = 1;
    if (crd_opt_given(options, CRD_OPT_UNTIL_MCSE))
        out->until_mcse = crd_opt_number(options, CRD_OPT_UNTIL_MCSE);
    out->min_draws = crd_opt_int(options, CRD_OPT_MIN_DRAWS);
    out->confidence = crd_opt_number(options, CRD_OPT_CONFIDENCE);
    out->n_top = crd_opt_int(options, CRD_OPT_TOPK);
    out->checkpoint_s = crd_opt_number(options, CRD_OPT_CHECKPOINT_INTERVAL);
    out->max_time_s = crd_opt_number(options, CRD_OPT_MAX_TIME);
}

crd_status crd_predict_options_make(crd_predict_files_options *out, const crd_options *options,
                                    const crd_record *record)
{
    crd_status status = CRD_OK;
    crd_predict_files_options_init(out);
    CRD_TRY(crd_predict_options_check(options));
    crd_predict_options_take(&out->predict, options);
    take_rest(&out->predict, options);
    out->posterior = options->arguments[0];
    out->inputs = options->arguments + 1;
    out->n_inputs = options->n_arguments - 1;
    out->skip_bad = crd_opt_flag(options, CRD_OPT_SKIP_BAD);
    out->import_eps = crd_opt_text(options, CRD_OPT_IMPORT_EPS);
    out->output = crd_opt_text(options, CRD_OPT_OUTPUT);
    out->save_draws = crd_opt_flag(options, CRD_OPT_SAVE_DRAWS);
    out->resume = crd_opt_flag(options, CRD_OPT_RESUME);
    out->record = *record;
    if (crd_opt_given(options, CRD_OPT_PART))
        CRD_TRY(take_part(out, crd_opt_text(options, CRD_OPT_PART),
                          crd_opt_int(options, CRD_OPT_DRAWS)));
    status = read_shuffle(&out->predict.shuffle);
cleanup:
    return status;
}
