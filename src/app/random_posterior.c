/* A posterior about random weights, for `bench` and `selftest`, which have no file. */
#include "app/random_posterior.h"

#include "credence/zoo.h"

crd_status crd_random_posterior(crd_posterior **out, const char *arch, const char *const *bayesian,
                                int n_bayesian, uint64_t seed)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_params weights;
    crd_conversion conversion = crd_conversion_defaults();
    conversion.moped_enable = 1;
    conversion.moped_delta = 0.1;
    conversion.seed = seed;
    crd_params_init(&weights);
    *out = NULL;
    CRD_TRY(crd_zoo_build(&network, arch, 0, 0, 0));
    CRD_TRY(crd_zoo_initial_weights(&weights, network, seed));
    crd_network *given = network;
    network = NULL; /* taken over, also on error */
    CRD_TRY(crd_posterior_convert(out, given, &weights, &conversion, bayesian, n_bayesian));
    crd_preprocessing *p = &(*out)->preprocessing;
    const crd_shape *input = crd_network_input_shape((*out)->network);
    *p = (crd_preprocessing){
        .channels = input->dims[0], .crop = input->dims[1], .crop_width = input->dims[2]};
    for (int64_t c = 0; c < CRD_MAX_CHANNELS; c++)
        p->sd[c] = 1;
cleanup:
    crd_network_destroy(network);
    crd_params_clear(&weights);
    return status;
}
