/* Rank 0's training state on all ranks, each with a copy of its own, since every rank makes the
 * same update. */
#include "credence/train.h"

#include <string.h>

#include "base/alloc.h"

/* What other ranks must know before they can make room. */
typedef struct state_size {
    int64_t json_bytes, n_params, n_floats, has_prior_mu, n_states, history_capacity, has_kept;
} state_size;

static crd_status measure(state_size *size, char **json, const crd_train_state *state)
{
    const crd_posterior *p = state->posterior;
    crd_status status = crd_network_to_json(json, p->network);
    if (status == CRD_OK)
        *size = (state_size){
            .json_bytes = (int64_t)strlen(*json) + 1,
            .n_params = p->network->params.n_params,
            .n_floats = p->network->params.n_floats,
            .has_prior_mu = p->prior_mu != NULL,
            .n_states = state->n_states,
            .history_capacity = state->history_capacity,
            .has_kept = state->kept != NULL,
        };
    return status;
}

/* A posterior and a state of that size on a rank that has none yet. */
static crd_status make_room(crd_train_state *state, crd_posterior **posterior,
                            const state_size *size, const char *json)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    CRD_TRY(crd_network_from_json(&network, json));
    CRD_TRY(crd_posterior_create(posterior, network));
    if (size->has_prior_mu)
        CRD_ALLOC(&(*posterior)->prior_mu, size->n_floats, "prior means");
    CRD_TRY(crd_train_state_init(state, *posterior, (int)size->n_states, size->history_capacity));
    if (size->has_kept)
        CRD_TRY(crd_train_state_keep_gradients(state));
cleanup:
    return status;
}

/* Members that are pointers stay what they are on each rank. */
static void share_values(crd_train_state *state, crd_comm *comm, const state_size *size)
{
    crd_posterior *p = state->posterior;
    int64_t n_bytes = size->n_floats * (int64_t)sizeof(float);
    crd_comm_broadcast(comm, p->mu, n_bytes);
    crd_comm_broadcast(comm, p->rho, n_bytes);
    crd_comm_broadcast(comm, p->bayesian, size->n_params);
    if (size->has_prior_mu)
        crd_comm_broadcast(comm, p->prior_mu, n_bytes);
    crd_comm_broadcast(comm, &p->conversion, sizeof p->conversion);
    crd_comm_broadcast(comm, &p->outputs, sizeof p->outputs);
    crd_comm_broadcast(comm, &p->preprocessing, sizeof p->preprocessing);
    for (int k = 0; k < state->n_states; k++)
        crd_comm_broadcast(comm, state->states[k], 2 * n_bytes);
    if (size->has_kept)
        crd_comm_broadcast(comm, state->kept, 2 * n_bytes);
    crd_comm_broadcast(comm, state->history,
                       size->history_capacity * (int64_t)sizeof *state->history);
    crd_comm_broadcast(comm, &state->step, sizeof state->step);
    crd_comm_broadcast(comm, &state->epoch, sizeof state->epoch);
    crd_comm_broadcast(comm, &state->batch, sizeof state->batch);
    crd_comm_broadcast(comm, state->sums, sizeof state->sums);
    crd_comm_broadcast(comm, &state->best, sizeof state->best);
}

crd_status crd_train_state_share(crd_train_state *state, crd_posterior **posterior, crd_comm *comm)
{
    crd_status status = CRD_OK;
    state_size size = {0};
    char *json = NULL, *text = NULL;
    int is_root = crd_comm_rank(comm) == 0;
    CRD_TRY(crd_comm_agree(comm, is_root ? measure(&size, &json, state) : CRD_OK));
    crd_comm_broadcast(comm, &size, sizeof size);
    CRD_TRY(crd_comm_agree(comm, crd_alloc_zeroed((void **)&text, size.json_bytes, 1, "graph")));
    if (is_root)
        memcpy(text, json, (size_t)size.json_bytes);
    crd_comm_broadcast(comm, text, size.json_bytes);
    CRD_TRY(crd_comm_agree(comm, is_root ? CRD_OK : make_room(state, posterior, &size, text)));
    share_values(state, comm, &size);
cleanup:
    crd_network_text_free(json);
    crd_free(text);
    return status;
}
