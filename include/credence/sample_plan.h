/** What a run of chains will cost on how many ranks: what `credence plan-sample` does. It takes
 * gradients of the run for some seconds, on a sample of the images, and forecasts by
 * credence/cost_model.h. Room: app. */
#ifndef CREDENCE_SAMPLE_PLAN_H
#define CREDENCE_SAMPLE_PLAN_H

#include "credence/plan_files.h"
#include "credence/sample_files.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_sample_plan {
    crd_sample_cost cost;
    int64_t n_images, n_weights, n_draws; /**< n_weights: that are sampled; n_draws: of a chain */
    int64_t n_sample, n_sample_gradients; /**< images that were read, gradients measured */
    double seconds;                       /**< that the plan took */
    int64_t data_bytes;                   /**< of the images, which the ranks of a node share */
    int64_t rank_bytes;                   /**< of a rank without its chains */
    int64_t chain_bytes; /**< of a chain, on the ranks that have it, and on rank 0 */
    int64_t file_bytes;  /**< of the numbers in the output */
    int64_t draws_bytes; /**< of the draws on disk until then */
    int64_t node_ranks;
} crd_sample_plan;

/** Measures; *out is rank 0's. `output` and `resume` of the options do not count. Collective: on
 * comm; all ranks return the same status. Errors: of crd_sample_files, but those of the output. */
crd_status crd_sample_plan_files(crd_sample_plan *out, crd_comm *comm,
                                 const crd_sample_files_options *options);
/** Expected seconds on n_ranks ranks. */
double crd_sample_plan_seconds(const crd_sample_plan *plan, int64_t n_ranks);
/** The time on one rank against n_ranks times that on n_ranks. */
double crd_sample_plan_efficiency(const crd_sample_plan *plan, int64_t n_ranks);
/** Memory of the first node, which needs the most. */
int64_t crd_sample_plan_node_bytes(const crd_sample_plan *plan, int64_t n_ranks);
/** What to ask a batch system for, with room to spare as crd_plan_job_for. */
crd_plan_job crd_sample_plan_job_for(const crd_sample_plan *plan, int64_t n_ranks);

#ifdef __cplusplus
}
#endif
#endif
