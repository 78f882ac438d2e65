/** Windows of components of a model that is streamed. */
#ifndef CRD_ENGINE_SHARED_MODEL_H
#define CRD_ENGINE_SHARED_MODEL_H

#include "credence/predict.h"

/** 1 if a node holds only some of the components at a time. NULL is allowed. */
bool crd_shared_model_is_streamed(const crd_shared_model *shared);
/** Components that one draw block needs: draws have them in turn. */
int64_t crd_block_components(int64_t n_components, int64_t draw_block, bool antithetic);
/** Every node holds components [first, first + n), modulo their number; those that it held before
 * are gone. Reads them, unless they are there or on their way. Collective: on the model's comm,
 * synchronises. Errors: of the source. */
crd_status crd_shared_model_hold(crd_shared_model *shared, int64_t first, int64_t n);
/** Begins to read what will be held next, beside what is held now; a failure shows with
 * crd_shared_model_hold. Collective: no, but all ranks call it alike; only rank 0 works, in a
 * thread. */
void crd_shared_model_prefetch(crd_shared_model *shared, int64_t first, int64_t n);
/** Before results of a streamed model are believed: whether all that was read was undamaged.
 * Collective. Errors: of the source. */
crd_status crd_shared_model_finish(crd_shared_model *shared);

#endif
