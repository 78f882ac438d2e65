/** A run of chains under way: what its files share. sample.c has the loop, sample_gradient.c the
 * potential and its gradient, sample_share.c what goes between ranks, sample_begin.c the first
 * state. */
#ifndef CRD_ENGINE_SAMPLE_RUN_H
#define CRD_ENGINE_SAMPLE_RUN_H

#include "bayes/gradient.h"
#include "chains/chain.h"
#include "credence/sample.h"
#include "engine/checkpoint_timer.h"

typedef struct crd_sample_run {
    crd_comm *comm, *group; /* the ranks that share a chain: of one's own if chains are enough */
    crd_sample_state *state;
    const crd_posterior *posterior;
    const crd_sample_start *start;
    const crd_sample_options *options;
    const crd_sample_hooks *hooks;
    const crd_chain_sampler *sampler;
    int64_t n_colors; /* of groups */
    crd_gradient *gradient;
    uint8_t *fixed;        /* [n_params] zeros: no weight is drawn */
    crd_chain_span *spans; /* [n_spans] */
    int64_t n_spans;
    int64_t image_floats, value_floats, batch;
    crd_shared *data; /* images, then labels, then values */
    const float *images, *values;
    const int64_t *labels;
    float *batch_images, *batch_values; /* of a micro-batch that is gathered */
    int64_t *batch_labels;
    float *weights;   /* [n_floats] that the gradient is at */
    int64_t *sums;    /* of the gradient */
    float *g, *noise; /* [n] */
    float *drawn;     /* [chains of this rank][n] the draws of this round */
    int64_t *parcel;  /* what goes to rank 0 */
    crd_checkpoint_timer timer;
    crd_sample_times times;
} crd_sample_run;

/** The parameters that are sampled. */
crd_status crd_sample_find_spans(crd_chain_span **out, int64_t *n_spans, int64_t *n,
                                 const crd_posterior *posterior);
/** 1: this rank has the chain. Its chains are those of its group. */
int crd_sample_has(const crd_sample_run *r, int64_t chain);
/** 1: this rank is the one of those that have the chain that speaks for it. */
int crd_sample_speaks(const crd_sample_run *r, int64_t chain);
/** A view. */
crd_chain crd_sample_chain(const crd_sample_run *r, int64_t chain);

/** The images in every node's memory. Collective. */
crd_status crd_sample_load(crd_sample_run *r);
/** U and its gradient (in r->g) at the chain's position, for gradient number i. On all ranks of the
 * group. Errors: CRD_ERR_NUMERIC. */
crd_status crd_sample_potential(crd_chain_gradient *out, crd_sample_run *r, const crd_chain *chain,
                                int64_t i);
/** Do all ranks get the same gradient? Collective. */
crd_status crd_sample_check_ranks(crd_sample_run *r);

/** Rank 0's state, to begin with, on all ranks. Collective. */
crd_status crd_sample_share(crd_sample_run *r);
/** Draw `draw` of all chains, and its figures, to rank 0 and its hook. Collective. */
crd_status crd_sample_deliver(crd_sample_run *r, int64_t draw);
/** The chains' vectors and numbers to rank 0. Collective. */
void crd_sample_collect(crd_sample_run *r);

#endif
