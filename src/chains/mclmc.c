/* Microcanonical Langevin Monte Carlo with all images: isokinetic steps, each followed by a partly
 * new direction. Nothing is rejected: the step size, adapted in burn-in, keeps the error of the
 * energy small. The length over which the direction is forgotten is the posterior's size, from the
 * second half of burn-in. A step that leaves the numbers is undone.
 * Sources: Robnik and Seljak, "Fluctuation without dissipation: microcanonical Langevin Monte
 * Carlo", 2023; the tuner's first two phases: blackjax, mclmc_adaptation.py; the wanted variance,
 * falling in burn-in: Sommer et al., ICLR 2025 (MILE). */
#include <math.h>
#include <string.h>

#include "chains/isokinetic.h"
#include "credence/rng.h"

enum { START_DIRECTION = CRD_ISOKINETIC_N_VECTORS, MEAN, SPREAD, N_VECTORS };
enum {
    STEP = CRD_ISOKINETIC_STEP,
    LENGTH = CRD_ISOKINETIC_OWN, /* over which the direction is forgotten */
    AVERAGE,                     /* of the wanted step size to the power -6, and its weight */
    WEIGHT,
    LARGEST, /* of the steps that did not diverge; 0: any */
    N_SEEN,  /* states that MEAN and SPREAD are of */
};

static const double trust = 1.5, n_effective = 100;

static void begin(crd_chain *chain, int64_t step, const crd_chain_gradient *gradient)
{
    float *u = chain->vectors[CRD_ISOKINETIC_DIRECTION];
    size_t bytes = (size_t)chain->n * sizeof *u;
    double *x = chain->numbers;
    if (step == 0) {
        crd_chain_fill_noise(chain, 0, CRD_PURPOSE_CHAIN_START);
        memcpy(u, chain->noise, bytes);
        crd_isokinetic_normalize(u, chain->n);
        x[STEP] = chain->options->step_size;
        x[LENGTH] = chain->options->decoherence;
        if (x[LENGTH] == 0)
            x[LENGTH] = sqrt((double)chain->n);
    }
    memcpy(chain->vectors[START_DIRECTION], u, bytes);
    crd_isokinetic_begin(chain, gradient);
}

static void move(crd_chain *chain, int64_t step, int64_t phase, const crd_chain_gradient *gradient)
{
    if (phase == 0)
        begin(chain, step, gradient);
    crd_isokinetic_move(chain, phase, gradient);
}

static void undo(crd_chain *chain, crd_chain_gradient *gradient)
{
    memcpy(chain->vectors[CRD_ISOKINETIC_DIRECTION], chain->vectors[START_DIRECTION],
           (size_t)chain->n * sizeof(float));
    crd_isokinetic_undo(chain, gradient);
}

/* The step size at which the energy's error would have the wanted variance, which grows with its
 * sixth power; errors far from it count little. */
static void adapt_step(crd_chain *chain, int64_t step, double error)
{
    const crd_chain_options *o = chain->options;
    double *x = chain->numbers, done = (double)step / (double)o->burn_in;
    const double wanted = o->energy_variance * (5 - 4 * done);
    const double decay = (n_effective - 1) / (n_effective + 1);
    double ratio = error * error / ((double)chain->n * wanted) + 1e-8;
    double far = log(ratio) / (6 * trust), weight = exp(-0.5 * far * far);
    x[AVERAGE] = decay * x[AVERAGE] + weight * ratio / pow(x[STEP], 6);
    x[WEIGHT] = decay * x[WEIGHT] + weight;
    if (x[AVERAGE] > 0)
        x[STEP] = pow(x[AVERAGE] / x[WEIGHT], -1.0 / 6);
    if (x[LARGEST] > 0)
        x[STEP] = fmin(x[STEP], x[LARGEST]);
}

/* The root of the sum of the weights' variances, over the second half of burn-in. */
static void adapt_length(crd_chain *chain, int64_t step)
{
    const crd_chain_options *o = chain->options;
    double *x = chain->numbers, sum = 0;
    if (o->decoherence > 0 || step < o->burn_in / 2)
        return;
    double m = ++x[N_SEEN];
    float *mean = chain->vectors[MEAN], *spread = chain->vectors[SPREAD];
    for (int64_t i = 0; i < chain->n; i++) {
        double apart = (double)chain->position[i] - (double)mean[i];
        mean[i] = (float)((double)mean[i] + apart / m);
        spread[i] =
            (float)((double)spread[i] + apart * ((double)chain->position[i] - (double)mean[i]));
        sum += (double)spread[i];
    }
    if (step == o->burn_in - 1 && m > 1 && sum > 0)
        x[LENGTH] = sqrt(sum / (m - 1));
}

/* A partly new direction. */
static void refresh(crd_chain *chain, int64_t step)
{
    const double *x = chain->numbers;
    float *u = chain->vectors[CRD_ISOKINETIC_DIRECTION];
    double nu = sqrt(expm1(2 * x[CRD_CHAIN_STEP_SIZE] / x[LENGTH]) / (double)chain->n);
    crd_chain_fill_noise(chain, step, CRD_PURPOSE_CHAIN);
    for (int64_t i = 0; i < chain->n; i++)
        u[i] = (float)((double)u[i] + nu * (double)chain->noise[i]);
    crd_isokinetic_normalize(u, chain->n);
}

static void end(crd_chain *chain, int64_t step, crd_chain_gradient *gradient)
{
    const crd_chain_options *o = chain->options;
    double *x = chain->numbers, error = crd_isokinetic_end(chain, gradient);
    int is_burning = step < o->burn_in;
    if (x[CRD_CHAIN_DIVERGING] != 0) {
        undo(chain, gradient);
        if (is_burning)
            x[LARGEST] = x[STEP] = 0.8 * x[STEP];
    } else if (is_burning && o->energy_variance > 0) {
        adapt_step(chain, step, error);
    }
    if (is_burning)
        adapt_length(chain, step);
    refresh(chain, step);
    x[CRD_CHAIN_ENERGY] = x[CRD_CHAIN_DIVERGING] != 0 ? 0 : error;
    x[CRD_CHAIN_ACCEPTANCE] = x[CRD_CHAIN_DIVERGING] == 0;
}

const crd_chain_sampler crd_sampler_mclmc = {
    .name = "mclmc",
    .title = "microcanonical Langevin Monte Carlo",
    .n_vectors = N_VECTORS,
    .needs_all = true,
    .survives = true,
    .n_gradients = crd_isokinetic_n_gradients,
    .defaults = {.step_size = 5e-3, .energy_variance = 1e-4, .burn_in = 1000, .thin = 10},
    .move = move,
    .end = end,
};
