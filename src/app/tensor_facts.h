/** What a Bayesian tensor says in a few numbers. */
#ifndef CRD_APP_TENSOR_FACTS_H
#define CRD_APP_TENSOR_FACTS_H

#include "credence/posterior.h"

typedef struct crd_tensor_facts {
    double sigma_min, sigma_median, sigma_max;
    double snr_5, snr_50, snr_95; /**< quantiles of |mu| / sigma, in percent */
    double kl;                    /**< nats */
} crd_tensor_facts;

/** Of parameter `index`, which has a posterior and elements. sorted: room for as many. */
crd_tensor_facts crd_tensor_facts_of(double *sorted, const crd_posterior *posterior, int64_t index);

#endif
