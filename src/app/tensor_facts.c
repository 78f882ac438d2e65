/* Quantiles of a tensor's sigma and of its signal to noise, from sorted values. */
#include "app/tensor_facts.h"

#include <math.h>
#include <stdlib.h>

#include "base/compare.h"

/** Quantile of sorted values: the nearest one below. */
static double quantile(const double *sorted, int64_t n, double q)
{
    return sorted[(int64_t)(q * (double)(n - 1))];
}

crd_tensor_facts crd_tensor_facts_of(double *sorted, const crd_posterior *posterior, int64_t index)
{
    const crd_param *param = &posterior->network->params.entries[index];
    const float *mu = posterior->mu + param->offset, *rho = posterior->rho + param->offset;
    int64_t n = param->count;
    crd_tensor_facts facts;
    for (int64_t i = 0; i < n; i++)
        sorted[i] = crd_sigma_of_rho((double)rho[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, crd_compare_double);
    facts.sigma_min = sorted[0];
    facts.sigma_median = quantile(sorted, n, 0.5);
    facts.sigma_max = sorted[n - 1];
    for (int64_t i = 0; i < n; i++)
        sorted[i] = fabs((double)mu[i]) / crd_sigma_of_rho((double)rho[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, crd_compare_double);
    facts.snr_5 = quantile(sorted, n, 0.05);
    facts.snr_50 = quantile(sorted, n, 0.5);
    facts.snr_95 = quantile(sorted, n, 0.95);
    facts.kl = crd_posterior_kl_tensor(posterior, index);
    return facts;
}
