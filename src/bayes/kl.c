/* KL divergence of independent normals to their priors, tensor by tensor: cross entropy less
 * entropy. For a normal prior KL = log(sigma_p / sigma_q) + (sigma_q^2 + (mu_q - mu_p)^2) / (2
 * sigma_p^2) - 1/2, a kernel. Source: Kingma and Welling, "Auto-encoding variational Bayes",
 * 2014, appendix B, for any prior. */
#include <math.h>

#include "bayes/prior.h"
#include "kernels/kernels.h"

/* Below this rho sigma is e^rho to the last bit of a double, and e^rho would underflow long
 * before rho leaves the floats. */
static const double rho_small = -37;

static double log_sigma(double rho)
{
    return rho < rho_small ? rho : log(crd_sigma_of_rho(rho));
}

static double distance_to(const crd_prior *prior, double mu, int64_t i)
{
    return mu - (prior->means == NULL ? prior->mean : (double)prior->means[i]);
}

static double share_of(const crd_posterior *posterior, int64_t index, crd_kl_reduction reduction)
{
    int64_t n = posterior->network->params.entries[index].count;
    return reduction == CRD_KL_MEAN ? 1 / (double)n : 1;
}

int crd_prior_normal(crd_kl_normal *out, const crd_posterior *posterior, int64_t index,
                     int64_t first, crd_kl_reduction reduction, double weight)
{
    const crd_prior prior = crd_prior_of(posterior, index);
    *out = (crd_kl_normal){.means = prior.means == NULL ? NULL : prior.means + first,
                           .mean = prior.mean,
                           .precision = 1 / (prior.sigma * prior.sigma),
                           .constant = prior.offset - 0.5,
                           .weight = weight * share_of(posterior, index, reduction)};
    return !prior.is_mixture;
}

double crd_posterior_kl_tensor(const crd_posterior *posterior, int64_t index)
{
    const crd_param *param = &posterior->network->params.entries[index];
    const float *mu = posterior->mu + param->offset, *rho = posterior->rho + param->offset;
    const crd_prior prior = crd_prior_of(posterior, index);
    crd_kl_normal normal;
    double sum = 0;
    if (crd_prior_normal(&normal, posterior, index, 0, CRD_KL_SUM, 1))
        return crd_kernels_get()->param->kl_value(mu, rho, param->count, &normal);
    for (int64_t i = 0; i < param->count; i++) {
        double distance = distance_to(&prior, (double)mu[i], i);
        double sigma = crd_sigma_of_rho((double)rho[i]);
        double cross = crd_prior_cross_entropy(&prior, distance, sigma).value;
        sum += cross - log_sigma((double)rho[i]) - 0.5;
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

/* Elements [begin, end) of a tensor. dsigma/drho is the logistic function; divided by sigma it
 * goes to 1 where both underflow. */
static void mixture_gradient(float *dmu, float *drho, const crd_prior *prior, const float *mu,
                             const float *rho, int64_t begin, int64_t end, double weight)
{
    for (int64_t i = begin; i < end; i++) {
        double r = (double)rho[i], sigma = crd_sigma_of_rho(r), slope = 1 / (1 + exp(-r));
        crd_cross_entropy cross =
            crd_prior_cross_entropy(prior, distance_to(prior, (double)mu[i], i), sigma);
        double push = cross.dsigma * slope - (r < rho_small ? 1 : slope / sigma);
        dmu[i - begin] += (float)(weight * cross.dmu);
        drho[i - begin] += (float)(weight * push);
    }
}

void crd_posterior_kl_gradient(float *dmu, float *drho, const crd_posterior *posterior,
                               const float *sigma, const float *slope, int64_t first, int64_t n,
                               crd_kl_reduction reduction, double weight)
{
    const crd_params *params = &posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++) {
        const crd_param *param = &params->entries[p];
        int64_t begin = first > param->offset ? first : param->offset;
        int64_t end = param->offset + param->count;
        end = end < first + n ? end : first + n;
        if (!posterior->bayesian[p] || begin >= end)
            continue;
        const crd_prior prior = crd_prior_of(posterior, p);
        float *dmu_at = dmu + (begin - first), *drho_at = drho + (begin - first);
        crd_kl_normal normal;
        if (crd_prior_normal(&normal, posterior, p, begin - param->offset, reduction, weight))
            crd_kernels_get()->param->kl_gradient(dmu_at, drho_at, posterior->mu + begin,
                                                  sigma + begin, slope + begin, end - begin,
                                                  &normal);
        else
            mixture_gradient(dmu_at, drho_at, &prior, posterior->mu + param->offset,
                             posterior->rho + param->offset, begin - param->offset,
                             end - param->offset, normal.weight);
    }
}
