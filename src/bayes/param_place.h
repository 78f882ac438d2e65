/** Where a parameter stands in a file: its names after bayesian-torch. */
#ifndef CRD_BAYES_PARAM_PLACE_H
#define CRD_BAYES_PARAM_PLACE_H

#include "credence/network.h"

typedef struct crd_param_place {
    char module[512]; /**< module path; may be empty */
    char leaf[72];    /**< mu_kernel, rho_bias, running_mean, ... */
} crd_param_place;

/** prefix: "mu_" or "rho_" of a Bayesian parameter, "" of one that is fixed. Errors:
 * CRD_ERR_INTERNAL: the name is too long. */
crd_status crd_param_place_of(crd_param_place *out, const crd_network *network, int64_t index,
                              const char *prefix);

#endif
