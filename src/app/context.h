/** What every run over ranks has: a posterior, its images, and the model that all ranks share.
 * Private to this room. */
#ifndef CRD_APP_CONTEXT_H
#define CRD_APP_CONTEXT_H

#include "app/images.h"
#include "app/provenance.h"
#include "credence/comm.h"
#include "credence/predict.h"

typedef struct crd_context {
    const char *path;                  /**< rank 0: of the posterior; borrowed */
    crd_posterior *posterior;          /**< rank 0: owned; NULL elsewhere */
    char digest[CRD_FILE_DIGEST_SIZE]; /**< crd_context_inputs makes it */
    crd_image_source images;           /**< rank 0; all ranks of its node after crd_images_share */
    crd_shared_model *shared;          /**< owned; this and the rest after crd_context_share */
    int64_t n_images, n_draws;
    const char *estimator; /**< static */
    crd_output_kind outputs;
} crd_context;

/** Opens images (n may be 0: there are none) and posterior. estimator NULL: the one that the
 * posterior is meant for. Rank 0 only. Errors: of crd_images_open and crd_posterior_read;
 * CRD_ERR_INPUT: the estimator is not one. Close it in any case. */
crd_status crd_context_open(crd_context *out, const char *posterior, const char *const *inputs,
                            int n_inputs, int skip_bad, const char *estimator);
/** The posterior's half of that, of one in memory, which is taken over, also on error. */
crd_status crd_context_take(crd_context *context, crd_posterior *posterior, const char *estimator);
/** Draws of the run, n_draws: crd_posterior_n_draws of the options. Rank 0 only. */
crd_status crd_context_set_draws(crd_context *context, const crd_predict_options *options);
/** Agrees on `local`, rank 0's status so far, and brings model and facts to all ranks. eps, mean:
 * of crd_shared_model_create. Collective: on comm. */
crd_status crd_context_share(crd_context *context, crd_comm *comm, crd_status local,
                             const float *eps, int mean);
/** Borrowed; what crd_context_share has shared. */
const crd_model *crd_context_model(const crd_context *context);
/** What files say of the inputs; the posterior's digest is made with the first call. inputs: as
 * opened. Rank 0 only. Errors: the posterior cannot be read. */
crd_status crd_context_inputs(crd_run_inputs *out, crd_context *context, const char *const *inputs,
                              int n_inputs);
/** Collective if it was shared. */
void crd_context_close(crd_context *context);

#endif
