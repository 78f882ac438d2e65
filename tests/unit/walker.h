/** Runs a deterministic network op by op over a memory plan, as the engine does, and makes
 * weights and images by a formula that tests/golden/zoo_models.py evaluates to the same bits. */
#ifndef CRD_TESTS_UNIT_WALKER_H
#define CRD_TESTS_UNIT_WALKER_H

#include "graph/plan.h"

/** offset + scale * u with u in [-1, 1) from a hash of name and index. */
void walker_fill(float *out, int64_t n, const char *name, float scale, float offset);

/** Allocates network->params.n_floats floats (crd_free) and fills every parameter by its name. */
crd_status walker_make_params(float **out, const crd_network *network);

/** A plan in which nothing is fused. */
crd_status plan_plainly(crd_plan *plan, const crd_network *network, const uint8_t *random,
                        int64_t n_images, int64_t n_draws);

/** logits[n_draws][n_images][n_outputs] for images[n_images][channels][height][width]. Ops i with
 * random[i] are run once a draw (all draws the same weights); NULL: none. */
crd_status walker_run(float *logits, const crd_network *network, const float *params,
                      const float *images, const uint8_t *random, int64_t n_images,
                      int64_t n_draws);

#endif
