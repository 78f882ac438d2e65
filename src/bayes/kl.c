/* KL divergence of independent normals, tensor by tensor:
 * KL = log(sigma_p / sigma_q) + (sigma_q^2 + (mu_q - mu_p)^2) / (2 sigma_p^2) - 1/2.
 * Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, appendix B, for any
 * prior. */
#include <math.h>

#include "credence/posterior.h"

/* log(sigma(rho)). Below -37 sigma is e^rho to the last bit of a double, and e^rho would underflow
 * long before rho leaves the floats. */
static double log_sigma(double rho)
{
    return rho < -37 ? rho : log(crd_sigma_of_rho(rho));
}

double crd_posterior_kl_tensor(const crd_posterior *posterior, int64_t index)
{
    const crd_param *param = &posterior->network->params.entries[index];
    const float *mu = posterior->mu + param->offset;
    const float *rho = posterior->rho + param->offset;
    const float *prior_mu =
        posterior->prior_mu == NULL ? NULL : posterior->prior_mu + param->offset;
    double prior_sigma = posterior->conversion.prior_sigma;
    double log_prior_sigma = log(prior_sigma);
    double sum = 0;
    for (int64_t i = 0; i < param->count; i++) {
        double sigma = crd_sigma_of_rho((double)rho[i]) / prior_sigma;
        double center = prior_mu == NULL ? posterior->conversion.prior_mu : (double)prior_mu[i];
        double distance = ((double)mu[i] - center) / prior_sigma;
        sum += log_prior_sigma - log_sigma((double)rho[i]) +
               0.5 * (sigma * sigma + distance * distance - 1);
    }
    return sum;
}

void crd_posterior_kl(double *sum, double *mean, const crd_posterior *posterior)
{
    const crd_params *params = &posterior->network->params;
    double total = 0, total_of_means = 0;
    for (int64_t i = 0; i < params->n_params; i++) {
        if (!posterior->bayesian[i] || params->entries[i].count == 0)
            continue;
        double kl = crd_posterior_kl_tensor(posterior, i);
        total += kl;
        total_of_means += kl / (double)params->entries[i].count;
    }
    if (sum != NULL)
        *sum = total;
    if (mean != NULL)
        *mean = total_of_means;
}
