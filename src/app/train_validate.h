/** Validation of a posterior in training, by prediction over all ranks. Private to this room. */
#ifndef CRD_APP_TRAIN_VALIDATE_H
#define CRD_APP_TRAIN_VALIDATE_H

#include "app/image_set.h"
#include "credence/comm.h"
#include "credence/predict.h"
#include "credence/train_state.h"

typedef struct crd_validation {
    crd_dataset *dataset; /**< rank 0: owned; NULL: held-out images of the training set's */
    crd_image_set images; /**< rank 0; without images there is no validation */
    int64_t *labels;      /**< rank 0: [n_images]; regression: NULL */
    crd_predict_options options;
} crd_validation;

void crd_validation_clear(crd_validation *validation);

/** Fills in the figures of the predictive distribution; those without a meaning for the
 * posterior's outputs are NaN. Collective: on comm, equal on all ranks. Errors: of crd_predict. */
crd_status crd_validation_run(double out[CRD_N_VALIDATIONS], crd_validation *validation,
                              crd_comm *comm, const crd_posterior *posterior);

#endif
