/* The options of `sample` as the library takes them: what is not given is what the sampler's source
 * has. */
#include "cli/sample_options.h"

#include <string.h>

static void take_chain(crd_chain_options *out, const crd_options *options)
{
    const struct {
        crd_option_id option;
        double *value;
    } numbers[] = {{CRD_OPT_CHAIN_STEP_SIZE, &out->step_size},
                   {CRD_OPT_CHAIN_TEMPERATURE, &out->temperature},
                   {CRD_OPT_CHAIN_MOMENTUM, &out->momentum},
                   {CRD_OPT_EXPLORATION, &out->exploration},
                   {CRD_OPT_TARGET_ACCEPT, &out->target_accept},
                   {CRD_OPT_ENERGY_VARIANCE, &out->energy_variance},
                   {CRD_OPT_DECOHERENCE, &out->decoherence}};
    const struct {
        crd_option_id option;
        int64_t *value;
    } counts[] = {{CRD_OPT_CHAIN_DRAWS, &out->n_draws},
                  {CRD_OPT_BURN_IN, &out->burn_in},
                  {CRD_OPT_THIN, &out->thin},
                  {CRD_OPT_CYCLE_LENGTH, &out->cycle_length},
                  {CRD_OPT_DRAWS_PER_CYCLE, &out->draws_per_cycle},
                  {CRD_OPT_LEAPFROG_STEPS, &out->leapfrog_steps}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (options->values[numbers[i].option].given)
            *numbers[i].value = options->values[numbers[i].option].number;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (options->values[counts[i].option].given)
            *counts[i].value = options->values[counts[i].option].integer;
    out->is_preconditioned = strcmp(crd_opt_text(options, CRD_OPT_PRECONDITIONER), "rmsprop") == 0;
    out->seed = (uint64_t)crd_opt_int(options, CRD_OPT_SEED);
}

crd_status crd_sample_options_make(crd_sample_files_options *out, const crd_options *options,
                                   const crd_record *record)
{
    crd_status status = CRD_OK;
    crd_sample_options *sample = &out->sample;
    CRD_TRY(crd_sample_files_options_init(out, crd_opt_text(options, CRD_OPT_SAMPLER)));
    take_chain(&sample->chain, options);
    sample->n_chains = crd_opt_int(options, CRD_OPT_CHAINS);
    if (crd_opt_given(options, CRD_OPT_CHAIN_BATCH_SIZE))
        sample->batch_size = crd_opt_int(options, CRD_OPT_CHAIN_BATCH_SIZE);
    sample->micro_batch = crd_opt_int(options, CRD_OPT_CHAIN_MICRO_BATCH);
    sample->checkpoint_s = crd_opt_number(options, CRD_OPT_CHECKPOINT_INTERVAL);
    sample->max_time_s = crd_opt_number(options, CRD_OPT_MAX_TIME);
    out->posterior = options->arguments[0];
    out->data = options->arguments + 1;
    out->n_data = options->n_arguments - 1;
    out->start = crd_opt_text(options, CRD_OPT_START);
    out->loss = crd_opt_text(options, CRD_OPT_LIKELIHOOD);
    out->noise_sd = crd_opt_number(options, CRD_OPT_NOISE_SD);
    out->output = crd_opt_text(options, CRD_OPT_OUTPUT);
    out->resume = crd_opt_flag(options, CRD_OPT_RESUME);
    out->record = *record;
    CRD_TRY(crd_chain_check(&sample->chain));
cleanup:
    return status;
}
