#include "small_net.h"

#include <math.h>

#include "../unit/test_ops.h"
#include "mpi_test.h"

/* Pooling to 2 x 2, a 1x1 convolution, a linear layer: cheap, with two Bayesian layers. */
crd_posterior *small_net_posterior(crd_comm *comm)
{
    crd_network *network;
    crd_posterior *posterior;
    crd_shape input = crd_shape_make(3, 3, SMALL_NET_SIDE, SMALL_NET_SIDE);
    attr_list pool = adaptive_list(2, 2);
    attr_list conv = conv2d_list((conv2d_attrs){.in_channels = 3,
                                                .out_channels = 5,
                                                .kernel_size = {1, 1},
                                                .stride = {1, 1},
                                                .dilation = {1, 1},
                                                .groups = 1,
                                                .bias = 1});
    attr_list linear = linear_list(20, SMALL_NET_CLASSES, 1);
    int64_t last = 0;
    CHECK(comm, crd_network_create(&network, "tiny", &input) == CRD_OK);
    CHECK(comm,
          network_add(&last, network, "AdaptiveAvgPool2d", "pool", &pool, &last, 1) == CRD_OK);
    CHECK(comm, network_add(&last, network, "Conv2d", "conv", &conv, &last, 1) == CRD_OK);
    CHECK(comm, network_add(&last, network, "ReLU", "relu", NULL, &last, 1) == CRD_OK);
    CHECK(comm, network_add(&last, network, "Flatten", "flatten", NULL, &last, 1) == CRD_OK);
    CHECK(comm, network_add(&last, network, "Linear", "fc", &linear, &last, 1) == CRD_OK);
    CHECK(comm, crd_posterior_create(&posterior, network) == CRD_OK);
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        posterior->bayesian[p] = 1;
        for (int64_t i = 0; i < param->count; i++) {
            posterior->mu[param->offset + i] = (float)sin(1.0 + (double)(31 * p + i));
            posterior->rho[param->offset + i] = -1.5f;
        }
    }
    return posterior;
}
