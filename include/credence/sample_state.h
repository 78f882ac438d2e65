/** What a run of chains carries from step to step: what a checkpoint holds. Room: chains. */
#ifndef CREDENCE_SAMPLE_STATE_H
#define CREDENCE_SAMPLE_STATE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Figures of a draw, as files and ArviZ call them. */
enum {
    CRD_DRAW_LP,     /**< log posterior, not normalized: of its batch, scaled to all images */
    CRD_DRAW_ENERGY, /**< hmc: of the state; mclmc, smile: its change in the step; else -lp / T */
    CRD_DRAW_ACCEPTANCE,  /**< mean over the steps since the draw before */
    CRD_DRAW_STEP_SIZE,   /**< of the step to it */
    CRD_DRAW_DIVERGING,   /**< steps undone since the draw before */
    CRD_DRAW_N_GRADIENTS, /**< since the draw before */
    CRD_DRAW_FIGURES
};

/** All that a run carries from step to step: what a checkpoint holds, with the draws. */
typedef struct crd_sample_state {
    int64_t n_chains, n_draws;
    int64_t n;           /**< weights that are sampled */
    int64_t n_vectors;   /**< of a chain, its position the first */
    int64_t n_numbers;   /**< of a chain */
    int64_t n_gradients; /**< that every chain has taken */
    /** [n_chains]: [n_vectors][n] of the chains that this rank has, on rank 0 of all; else NULL.
     * Owned. On rank 0 up to date while hooks.checkpoint runs, and at the end. */
    float **vectors;
    double *numbers; /**< [n_chains][n_numbers] likewise; owned */
    double *figures; /**< [n_chains][n_draws][CRD_DRAW_FIGURES] rank 0; owned */
} crd_sample_state;

/** Frees all; a zeroed one is allowed. Collective: no. */
void crd_sample_state_clear(crd_sample_state *state);

#ifdef __cplusplus
}
#endif
#endif
