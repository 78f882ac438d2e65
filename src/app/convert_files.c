/* A posterior from weights (convert_source.c), with the preprocessing, classes and priors that the
 * options or the architecture give. The conversion itself is bayesian-torch's dnn_to_bnn, in
 * bayes/convert.c. */
#include "credence/convert_files.h"

#include "app/classes.h"
#include "app/convert_source.h"
#include "app/output_claim.h"
#include "app/provenance.h"
#include "base/alloc.h"

void crd_convert_files_options_init(crd_convert_files_options *out)
{
    *out = (crd_convert_files_options){.n_bayesian = -1,
                                       .conversion = crd_conversion_defaults(),
                                       .resize = -1,
                                       .interpolation = -1};
}

static crd_status set_channels(float out[CRD_MAX_CHANNELS], const double *numbers, int n,
                               int64_t n_channels, const char *key)
{
    if (n > 0 && n != 1 && n != n_channels)
        return CRD_FAIL(CRD_ERR_USAGE, "%s: %d numbers, but the images have %lld channels", key, n,
                        (long long)n_channels);
    for (int64_t c = 0; n > 0 && c < n_channels; c++)
        out[c] = (float)numbers[n == 1 ? 0 : c];
    return CRD_OK;
}

/** That of the architecture, scaled to the image size; or the whole of an image of these
 * proportions, whatever its size, as of an ONNX model (arch NULL). */
static crd_preprocessing usual_preprocessing(const crd_arch *arch, const crd_shape *input)
{
    crd_preprocessing out = {.channels = input->dims[0],
                             .resize = input->dims[input->dims[1] < input->dims[2] ? 1 : 2],
                             .crop = input->dims[1],
                             .crop_width = input->dims[2] == input->dims[1] ? 0 : input->dims[2],
                             .interpolation =
                                 arch != NULL && arch->is_bicubic ? CRD_BICUBIC : CRD_BILINEAR};
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
                                     const crd_convert_files_options *options)
{
    crd_status status = CRD_OK;
    *out = source->posterior != NULL
               ? source->posterior->preprocessing
               : usual_preprocessing(source->arch, crd_network_input_shape(source->network));
    int is_whole = out->resize == out->crop;
    if (options->crop > 0)
        out->crop = options->crop;
    if (is_whole)
        out->resize = out->crop;
    if (options->resize >= 0)
        out->resize = options->resize;
    if (options->interpolation >= 0)
        out->interpolation = (crd_interpolation)options->interpolation;
    CRD_TRY(set_channels(out->mean, options->channel_mean, options->n_channel_mean, out->channels,
                         "--channel-mean"));
    CRD_TRY(set_channels(out->sd, options->channel_sd, options->n_channel_sd, out->channels,
                         "--channel-sd"));
    status = crd_preprocessing_check(out);
cleanup:
    return status;
}

/** Names of the classes: the file's, or those of the posterior that was given. */
static crd_status name_classes(crd_posterior *posterior, const crd_convert_source *source,
                               const char *classes)
{
    crd_status status = CRD_OK;
    if (classes != NULL)
        return crd_classes_read(posterior, classes);
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

/** A source with its network's posterior; the network is taken over. */
static crd_status make_posterior(crd_posterior **out, crd_convert_source *source,
                                 const crd_convert_files_options *options)
{
    crd_status status = CRD_OK;
    crd_preprocessing preprocessing;
    CRD_TRY(make_preprocessing(&preprocessing, source, options));
    if (options->mc_dropout)
        CRD_TRY(keep_dropout(source->network));
    crd_network *given = source->network;
    source->network = NULL; /* taken over, also on error */
    CRD_TRY(crd_posterior_convert(out, given, &source->dict.params, &options->conversion,
                                  options->bayesian, options->n_bayesian));
    crd_posterior *posterior = *out;
    if (options->weights != NULL && posterior->conversion.initial == CRD_INITIAL_RANDOM)
        posterior->conversion.initial = CRD_INITIAL_DISCARDED;
    posterior->preprocessing = preprocessing;
    posterior->outputs = source->posterior != NULL ? source->posterior->outputs : source->outputs;
cleanup:
    return status;
}

static crd_status write(const crd_posterior *posterior, const crd_convert_source *source,
                        const crd_convert_files_options *options)
{
    crd_status status = CRD_OK;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    char digest[CRD_FILE_DIGEST_SIZE];
    crd_run_inputs inputs = {0};
    if (source->posterior != NULL) {
        CRD_TRY(crd_file_digest(digest, options->weights));
        inputs = (crd_run_inputs){.posterior = options->weights, .posterior_digest = digest};
    }
    CRD_TRY(crd_provenance_make(&provenance, &store, &options->record, options->conversion.seed,
                                &inputs));
    CRD_TRY(crd_posterior_write(options->output, posterior, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    return status;
}

crd_status crd_convert_files(crd_posterior **out, const crd_convert_files_options *options,
                             crd_status (*check)(const crd_posterior *posterior, void *payload),
                             void *payload)
{
    crd_status status = CRD_OK;
    crd_convert_source source = {0};
    crd_output_lock *lock = NULL;
    *out = NULL;
    CRD_TRY(crd_output_claim(
        &lock, options->output,
        &(crd_output_inputs){.posterior = options->weights, .other = options->classes}));
    CRD_TRY(crd_convert_source_init(&source, options));
    CRD_TRY(make_posterior(out, &source, options));
    if (check != NULL)
        CRD_TRY(check(*out, payload));
    CRD_TRY(name_classes(*out, &source, options->classes));
    CRD_TRY(crd_posterior_check(*out));
    if (options->output != NULL)
        CRD_TRY(write(*out, &source, options));
cleanup:
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    crd_convert_source_clear(&source);
    crd_output_lock_release(lock);
    return status;
}
