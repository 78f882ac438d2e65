/** Whether the loss of one draw changes along its gradient as the gradient says: of a whole network,
 * without a plain version of it. */
#ifndef CRD_TESTS_UNIT_SLOPES_H
#define CRD_TESTS_UNIT_SLOPES_H

#include <stdbool.h>

#include "graph/graph.h"

/** In each third of the parameters, and in all together. The network, which is destroyed, has at least
 * 3 outputs; its weights are the walker's. A network with kinks, as ReLU has, gets a short step. */
void slopes_check(const char *name, crd_network *network, const char *estimator, bool has_kinks);

#endif
