/** What a prediction, or a run of chains, will cost, from a short run of a sample of its images.
 * Pure arithmetic. Room: engine. */
#ifndef CREDENCE_COST_MODEL_H
#define CREDENCE_COST_MODEL_H

#include "credence/stopping_rule.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_cost_model {
    int64_t n_images, batch;
    crd_stopping_rule rule; /**< of the run; min_draws = max_draws: no image stops before */
    const int64_t *stops; /**< [n_sample] draws at which the images of the sample stop, ascending */
    int64_t n_sample;
    double unit_s;           /**< rank seconds of a unit of work: a batch, a block of draws */
    double start_s, image_s; /**< before the first unit; of a rank that reads an image */
    /** Of an ensemble that is streamed: to read its weights once, which goes on beside the units of
     * a window of images; else 0. */
    double weights_s;
    int64_t node_ranks; /**< ranks of a node: those of rank 0's read the images */
} crd_cost_model;

/** The look at which an image's standard error falls below `target`, if it was `mcse` after
 * n_draws draws: it falls with the root of their number. */
int64_t crd_cost_model_stop(const crd_stopping_rule *rule, int64_t n_draws, double mcse,
                            double target);

/** Expected units of work. A batch is computed until its last image stops, and batches are taken
 * for random draws from the sample. */
double crd_cost_model_units(const crd_cost_model *forecast);

/** Expected seconds on n_ranks ranks that meet after every window_images images
 * (crd_predict_window_images) and at every look: in between the units are shared out, and the
 * ranks wait for the last one. Rank 0's node reads the images: those of the first window before
 * all else, those of the next one before its share of this one. Communication is not counted. */
double crd_cost_model_seconds(const crd_cost_model *forecast, int64_t n_ranks,
                              int64_t window_images);

typedef struct crd_sample_cost {
    int64_t n_chains, n_gradients; /**< n_gradients: of a chain */
    double n_units;                /**< micro-batches of a gradient, on average */
    double unit_s;                 /**< rank seconds of a micro-batch */
    double rest_s;                 /**< of a gradient beside them, on every rank of the chain */
    double start_s;                /**< before the first gradient */
} crd_sample_cost;

/** Expected seconds of a run of chains on n_ranks ranks: of those with the most chains, or, where
 * ranks are more than chains, of the smallest group. Communication, and writing draws, are not
 * counted. */
double crd_sample_cost_seconds(const crd_sample_cost *cost, int64_t n_ranks);

/** The most of ranks[n] whose efficiencies[n] are 0.8 at least; the first if none is. */
int64_t crd_cost_model_good_ranks(const int64_t *ranks, const double *efficiencies, int n);

#ifdef __cplusplus
}
#endif
#endif
