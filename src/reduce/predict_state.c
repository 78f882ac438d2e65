/* Frees a state of a prediction that was read from a checkpoint. What it holds:
 * reduce/predict_state.h. */
#include "reduce/predict_state.h"

#include "base/alloc.h"

void crd_predict_state_clear(crd_predict_state *state)
{
    crd_free(state->done);
    crd_free(state->sums);
    crd_free(state->maxima);
    *state = (crd_predict_state){0};
}
