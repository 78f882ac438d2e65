/** The Hessian of a last layer over ranks.
 */
#ifndef CRD_ENGINE_CURVATURE_RANKS_H
#define CRD_ENGINE_CURVATURE_RANKS_H

#include "bayes/curvature.h"
#include "credence/comm.h"
#include "credence/train.h"

/** Images of a pass of a rank. The last bits of sums depend on it. */
#define CRD_CURVATURE_BATCH 32

/** Adds n_images to `curvature`, which has room for CRD_CURVATURE_BATCH at once; rank 0 has all
 * sums then. `features` is the network before the last layer, ready to run, without draws. Of
 * `hooks`, load hands over images and labels, and progress is told of images. Collective: on comm;
 * all ranks return the same status. Errors: of load, crd_sampler_run, crd_curvature_add,
 * crd_rank_check_compare. */
crd_status crd_curvature_gather(crd_curvature *curvature, crd_comm *comm, const crd_model *features,
                                int64_t n_images, const crd_train_hooks *hooks);

#endif
