/* Where a conversion gets its network: a state dict whose architecture is found by names and
 * shapes, an ONNX model, the mean network of a posterior, or random weights (He et al. 2015). */
#include "app/convert_source.h"

#include <stdio.h>
#include <string.h>

#include "app/classes.h"
#include "credence/files.h"
#include "credence/log.h"
#include "credence/onnx.h"

/** What does not fit, and what would. */
static crd_status refuse_misfit(const crd_convert_source *source, const crd_state_fit *fit,
                                const char *path, int64_t image_size)
{
    char text[CRD_STATE_TEXT_SIZE], near[96] = "";
    const crd_arch *nearest = NULL;
    crd_state_fit best;
    if (crd_state_dict_guess(&nearest, &best, &source->dict, image_size) == CRD_OK &&
        nearest != source->arch)
        snprintf(near, sizeof near, "; the nearest architecture is %s%s", nearest->name,
                 crd_state_fit_faults(&best) == 0 ? ", which they fit" : "");
    return CRD_FAIL(CRD_ERR_INPUT, "%s: its tensors do not fit %s: %s%s", path, source->arch->name,
                    crd_state_fit_text(text, fit), near);
}

/** The given architecture, or the architecture that the tensors' names and shapes tell. */
static crd_status fit_state_dict(crd_state_fit *fit, crd_convert_source *source, const char *path,
                                 int64_t image_size)
{
    crd_status status = CRD_OK;
    if (source->arch == NULL) {
        char text[CRD_STATE_TEXT_SIZE];
        CRD_TRY(crd_state_dict_guess(&source->arch, fit, &source->dict, image_size));
        CRD_REQUIRE(crd_state_fit_faults(fit) == 0, CRD_ERR_INPUT,
                    "%s: its tensors fit no architecture; the nearest is %s: %s", path,
                    source->arch->name, crd_state_fit_text(text, fit));
        crd_log(CRD_LOG_INFO, "%s: %s, by the names and shapes of its tensors", path,
                source->arch->name);
    }
    CRD_TRY(
        crd_state_dict_network(&source->network, &source->dict, source->arch->name, image_size));
    CRD_TRY(crd_state_dict_fit(fit, &source->dict, source->network));
    if (crd_state_fit_faults(fit) > 0)
        CRD_TRY(refuse_misfit(source, fit, path, image_size));
cleanup:
    return status;
}

static crd_status open_state_dict(crd_convert_source *source, const char *path, const char *key,
                                  int64_t image_size)
{
    crd_status status = CRD_OK;
    crd_state_fit fit;
    CRD_TRY(crd_state_dict_read(&source->dict, path, key));
    CRD_TRY(fit_state_dict(&fit, source, path, image_size));
    if (fit.prefix[0] != '\0')
        crd_log(CRD_LOG_INFO, "%s: '%s' is taken off the names", path, fit.prefix);
    if (fit.n_beside > 0)
        crd_log(CRD_LOG_INFO, "%s: %lld tensors beside, the first is %s, are passed over", path,
                (long long)fit.n_beside, fit.beside);
    crd_state_dict_keep(&source->dict, fit.prefix, source->arch);
cleanup:
    return status;
}

static crd_status copy_network(crd_network **out, const crd_network *network)
{
    char *text = NULL;
    crd_status status = crd_network_to_json(&text, network);
    if (status == CRD_OK)
        status = crd_network_from_json(out, text);
    crd_network_text_free(text);
    return status;
}

static crd_status check_image(const crd_network *network, const char *path)
{
    crd_status status = CRD_OK;
    const crd_shape *input = crd_network_input_shape(network);
    CRD_REQUIRE(input->dims[0] <= CRD_MAX_CHANNELS, CRD_ERR_INPUT,
                "%s: its images have %lld channels, supported are up to %d", path,
                (long long)input->dims[0], CRD_MAX_CHANNELS);
cleanup:
    return status;
}

static void say_what_is_open(const crd_onnx_model *model, const crd_convert_files_options *o)
{
    if (model->end != NULL)
        crd_log(CRD_LOG_INFO, "%s: it ends with %s%s", o->weights, model->end,
                model->outputs == CRD_OUTPUT_LOGITS ? ", which is taken off: the outputs are logits"
                                                    : ", so its outputs are values");
    if (o->n_channel_mean == 0)
        crd_log(CRD_LOG_INFO,
                "%s: an ONNX model does not say how images are prepared: values in [0, 1], unless "
                "--channel-mean, --channel-sd and --resize say so",
                o->weights);
}

/** An ONNX model is network and weights at once. */
static crd_status open_onnx(crd_convert_source *source, const crd_convert_files_options *o)
{
    crd_status status = CRD_OK;
    crd_onnx_model model = {0};
    const char *other = o->arch != NULL          ? "arch"
                        : o->weights_key != NULL ? "weights-key"
                        : o->crop > 0            ? "crop"
                                                 : NULL;
    CRD_REQUIRE(other == NULL, CRD_ERR_USAGE,
                "--%s: %s is an ONNX model, which says it itself (see --input-size)", other,
                o->weights);
    CRD_TRY(crd_onnx_model_read(&model, o->weights,
                                &(crd_onnx_options){o->input_height, o->input_width}));
    CRD_TRY(check_image(model.network, o->weights));
    say_what_is_open(&model, o);
    source->network = model.network;
    source->dict.params = model.weights;
    source->outputs = model.outputs;
    model.network = NULL;
    crd_params_init(&model.weights);
cleanup:
    crd_onnx_model_clear(&model);
    return status;
}

/** The mean network of a posterior; images may get another size. */
static crd_status open_posterior(crd_convert_source *source, int64_t image_size)
{
    crd_status status = CRD_OK;
    const crd_posterior *p = source->posterior;
    const crd_params *params = &p->network->params;
    const crd_shape *input = crd_network_input_shape(p->network);
    if (source->arch != NULL)
        CRD_TRY(crd_zoo_build(&source->network, source->arch->name, input->dims[0],
                              image_size != 0 ? image_size : input->dims[1], p->n_classes));
    else
        CRD_TRY(copy_network(&source->network, p->network));
    for (int64_t i = 0; i < params->n_params; i++)
        CRD_TRY(crd_params_add(NULL, &source->dict.params, params->entries[i].name,
                               &params->entries[i].shape));
    CRD_TRY(crd_params_allocate(&source->dict.params));
    for (int64_t i = 0; i < params->n_params; i++)
        memcpy(crd_params_view(&source->dict.params, i), p->mu + params->entries[i].offset,
               (size_t)params->entries[i].count * sizeof(float));
cleanup:
    return status;
}

static crd_status make_random(crd_convert_source *source, const crd_convert_files_options *o)
{
    crd_status status = CRD_OK;
    int64_t n_classes = o->n_classes;
    if (n_classes == 0 && o->classes != NULL)
        CRD_TRY(crd_classes_count(&n_classes, o->classes));
    CRD_TRY(crd_zoo_build(&source->network, source->arch->name, o->channels, o->crop, n_classes));
    CRD_TRY(crd_zoo_initial_weights(&source->dict.params, source->network, o->conversion.seed));
cleanup:
    return status;
}

static crd_status find_arch(crd_convert_source *source, const crd_convert_files_options *o)
{
    const char *name = o->arch;
    if (name == NULL && source->posterior != NULL)
        name = source->posterior->network->arch;
    if (name == NULL && o->weights != NULL)
        return CRD_OK; /* the weights will tell */
    if (o->arch == NULL && source->posterior != NULL && crd_zoo_find(name) == NULL)
        return o->crop > 0 ? CRD_FAIL(CRD_ERR_USAGE, "--crop: the image size of %s is fixed", name)
                           : CRD_OK;
    if (name == NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "convert needs --weights FILE or --arch NAME");
    source->arch = crd_zoo_find(name);
    if (source->arch == NULL) /* says which name is near */
        return crd_zoo_build(&source->network, name, 0, 0, 0);
    if (source->posterior != NULL && strcmp(name, source->posterior->network->arch) != 0)
        return CRD_FAIL(CRD_ERR_USAGE, "--arch %s: %s is a posterior of %s", name, o->weights,
                        source->posterior->network->arch);
    return CRD_OK;
}

crd_status crd_convert_source_init(crd_convert_source *source,
                                   const crd_convert_files_options *options)
{
    crd_status status = CRD_OK;
    const char *path = options->weights;
    *source = (crd_convert_source){0};
    if (path != NULL && crd_file_is_hdf5(path)) {
        CRD_TRY(crd_posterior_read(&source->posterior, path));
        CRD_TRY(crd_posterior_check_normal(source->posterior, path, "convert"));
    } else if (path != NULL && crd_onnx_fits(path))
        return open_onnx(source, options);
    CRD_REQUIRE(options->input_height == 0, CRD_ERR_USAGE,
                "--input-size: %s is no ONNX model; the image size is --crop", path);
    CRD_TRY(find_arch(source, options));
    if (source->posterior != NULL)
        CRD_TRY(open_posterior(source, options->crop));
    else if (path != NULL)
        CRD_TRY(open_state_dict(source, path, options->weights_key, options->crop));
    else
        CRD_TRY(make_random(source, options));
cleanup:
    return status;
}

void crd_convert_source_clear(crd_convert_source *source)
{
    crd_posterior_destroy(source->posterior);
    crd_state_dict_clear(&source->dict);
    crd_network_destroy(source->network);
}
