#include "cli/random_posterior.h"

#include <math.h>
#include <string.h>

#include "credence/rng.h"
#include "credence/zoo.h"

static void fill(float *values, const crd_param *param, int64_t index, uint64_t seed)
{
    const char *leaf = strrchr(param->name, '.');
    if (param->shape.n_dims < 2) {
        /* Scale and variance of a batch norm 1, every shift 0. */
        int is_one = strcmp(leaf, ".weight") == 0 || strcmp(leaf, ".running_var") == 0;
        for (int64_t i = 0; i < param->count; i++)
            values[i] = is_one ? 1.0f : 0.0f;
        return;
    }
    crd_stream stream = {
        .seed = seed, .tensor = (uint32_t)index, .purpose = CRD_PURPOSE_INITIAL_MU};
    double fan_in = (double)param->count / (double)param->shape.dims[0];
    float scale = (float)sqrt(2 / fan_in);
    crd_normal_fill(values, param->count, 0, &stream);
    for (int64_t i = 0; i < param->count; i++)
        values[i] *= scale;
}

crd_status crd_random_posterior(crd_posterior **out, const char *arch, uint64_t seed)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_params weights;
    const char *every = "*";
    crd_conversion conversion = crd_conversion_defaults();
    conversion.moped_enable = 1;
    conversion.moped_delta = 0.1;
    conversion.seed = seed;
    crd_params_init(&weights);
    *out = NULL;
    CRD_TRY(crd_zoo_build(&network, arch, 0, 0, 0));
    for (int64_t i = 0; i < network->params.n_params; i++)
        CRD_TRY(crd_params_add(NULL, &weights, network->params.entries[i].name,
                               &network->params.entries[i].shape));
    CRD_TRY(crd_params_allocate(&weights));
    for (int64_t i = 0; i < weights.n_params; i++)
        fill(crd_params_view(&weights, i), &weights.entries[i], i, seed);
    crd_network *given = network;
    network = NULL; /* taken over, also on error */
    CRD_TRY(crd_posterior_convert(out, given, &weights, &conversion, &every, 1));
    crd_preprocessing *p = &(*out)->preprocessing;
    const crd_shape *input = crd_network_input_shape((*out)->network);
    *p = (crd_preprocessing){.channels = input->dims[0], .crop = input->dims[1]};
    for (int64_t c = 0; c < CRD_MAX_CHANNELS; c++)
        p->sd[c] = 1;
cleanup:
    crd_network_destroy(network);
    crd_params_clear(&weights);
    return status;
}
