#include <stdio.h>
#include <string.h>

#include "cli/classes.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/provenance.h"
#include "credence/log.h"
#include "credence/weights.h"
#include "credence/zoo.h"

/** Shape of a node's weight in a state dict, torch's or bayesian-torch's; NULL: it has none. */
static const crd_shape *weight_shape(const crd_params *weights, const crd_node *node)
{
    static const char *const leaves[] = {"weight", "mu_kernel", "mu_weight"};
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s.%s", node->name, leaves[i]);
        int64_t index = crd_params_find(weights, name);
        if (index >= 0)
            return &weights->entries[index].shape;
    }
    return NULL;
}

/** Builds the architecture as the weights have it: channels from the first weighted layer, classes
 * from the last. What they do not tell keeps its default; crd_posterior_convert then says what does
 * not fit. */
static crd_status build_network(crd_network **out, const char *arch, int64_t image_size,
                                const crd_params *weights)
{
    crd_status status = CRD_OK;
    crd_network *usual = NULL;
    int64_t in_channels = 0, n_classes = 0;
    *out = NULL;
    CRD_TRY(crd_zoo_build(&usual, arch, 0, 0, 0));
    for (int64_t i = 0, is_first = 1; i < usual->n_nodes; i++) {
        if (!crd_node_is_weighted(&usual->nodes[i]))
            continue;
        const crd_shape *shape = weight_shape(weights, &usual->nodes[i]);
        int is_usable = shape != NULL && shape->n_dims >= 2 && shape->dims[0] > 0;
        if (is_first && is_usable && shape->n_dims == 4)
            in_channels = shape->dims[1];
        n_classes = is_usable ? shape->dims[0] : 0;
        is_first = 0;
    }
    if (in_channels > CRD_MAX_CHANNELS)
        in_channels = 0;
    CRD_TRY(crd_zoo_build(out, arch, in_channels, image_size, n_classes));
cleanup:
    crd_network_destroy(usual);
    return status;
}

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

/** The transform: ImageNet's for networks of its image size, else none but the crop; options go
 * before. */
static crd_status make_preprocessing(crd_preprocessing *out, const crd_arch *arch,
                                     const crd_shape *input, const crd_options *options)
{
    const crd_option_value *values = options->values;
    crd_preprocessing imagenet = crd_preprocessing_imagenet();
    int is_imagenet = arch->image_size == imagenet.crop;
    *out = (crd_preprocessing){.channels = input->dims[0], .crop = input->dims[1]};
    for (int64_t c = 0; c < CRD_MAX_CHANNELS; c++)
        out->sd[c] = 1;
    if (is_imagenet && out->channels == imagenet.channels) {
        memcpy(out->mean, imagenet.mean, sizeof out->mean);
        memcpy(out->sd, imagenet.sd, sizeof out->sd);
    }
    if (is_imagenet)
        out->resize = out->crop * imagenet.resize / imagenet.crop;
    if (values[CRD_OPT_RESIZE].given)
        out->resize = values[CRD_OPT_RESIZE].integer;
    if (strcmp(values[CRD_OPT_INTERPOLATION].text, "bicubic") == 0)
        out->interpolation = CRD_BICUBIC;
    crd_status status =
        set_channels(out->mean, &values[CRD_OPT_CHANNEL_MEAN], out->channels, "--mean");
    if (status == CRD_OK)
        status = set_channels(out->sd, &values[CRD_OPT_CHANNEL_SD], out->channels, "--sd");
    return status == CRD_OK ? crd_preprocessing_check(out) : status;
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
    conversion.moped_enable = values[CRD_OPT_MOPED].integer != 0;
    conversion.moped_delta = values[CRD_OPT_MOPED_DELTA].number;
    conversion.moped_prior = values[CRD_OPT_MOPED_PRIOR].integer != 0;
    conversion.sigma_min = values[CRD_OPT_SIGMA_MIN].number;
    conversion.seed = (uint64_t)values[CRD_OPT_SEED].integer;
    snprintf(conversion.type, sizeof conversion.type, "%s", values[CRD_OPT_CONVERT_TYPE].text);
    return conversion;
}

static crd_status check_usage(const crd_options *options)
{
    const crd_option_value *values = options->values;
    static const crd_option_id needed[] = {CRD_OPT_ARCH, CRD_OPT_WEIGHTS, CRD_OPT_OUTPUT};
    static const crd_option_id of_moped[] = {CRD_OPT_MOPED_DELTA, CRD_OPT_MOPED_PRIOR,
                                             CRD_OPT_SIGMA_MIN};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!values[needed[i]].given)
            return CRD_FAIL(CRD_ERR_USAGE, "convert needs --%s %s",
                            crd_option_table()[needed[i]].name,
                            crd_option_table()[needed[i]].placeholder);
    for (size_t i = 0; i < sizeof of_moped / sizeof *of_moped; i++)
        if (values[of_moped[i]].given && !values[CRD_OPT_MOPED].integer)
            return CRD_FAIL(CRD_ERR_USAGE, "--%s has a meaning only with --moped",
                            crd_option_table()[of_moped[i]].name);
    return CRD_OK;
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
            json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "posterior", crd_json_text(path),
                      "arch", posterior->network->arch, "n_classes",
                      (json_int_t)posterior->n_classes, "n_bayesian", (json_int_t)n_bayesian,
                      "n_bayesian_tensors", (json_int_t)n_tensors, "n_fixed", (json_int_t)n_fixed,
                      "kl_sum", crd_json_real(kl_sum), "kl_mean", crd_json_real(kl_mean)));
    crd_print_clean(path);
    printf(": %s, %lld classes\n", posterior->network->arch, (long long)posterior->n_classes);
    printf("  Bayesian   %s numbers in %lld tensors, %s\n", crd_grouped(a, n_bayesian),
           (long long)n_tensors, posterior->conversion.type);
    printf("  fixed      %s numbers (batch norm statistics included)\n", crd_grouped(b, n_fixed));
    printf("  KL         %.6g nats to the prior; %.6g as the sum of each tensor's mean\n", kl_sum,
           kl_mean);
    return CRD_OK;
}

crd_status crd_cmd_convert(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_option_value *values = cli->options->values;
    crd_params weights;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    crd_provenance_store store;
    crd_params_init(&weights);
    CRD_TRY(check_usage(cli->options));
    const crd_arch *arch = crd_zoo_find(values[CRD_OPT_ARCH].text);
    if (arch == NULL) /* says which name is near */
        CRD_TRY(crd_zoo_build(&network, values[CRD_OPT_ARCH].text, 0, 0, 0));
    CRD_TRY(crd_weights_read(&weights, values[CRD_OPT_WEIGHTS].text));
    CRD_TRY(build_network(&network, arch->name, values[CRD_OPT_CROP].integer, &weights));
    crd_preprocessing preprocessing;
    CRD_TRY(
        make_preprocessing(&preprocessing, arch, crd_network_input_shape(network), cli->options));
    crd_conversion conversion = make_conversion(cli->options);
    crd_network *given = network;
    network = NULL; /* taken over, also on error */
    CRD_TRY(crd_posterior_convert(&posterior, given, &weights, &conversion,
                                  values[CRD_OPT_BAYESIAN].texts,
                                  (int)values[CRD_OPT_BAYESIAN].n_texts));
    posterior->preprocessing = preprocessing;
    if (values[CRD_OPT_CLASSES].given)
        CRD_TRY(crd_classes_read(posterior, values[CRD_OPT_CLASSES].text));
    CRD_TRY(crd_posterior_check(posterior));
    crd_provenance provenance;
    CRD_TRY(crd_provenance_make(&provenance, &store, cli, NULL));
    CRD_TRY(crd_posterior_write(values[CRD_OPT_OUTPUT].text, posterior, &provenance));
    CRD_TRY(
        print_summary(posterior, values[CRD_OPT_OUTPUT].text, values[CRD_OPT_JSON].integer != 0));
cleanup:
    crd_posterior_destroy(posterior);
    crd_network_destroy(network);
    crd_params_clear(&weights);
    return status;
}
