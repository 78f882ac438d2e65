/** The prior of one parameter tensor, as the KL sees it. For engine too. */
#ifndef CRD_BAYES_PRIOR_H
#define CRD_BAYES_PRIOR_H

#include "credence/posterior.h"
#include "kernels/param.h"

/** Checks the keys of the prior. Errors: `code` naming the key. */
crd_status crd_prior_check(const crd_conversion *conversion, crd_status code);

/** N(mean, sigma^2) unless `is_mixture`, then a mixture of that, the wider component, with a
 * narrower one of the same mean, by log p(x) = log N(x) + log(share) + log(1 + exp(bump_log -
 * bump_rate (x - mean)^2)). */
typedef struct crd_prior {
    const float *means; /**< [count] of the tensor; NULL: `mean` for all */
    double mean;
    double sigma, offset; /**< offset: log(sigma / share) */
    int is_mixture;
    double bump_log, bump_rate;
} crd_prior;

/** Prior of parameter `index`, which has a posterior. */
crd_prior crd_prior_of(const crd_posterior *posterior, int64_t index);

/** The normal prior of parameter `index` from its element `first` on, as the kernels take it;
 * its factor makes `weight` times the KL's sum or mean. Returns 0 if it is a mixture. */
int crd_prior_normal(crd_kl_normal *out, const crd_posterior *posterior, int64_t index,
                     int64_t first, crd_kl_reduction reduction, double weight);

/** Cross entropy -E[log p(w)] of w ~ N(mean + distance, sigma^2), without log(2 pi) / 2, and its
 * derivatives. */
typedef struct crd_cross_entropy {
    double value, dmu, dsigma;
} crd_cross_entropy;

crd_cross_entropy crd_prior_cross_entropy(const crd_prior *prior, double distance, double sigma);

#endif
