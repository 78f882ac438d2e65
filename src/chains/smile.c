/* Stochastic microcanonical dynamics with gradients of batches, whose noise is what makes it
 * ergodic: isokinetic steps, both gradients of a step of one batch. A step whose energy changes by
 * more than a quantile of the changes before is undone, and the direction begins anew at the
 * gradient; in burn-in the step size follows other quantiles of them. The changes are taken for a
 * gamma distribution of their running mean and deviation, its quantiles after Wilson and Hilferty.
 * Source: Sommer et al., "SMILE", ICML 2026 (SMILE-T), with the values of its CIFAR-10 runs; there
 * the step size continues to adapt after burn-in, and after a step that is undone the next begins
 * with the gradient of the state that was left. */
#include <math.h>
#include <string.h>

#include "chains/isokinetic.h"

enum { STEP = CRD_ISOKINETIC_STEP, MEAN = CRD_ISOKINETIC_OWN, DEVIATION };

/* Normal quantiles of the probabilities 0.98, 1 - 2/3 * 0.1 and 1/3 * 0.1. */
static const double z_reset = 2.053748910631822, z_high = 1.5010859460440247,
                    z_low = -1.8339146358159142;
static const double strength = 0.02, smoothing = 0.01;

static void move(crd_chain *chain, int64_t step, int64_t phase, const crd_chain_gradient *gradient)
{
    if (step == 0 && phase == 0)
        chain->numbers[STEP] = chain->options->step_size;
    if (phase == 0)
        crd_isokinetic_begin(chain, gradient);
    crd_isokinetic_move(chain, phase, gradient);
}

static double between(double value, double low, double high)
{
    return fmin(fmax(value, low), high);
}

/* Of the gamma distribution of that mean and variance. */
static double quantile(double z, double mean, double variance)
{
    double shape = mean * mean / variance, root = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape));
    return variance / mean * shape * root * root * root;
}

/* The running mean and deviation of the changes; `time` counts them from 1. */
static void remember(double *x, double change, double time)
{
    x[MEAN] = between(time < 3 ? change : x[MEAN] + smoothing * (change - x[MEAN]), 1e-6, 1e6);
    double before = time > 1 ? x[DEVIATION] * x[DEVIATION] : 0, apart = change - x[MEAN];
    double variance = (1 - smoothing) * before + smoothing * apart * apart;
    double bias = time < 5 ? 1 : 1 - pow(0.5, time - 4);
    x[DEVIATION] = between(sqrt(variance / bias), 1e-6, 1e7);
}

/* Judges the change of a step by those before it. */
static void judge(crd_chain *chain, int64_t step, double change)
{
    double *x = chain->numbers, variance = x[DEVIATION] * x[DEVIATION] + 1e-6;
    double time = (double)(step + 1);
    if (time >= 10) {
        x[CRD_CHAIN_DIVERGING] = change > quantile(z_reset, x[MEAN], variance);
        if (step < chain->options->burn_in && change > quantile(z_high, x[MEAN], variance))
            x[STEP] *= 1 - strength;
        else if (step < chain->options->burn_in && change < quantile(z_low, x[MEAN], variance))
            x[STEP] *= 1 + strength;
        x[STEP] = between(x[STEP], 1e-8, 10);
    }
    remember(x, change, time);
}

static void end(crd_chain *chain, int64_t step, crd_chain_gradient *gradient)
{
    double *x = chain->numbers, change = crd_isokinetic_end(chain, gradient);
    if (x[CRD_CHAIN_DIVERGING] == 0)
        judge(chain, step, fabs(change));
    else
        x[STEP] *= 1 - strength;
    if (x[CRD_CHAIN_DIVERGING] != 0) {
        memset(chain->vectors[CRD_ISOKINETIC_DIRECTION], 0, (size_t)chain->n * sizeof(float));
        crd_isokinetic_undo(chain, gradient);
    }
    x[CRD_CHAIN_ENERGY] = isfinite(change) ? change : 0;
    x[CRD_CHAIN_ACCEPTANCE] = x[CRD_CHAIN_DIVERGING] == 0;
}

const crd_chain_sampler crd_sampler_smile = {
    .name = "smile",
    .title = "stochastic microcanonical dynamics",
    .n_vectors = CRD_ISOKINETIC_N_VECTORS,
    .survives = true,
    .n_gradients = crd_isokinetic_n_gradients,
    .defaults = {.step_size = 1e-2, .burn_in = 1000, .thin = 10},
    .move = move,
    .end = end,
};
