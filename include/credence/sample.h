/** The sampling engine: chains over ranks.
 *
 * A chain belongs to a rank, or, where there are more ranks than chains, to a group of them that
 * share the micro-batches of its gradient. Gradients and potentials are sums of whole numbers,
 * noise is a function of (seed, chain, step, parameter), and each rank of a group makes the same
 * update: so the draws are the same, bit for bit, on any number of ranks, an accept or reject
 * included. All images lie in every node's shared memory. What is sampled are the Bayesian
 * parameters of the posterior, under its prior; all others stay what they are, and batch norm works
 * with its running statistics. The engine opens no file and prints nothing. Room: engine.
 */
#ifndef CREDENCE_SAMPLE_H
#define CREDENCE_SAMPLE_H

#include "credence/chains.h"
#include "credence/comm.h"
#include "credence/loss.h"
#include "credence/posterior.h"
#include "credence/sample_state.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_sample_options {
    crd_chain_options chain; /**< its seed is the run's */
    int64_t n_chains;
    const crd_loss *loss;
    /** -log likelihood of an image = likelihood_scale * its data term; crd_sample_scale */
    double likelihood_scale;
    int64_t n_images;
    int64_t batch_size;  /**< images of a gradient; 0: all */
    int64_t micro_batch; /**< images that go through the network together */
    double checkpoint_s; /**< seconds between checkpoints; 0: none */
    double max_time_s;   /**< stop with a checkpoint after this; 0: no limit */
} crd_sample_options;

/** Makes data terms, which are means over values, a -log likelihood: gaussian-nll: the number of
 * values; mse: of normal values with that standard deviation; else 1. */
double crd_sample_scale(const crd_loss *loss, int64_t n_values, double noise_sd);

/** A state before the first gradient, of all chains. For rank 0, or a process alone. Errors:
 * CRD_ERR_USAGE: options out of range; CRD_ERR_INPUT: nothing is Bayesian. Clear it. */
crd_status crd_sample_state_init(crd_sample_state *state, const crd_posterior *posterior,
                                 const crd_sample_options *options);
/** Draws that are complete. */
int64_t crd_sample_n_complete(const crd_sample_state *state, const crd_sample_options *options);

/** values[n_floats] by the network's offsets get the sampled weights[n]; the others stay. */
void crd_sample_scatter(float *values, const float *weights, const crd_posterior *posterior);
/** The sampled weights[n] out of values[n_floats]. */
void crd_sample_gather(float *weights, const float *values, const crd_posterior *posterior);

/** What gradients took on rank 0: those after the first round, whose memory is new. */
typedef struct crd_sample_times {
    int64_t n_gradients; /**< of its chains, steps' other work included */
    double gradients_s;
    int64_t n_units; /**< micro-batches of them that it computed */
    double units_s;
} crd_sample_times;

/** What the engine asks for; called on rank 0 only. */
typedef struct crd_sample_hooks {
    /** Images [first, first + n): images[n][channels][height][width], labels[n], values[n][..]
     * where the loss compares with values. */
    crd_status (*load)(float *images, int64_t *labels, float *values, int64_t first, int64_t n,
                       void *payload);
    /** A draw of a chain: weights[n]. An error ends the run. */
    crd_status (*draw)(int64_t chain, int64_t draw, const float *weights, void *payload);
    /** Keeps the state. An error is reported by the hook and does not end the run. With this hook
     * (on all ranks alike) the run obeys checkpoint_s, max_time_s and crd_interrupt_post. */
    void (*checkpoint)(const crd_sample_state *state, void *payload);
    /** Steps done and all, of each chain. May be NULL. */
    void (*progress)(int64_t step, int64_t n_steps, void *payload);
    /** Once, at the end of a run that is complete or stopped. May be NULL. */
    void (*times)(const crd_sample_times *times, void *payload);
    void *payload;
} crd_sample_hooks;

typedef struct crd_sample_start {
    /** [n_blocks][n_floats] all ranks: chain c has the values of block c mod n_blocks where nothing
     * is sampled, and begins there too unless `spread`. Borrowed. */
    const float *values;
    int64_t n_blocks;
    bool spread; /**< chain c begins at draw c of the posterior instead */
} crd_sample_start;

/** Samples from `state` on until all draws are made. Collective: on comm; posterior, options and
 * start equal on all ranks; `state` is rank 0's, others have an empty one, which is filled here and
 * to be cleared. Returns CRD_STOPPED after a checkpoint. Errors: CRD_ERR_NUMERIC: a potential or a
 * gradient is not a number: names chain and step; the hooks'; too little memory for the images. */
crd_status crd_sample(crd_comm *comm, crd_sample_state *state, const crd_posterior *posterior,
                      const crd_sample_start *start, const crd_sample_options *options,
                      const crd_sample_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
