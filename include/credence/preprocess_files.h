/** Writes the tensors that a posterior's network sees of images: what `credence preprocess` does.
 * Room: app.
 */
#ifndef CREDENCE_PREPROCESS_FILES_H
#define CREDENCE_PREPROCESS_FILES_H

#include <stdbool.h>

#include "credence/image.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** All borrowed. */
typedef struct crd_preprocess_files_options {
    const char *posterior;     /**< whose preprocessing is meant */
    const char *const *inputs; /**< [n_inputs] specifications: credence/dataset.h */
    int n_inputs;
    bool skip_bad;      /**< images that cannot be read are left out; else they are an error */
    const char *output; /**< file of tensors to write */
    crd_record record;
} crd_preprocess_files_options;

typedef struct crd_preprocess_report {
    int64_t n_images, n_skipped;
    crd_preprocessing preprocessing; /**< the posterior's */
} crd_preprocess_report;

/** Writes it. Errors: of crd_posterior_read, crd_dataset_open, crd_dataset_load and
 * crd_tensors_write; CRD_ERR_INPUT: no image can be read. Collective: no. */
crd_status crd_preprocess_files(crd_preprocess_report *out,
                                const crd_preprocess_files_options *options);

#ifdef __cplusplus
}
#endif
#endif
