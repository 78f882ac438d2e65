/* The options of `convert` as the library takes them, and what the table of options cannot say of
 * their values. */
#include "cli/convert_options.h"

#include <stdio.h>

/** A file of weights is a trained network, as a rule: what is made of it should still be that
 * network. */
static int is_moped(const crd_options *options)
{
    return crd_opt_flag(options, CRD_OPT_MOPED) ||
           (crd_opt_given(options, CRD_OPT_WEIGHTS) && !crd_opt_flag(options, CRD_OPT_NO_MOPED));
}

static crd_conversion make_conversion(const crd_options *options)
{
    crd_conversion conversion = crd_conversion_defaults();
    conversion.prior_mu = crd_opt_number(options, CRD_OPT_PRIOR_MU);
    conversion.prior_sigma = crd_opt_number(options, CRD_OPT_PRIOR_SIGMA);
    conversion.prior_kind = (crd_prior_kind)crd_opt_choice(options, CRD_OPT_PRIOR_KIND);
    conversion.prior_scale = (crd_prior_scale)crd_opt_choice(options, CRD_OPT_PRIOR_SCALE);
    conversion.prior_pi = crd_opt_number(options, CRD_OPT_PRIOR_PI);
    if (crd_opt_given(options, CRD_OPT_PRIOR_SIGMA2))
        conversion.prior_sigma2 = crd_opt_number(options, CRD_OPT_PRIOR_SIGMA2);
    conversion.posterior_mu_init = crd_opt_number(options, CRD_OPT_POSTERIOR_MU_INIT);
    conversion.posterior_rho_init = crd_opt_number(options, CRD_OPT_POSTERIOR_RHO_INIT);
    conversion.moped_enable = is_moped(options);
    conversion.moped_delta = crd_opt_number(options, CRD_OPT_MOPED_DELTA);
    conversion.moped_prior = crd_opt_flag(options, CRD_OPT_MOPED_PRIOR);
    conversion.sigma_min = crd_opt_number(options, CRD_OPT_SIGMA_MIN);
    conversion.seed = (uint64_t)crd_opt_int(options, CRD_OPT_SEED);
    snprintf(conversion.type, sizeof conversion.type, "%s",
             crd_opt_text(options, CRD_OPT_CONVERT_ESTIMATOR));
    return conversion;
}

/** MOPED is also what --weights alone means, which the table of options cannot say. */
static crd_status check_moped(const crd_options *options)
{
    static const crd_option_id of_moped[] = {CRD_OPT_MOPED_DELTA, CRD_OPT_MOPED_PRIOR,
                                             CRD_OPT_SIGMA_MIN, CRD_OPT_NONE};
    const char *name = crd_opt_first_given(options, of_moped);
    if (name == NULL || is_moped(options))
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE, "--%s has a meaning only with --moped or --weights", name);
}

crd_status crd_convert_options_check_imported(const crd_posterior *posterior, void *payload)
{
    const crd_options *options = *(const crd_options *const *)payload;
    static const crd_option_id others[] = {CRD_OPT_MOPED,
                                           CRD_OPT_NO_MOPED,
                                           CRD_OPT_MOPED_DELTA,
                                           CRD_OPT_SIGMA_MIN,
                                           CRD_OPT_POSTERIOR_MU_INIT,
                                           CRD_OPT_POSTERIOR_RHO_INIT,
                                           CRD_OPT_MOPED_PRIOR,
                                           CRD_OPT_NONE};
    const char *name = crd_opt_first_given(options, others);
    if (name == NULL || posterior->conversion.initial != CRD_INITIAL_IMPORTED)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE,
                    "--%s: %s holds a posterior of bayesian-torch, whose mu and rho are taken as "
                    "they are",
                    name, crd_opt_text(options, CRD_OPT_WEIGHTS));
}

static void take_preprocessing(crd_convert_files_options *out, const crd_options *options)
{
    const crd_option_value *mean = &options->values[CRD_OPT_CHANNEL_MEAN],
                           *sd = &options->values[CRD_OPT_CHANNEL_SD];
    out->crop = crd_opt_int(options, CRD_OPT_CROP);
    if (crd_opt_given(options, CRD_OPT_RESIZE))
        out->resize = crd_opt_int(options, CRD_OPT_RESIZE);
    if (crd_opt_given(options, CRD_OPT_INTERPOLATION))
        out->interpolation = crd_opt_choice(options, CRD_OPT_INTERPOLATION);
    out->channel_mean = mean->numbers;
    out->n_channel_mean = mean->given ? mean->n_numbers : 0;
    out->channel_sd = sd->numbers;
    out->n_channel_sd = sd->given ? sd->n_numbers : 0;
}

/* A single number is both. */
static crd_status take_input_size(crd_convert_files_options *out, const crd_options *options)
{
    const crd_option_value *size = &options->values[CRD_OPT_INPUT_SIZE];
    if (!size->given)
        return CRD_OK;
    if (size->n_numbers > 2)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "--input-size: %d numbers; needed are PIXELS or HEIGHT,WIDTH",
                        size->n_numbers);
    out->input_height = (int64_t)size->numbers[0];
    out->input_width = (int64_t)size->numbers[size->n_numbers - 1];
    return CRD_OK;
}

crd_status crd_convert_options_make(crd_convert_files_options *out, const crd_options *options,
                                    const crd_record *record)
{
    const crd_option_value *bayesian = &options->values[CRD_OPT_BAYESIAN];
    crd_status status = check_moped(options);
    if (status != CRD_OK)
        return status;
    crd_convert_files_options_init(out);
    out->weights = crd_opt_text(options, CRD_OPT_WEIGHTS);
    status = take_input_size(out, options);
    out->weights_key = crd_opt_text(options, CRD_OPT_WEIGHTS_KEY);
    out->arch = crd_opt_text(options, CRD_OPT_ARCH);
    out->channels = crd_opt_int(options, CRD_OPT_CHANNELS);
    out->n_classes = crd_opt_int(options, CRD_OPT_N_CLASSES);
    out->classes = crd_opt_text(options, CRD_OPT_CLASSES);
    out->mc_dropout = crd_opt_flag(options, CRD_OPT_MC_DROPOUT);
    out->bayesian = bayesian->texts;
    if (bayesian->given)
        out->n_bayesian = (int)bayesian->n_texts;
    else if (out->mc_dropout)
        out->n_bayesian = 0;
    out->conversion = make_conversion(options);
    take_preprocessing(out, options);
    out->output = crd_opt_text(options, CRD_OPT_OUTPUT);
    out->record = *record;
    return status;
}
