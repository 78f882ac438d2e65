/** Adam's step as the kernels take it, for who does more than that in one pass. For engine too. */
#ifndef CRD_OPTIM_ADAM_H
#define CRD_OPTIM_ADAM_H

#include "credence/optim.h"
#include "kernels/param.h"

/** The scalars of step number `step`. Returns 0 if the optimizer is another. */
int crd_optimizer_adam(crd_adam *out, int64_t step, double lr,
                       const crd_optimizer_options *options);

#endif
