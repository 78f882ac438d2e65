/** What a prediction will cost on how many ranks: what `credence plan` does. It predicts a sample
 * of the images, takes the time, and forecasts by credence/cost_model.h. Room: app.
 */
#ifndef CREDENCE_PLAN_FILES_H
#define CREDENCE_PLAN_FILES_H

#include <stdbool.h>

#include "credence/cost_model.h"
#include "credence/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The prediction that is planned. All borrowed. Equal on all ranks. */
typedef struct crd_plan_files_options {
    const char *posterior;     /**< its file */
    const char *const *inputs; /**< [n_inputs] specifications of images: credence/dataset.h */
    int n_inputs;
    bool skip_bad;
    /** sampler.estimator NULL: the one that the posterior is meant for. n_images and outputs are
     * set by the run. */
    crd_predict_options predict;
} crd_plan_files_options;

/** 100 draws in blocks of 8, batches of 8 images. */
void crd_plan_files_options_init(crd_plan_files_options *out);

/** A forecast. */
typedef struct crd_plan crd_plan;

typedef struct crd_plan_facts {
    crd_cost_model model;         /**< borrowed from the plan */
    int64_t n_sample_units;       /**< computed for it */
    double seconds;               /**< that the plan took */
    int64_t bytes_per_rank;       /**< most resident memory of a rank, but for the weights */
    int64_t weights_bytes;        /**< of the weights, which the ranks of a node share */
    int64_t n_components, n_held; /**< of the posterior; those that a node holds at a time */
    double mean_draws;            /**< of an image */
    double share_of_most;         /**< of the images: those that get n_draws */
} crd_plan_facts;

/** Measures; *out is NULL on all ranks but 0. Collective: on comm; all ranks return the same
 * status. Errors: of crd_posterior_read, crd_dataset_open and crd_predict. Destroy it. */
crd_status crd_plan_files(crd_plan **out, crd_comm *comm, const crd_plan_files_options *options);
/** NULL is allowed. */
void crd_plan_destroy(crd_plan *plan);

/** Borrowed. */
const crd_plan_facts *crd_plan_view(const crd_plan *plan);
/** Expected seconds on n_ranks ranks. */
double crd_plan_seconds(const crd_plan *plan, int64_t n_ranks);
/** The time on one rank against n_ranks times that on n_ranks. */
double crd_plan_efficiency(const crd_plan *plan, int64_t n_ranks);

/** What to ask a batch system for. */
typedef struct crd_plan_job {
    int64_t n_ranks, minutes;
    int64_t mib_per_rank; /**< memory, in units of 2^20 bytes */
} crd_plan_job;

/** With half as much time again, 10 minutes more, for jobs that are told to stop before their end,
 * and a quarter more memory. */
crd_plan_job crd_plan_job_for(const crd_plan *plan, int64_t n_ranks);

#ifdef __cplusplus
}
#endif
#endif
