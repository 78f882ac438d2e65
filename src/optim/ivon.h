/** IVON where there is no posterior. Private to this room. */
#ifndef CRD_OPTIM_IVON_H
#define CRD_OPTIM_IVON_H

#include "credence/optim.h"

/** A row of the table of optimizers: IVON's step with a Hessian that stays at hess_init, as without
 * draws nothing is learnt of it. states[0] is the momentum. */
int crd_ivon_step_fixed(float *params, const float *grads, float *const *states, int64_t n,
                        int64_t step, double lr, const crd_optimizer_options *options);

#endif
