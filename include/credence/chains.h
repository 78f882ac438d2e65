/** Samplers of Markov chains over weights: their names, options and defaults.
 *
 * U = -log posterior, summed over the images (not their mean), is what all of them move in; g is
 * its gradient, of all images or estimated from a batch. The law of a chain is exp(-U / T) with T
 * the temperature, 1 for Bayes. Room: chains.
 */
#ifndef CREDENCE_CHAINS_H
#define CREDENCE_CHAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most chains of a run: an image's sums in a prediction grow with them. */
#define CRD_MAX_CHAINS 256

typedef struct crd_chain_options {
    char name[16];          /**< one of crd_chain_sampler_names */
    double step_size;       /**< of the first step */
    double temperature;     /**< T, above 0 */
    double momentum;        /**< sghmc, csghmc: share of the momentum that a step keeps, below 1 */
    bool is_preconditioned; /**< sgld, sghmc, csghmc: by RMSprop */
    double rms_decay, rms_eps;
    int64_t cycle_length;    /**< csghmc: steps of a cycle */
    int64_t draws_per_cycle; /**< csghmc: at the end of each, `thin` steps apart */
    double exploration;      /**< csghmc: share of a cycle, its first, without noise; below 1 */
    int64_t leapfrog_steps;  /**< hmc: of a proposal */
    double target_accept;    /**< hmc: what burn-in adapts the step size to; 0: it is kept */
    /** mclmc: variance of the energy error of a step for each weight, at the end of burn-in, which
     * the step size is adapted to; five times as much at its start. 0: the step size is kept. */
    double energy_variance;
    double decoherence; /**< mclmc: length over which the direction is forgotten; 0: adapted */
    int64_t burn_in;    /**< steps (hmc: proposals) before the first draw */
    int64_t n_draws;    /**< of each chain */
    int64_t thin;       /**< steps between draws */
    uint64_t seed;
} crd_chain_options;

/** Names, NULL-terminated: "sgld", "sghmc", "csghmc", "hmc", "mclmc", "smile". */
const char *const *crd_chain_sampler_names(void);
/** What its source has, for networks of any size; 100 draws, T 1. Errors: CRD_ERR_USAGE naming all.
 */
crd_status crd_chain_defaults(crd_chain_options *out, const char *name);
/** Errors: CRD_ERR_USAGE naming the key that is out of its range. */
crd_status crd_chain_check(const crd_chain_options *options);
/** 1: a step needs the gradient of all images: hmc, mclmc. */
int crd_chain_needs_all(const crd_chain_options *options);

/** Gradients of a step: hmc leapfrog_steps, mclmc and smile 2, else 1. */
int64_t crd_chain_n_gradients(const crd_chain_options *options);
/** Steps of a chain with all its draws. */
int64_t crd_chain_n_steps(const crd_chain_options *options);
/** Number of the draw that the state after `step` steps is; -1: none. */
int64_t crd_chain_draw_at(const crd_chain_options *options, int64_t step);

#ifdef __cplusplus
}
#endif
#endif
