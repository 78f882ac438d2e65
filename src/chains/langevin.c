/* Langevin dynamics with gradients of batches: with momentum (SGHMC, a > 0), without (SGLD, a = 0),
 * in cycles of falling step size, preconditioned. With s the step size, M the preconditioner, eps a
 * standard normal and T the temperature
 *
 *   E <- b E + (1 - b) g^2,  M = sqrt(E) + e                               (without it: M = 1)
 *   m <- a m - sqrt(s) g + sqrt(2 (1 - a) T M) eps,  w <- w + sqrt(s) m / M
 *
 * M is adapted in burn-in and without noise only: a mass that follows the position has another law.
 * Sources: Welling and Teh, ICML 2011; Chen, Fox and Guestrin, ICML 2014; this form, of a summed
 * log posterior, and the preconditioner: Izmailov et al., ICML 2021 (bnn_hmc, core/sgmcmc.py, which
 * continues adapting);
 * cycles whose first part has no noise: Zhang et al., ICLR 2020 (csgmcmc). */
#include <math.h>

#include "chains/chain.h"
#include "credence/rng.h"

enum { MOMENTUM, SQUARES, N_VECTORS };

static const double pi = 3.14159265358979323846;

/* Of a step, counted from 0. */
static double step_size(const crd_chain_options *o, int64_t step)
{
    if (o->cycle_length == 0)
        return o->step_size;
    double place = (double)(step % o->cycle_length) / (double)o->cycle_length;
    return 0.5 * o->step_size * (cos(pi * place) + 1);
}

static int is_noisy(const crd_chain_options *o, int64_t step)
{
    return o->cycle_length == 0 ||
           (double)(step % o->cycle_length) >= o->exploration * (double)o->cycle_length;
}

static void precondition(crd_chain *chain, const float *g)
{
    const crd_chain_options *o = chain->options;
    float *squares = chain->vectors[SQUARES];
    for (int64_t i = 0; i < chain->n; i++) {
        double x = (double)g[i];
        squares[i] = (float)(o->rms_decay * (double)squares[i] + (1 - o->rms_decay) * x * x);
    }
}

static void move(crd_chain *chain, int64_t step, int64_t phase, const crd_chain_gradient *gradient)
{
    (void)phase;
    const crd_chain_options *o = chain->options;
    const double s = step_size(o, step), root = sqrt(s), a = o->momentum;
    const double loud = is_noisy(o, step) ? sqrt(2 * (1 - a) * o->temperature) : 0;
    float *momentum = chain->vectors[MOMENTUM];
    if (o->is_preconditioned && (step < o->burn_in || !is_noisy(o, step)))
        precondition(chain, gradient->g);
    crd_chain_fill_noise(chain, step, CRD_PURPOSE_CHAIN);
    for (int64_t i = 0; i < chain->n; i++) {
        double mass =
            o->is_preconditioned ? sqrt((double)chain->vectors[SQUARES][i]) + o->rms_eps : 1;
        double m = a * (double)momentum[i] - root * (double)gradient->g[i] +
                   loud * sqrt(mass) * (double)chain->noise[i];
        momentum[i] = (float)m;
        chain->position[i] = (float)((double)chain->position[i] + root * m / mass);
    }
    chain->numbers[CRD_CHAIN_STEP_SIZE] = s;
}

#define DYNAMICS .n_vectors = N_VECTORS, .move = move

const crd_chain_sampler crd_sampler_sgld = {
    .name = "sgld",
    .title = "stochastic gradient Langevin dynamics",
    .defaults = {.step_size = 1e-6, .burn_in = 1000, .thin = 10},
    DYNAMICS,
};

const crd_chain_sampler crd_sampler_sghmc = {
    .name = "sghmc",
    .title = "stochastic gradient Hamiltonian Monte Carlo",
    .defaults = {.step_size = 3e-7, .momentum = 0.9, .burn_in = 1000, .thin = 10},
    DYNAMICS,
};

const crd_chain_sampler crd_sampler_csghmc = {
    .name = "csghmc",
    .title = "cyclical stochastic gradient Hamiltonian Monte Carlo",
    .defaults = {.step_size = 3e-7,
                 .momentum = 0.95,
                 .cycle_length = 1000,
                 .draws_per_cycle = 3,
                 .exploration = 0.9,
                 .thin = 10},
    DYNAMICS,
};
