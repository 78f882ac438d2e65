/* Hamiltonian Monte Carlo with all images: leapfrog steps of unit masses, accepted or rejected by
 * the energies. A trajectory that leaves the numbers is rejected. In burn-in the step size is
 * adapted to the wanted acceptance by dual averaging.
 * Sources: Neal, "MCMC using Hamiltonian dynamics", 2011; Hoffman and Gelman, "The no-U-turn
 * sampler", JMLR 2014, section 3.2 and algorithm 5. */
#include <math.h>
#include <string.h>

#include "chains/chain.h"
#include "credence/rng.h"

enum { MOMENTUM, START, START_GRADIENT, N_VECTORS };
/* Of dual averaging: what the log step size is drawn to, its average, that of the error. */
enum { LOG_STEP = CRD_CHAIN_OWN, LOG_AVERAGE, ERROR, ENERGY_0, POTENTIAL_0 };

static const double gamma_ = 0.05, t0 = 10, kappa = 0.75;

static int64_t n_gradients(const crd_chain_options *options)
{
    return options->leapfrog_steps;
}

static double kinetic(const crd_chain *chain)
{
    double sum = 0;
    for (int64_t i = 0; i < chain->n; i++)
        sum += (double)chain->vectors[MOMENTUM][i] * (double)chain->vectors[MOMENTUM][i];
    return 0.5 * sum;
}

static void kick(crd_chain *chain, double step, const float *g)
{
    float *momentum = chain->vectors[MOMENTUM];
    const double factor = step / chain->options->temperature;
    for (int64_t i = 0; i < chain->n; i++)
        momentum[i] = (float)((double)momentum[i] - factor * (double)g[i]);
}

static void drift(crd_chain *chain, double step)
{
    for (int64_t i = 0; i < chain->n; i++)
        chain->position[i] =
            (float)((double)chain->position[i] + step * (double)chain->vectors[MOMENTUM][i]);
}

static double step_size(const crd_chain *chain, int64_t step)
{
    const crd_chain_options *o = chain->options;
    if (o->target_accept == 0 || o->burn_in == 0 || step == 0)
        return o->step_size;
    return exp(chain->numbers[step < o->burn_in ? LOG_STEP : LOG_AVERAGE]);
}

static void begin(crd_chain *chain, int64_t step, const crd_chain_gradient *gradient)
{
    size_t bytes = (size_t)chain->n * sizeof(float);
    memcpy(chain->vectors[START], chain->position, bytes);
    if (gradient->g != chain->vectors[START_GRADIENT]) /* the last proposal was not rejected */
        memcpy(chain->vectors[START_GRADIENT], gradient->g, bytes);
    crd_chain_fill_noise(chain, step, CRD_PURPOSE_CHAIN);
    memcpy(chain->vectors[MOMENTUM], chain->noise, bytes);
    chain->numbers[POTENTIAL_0] = gradient->potential;
    chain->numbers[ENERGY_0] = gradient->potential / chain->options->temperature + kinetic(chain);
}

static void move(crd_chain *chain, int64_t step, int64_t phase, const crd_chain_gradient *gradient)
{
    const double s = step_size(chain, step);
    chain->numbers[CRD_CHAIN_STEP_SIZE] = s;
    if (phase == 0) {
        begin(chain, step, gradient);
        chain->numbers[CRD_CHAIN_DIVERGING] = 0;
    }
    if (gradient->g == NULL)
        chain->numbers[CRD_CHAIN_DIVERGING] = 1;
    if (chain->numbers[CRD_CHAIN_DIVERGING] != 0)
        return;
    kick(chain, phase == 0 ? 0.5 * s : s, gradient->g);
    drift(chain, s);
}

/* After step `step`, counted from 0, of burn-in. */
static void adapt(crd_chain *chain, int64_t step, double acceptance)
{
    const crd_chain_options *o = chain->options;
    double *x = chain->numbers, m = (double)(step + 1), share = 1 / (m + t0);
    x[ERROR] = (1 - share) * x[ERROR] + share * (o->target_accept - acceptance);
    x[LOG_STEP] = log(10 * o->step_size) - sqrt(m) / gamma_ * x[ERROR];
    double weight = pow(m, -kappa);
    x[LOG_AVERAGE] = weight * x[LOG_STEP] + (1 - weight) * x[LOG_AVERAGE];
}

static void end(crd_chain *chain, int64_t step, crd_chain_gradient *gradient)
{
    double *x = chain->numbers, acceptance = 0;
    if (gradient->g == NULL)
        x[CRD_CHAIN_DIVERGING] = 1;
    double energy = INFINITY;
    if (x[CRD_CHAIN_DIVERGING] == 0) {
        kick(chain, 0.5 * x[CRD_CHAIN_STEP_SIZE], gradient->g);
        energy = gradient->potential / chain->options->temperature + kinetic(chain);
        acceptance = fmin(1, exp(x[ENERGY_0] - energy));
        /* Stan's: an error of 1000 is no error of rounding. */
        x[CRD_CHAIN_DIVERGING] = energy - x[ENERGY_0] > 1000;
    }
    if (!(crd_chain_uniform(chain, step) < acceptance)) {
        size_t bytes = (size_t)chain->n * sizeof(float);
        memcpy(chain->position, chain->vectors[START], bytes);
        gradient->g = chain->vectors[START_GRADIENT];
        gradient->potential = x[POTENTIAL_0];
        energy = x[ENERGY_0];
    }
    x[CRD_CHAIN_ENERGY] = energy;
    x[CRD_CHAIN_ACCEPTANCE] = acceptance;
    if (step < chain->options->burn_in && chain->options->target_accept > 0)
        adapt(chain, step, acceptance);
}

const crd_chain_sampler crd_sampler_hmc = {
    .name = "hmc",
    .title = "Hamiltonian Monte Carlo",
    .n_vectors = N_VECTORS,
    .needs_all = true,
    .survives = true,
    .n_gradients = n_gradients,
    .defaults =
        {.step_size = 1e-3, .leapfrog_steps = 20, .target_accept = 0.8, .burn_in = 200, .thin = 1},
    .move = move,
    .end = end,
};
