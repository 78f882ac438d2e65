/** The prediction engine: units of (image batch, draw block) over all ranks, reduced without order.
 *
 * The result is a function of (model, images, options) bit for bit, never of the number of ranks,
 * of nodes, or of who computed what: a unit's shape comes from the options only, draws are
 * addressed by number, sums are integers. The engine opens no file and prints nothing: images come
 * from a source, results go to a sink, both on rank 0. Room: engine.
 */
#ifndef CREDENCE_PREDICT_H
#define CREDENCE_PREDICT_H

#include <stdbool.h>

#include "credence/comm.h"
#include "credence/predictive.h"
#include "credence/sampler.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How far a run has come: what its checkpoint holds (src/reduce/predict_state.h). */
typedef struct crd_predict_state crd_predict_state;

/** A model on all ranks, one copy of its numbers a node. */
typedef struct crd_shared_model crd_shared_model;

/** Brings rank 0's posterior to all ranks, ready to run (crd_model_fill). What other ranks give
 * is ignored. eps: imported noise (crd_model.eps), or NULL. mean 1: without sigma, for samplers
 * that draw nothing (crd_sampler_options.mean).
 * Collective: on comm; all ranks fail together. Cost: one broadcast of 2 (1 with mean, 1 more
 * with eps) numbers a parameter to every node. */
crd_status crd_shared_model_create(crd_shared_model **out, crd_comm *comm,
                                   const crd_posterior *posterior, const float *eps, int mean);

/** How a posterior's numbers come to the nodes. */
typedef struct crd_shared_model_options {
    const crd_numbers_source *source; /**< rank 0's; borrowed as long as the model is there */
    const float *eps;                 /**< as above */
    bool mean;                        /**< as above */
    bool unfolded;                    /**< crd_model_make_unfolded's: not for samplers */
    /** What an ensemble's numbers may take of a node. One that needs more is streamed: the node
     * holds two windows of components, one in use, one on its way, each of at most 1 GiB, or a
     * draw block's where that is more. 0: half of the memory that the node's leader could have (of
     * all nodes the least), but all of it where less than two draw blocks fit in that. Bounds
     * memory, does not change results. */
    int64_t node_bytes;
    int64_t draw_block; /**< of the sampler: the components of a block are held together */
    bool antithetic;    /**< likewise */
} crd_shared_model_options;
/** The same of numbers that lie elsewhere (`posterior` may be bare): they are read straight into
 * the shared memory of rank 0's node, and broadcast from there. `options` equal on all ranks, but
 * for source and eps. Errors: also of the source; CRD_ERR_USAGE: node_bytes does not hold two draw
 * blocks. */
crd_status crd_shared_model_open(crd_shared_model **out, crd_comm *comm,
                                 const crd_posterior *posterior,
                                 const crd_shared_model_options *options);
/** Components that a node holds at a time, and its bytes for them, both windows. */
int64_t crd_shared_model_held(const crd_shared_model *shared);
int64_t crd_shared_model_bytes(const crd_shared_model *shared);
/** Of a model that is streamed, on rank 0: seconds of reading and components read so far. */
void crd_shared_model_reading(double *seconds, int64_t *n_read, crd_shared_model *shared);
/** Collective: on its comm. */
void crd_shared_model_destroy(crd_shared_model *shared);
/** Borrowed, valid as long as the shared model. */
const crd_model *crd_shared_model_view(const crd_shared_model *shared);

typedef struct crd_predict_options {
    crd_sampler_options sampler; /**< estimator, seed, batch and draw_block (the shape of a unit) */
    crd_output_kind outputs;     /**< the posterior's: says which reducer makes the rows */
    /** 1 .. CRD_MAX_DRAWS; the number of components with sampler.mean. 0, but for crd_predict: as
     * crd_posterior_n_draws has it. */
    int64_t n_draws;
    int64_t first_draw; /**< a multiple of draw_block: draws first_draw .. n_draws - 1 */
    /** Stops images whose crd_summary_error is below this at a look; 0: every image gets
     * n_draws. Looks: {min_draws, n_draws, sampler.draw_block}. A stopped image's row stays as
     * it is; a batch of stopped images is not computed any more. Not with want_draws or
     * first_draw. */
    double until_mcse;
    int64_t min_draws;
    double confidence; /**< of half-widths at all looks together, in [0, 1) */
    int64_t n_top;     /**< classes in top_class */
    bool keep_sums;    /**< summaries hold their accumulators (crd_summary_keep_sums) */
    bool want_draws;   /**< the sink's draws() is called */
    int64_t n_images;
    /** What the images of a window with their sums, and saved draws between two writes, may take
     * each; 0: 64 MiB, and up to 1 GiB of a node and 64 MiB of a rank where many ranks would
     * else wait for each other. Bounds memory, does not change results. */
    int64_t buffer_bytes;
    /** crd_shared_model_options.node_bytes, for those who open the model; crd_predict takes it as
     * it is. */
    int64_t weights_bytes;
    /** Where the sink keeps checkpoints: seconds between two, 0: none by the clock; and seconds
     * after which the run stops with one, 0: no limit. Measured on rank 0. */
    double checkpoint_s, max_time_s;
    /** 0: units in order; else they are taken in an order made from this: for tests. */
    uint64_t shuffle;
} crd_predict_options;

/** 100 draws in blocks of 8, batches of 8 images, fp32, seed 0, half-widths at 95 %, looks (with
 * until_mcse) from 32 draws on, 5 top classes, a checkpoint every 10 minutes. What depends on the
 * run stays 0: estimator, outputs, n_images. Collective: no. */
void crd_predict_options_init(crd_predict_options *out);

/** Where images come from, and where the run begins. */
typedef struct crd_predict_source {
    /** Fills tensors[n][channels][height][width] with images [first, first + n). skipped[i] = 1
     * leaves image i out: its row is marked. Called on rank 0 only, or, if is_shared, on every
     * rank of its node for a part of each window; in order, every image once. */
    crd_status (*load)(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload);
    void *payload;
    bool is_shared; /**< equal on all ranks */
    const crd_predict_state
        *state; /**< rank 0's: continues from here; NULL: from the start. Borrowed */
    /** Of the model, if it may be streamed; else NULL. The draws of a round are then taken window
     * of components by window, each read once while the one before is computed. */
    crd_shared_model *weights;
} crd_predict_source;

/** Where results go; called on rank 0 only; every member may be NULL, on all ranks alike. */
typedef struct crd_predict_sink {
    /** Images [first_image, + summary->n_images), in order, all draws done. */
    crd_status (*summary)(const crd_summary *summary, int64_t first_image, void *payload);
    /** outputs[n_draws][n_images][n_outputs] of a unit; between two checkpoints the units of a
     * window come in order. */
    crd_status (*draws)(const float *outputs, int64_t first_draw, int64_t n_draws,
                        int64_t first_image, int64_t n_images, void *payload);
    /** Keeps the state. Draws and summaries before it have been handed on. An error is reported
     * by the hook and does not end the run. With this hook the run obeys options.checkpoint_s,
     * max_time_s and crd_interrupt_post on any rank. */
    void (*checkpoint)(const crd_predict_state *state, void *payload);
    /** Units done of the run, as far as rank 0 knows, and all; after each unit of rank 0. */
    void (*progress)(int64_t n_done, int64_t n_units, void *payload);
    void *payload;
} crd_predict_sink;

/** What a run cost, summed over ranks (rank 0 only; zero elsewhere); also of one that was
 * stopped. */
typedef struct crd_predict_report {
    int64_t n_units;         /**< computed in this call */
    double wall_s;           /**< on rank 0 */
    crd_sampler_times times; /**< rank seconds in the sampler */
    double comm_s;           /**< rank seconds in communication and waiting for others */
    int64_t comm_calls;      /**< operations of MPI, a rank's count summed like the rest */
    int64_t comm_bytes;      /**< handed to MPI */
} crd_predict_report;

/** The reduction of a run's rows: sampler.mean and n_top of the options count. Errors: as
 * crd_reduction_init. Collective: no. */
crd_status crd_predict_reduction(crd_reduction *out, const crd_posterior *posterior,
                                 const crd_predict_options *options);

/** Images between whose ends all ranks meet: a multiple of the batch. Collective: no. */
int64_t crd_predict_window_images(const crd_model *model, const crd_predict_options *options,
                                  int n_ranks);

/** Runs the prediction. Collective: on comm; model and options equal on all ranks; all ranks
 * return the same status. All ranks first compute the same draw of the first images, and what
 * they get must be equal. Errors: the source's and sink's; CRD_ERR_USAGE: options out of range;
 * CRD_ERR_NUMERIC: a logit is not finite; CRD_ERR_INTERNAL: a rank computes other bits: it is
 * named, with host and kernels; CRD_ERR_RESUME: the state does not fit the options.
 * CRD_STOPPED: stopped as asked, with a checkpoint. Memory a rank: the sampler's, and twice
 * options.buffer_bytes (more if one batch needs more). */
crd_status crd_predict(crd_predict_report *report, crd_comm *comm, const crd_model *model,
                       const crd_predict_options *options, const crd_predict_source *source,
                       const crd_predict_sink *sink);

#ifdef __cplusplus
}
#endif
#endif
