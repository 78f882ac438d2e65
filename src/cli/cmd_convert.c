/* `credence convert`: crd_convert_files with the options of the command line, and what is in the
 * posterior that it made. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/record.h"
#include "credence/convert_files.h"
#include "credence/log.h"

/** A file of weights is a trained network, as a rule: what is made of it should still be that
 * network. */
static int is_moped(const crd_options *options)
{
    const crd_option_value *values = options->values;
    return values[CRD_OPT_MOPED].integer != 0 ||
           (values[CRD_OPT_WEIGHTS].given && values[CRD_OPT_NO_MOPED].integer == 0);
}

static crd_conversion make_conversion(const crd_options *options)
{
    const crd_option_value *values = options->values;
    crd_conversion conversion = crd_conversion_defaults();
    conversion.prior_mu = values[CRD_OPT_PRIOR_MU].number;
    conversion.prior_sigma = values[CRD_OPT_PRIOR_SIGMA].number;
    conversion.prior_kind = strcmp(values[CRD_OPT_PRIOR_KIND].text, "mixture") == 0
                                ? CRD_PRIOR_MIXTURE
                                : CRD_PRIOR_NORMAL;
    while (strcmp(crd_prior_scale_names()[conversion.prior_scale],
                  values[CRD_OPT_PRIOR_SCALE].text) != 0)
        conversion.prior_scale++;
    conversion.prior_pi = values[CRD_OPT_PRIOR_PI].number;
    if (values[CRD_OPT_PRIOR_SIGMA2].given)
        conversion.prior_sigma2 = values[CRD_OPT_PRIOR_SIGMA2].number;
    conversion.posterior_mu_init = values[CRD_OPT_POSTERIOR_MU_INIT].number;
    conversion.posterior_rho_init = values[CRD_OPT_POSTERIOR_RHO_INIT].number;
    conversion.moped_enable = is_moped(options);
    conversion.moped_delta = values[CRD_OPT_MOPED_DELTA].number;
    conversion.moped_prior = values[CRD_OPT_MOPED_PRIOR].integer != 0;
    conversion.sigma_min = values[CRD_OPT_SIGMA_MIN].number;
    conversion.seed = (uint64_t)values[CRD_OPT_SEED].integer;
    snprintf(conversion.type, sizeof conversion.type, "%s", values[CRD_OPT_CONVERT_ESTIMATOR].text);
    return conversion;
}

/** MOPED is also what --weights alone means, which the table of options cannot say. */
static crd_status check_moped(const crd_options *options)
{
    static const crd_option_id of_moped[] = {CRD_OPT_MOPED_DELTA, CRD_OPT_MOPED_PRIOR,
                                             CRD_OPT_SIGMA_MIN};
    for (size_t i = 0; i < sizeof of_moped / sizeof *of_moped; i++)
        if (crd_opt_given(options, of_moped[i]) && !is_moped(options))
            return CRD_FAIL(CRD_ERR_USAGE, "--%s has a meaning only with --moped or --weights",
                            crd_option_table()[of_moped[i]].name);
    return CRD_OK;
}

/** A state dict of bayesian-torch has its own initial values: options for others contradict it. */
static crd_status check_imported(const crd_posterior *posterior, void *payload)
{
    const crd_options *options = *(const crd_options *const *)payload;
    static const crd_option_id others[] = {
        CRD_OPT_MOPED,       CRD_OPT_NO_MOPED,          CRD_OPT_MOPED_DELTA,
        CRD_OPT_SIGMA_MIN,   CRD_OPT_POSTERIOR_MU_INIT, CRD_OPT_POSTERIOR_RHO_INIT,
        CRD_OPT_MOPED_PRIOR,
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (posterior->conversion.initial == CRD_INITIAL_IMPORTED &&
            options->values[others[i]].given)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "--%s: %s holds a posterior of bayesian-torch, whose mu and rho are "
                            "taken as they are",
                            crd_option_table()[others[i]].name,
                            options->values[CRD_OPT_WEIGHTS].text);
    return CRD_OK;
}

static void warn_of_discarded(const crd_posterior *posterior)
{
    if (posterior->conversion.initial == CRD_INITIAL_DISCARDED)
        crd_log(CRD_LOG_WARN,
                "--no-moped: the weights of all Bayesian layers in --weights are not "
                "used; this is an untrained network until `credence train` has "
                "trained it. Without --no-moped the posterior lies about the weights");
}

static void print_start(const crd_conversion *c)
{
    if (c->initial == CRD_INITIAL_MOPED)
        printf("  start      MOPED: mu = weight, sigma = %g |weight|\n", c->moped_delta);
    else if (c->initial == CRD_INITIAL_IMPORTED)
        puts("  start      mu and rho as bayesian-torch has them");
    else
        printf("  start      random: mu ~ N(%g, 0.1^2), rho ~ N(%g, 0.1^2)\n", c->posterior_mu_init,
               c->posterior_rho_init);
}

static crd_status print_summary(const crd_posterior *posterior, const char *path, int as_json)
{
    const crd_params *params = &posterior->network->params;
    int64_t n_bayesian = 0, n_fixed = 0, n_tensors = 0;
    double kl_sum, kl_mean;
    char a[32], b[32];
    for (int64_t i = 0; i < params->n_params; i++) {
        n_tensors += posterior->bayesian[i];
        *(posterior->bayesian[i] ? &n_bayesian : &n_fixed) += params->entries[i].count;
    }
    crd_posterior_kl(&kl_sum, &kl_mean, posterior);
    if (as_json)
        return crd_json_print(
            json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "posterior",
                      crd_json_text(path), "arch", posterior->network->arch, "initial_values",
                      crd_initial_kind_names()[posterior->conversion.initial], "n_classes",
                      (json_int_t)posterior->n_classes, "n_bayesian", (json_int_t)n_bayesian,
                      "n_bayesian_tensors", (json_int_t)n_tensors, "n_fixed", (json_int_t)n_fixed,
                      "kl_sum", crd_json_real(kl_sum), "kl_mean", crd_json_real(kl_mean)));
    crd_print_clean(path);
    printf(": %s, %lld classes\n", posterior->network->arch, (long long)posterior->n_classes);
    printf("  Bayesian   %s numbers in %lld tensors, %s\n", crd_grouped(a, n_bayesian),
           (long long)n_tensors, posterior->conversion.type);
    print_start(&posterior->conversion);
    printf("  fixed      %s numbers (batch norm statistics included)\n", crd_grouped(b, n_fixed));
    printf("  KL         %.6g nats to the prior; %.6g as the sum of each tensor's mean\n", kl_sum,
           kl_mean);
    return CRD_OK;
}

static void take_preprocessing(crd_convert_files_options *out, const crd_options *options)
{
    const crd_option_value *mean = &options->values[CRD_OPT_CHANNEL_MEAN],
                           *sd = &options->values[CRD_OPT_CHANNEL_SD];
    out->crop = crd_opt_int(options, CRD_OPT_CROP);
    if (crd_opt_given(options, CRD_OPT_RESIZE))
        out->resize = crd_opt_int(options, CRD_OPT_RESIZE);
    if (crd_opt_given(options, CRD_OPT_INTERPOLATION))
        out->interpolation = strcmp(crd_opt_text(options, CRD_OPT_INTERPOLATION), "bicubic") == 0
                                 ? CRD_BICUBIC
                                 : CRD_BILINEAR;
    out->channel_mean = mean->numbers;
    out->n_channel_mean = mean->given ? mean->n_numbers : 0;
    out->channel_sd = sd->numbers;
    out->n_channel_sd = sd->given ? sd->n_numbers : 0;
}

static void make_options(crd_convert_files_options *out, const crd_options *options)
{
    const crd_option_value *bayesian = &options->values[CRD_OPT_BAYESIAN];
    crd_convert_files_options_init(out);
    out->weights = crd_opt_text(options, CRD_OPT_WEIGHTS);
    out->input_size = crd_opt_int(options, CRD_OPT_INPUT_SIZE);
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
}

crd_status crd_cmd_convert(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    crd_cli_record record;
    crd_convert_files_options options;
    const crd_options *given = cli->options;
    CRD_TRY(check_moped(cli->options));
    make_options(&options, cli->options);
    options.record = *crd_cli_record_make(&record, cli);
    CRD_TRY(crd_convert_files(&posterior, &options, check_imported, &given));
    warn_of_discarded(posterior);
    CRD_TRY(print_summary(posterior, options.output, crd_opt_flag(cli->options, CRD_OPT_JSON)));
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
