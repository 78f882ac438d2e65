/** Makes a posterior file from a file of weights: what `credence convert` does. Room: app.
 */
#ifndef CREDENCE_CONVERT_FILES_H
#define CREDENCE_CONVERT_FILES_H

#include <stdbool.h>

#include "credence/posterior.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** From what, and how. All borrowed. */
typedef struct crd_convert_files_options {
    /** State dict, ONNX model, or posterior whose means are meant; NULL: random. */
    const char *weights;
    /** Of an ONNX model's images that leaves them open; 0: not given. */
    int64_t input_height, input_width;
    const char *weights_key; /**< of a checkpoint that holds more than weights; NULL: the usual */
    const char *arch;        /**< architecture; NULL: the weights tell */
    int64_t channels, n_classes; /**< of random weights; 0: the architecture's */
    const char *classes;         /**< file of class names; NULL: none, or the posterior's */
    const char *const *bayesian; /**< [n_bayesian] globs: crd_posterior_convert; -1: its own */
    int n_bayesian;
    bool mc_dropout; /**< dropout stays on in prediction */
    crd_conversion conversion;
    /* The transform; where it is not given, the posterior's or the architecture's. */
    int64_t crop;                            /**< 0: not given; the image size too */
    int64_t resize;                          /**< -1: not given */
    int interpolation;                       /**< crd_interpolation; -1: not given */
    const double *channel_mean, *channel_sd; /**< [n_...]: one for all, or one a channel */
    int n_channel_mean, n_channel_sd;        /**< 0: not given */
    const char *output;                      /**< posterior to write; NULL: none */
    crd_record record;
} crd_convert_files_options;

/** All layers Bayesian (n_bayesian -1), crd_conversion_defaults. */
void crd_convert_files_options_init(crd_convert_files_options *out);

/** Makes it: *out is what was written; destroy it. `check` (NULL: none) sees it before. Errors: of
 * crd_state_dict_read, crd_onnx_model_read, crd_zoo_build, crd_posterior_convert,
 * crd_posterior_write and `check`; CRD_ERR_USAGE: options that contradict each other. Collective:
 * no. */
crd_status crd_convert_files(crd_posterior **out, const crd_convert_files_options *options,
                             crd_status (*check)(const crd_posterior *posterior, void *payload),
                             void *payload);

#ifdef __cplusplus
}
#endif
#endif
