/** What a training by IVON has of its own. Its Hessian and not rho is what is carried from step to
 * step: rho of the posterior is up to date only after crd_train_ivon_write_rho. Private to this
 * room. */
#ifndef CRD_ENGINE_TRAIN_IVON_H
#define CRD_ENGINE_TRAIN_IVON_H

#include "bayes/gradient.h"
#include "credence/train.h"

/** Before the first step of a call: the posterior's prior is the one that weight decay means, and
 * before the first of all the Hessian is hess_init. */
void crd_train_ivon_begin(crd_train_state *state, const crd_optimizer_options *options);

/** The state's Hessian: [n_floats] by the parameters' offsets. */
float *crd_train_ivon_hessian(const crd_train_state *state);

/** The gradient's sigma is that of the Hessian from now on. */
void crd_train_ivon_set_sigma(crd_gradient *gradient, const crd_train_state *state,
                              const crd_optimizer_options *options);

/** The posterior's rho is that of the Hessian: before anybody looks at it. */
void crd_train_ivon_write_rho(crd_train_state *state, const crd_optimizer_options *options);

#endif
