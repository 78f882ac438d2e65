#include "credence/regression.h"

#include <math.h>

#include "base/alloc.h"

static const double log_two_pi = 1.8378770664093454836;
/* The floor of the variance that the loss has too, torch's. */
static const double log_variance_min = -13.815510557964274; /* log 1e-6 */

/* Running sums of one value: mean and squares about it by Welford, the density relative to its largest so far. */
typedef struct sums {
    int64_t n;
    double mean, squares, variance;
    double largest, density; /* sum of exp(log density - largest) */
} sums;

struct crd_regression {
    int64_t n_values;
    int has_noise;
    sums *sums; /* [n_images][n_values] */
};

crd_status crd_regression_create(crd_regression **out, int64_t n_images, int64_t n_values,
                                 int has_noise)
{
    crd_status status = CRD_OK;
    crd_regression *r = NULL;
    *out = NULL;
    CRD_ALLOC(&r, 1, "regression");
    *r = (crd_regression){.n_values = n_values, .has_noise = has_noise};
    CRD_ALLOC(&r->sums, n_images * n_values, "sums of values");
    *out = r;
    r = NULL;
cleanup:
    crd_regression_destroy(r);
    return status;
}

void crd_regression_destroy(crd_regression *regression)
{
    if (regression != NULL)
        crd_free(regression->sums);
    crd_free(regression);
}

/* A sum of exponentials that neither overflows nor vanishes. */
static void add_density(sums *s, double log_density)
{
    if (s->density == 0 || log_density > s->largest) {
        s->density = s->density == 0 ? 1 : 1 + s->density * exp(s->largest - log_density);
        s->largest = log_density;
    } else {
        s->density += exp(log_density - s->largest);
    }
}

void crd_regression_add(crd_regression *regression, int64_t image, const float *outputs,
                        const float *targets)
{
    const int64_t n = regression->n_values;
    for (int64_t k = 0; k < n; k++) {
        sums *s = &regression->sums[image * n + k];
        double mean = (double)outputs[k], step = mean - s->mean;
        s->n++;
        s->mean += step / (double)s->n;
        s->squares += step * (mean - s->mean);
        if (!regression->has_noise)
            continue;
        double log_variance = fmax((double)outputs[n + k], log_variance_min);
        s->variance += exp(log_variance);
        if (targets == NULL)
            continue;
        double error = (double)targets[k] - mean;
        add_density(s, -0.5 * (log_two_pi + log_variance + error * error * exp(-log_variance)));
    }
}

crd_regression_value crd_regression_get(const crd_regression *regression, int64_t image,
                                        int64_t value)
{
    const sums *s = &regression->sums[image * regression->n_values + value];
    double n = (double)s->n, sd = s->n > 1 ? sqrt(s->squares / (n - 1)) : NAN;
    int has_noise = regression->has_noise;
    return (crd_regression_value){
        .mean = s->mean,
        .mcse = sd / sqrt(n),
        .epistemic_sd = sd,
        .aleatoric_sd = has_noise ? sqrt(s->variance / n) : NAN,
        .nll = s->density > 0 ? log(n) - s->largest - log(s->density) : NAN,
    };
}
