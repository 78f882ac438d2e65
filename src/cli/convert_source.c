#include "cli/convert_source.h"

#include <stdio.h>
#include <string.h>

#include "cli/classes.h"
#include "credence/files.h"
#include "credence/weights.h"

/** Shape of an op's weight in a state dict, torch's or bayesian-torch's; NULL: it has none. */
static const crd_shape *weight_shape(const crd_params *weights, const crd_network *network,
                                     int64_t op)
{
    char name[512];
    int64_t param = crd_network_op_param(network, op);
    int64_t index = crd_params_find(weights, network->params.entries[param].name);
    snprintf(name, sizeof name, "%s.mu_%s", crd_network_op_name(network, op),
             crd_network_param_bayesian_leaf(network, param));
    if (index < 0)
        index = crd_params_find(weights, name);
    return index < 0 ? NULL : &weights->entries[index].shape;
}

/** Channels from the first weighted layer, classes from the last. What they do not tell stays 0,
 * and crd_posterior_convert then says what does not fit. */
static crd_status measure_weights(int64_t *in_channels, int64_t *n_classes, const char *arch,
                                  const crd_params *weights)
{
    crd_network *usual = NULL;
    crd_status status = crd_zoo_build(&usual, arch, 0, 0, 0);
    *in_channels = *n_classes = 0;
    for (int64_t i = 0, is_first = 1; status == CRD_OK && i < usual->n_ops; i++) {
        if (!crd_network_op_may_be_random(usual, i))
            continue;
        const crd_shape *shape = weight_shape(weights, usual, i);
        int is_usable = shape != NULL && shape->n_dims >= 2 && shape->dims[0] > 0;
        if (is_first && is_usable && shape->n_dims == 4)
            *in_channels = shape->dims[1];
        *n_classes = is_usable ? shape->dims[0] : 0;
        is_first = 0;
    }
    if (*in_channels > CRD_MAX_CHANNELS)
        *in_channels = 0;
    crd_network_destroy(usual);
    return status;
}

static crd_status open_state_dict(crd_convert_source *source, const char *path, int64_t image_size)
{
    crd_status status = CRD_OK;
    int64_t in_channels, n_classes;
    CRD_TRY(crd_weights_read(&source->weights, path));
    CRD_TRY(measure_weights(&in_channels, &n_classes, source->arch->name, &source->weights));
    CRD_TRY(
        crd_zoo_build(&source->network, source->arch->name, in_channels, image_size, n_classes));
cleanup:
    return status;
}

/** The mean network of a posterior; images may get another size. */
static crd_status open_posterior(crd_convert_source *source, int64_t image_size)
{
    crd_status status = CRD_OK;
    const crd_posterior *p = source->posterior;
    const crd_params *params = &p->network->params;
    const crd_shape *input = crd_network_input_shape(p->network);
    CRD_TRY(crd_zoo_build(&source->network, source->arch->name, input->dims[0],
                          image_size != 0 ? image_size : input->dims[1], p->n_classes));
    for (int64_t i = 0; i < params->n_params; i++)
        CRD_TRY(crd_params_add(NULL, &source->weights, params->entries[i].name,
                               &params->entries[i].shape));
    CRD_TRY(crd_params_allocate(&source->weights));
    for (int64_t i = 0; i < params->n_params; i++)
        memcpy(crd_params_view(&source->weights, i), p->mu + params->entries[i].offset,
               (size_t)params->entries[i].count * sizeof(float));
cleanup:
    return status;
}

static crd_status make_random(crd_convert_source *source, const crd_option_value *values)
{
    crd_status status = CRD_OK;
    int64_t n_classes = values[CRD_OPT_N_CLASSES].integer;
    if (!values[CRD_OPT_N_CLASSES].given && values[CRD_OPT_CLASSES].given)
        CRD_TRY(crd_classes_count(&n_classes, values[CRD_OPT_CLASSES].text));
    CRD_TRY(crd_zoo_build(&source->network, source->arch->name, values[CRD_OPT_CHANNELS].integer,
                          values[CRD_OPT_CROP].integer, n_classes));
    CRD_TRY(crd_zoo_initial_weights(&source->weights, source->network,
                                    (uint64_t)values[CRD_OPT_SEED].integer));
cleanup:
    return status;
}

static crd_status find_arch(crd_convert_source *source, const crd_option_value *values)
{
    const char *name = values[CRD_OPT_ARCH].text;
    if (name == NULL && source->posterior != NULL)
        name = source->posterior->network->arch;
    if (name == NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "convert needs --arch NAME");
    source->arch = crd_zoo_find(name);
    if (source->arch == NULL) /* says which name is near */
        return crd_zoo_build(&source->network, name, 0, 0, 0);
    if (source->posterior != NULL && strcmp(name, source->posterior->network->arch) != 0)
        return CRD_FAIL(CRD_ERR_USAGE, "--arch %s: %s is a posterior of %s", name,
                        values[CRD_OPT_WEIGHTS].text, source->posterior->network->arch);
    return CRD_OK;
}

crd_status crd_convert_source_init(crd_convert_source *source, const crd_options *options)
{
    crd_status status = CRD_OK;
    const crd_option_value *values = options->values;
    static const crd_option_id of_random[] = {CRD_OPT_CHANNELS, CRD_OPT_N_CLASSES};
    const char *path = values[CRD_OPT_WEIGHTS].text;
    int64_t image_size = values[CRD_OPT_CROP].integer;
    *source = (crd_convert_source){0};
    crd_params_init(&source->weights);
    for (size_t i = 0; i < sizeof of_random / sizeof *of_random; i++)
        CRD_REQUIRE(path == NULL || !values[of_random[i]].given, CRD_ERR_USAGE,
                    "--%s has a meaning only without --weights, which tell it",
                    crd_option_table()[of_random[i]].name);
    if (path != NULL && crd_file_is_hdf5(path))
        CRD_TRY(crd_posterior_read(&source->posterior, path));
    CRD_TRY(find_arch(source, values));
    if (source->posterior != NULL)
        CRD_TRY(open_posterior(source, image_size));
    else if (path != NULL)
        CRD_TRY(open_state_dict(source, path, image_size));
    else
        CRD_TRY(make_random(source, values));
cleanup:
    return status;
}

void crd_convert_source_clear(crd_convert_source *source)
{
    crd_posterior_destroy(source->posterior);
    crd_params_clear(&source->weights);
    crd_network_destroy(source->network);
}
