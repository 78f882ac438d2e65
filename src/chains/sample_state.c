/* The end of a state of chains. */
#include "credence/sample_state.h"

#include "base/alloc.h"

void crd_sample_state_clear(crd_sample_state *state)
{
    for (int64_t c = 0; state->vectors != NULL && c < state->n_chains; c++)
        crd_free(state->vectors[c]);
    crd_free(state->vectors);
    crd_free(state->numbers);
    crd_free(state->figures);
    *state = (crd_sample_state){0};
}
