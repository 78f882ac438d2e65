/* `credence convert`: a posterior from weights (convert_source.c), with the preprocessing, classes
 * and priors that the options or the architecture give. The conversion itself is bayesian-torch's
 * dnn_to_bnn, in bayes/convert.c. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/classes.h"
#include "cli/command.h"
#include "cli/convert_source.h"
#include "cli/output.h"
#include "cli/provenance.h"
#include "credence/log.h"

static crd_status set_channels(float out[CRD_MAX_CHANNELS], const crd_option_value *value,
                               int64_t n_channels, const char *key)
{
    if (!value->given)
        return CRD_OK;
    if (value->n_numbers != 1 && value->n_numbers != n_channels)
        return CRD_FAIL(CRD_ERR_USAGE, "%s: %d numbers, but the images have %lld channels", key,
                        value->n_numbers, (long long)n_channels);
    for (int64_t c = 0; c < n_channels; c++)
        out[c] = (float)value->numbers[value->n_numbers == 1 ? 0 : c];
    return CRD_OK;
}

/** That of the architecture, scaled to the image size; or the whole of a square image, whatever
 * its size, as of an ONNX model (arch NULL). */
static crd_preprocessing usual_preprocessing(const crd_arch *arch, const crd_shape *input)
{
    crd_preprocessing out = {
        .channels = input->dims[0], .resize = input->dims[1], .crop = input->dims[1]};
    for (int64_t c = 0; c < CRD_MAX_CHANNELS; c++)
        out.sd[c] = 1;
    for (int64_t c = 0; arch != NULL && arch->mean != NULL && out.channels == arch->in_channels &&
                        c < out.channels;
         c++) {
        out.mean[c] = arch->mean[c];
        out.sd[c] = arch->sd[c];
    }
    if (arch != NULL && arch->resize > 0)
        out.resize = out.crop * arch->resize / arch->image_size;
    return out;
}

/** The transform: that of the posterior that was given, or the usual one; options go before. */
static crd_status make_preprocessing(crd_preprocessing *out, const crd_convert_source *source,
                                     const crd_options *options)
{
    const crd_option_value *values = options->values;
    *out = source->posterior != NULL
               ? source->posterior->preprocessing
               : usual_preprocessing(source->arch, crd_network_input_shape(source->network));
    int is_whole = out->resize == out->crop;
    if (values[CRD_OPT_CROP].given)
        out->crop = values[CRD_OPT_CROP].integer;
    if (is_whole)
        out->resize = out->crop;
    if (values[CRD_OPT_RESIZE].given)
        out->resize = values[CRD_OPT_RESIZE].integer;
    if (values[CRD_OPT_INTERPOLATION].given || source->posterior == NULL)
        out->interpolation =
            strcmp(values[CRD_OPT_INTERPOLATION].text, "bicubic") == 0 ? CRD_BICUBIC : CRD_BILINEAR;
    crd_status status =
        set_channels(out->mean, &values[CRD_OPT_CHANNEL_MEAN], out->channels, "--channel-mean");
    if (status == CRD_OK)
        status = set_channels(out->sd, &values[CRD_OPT_CHANNEL_SD], out->channels, "--channel-sd");
    return status == CRD_OK ? crd_preprocessing_check(out) : status;
}

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
static crd_status check_imported(const crd_posterior *posterior, const crd_options *options)
{
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

/** Names of the classes: the file's, or those of the posterior that was given. */
static crd_status name_classes(crd_posterior *posterior, const crd_convert_source *source,
                               const crd_option_value *classes)
{
    crd_status status = CRD_OK;
    if (classes->given)
        return crd_classes_read(posterior, classes->text);
    if (source->posterior == NULL || source->posterior->classes == NULL)
        return CRD_OK;
    CRD_ALLOC(&posterior->classes, posterior->n_classes, "class names");
    for (int64_t i = 0; i < posterior->n_classes; i++)
        CRD_TRY(crd_alloc_string(&posterior->classes[i], source->posterior->classes[i]));
cleanup:
    return status;
}

/** Dropout that stays on in prediction. */
static crd_status keep_dropout(crd_network *network)
{
    crd_status status = CRD_OK;
    const crd_attr on = CRD_ATTR("in_prediction", 1);
    for (int64_t i = 0; i < network->n_ops; i++)
        if (crd_network_has_attr(network, i, on.name))
            CRD_TRY(crd_network_set_attr(network, i, &on));
    CRD_REQUIRE(crd_network_is_stochastic(network), CRD_ERR_USAGE,
                "--mc-dropout: network %s has no dropout", network->arch);
cleanup:
    return status;
}

crd_status crd_cmd_convert(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_option_value *values = cli->options->values;
    crd_convert_source source = {0};
    crd_posterior *posterior = NULL;
    crd_provenance_store store;
    CRD_TRY(check_moped(cli->options));
    CRD_TRY(crd_convert_source_init(&source, cli->options));
    crd_preprocessing preprocessing;
    CRD_TRY(make_preprocessing(&preprocessing, &source, cli->options));
    crd_conversion conversion = make_conversion(cli->options);
    int is_mc = values[CRD_OPT_MC_DROPOUT].integer != 0;
    int has_globs = !is_mc || values[CRD_OPT_BAYESIAN].given;
    if (is_mc)
        CRD_TRY(keep_dropout(source.network));
    crd_network *given = source.network;
    source.network = NULL; /* taken over, also on error */
    CRD_TRY(crd_posterior_convert(&posterior, given, &source.dict.params, &conversion,
                                  values[CRD_OPT_BAYESIAN].texts,
                                  has_globs ? (int)values[CRD_OPT_BAYESIAN].n_texts : 0));
    CRD_TRY(check_imported(posterior, cli->options));
    if (values[CRD_OPT_WEIGHTS].given && posterior->conversion.initial == CRD_INITIAL_RANDOM)
        posterior->conversion.initial = CRD_INITIAL_DISCARDED;
    posterior->preprocessing = preprocessing;
    posterior->outputs = source.posterior != NULL ? source.posterior->outputs : source.outputs;
    CRD_TRY(name_classes(posterior, &source, &values[CRD_OPT_CLASSES]));
    CRD_TRY(crd_posterior_check(posterior));
    crd_provenance provenance;
    CRD_TRY(crd_provenance_make(&provenance, &store, cli,
                                source.posterior == NULL ? NULL : values[CRD_OPT_WEIGHTS].text,
                                NULL));
    CRD_TRY(crd_posterior_write(values[CRD_OPT_OUTPUT].text, posterior, &provenance));
    warn_of_discarded(posterior);
    CRD_TRY(
        print_summary(posterior, values[CRD_OPT_OUTPUT].text, values[CRD_OPT_JSON].integer != 0));
cleanup:
    crd_posterior_destroy(posterior);
    crd_convert_source_clear(&source);
    return status;
}
