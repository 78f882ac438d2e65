/* A microcanonical step, for the samplers that are made of such. Sums over weights are in their
 * order, in double. It knows nothing of step sizes that adapt, nor of new directions. */
#include "chains/isokinetic.h"

#include <math.h>
#include <string.h>

/* Shares of a step: the first and last turn, and each of the two drifts; the turn between has the
 * rest of 1. */
static const double turn_share = 0.1931833275037836, drift_share = 0.5;

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void crd_isokinetic_normalize(float *u, int64_t n)
{
    double norm = sqrt(dot(u, u, n));
    for (int64_t i = 0; norm > 0 && i < n; i++)
        u[i] = (float)((double)u[i] / norm);
}

/* u[n] turns for a time under the gradient g of U / T, inverse_t being 1 / T; a u of zeros, which
 * has no direction yet, turns to -g. Returns the change of the kinetic energy.
 * With e = -g / |g|, d = n - 1, delta = time |g| / d and z = exp(-delta):
 * u <- (1 - z) (1 + z + (e u) (1 - z)) e + 2 z u, made of length 1 again. */
static double turn(float *u, const float *g, int64_t n, double time, double inverse_t)
{
    const double norm = sqrt(dot(g, g, n)), d = (double)(n - 1);
    if (norm == 0)
        return 0;
    const double cosine = -dot(u, g, n) / norm, delta = time * norm * inverse_t / d;
    const double z = exp(-delta);
    const double along = (1 - z) * (1 + z + cosine * (1 - z));
    for (int64_t i = 0; i < n; i++)
        u[i] = (float)(2 * z * (double)u[i] - along * (double)g[i] / norm);
    crd_isokinetic_normalize(u, n);
    return d * (delta + log(0.5 * (1 + cosine + (1 - cosine) * z * z)));
}

static double inverse_t(const crd_chain *chain)
{
    return 1 / chain->options->temperature;
}

static void turn_chain(crd_chain *chain, const float *g, double share)
{
    double *x = chain->numbers;
    x[CRD_ISOKINETIC_KINETIC] += turn(chain->vectors[CRD_ISOKINETIC_DIRECTION], g, chain->n,
                                      share * x[CRD_CHAIN_STEP_SIZE], inverse_t(chain));
}

int64_t crd_isokinetic_n_gradients(const crd_chain_options *options)
{
    (void)options;
    return 2;
}

void crd_isokinetic_begin(crd_chain *chain, const crd_chain_gradient *gradient)
{
    size_t bytes = (size_t)chain->n * sizeof(float);
    double *x = chain->numbers;
    memcpy(chain->vectors[CRD_ISOKINETIC_START], chain->position, bytes);
    if (gradient->g != chain->vectors[CRD_ISOKINETIC_START_GRADIENT])
        memcpy(chain->vectors[CRD_ISOKINETIC_START_GRADIENT], gradient->g, bytes);
    x[CRD_ISOKINETIC_POTENTIAL] = gradient->potential;
    x[CRD_CHAIN_STEP_SIZE] = x[CRD_ISOKINETIC_STEP];
    x[CRD_ISOKINETIC_KINETIC] = 0;
    x[CRD_CHAIN_DIVERGING] = 0;
}

void crd_isokinetic_move(crd_chain *chain, int64_t phase, const crd_chain_gradient *gradient)
{
    if (gradient->g == NULL) {
        chain->numbers[CRD_CHAIN_DIVERGING] = 1;
        return;
    }
    turn_chain(chain, gradient->g, phase == 0 ? turn_share : 1 - 2 * turn_share);
    const float *u = chain->vectors[CRD_ISOKINETIC_DIRECTION];
    const double time = drift_share * chain->numbers[CRD_CHAIN_STEP_SIZE];
    for (int64_t i = 0; i < chain->n; i++)
        chain->position[i] = (float)((double)chain->position[i] + time * (double)u[i]);
}

double crd_isokinetic_end(crd_chain *chain, const crd_chain_gradient *gradient)
{
    double *x = chain->numbers;
    if (gradient->g == NULL)
        x[CRD_CHAIN_DIVERGING] = 1;
    if (x[CRD_CHAIN_DIVERGING] != 0)
        return INFINITY;
    turn_chain(chain, gradient->g, turn_share);
    double change = x[CRD_ISOKINETIC_KINETIC] +
                    (gradient->potential - x[CRD_ISOKINETIC_POTENTIAL]) * inverse_t(chain);
    x[CRD_CHAIN_DIVERGING] = !isfinite(change);
    return change;
}

void crd_isokinetic_undo(crd_chain *chain, crd_chain_gradient *gradient)
{
    memcpy(chain->position, chain->vectors[CRD_ISOKINETIC_START], (size_t)chain->n * sizeof(float));
    gradient->g = chain->vectors[CRD_ISOKINETIC_START_GRADIENT];
    gradient->potential = chain->numbers[CRD_ISOKINETIC_POTENTIAL];
}
