/** The posterior that a run of chains makes of its draws. Rank 0 only. Private to this room. */
#ifndef CRD_APP_SAMPLE_OUTPUT_H
#define CRD_APP_SAMPLE_OUTPUT_H

#include "credence/sample_files.h"
#include "io/prediction_checkpoint.h"

/** All borrowed. */
typedef struct crd_sample_output {
    const crd_posterior *posterior; /**< that was sampled from */
    const crd_sample_start *start;
    const crd_sample_state *state; /**< with the figures of all draws */
    crd_draws_file *draws;         /**< all of them */
    const crd_provenance *provenance;
    uint64_t seed;
    const crd_sample_files_hooks *hooks;
} crd_sample_output;

/** Bytes of the numbers that the file of such a run holds; n_weights: that are sampled. */
int64_t crd_sample_output_bytes(int64_t n_chains, int64_t n_draws, int64_t n_weights,
                                const crd_params *params);
/** Writes it to `path` and calls hooks->end. Errors: of crd_draws_read,
 * crd_posterior_write_chains and the hook. Memory: a few draws. */
crd_status crd_sample_output_write(const crd_sample_output *output, const char *path);

#endif
