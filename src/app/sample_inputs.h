/** What a run of chains reads: the posterior, where its chains begin, and the images. For the run
 * and for its plan. Private to this room. */
#ifndef CRD_APP_SAMPLE_INPUTS_H
#define CRD_APP_SAMPLE_INPUTS_H

#include "app/train_data.h"
#include "credence/sample_files.h"

/** Zeroed at first. What is not marked lives on rank 0 only and stays empty elsewhere. */
typedef struct crd_sample_inputs {
    crd_sample_options options; /**< all ranks: complete once they are shared */
    crd_posterior *posterior;   /**< all ranks: rank 0's is read, others' are shared */
    crd_posterior *start_posterior;
    float *start_values;    /**< all ranks */
    crd_sample_start start; /**< all ranks */
    crd_train_files_options data_options;
    crd_train_data data;
} crd_sample_inputs;

/** The options, and what is wrong with them on all ranks alike. Errors: CRD_ERR_USAGE. */
crd_status crd_sample_inputs_begin(crd_sample_inputs *out, const crd_sample_files_options *given);
/** Rank 0 opens all files. Errors: of crd_sample_files. */
crd_status crd_sample_inputs_open(crd_sample_inputs *in, const crd_sample_files_options *given);
/** Options, posterior and starts from rank 0 to all. Collective: on comm. */
crd_status crd_sample_inputs_share(crd_sample_inputs *in, crd_comm *comm,
                                   const crd_sample_files_options *given);
/** See crd_sample_hooks.load. */
crd_status crd_sample_inputs_load(crd_sample_inputs *in, float *images, int64_t *labels,
                                  float *values, int64_t first, int64_t n);
void crd_sample_inputs_close(crd_sample_inputs *in);

#endif
