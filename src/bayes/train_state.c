/* What training keeps from step to step, allocated and freed. */
#include "credence/train_state.h"

#include <math.h>

#include "base/alloc.h"
#include "bayes/collection.h"

double crd_epoch_score(const crd_epoch *epoch)
{
    double nll = epoch->validation[CRD_VALIDATION_NLL];
    return isnan(nll) ? epoch->validation[CRD_VALIDATION_MSE] : nll;
}

const crd_epoch *crd_epoch_best(const crd_epoch *epochs, int64_t n)
{
    const crd_epoch *best = NULL;
    for (int64_t i = 0; i < n; i++) {
        double score = crd_epoch_score(&epochs[i]);
        if (!isnan(score) && (best == NULL || score < crd_epoch_score(best)))
            best = &epochs[i];
    }
    return best;
}

crd_status crd_train_state_init(crd_train_state *state, crd_posterior *posterior, int n_states,
                                int64_t n_epochs)
{
    crd_status status = CRD_OK;
    *state = (crd_train_state){
        .posterior = posterior,
        .n_states = n_states,
        .history_capacity = n_epochs,
        .best = NAN,
    };
    for (int k = 0; k < n_states; k++)
        CRD_ALLOC(&state->states[k], 2 * posterior->network->params.n_floats, "moments");
    CRD_ALLOC(&state->history, n_epochs, "history");
cleanup:
    if (status != CRD_OK)
        crd_train_state_clear(state);
    return status;
}

crd_status crd_train_state_keep_gradients(crd_train_state *state)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(&state->kept, 2 * state->posterior->network->params.n_floats, "kept gradients");
cleanup:
    return status;
}

crd_status crd_train_state_reserve(crd_train_state *state, int64_t n_epochs)
{
    crd_status status = CRD_OK;
    if (n_epochs <= state->history_capacity)
        return CRD_OK;
    CRD_TRY(crd_alloc_grow((void **)&state->history, state->history_capacity, n_epochs,
                           sizeof *state->history, "history"));
    state->history_capacity = n_epochs;
cleanup:
    return status;
}

crd_status crd_train_state_collect(crd_train_state *state, const crd_collect_options *options)
{
    return crd_collection_create(&state->collection, options,
                                 state->posterior->network->params.n_floats);
}

void crd_train_state_clear(crd_train_state *state)
{
    crd_collection_destroy(state->collection);
    crd_free(state->kept);
    for (int k = 0; k < 2; k++)
        crd_free(state->states[k]);
    crd_free(state->history);
    *state = (crd_train_state){0};
}
