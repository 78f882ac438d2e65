/* Rank 0's posterior on all ranks. The graph travels as JSON, so that every rank checks it; mu,
 * sigma and eps, of all components, lie once per node in shared memory. */
#include "credence/predict.h"

#include <string.h>

#include "base/alloc.h"
#include "weights/family.h"

struct crd_shared_model {
    crd_network *network;
    uint8_t *bayesian;
    crd_shared *numbers; /* mu, and if there are: sigma, deviations, imported eps */
    crd_model view;
};

/* What all ranks must know before they can make room. */
typedef struct model_size {
    int64_t json_bytes, n_flags, n_floats; /* of all components; a block's floats */
    int64_t i_family, n_components, n_chains, has_sigma, rank;
    int64_t n_eps; /* floats */
} model_size;

/* The graph travels as text, so that every rank checks what it gets. */
static crd_status share_network(crd_shared_model *m, crd_comm *comm, const crd_posterior *posterior,
                                model_size *size)
{
    crd_status status = CRD_OK;
    char *json = NULL, *text = NULL;
    if (crd_comm_rank(comm) == 0) {
        status = crd_network_to_json(&json, posterior->network);
        if (status == CRD_OK)
            size->json_bytes = (int64_t)strlen(json) + 1;
    }
    CRD_TRY(crd_comm_agree(comm, status));
    crd_comm_broadcast(comm, size, sizeof *size);
    status = crd_alloc_zeroed((void **)&text, size->json_bytes, 1, "graph");
    if (status == CRD_OK)
        status = crd_alloc_zeroed((void **)&m->bayesian, size->n_flags, 1, "graph");
    CRD_TRY(crd_comm_agree(comm, status));
    if (crd_comm_rank(comm) == 0) {
        memcpy(text, json, (size_t)size->json_bytes);
        memcpy(m->bayesian, posterior->bayesian, (size_t)size->n_flags);
    }
    crd_comm_broadcast(comm, text, size->json_bytes);
    crd_comm_broadcast(comm, m->bayesian, size->n_flags);
    CRD_TRY(crd_comm_agree(comm, crd_network_from_json(&m->network, text)));
cleanup:
    crd_network_text_free(json);
    crd_free(text);
    return status;
}

crd_status crd_shared_model_create(crd_shared_model **out, crd_comm *comm,
                                   const crd_posterior *posterior, const float *eps, int mean)
{
    crd_status status = CRD_OK;
    model_size size = {0};
    crd_shared_model *m = NULL;
    *out = NULL;
    CRD_TRY(crd_comm_agree(comm, crd_alloc_zeroed((void **)&m, 1, sizeof *m, "model")));
    if (crd_comm_rank(comm) == 0) {
        while (crd_families[size.i_family] != posterior->family)
            size.i_family++;
        size.n_components = posterior->n_components;
        size.n_chains = posterior->n_chains;
        size.n_flags = size.n_components * posterior->network->params.n_params;
        size.n_floats = size.n_components * posterior->network->params.n_floats;
        size.has_sigma = posterior->family->has_sigma && !mean;
        size.rank = mean ? 0 : posterior->rank;
        if (eps != NULL)
            size.n_eps = posterior->network->params.n_floats + size.rank;
    }
    CRD_TRY(share_network(m, comm, posterior, &size));
    const crd_family *family = crd_families[size.i_family];
    int64_t n_blocks = 1 + size.has_sigma + size.rank;
    int64_t n_bytes = (n_blocks * size.n_floats + size.n_eps) * (int64_t)sizeof(float);
    CRD_TRY(crd_shared_create(&m->numbers, comm, n_bytes));
    float *mu = crd_shared_data(m->numbers), *own_eps = mu + n_blocks * size.n_floats;
    float *sigma = size.has_sigma ? mu + size.n_floats : NULL;
    float *deviations = size.rank > 0 ? sigma + size.n_floats : NULL;
    if (crd_comm_rank(comm) == 0) {
        status = crd_model_fill(mu, sigma, posterior);
        if (deviations != NULL)
            crd_model_fill_deviations(deviations, posterior);
        if (eps != NULL)
            memcpy(own_eps, eps, (size_t)size.n_eps * sizeof *eps);
    }
    CRD_TRY(crd_comm_agree(comm, status));
    crd_shared_broadcast(m->numbers, n_bytes);
    m->view = (crd_model){
        .network = m->network,
        .bayesian = m->bayesian,
        .mu = mu,
        .sigma = sigma,
        .deviations = deviations,
        .rank = size.rank,
        .eps = size.n_eps > 0 ? own_eps : NULL,
        .family = family,
        .n_components = size.n_components,
        .n_chains = size.n_chains,
    };
cleanup:
    if (status != CRD_OK) {
        crd_shared_model_destroy(m);
        m = NULL;
    }
    *out = m;
    return status;
}

void crd_shared_model_destroy(crd_shared_model *shared)
{
    if (shared == NULL)
        return;
    crd_shared_destroy(shared->numbers);
    crd_network_destroy(shared->network);
    crd_free(shared->bayesian);
    crd_free(shared);
}

const crd_model *crd_shared_model_view(const crd_shared_model *shared)
{
    return &shared->view;
}
