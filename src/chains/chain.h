/** The table of samplers: a row says how a chain moves. One sampler, or some that share their
 * dynamics, is a file of this room and a line of samplers.c.
 *
 * A step takes crd_chain_sampler.n_gradients gradients. Before the first of them, and after each
 * but the last, `move` brings the position to where the next gradient is wanted; with the last one
 * `end` finishes the step: then the position is the chain's state. All arithmetic is elementwise
 * or in a fixed order, in double, rounded to float when stored: so a chain is the same wherever it
 * runs. For engine.
 */
#ifndef CRD_CHAINS_CHAIN_H
#define CRD_CHAINS_CHAIN_H

#include "credence/chains.h"

/** Neighbouring elements of a chain's vectors that are one parameter of the network. */
typedef struct crd_chain_span {
    int64_t param, at, count; /**< at: place in the vectors */
} crd_chain_span;

/** What a sampler says of a step, and the draws' sample_stats of it. */
enum {
    CRD_CHAIN_ENERGY,     /**< of the state after the step: U / T, with the kinetic one if any */
    CRD_CHAIN_ACCEPTANCE, /**< probability with which the step was accepted; 1: always */
    CRD_CHAIN_STEP_SIZE,  /**< of the step */
    CRD_CHAIN_DIVERGING,  /**< 1: the step went astray, and was undone */
    CRD_CHAIN_POTENTIAL,  /**< U at the state after the step: by the engine */
    /* Since the last draw, by the engine: steps, sum of acceptances, steps that were undone. */
    CRD_CHAIN_STEPS,
    CRD_CHAIN_ACCEPTED,
    CRD_CHAIN_UNDONE,
    CRD_CHAIN_OWN, /**< the first of a sampler's own numbers */
    CRD_CHAIN_NUMBERS = CRD_CHAIN_OWN + 8
};

enum { CRD_CHAIN_MAX_VECTORS = 6 };

/** A chain. Vectors and numbers are all that it carries from step to step. */
typedef struct crd_chain {
    int64_t number, n; /**< of the chain, of its weights */
    const crd_chain_span *spans;
    int64_t n_spans;
    float *position;                       /**< [n] */
    float *vectors[CRD_CHAIN_MAX_VECTORS]; /**< [n_vectors][n] zero at first */
    double *numbers;                       /**< [CRD_CHAIN_NUMBERS] zero at first */
    float *noise;                          /**< [n] scratch */
    const crd_chain_options *options;
} crd_chain;

/** U and its gradient at the position. */
typedef struct crd_chain_gradient {
    double potential;
    /** [n]; may be written to. NULL: U or its gradient is not a number there, only for samplers
     * that survive it, and never at the start of a chain */
    float *g;
} crd_chain_gradient;

typedef struct crd_chain_sampler {
    const char *name, *title;
    int n_vectors;  /**< beside the position */
    bool needs_all; /**< the gradient of all images */
    bool survives;  /**< a gradient that is not a number ends the step, not the run */
    /** Of a step; NULL: 1. */
    int64_t (*n_gradients)(const crd_chain_options *options);
    crd_chain_options defaults;
    /** To where gradient `phase` (from 0 on) of step `step` (from 0 on) leads; `gradient` is that
     * at the position: for phase 0 what the last step ended with. */
    void (*move)(crd_chain *chain, int64_t step, int64_t phase, const crd_chain_gradient *gradient);
    /** Ends step `step`. The gradient, and U, are those of the state afterwards: it writes them
     * if it goes elsewhere. NULL: nothing but the figures is left to do. */
    void (*end)(crd_chain *chain, int64_t step, crd_chain_gradient *gradient);
} crd_chain_sampler;

extern const crd_chain_sampler crd_sampler_sgld, crd_sampler_sghmc, crd_sampler_csghmc,
    crd_sampler_hmc, crd_sampler_mclmc, crd_sampler_smile;

/** The row of options->name, which is one. */
const crd_chain_sampler *crd_chain_sampler_of(const crd_chain_options *options);

/** Fills chain->noise with standard normals of (chain, step, parameter). */
void crd_chain_fill_noise(crd_chain *chain, int64_t step, uint32_t purpose);
/** A number in (0, 1) of (chain, step). */
double crd_chain_uniform(const crd_chain *chain, int64_t step);

#endif
