/** Validation of a posterior in training, by prediction over all ranks. */
#ifndef CRD_CLI_TRAIN_VALIDATE_H
#define CRD_CLI_TRAIN_VALIDATE_H

#include "cli/images.h"
#include "credence/predict.h"

typedef struct crd_validation {
    crd_image_source images; /**< rank 0 */
    int64_t *labels;         /**< rank 0: [n_images] */
    crd_predict_options options;
} crd_validation;

/** Fills out[3], accuracy, NLL in nats, ECE, of the predictive distribution. Collective: on comm, equal on
 * all ranks. Errors: of crd_predict. */
crd_status crd_validation_run(double out[3], crd_validation *validation, crd_comm *comm,
                              const crd_posterior *posterior);

#endif
