/* The loops over parameters in plain C: what every other instruction set must equal bit for bit. */
#include "kernels/softplus.h"
#include "kernels/variants.h"

static void affine(float *out, const float *in, int64_t n, double gain, double shift)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)((double)in[i] * gain + shift);
}

static void softplus(float *sigma, const float *rho, int64_t n, double gain)
{
    for (int64_t i = 0; i < n; i++)
        sigma[i] = (float)(crd_softplus((double)rho[i]) * gain);
}

static int scales(float *sigma, float *slope, const float *rho, int64_t n)
{
    int finite = 1;
    for (int64_t i = 0; i < n; i++) {
        finite &= fabsf(rho[i]) < INFINITY;
        crd_scales(&sigma[i], &slope[i], rho[i]);
    }
    return finite;
}

static double distance(const crd_kl_normal *prior, const float *mu, int64_t i)
{
    return (double)mu[i] - (prior->means != NULL ? (double)prior->means[i] : prior->mean);
}

static double kl_value(const float *mu, const float *rho, int64_t n, const crd_kl_normal *prior)
{
    double sums[8] = {0}, total = 0;
    for (int64_t i = 0; i < n; i++) {
        double sigma = crd_softplus((double)rho[i]), d = distance(prior, mu, i);
        double rest = prior->constant - crd_log_sigma(sigma, (double)rho[i]);
        sums[i % 8] += fma(0.5 * prior->precision, fma(d, d, sigma * sigma), rest);
    }
    for (int lane = 0; lane < 8; lane++)
        total += sums[lane];
    return total;
}

static void kl_gradient(float *dmu, float *drho, const float *mu, const float *sigma,
                        const float *slope, int64_t n, const crd_kl_normal *prior)
{
    const float precision = (float)prior->precision, weight = (float)prior->weight;
    const float pull = (float)(prior->weight * prior->precision), mean = (float)prior->mean;
    for (int64_t i = 0; i < n; i++) {
        float distance = mu[i] - (prior->means != NULL ? prior->means[i] : mean);
        float ratio = (slope[i] + CRD_SIGMA_FLOOR) / (sigma[i] + CRD_SIGMA_FLOOR);
        dmu[i] = fmaf(pull, distance, dmu[i]);
        drho[i] = fmaf(weight, fmaf(precision * sigma[i], slope[i], -ratio), drho[i]);
    }
}

static int accumulate(int64_t *sums, const float *values, const float *factors, int64_t n,
                      double scale, float limit, int adds)
{
    int in_range = 1;
    for (int64_t i = 0; i < n; i++) {
        float value = factors != NULL ? values[i] * factors[i] : values[i];
        int fits = fabsf(value) < limit;
        double x = fits ? (double)value * scale : 0; /* to convert anything else is undefined */
        in_range &= fits;
        sums[i] = (adds ? sums[i] : 0) + (int64_t)(x + copysign(0.5, x));
    }
    return in_range;
}

static void read_sums(float *values, const int64_t *sums, int64_t n, double unit)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)((double)sums[i] * unit);
}

static float rounded(float x, float scale)
{
    return roundf(x * scale) / scale + 0.0F; /* which takes the sign from a zero */
}

static int round_values(float *out, const float *values, const float *factors, int64_t n,
                        float scale, float limit)
{
    int in_range = 1;
    for (int64_t i = 0; i < n; i++) {
        float value = factors != NULL ? values[i] * factors[i] : values[i];
        in_range &= fabsf(value) < limit;
        out[i] = rounded(value, scale);
    }
    return in_range;
}

static int keep(float *grads, float *kept, int64_t n, float scale, float limit)
{
    int in_range = 1;
    for (int64_t i = 0; i < n; i++) {
        kept[i] += grads[i];
        in_range &= fabsf(kept[i]) < limit;
        grads[i] = rounded(kept[i], scale);
    }
    return in_range;
}

static int adam(float *params, const float *grads, float *mean, float *square, int64_t n,
                const crd_adam *step)
{
    int finite = 1;
    for (int64_t i = 0; i < n; i++) {
        float p = params[i] * step->keep, g = fmaf(p, step->decay, grads[i]);
        mean[i] = fmaf(g, step->share1, mean[i] * step->beta1);
        square[i] = fmaf(step->share2 * g, g, square[i] * step->beta2);
        params[i] =
            p + step->rate * mean[i] / (sqrtf(square[i]) / step->correction + step->epsilon);
        finite &= fabsf(params[i]) < INFINITY;
    }
    return finite;
}

/* One element after the other; how they are cut does not matter. */
static int posterior_step(const crd_posterior_step *s, int64_t n)
{
    int finite = 1;
    for (int64_t i = 0; i < n; i++) {
        float grads[2] = {s->grads[0][i], s->grads[1][i]};
        crd_kl_normal prior = s->prior;
        if (prior.means != NULL)
            prior.means += i;
        if (prior.weight != 0)
            kl_gradient(&grads[0], &grads[1], s->params[0] + i, s->sigma + i, s->slope + i, 1,
                        &prior);
        for (int k = 0; k < 2; k++) {
            grads[k] *= s->clip;
            finite &=
                adam(s->params[k] + i, &grads[k], s->means[k] + i, s->squares[k] + i, 1, &s->adam);
        }
        scales(s->sigma + i, s->slope + i, s->params[1] + i, 1);
    }
    return finite;
}

const crd_param_kernels crd_param_kernels_ref = {
    .affine = affine,
    .softplus = softplus,
    .scales = scales,
    .kl_value = kl_value,
    .kl_gradient = kl_gradient,
    .accumulate = accumulate,
    .read_sums = read_sums,
    .round = round_values,
    .keep = keep,
    .adam = adam,
    .posterior_step = posterior_step,
};
